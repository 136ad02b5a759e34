// SPDX-License-Identifier: MIT
/*
 * The line is base/clock.h's with a multiplier of 32 bits, rounded down: until the next
 * update a guest's clock falls behind ours by some ns, then it meets ours again; it never
 * goes back.  A deadline is asked of the same line that the guest sees.
 *
 * The page is the guest's memory: what it writes there loses it its own clock.
 */
#include "device/page_clock.h"

#include "abi/ring3_abi.h"
#include "base/clock.h"
#include "machine/steal.h"
#include "memory/ram.h"

#define STEAL_PERIOD_NS	250000000u

static struct {
	uint64_t origin;	/* clock_ns() when it began */
	uint64_t tsc, ns;	/* a point of the line */
	uint32_t mul;
	uint8_t shift;
	uint64_t wall;		/* to be added for ns since 1970 */
	uint64_t page;		/* guest-physical; 0: none */
	uint64_t steal_read;	/* clock_ns() */
} line;

/* ns per tick as (ticks << shift) * mul >> 32, with mul as large as fits. */
static void rate_set(uint64_t mult)
{
	line.shift = 0;
	while (mult >> (CLOCK_SHIFT - 32 + line.shift) > UINT32_MAX)
		line.shift++;
	line.mul = (uint32_t)(mult >> (CLOCK_SHIFT - 32 + line.shift));
}

static uint64_t line_ns(uint64_t tsc)
{
	unsigned __int128 ticks = (unsigned __int128)(tsc - line.tsc) << line.shift;

	return tsc < line.tsc ? line.ns : line.ns + (uint64_t)(ticks * line.mul >> 32);
}

static void line_update(void)
{
	struct clock_line host = clock_line();

	line.tsc = clock_tsc();
	line.ns = host.ns + (uint64_t)((unsigned __int128)(line.tsc - host.tsc) * host.mult >> CLOCK_SHIFT) -
		  line.origin;
	rate_set(host.mult);
	line.wall = clock_realtime_ns() - line.ns;
}

static void page_write(void)
{
	struct ring3_vcpu_page *page = line.page ? ram_dma(GPA(line.page), PAGE_SIZE) : NULL;
	uint32_t version;

	if (!page)
		return;
	version = (__atomic_load_n(&page->clock_version, __ATOMIC_RELAXED) | 1) + 1;
	__atomic_store_n(&page->clock_version, version - 1, __ATOMIC_SEQ_CST);
	page->clock_shift = line.shift;
	page->clock_flags = RING3_CLOCK_STABLE;
	page->clock_mul = line.mul;
	page->clock_tsc = line.tsc;
	page->clock_ns = line.ns;
	page->clock_wall_ns = line.wall;
	__atomic_store_n(&page->steal_ns, steal_ns(), __ATOMIC_RELAXED);
	__atomic_store_n(&page->clock_version, version, __ATOMIC_SEQ_CST);
	ram_dma_written(GPA(line.page), sizeof(*page));
}

void page_clock_init(void)
{
	line.origin = clock_ns();
	line_update();
}

void page_clock_set(uint64_t page)
{
	line.page = page;
	page_clock_update();
}

void page_clock_update(void)
{
	line_update();
	page_write();
}

void page_clock_poll(uint64_t now_ns)
{
	struct ring3_vcpu_page *page;

	if (likely(!line.page) || now_ns - line.steal_read < STEAL_PERIOD_NS)
		return;
	line.steal_read = now_ns;
	page = ram_dma(GPA(line.page), PAGE_SIZE);
	__atomic_store_n(&page->steal_ns, steal_ns(), __ATOMIC_RELAXED);
	ram_dma_written(GPA(line.page), sizeof(*page));
}

uint64_t page_clock_ns(void)
{
	return line_ns(clock_tsc());
}

uint64_t page_clock_deadline(uint64_t ns)
{
	uint64_t at;

	/* In our own clock, which the guest's is behind of by less than that. */
	return __builtin_add_overflow(line.origin, ns, &at) ? UINT64_MAX - 1 : at + 2;
}
