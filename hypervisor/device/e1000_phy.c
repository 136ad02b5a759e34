// SPDX-License-Identifier: MIT
/*
 * The card's PHY, a Marvell 88E1011 (SDM 8, 13.4.8; IEEE 802.3 clause 22), behind MDIC.
 *
 * The wire's other end offers everything up to 1000 Mbit/s; negotiation takes no
 * time.  The link is up when the back-end's is, the PHY has power, and both ends
 * find a speed.  It says nothing of how fast frames really go.
 */
#include "device/e1000_device.h"

#include <string.h>

#define PHY_ADDRESS	1u

enum phy_register {
	PHY_CONTROL, PHY_STATUS, PHY_ID1, PHY_ID2, PHY_ADVERTISE, PHY_PARTNER, PHY_EXPANSION,
	PHY_NEXT_PAGE, PHY_PARTNER_NEXT, PHY_GIGABIT, PHY_GIGABIT_STATUS, PHY_EXTENDED_STATUS = 15,
	PHY_SPECIFIC_CONTROL, PHY_SPECIFIC_STATUS, PHY_INTERRUPT_ENABLE, PHY_INTERRUPT_STATUS,
	PHY_EXTENDED_CONTROL, PHY_RECEIVE_ERRORS,
};

#define CONTROL_RESET		(1u << 15)
#define CONTROL_LOOPBACK	(1u << 14)
#define CONTROL_SPEED_LOW	(1u << 13)
#define CONTROL_NEGOTIATE	(1u << 12)
#define CONTROL_POWER_DOWN	(1u << 11)
#define CONTROL_RESTART		(1u << 9)
#define CONTROL_FULL_DUPLEX	(1u << 8)
#define CONTROL_SPEED_HIGH	(1u << 6)
#define CONTROL_DEFAULT		0x1140u

/* 10 and 100 Mbit/s both ways, extended status and registers, no preamble, can negotiate. */
#define STATUS_DEFAULT		0x7949u
#define STATUS_NEGOTIATED	(1u << 5)
#define STATUS_LINK		(1u << 2)

#define ADVERTISE_10_HALF	(1u << 5)	/* and three more: 10 full, 100 half, 100 full */
#define ADVERTISE_DEFAULT	0x0de1u
#define PARTNER_ABILITY		0x4de1u		/* everything, acknowledged */
#define GIGABIT_HALF		(1u << 8)
#define GIGABIT_FULL		(1u << 9)
#define GIGABIT_DEFAULT		0x0f00u
#define GIGABIT_STATUS_UP	0x3c00u		/* both receivers are fine, partner can do both */

static const uint16_t writable[32] = {
	[PHY_CONTROL] = 0x7dc0, [PHY_ADVERTISE] = 0xffff, [PHY_NEXT_PAGE] = 0xffff,
	[PHY_GIGABIT] = 0xff00, [PHY_SPECIFIC_CONTROL] = 0xffff, [PHY_INTERRUPT_ENABLE] = 0xffff,
	[PHY_EXTENDED_CONTROL] = 0xffff, [24] = 0xffff, [29] = 0xffff, [30] = 0xffff,
};

static bool negotiates(const struct e1000_phy *p)
{
	return p->reg[PHY_CONTROL] & CONTROL_NEGOTIATE;
}

/* The best that both ends can; false: nothing. */
static bool speed_find(struct e1000_phy *p)
{
	uint16_t control = p->reg[PHY_CONTROL];
	unsigned common = p->reg[PHY_ADVERTISE] / ADVERTISE_10_HALF & 15;

	if (!negotiates(p)) {
		p->speed = control & CONTROL_SPEED_HIGH ? 2 : control & CONTROL_SPEED_LOW ? 1 : 0;
		p->full_duplex = control & CONTROL_FULL_DUPLEX;
		return true;
	}
	if (p->reg[PHY_GIGABIT] & (GIGABIT_FULL | GIGABIT_HALF)) {
		p->speed = 2;
		p->full_duplex = p->reg[PHY_GIGABIT] & GIGABIT_FULL;
		return true;
	}
	p->speed = common >= 4;
	p->full_duplex = p->speed ? common & 8 : common & 2;
	return common;
}

bool e1000_phy_loopback(const struct e1000_phy *p)
{
	return (p->reg[PHY_CONTROL] & (CONTROL_LOOPBACK | CONTROL_POWER_DOWN)) == CONTROL_LOOPBACK;
}

bool e1000_phy_link(const struct e1000_phy *p)
{
	return p->reg[PHY_STATUS] & STATUS_LINK;
}

static void phy_update(struct e1000_phy *p)
{
	bool power = !(p->reg[PHY_CONTROL] & CONTROL_POWER_DOWN);
	bool up = speed_find(p) && power && (p->wire || e1000_phy_loopback(p));
	bool negotiated = up && negotiates(p);
	uint16_t specific = (uint16_t)(p->speed << 14 | (unsigned)p->full_duplex << 13);

	p->reg[PHY_STATUS] = STATUS_DEFAULT;
	p->reg[PHY_PARTNER] = negotiated ? PARTNER_ABILITY : 0;
	p->reg[PHY_EXPANSION] = negotiated ? 1 : 0;
	p->reg[PHY_GIGABIT_STATUS] = up && p->speed == 2 ? GIGABIT_STATUS_UP : 0;
	p->reg[PHY_SPECIFIC_STATUS] = 0;
	p->was_down |= !up;
	if (!up)
		return;
	p->reg[PHY_STATUS] |= STATUS_LINK | (negotiated ? STATUS_NEGOTIATED : 0);
	/* Speed, duplex: resolved; link, real time; a cable of less than 50 m, straight. */
	p->reg[PHY_SPECIFIC_STATUS] = specific | 0x0c00;
}

void e1000_phy_reset(struct e1000_phy *p)
{
	memset(p->reg, 0, sizeof(p->reg));
	p->reg[PHY_CONTROL] = CONTROL_DEFAULT;
	p->reg[PHY_ID1] = 0x0141;
	p->reg[PHY_ID2] = 0x0c24;
	p->reg[PHY_ADVERTISE] = ADVERTISE_DEFAULT;
	p->reg[PHY_GIGABIT] = GIGABIT_DEFAULT;
	p->reg[PHY_EXTENDED_STATUS] = 0x3000;	/* 1000BASE-T, full and half duplex */
	p->reg[PHY_SPECIFIC_CONTROL] = 0x0068;
	p->reg[PHY_EXTENDED_CONTROL] = 0x0d60;
	phy_update(p);
}

void e1000_phy_init(struct e1000_phy *p, bool wire)
{
	p->wire = wire;
	e1000_phy_reset(p);
	p->was_down = false;
}

void e1000_phy_wire(struct e1000_phy *p, bool up)
{
	p->wire = up;
	phy_update(p);
}

static uint16_t phy_read(struct e1000_phy *p, unsigned reg)
{
	uint16_t value = p->reg[reg];

	if (reg == PHY_STATUS && p->was_down) {
		value &= (uint16_t)~STATUS_LINK;
		p->was_down = !e1000_phy_link(p);
	}
	return value;
}

static void phy_write(struct e1000_phy *p, unsigned reg, uint16_t value)
{
	if (reg == PHY_CONTROL && value & CONTROL_RESET) {
		uint16_t kept[] = { p->reg[PHY_ADVERTISE], p->reg[PHY_GIGABIT],
				    p->reg[PHY_SPECIFIC_CONTROL], p->reg[PHY_EXTENDED_CONTROL] };

		/* The Marvell's software reset puts what was written into effect. */
		e1000_phy_reset(p);
		p->reg[PHY_ADVERTISE] = kept[0];
		p->reg[PHY_GIGABIT] = kept[1];
		p->reg[PHY_SPECIFIC_CONTROL] = kept[2];
		p->reg[PHY_EXTENDED_CONTROL] = kept[3];
	}
	p->reg[reg] = (value & writable[reg]) | (p->reg[reg] & (uint16_t)~writable[reg]);
	if (reg == PHY_CONTROL)		/* restart clears itself */
		p->reg[reg] &= (uint16_t)~CONTROL_RESTART;
	if (reg == PHY_CONTROL || reg == PHY_ADVERTISE || reg == PHY_GIGABIT)
		phy_update(p);
}

uint32_t e1000_mdic_write(struct e1000_phy *p, uint32_t value)
{
	unsigned reg = value >> 16 & 31;
	uint32_t kept = value & (0x0fff0000u | MDIC_IRQ);

	if ((value >> 21 & 31) != PHY_ADDRESS)
		return kept | MDIC_READY | MDIC_ERROR | (value & 0xffff);
	switch (value & (3u << 26)) {
	case MDIC_READ:
		return kept | MDIC_READY | phy_read(p, reg);
	case MDIC_WRITE:
		phy_write(p, reg, (uint16_t)value);
		return kept | MDIC_READY | (value & 0xffff);
	}
	return kept | MDIC_READY | MDIC_ERROR | (value & 0xffff);
}
