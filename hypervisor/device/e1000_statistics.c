// SPDX-License-Identifier: MIT
/*
 * The card's counters (SDM 13.7): they stick at their maximum and are cleared by
 * being read; of a 64-bit one, by reading its upper half.
 */
#include "device/e1000_device.h"

void e1000_count(struct e1000 *d, enum e1000_statistic which, uint32_t n)
{
	uint32_t *counter = e1000_reg(d, which);

	*counter = *counter + n < n ? UINT32_MAX : *counter + n;
}

void e1000_count_octets(struct e1000 *d, enum e1000_statistic low, uint64_t n)
{
	uint32_t *counter = e1000_reg(d, low);
	uint64_t value = (counter[0] | (uint64_t)counter[1] << 32) + n;

	if (value < n)
		value = UINT64_MAX;
	counter[0] = (uint32_t)value;
	counter[1] = (uint32_t)(value >> 32);
}

uint32_t e1000_statistic_read(struct e1000 *d, unsigned offset)
{
	uint32_t *counter = e1000_reg(d, offset), value = *counter;

	switch (offset) {
	case E1000_GORCL:
	case E1000_GOTCL:
	case E1000_TORL:
	case E1000_TOTL:
		return value;
	case E1000_GORCL + 4:
	case E1000_GOTCL + 4:
	case E1000_TORL + 4:
	case E1000_TOTL + 4:
		counter[-1] = 0;
	}
	*counter = 0;
	return value;
}

/* Six registers in a row: 64, 65-127, 128-255, 256-511, 512-1023, 1024-max. */
static unsigned size_class(uint32_t bytes)
{
	static const uint16_t end[] = { 64, 127, 255, 511, 1023 };
	unsigned which = 0;

	while (which < array_size(end) && bytes > end[which])
		which++;
	return which;
}

static bool is_broadcast(const uint8_t a[6])
{
	return (a[0] & a[1] & a[2] & a[3] & a[4] & a[5]) == 0xff;
}

void e1000_count_sent(struct e1000 *d, const uint8_t destination[6], uint32_t bytes, uint32_t frames)
{
	e1000_count(d, E1000_GPTC, frames);
	e1000_count(d, E1000_TPT, frames);
	e1000_count_octets(d, E1000_GOTCL, (uint64_t)bytes * frames);
	e1000_count_octets(d, E1000_TOTL, (uint64_t)bytes * frames);
	e1000_count(d, E1000_PTC64 + 4 * size_class(bytes), frames);
	if (is_broadcast(destination))
		e1000_count(d, E1000_BPTC, frames);
	else if (destination[0] & 1)
		e1000_count(d, E1000_MPTC, frames);
}

void e1000_count_received(struct e1000 *d, const uint8_t destination[6], uint32_t bytes)
{
	e1000_count(d, E1000_GPRC, 1);
	e1000_count_octets(d, E1000_GORCL, bytes);
	e1000_count(d, E1000_PRC64 + 4 * size_class(bytes), 1);
	if (is_broadcast(destination))
		e1000_count(d, E1000_BPRC, 1);
	else if (destination[0] & 1)
		e1000_count(d, E1000_MPRC, 1);
}
