// SPDX-License-Identifier: MIT
/*
 * Which received frames are for this card (SDM 10.1.3, 13.4.22, 13.5): exact
 * addresses, a hash of multicast addresses, broadcast, VLANs, or everything.
 */
#include "device/e1000_device.h"

#include <string.h>

#define RECEIVE_ADDRESSES	16u

static bool is_exact(struct e1000 *d, const uint8_t a[6])
{
	uint32_t low = 0, high = 0;

	memcpy(&low, a, 4);
	memcpy(&high, a + 4, 2);
	for (unsigned i = 0; i < RECEIVE_ADDRESSES; i++) {
		const uint32_t *ra = e1000_reg(d, E1000_RAL + 8 * i);

		/* Those that select by source address are reserved and match nothing. */
		if (ra[0] == low && (ra[1] & (RAH_AV | RAH_AS | 0xffff)) == (RAH_AV | high))
			return true;
	}
	return false;
}

/* 12 bits of the address' last 16: which, RCTL.MO says. */
static bool is_hashed(struct e1000 *d, const uint8_t a[6])
{
	static const uint8_t shift[4] = { 4, 3, 2, 0 };
	unsigned offset = *e1000_reg(d, E1000_RCTL) >> RCTL_MO_SHIFT & 3;
	unsigned bit = (unsigned)(a[4] | a[5] << 8) >> shift[offset] & 0xfff;

	return *e1000_reg(d, E1000_MTA + 4 * (bit / 32)) >> (bit % 32) & 1;
}

bool e1000_filter(struct e1000 *d, const uint8_t destination[6], bool *inexact)
{
	uint32_t rctl = *e1000_reg(d, E1000_RCTL);
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	*inexact = false;
	if (is_exact(d, destination))
		return true;
	if (rctl & RCTL_BAM && !memcmp(destination, broadcast, 6))
		return true;
	if (!(destination[0] & 1))
		return rctl & RCTL_UPE;
	*inexact = true;
	return is_hashed(d, destination) || (rctl & RCTL_MPE);
}

bool e1000_filter_vlan(struct e1000 *d, uint16_t tag)
{
	uint32_t rctl = *e1000_reg(d, E1000_RCTL);
	unsigned id = tag & 0xfff;

	if (!(rctl & RCTL_VFE))
		return true;
	if (rctl & RCTL_CFIEN && !(tag & 0x1000) != !(rctl & RCTL_CFI))
		return false;
	return *e1000_reg(d, E1000_VFTA + 4 * (id / 32)) >> (id % 32) & 1;
}
