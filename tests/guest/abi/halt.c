// SPDX-License-Identifier: MIT
/*
 * halt returns when an interrupt or an unmasked event is pending, with RFLAGS.IF and the page's flag
 * set or not, with and without a vector and a page; at once if one is already; not for a masked one.
 * ipi signals an event to this CPU and to no other; yield comes back.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"
#include "trap.h"

#define VECTOR	0x63
#define LOCAL	0x64
#define MS	1000000ul
#define EVENT	100

static volatile struct ring3_vcpu_page *shared;
static uint64_t shared_pa;
static volatile uint64_t interrupts, locals;

static bool event_interrupt(struct trap_frame *f)
{
	(void)f;
	interrupts++;
	return true;
}

static bool local_interrupt(struct trap_frame *f)
{
	(void)f;
	locals++;
	lapic_eoi();
	return true;
}

static uint64_t now(void)
{
	return shared->clock_ns + (uint64_t)(((unsigned __int128)(cpu_tsc() - shared->clock_tsc) <<
					      shared->clock_shift) * shared->clock_mul >> 32);
}

static void forget(void)
{
	shared->pending[0] = shared->pending[1] = 0;
	cpu_sti();
	__asm__ volatile("nop; nop");
	cpu_cli();
	shared->pending[0] = shared->pending[1] = 0;
	interrupts = locals = 0;
}

static void halt(void)
{
	expect_equal(ring3_call(RING3_CALL_HALT, 0, 0, 0, 0), 0);
}

/* Halted until the timer, 5 ms ahead. */
static void until_timer(bool open, uint8_t flag, uint8_t vector)
{
	uint64_t deadline;

	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, vector, 0, 0, 0), 0);
	shared->interrupts = 1;
	forget();
	shared->interrupts = flag;
	deadline = now() + 5 * MS;
	expect_equal(ring3_call(RING3_CALL_TIMER_SET, deadline, 0, 0, 0), 0);
	if (open)
		cpu_sti();
	halt();
	cpu_cli();
	expect(now() >= deadline, "%lu ns early: IF %u, flag %u, vector %x", deadline - now(), open, flag,
	       vector);
	expect_equal(shared->pending[0], 1ul << RING3_EVENT_TIMER);
	expect_equal(interrupts, open && flag && vector, "IF %u, flag %u, vector %x", open, flag, vector);
	halt();		/* it still is: at once */
	shared->interrupts = 1;
}

static void local(bool open)
{
	forget();
	lapic_timer_in(LOCAL, 3 * time_tsc_khz());
	if (open)
		cpu_sti();
	halt();
	cpu_cli();
	expect_equal(locals, open, "the local APIC's ended it");
	if (!open)
		halt();		/* not taken yet: at once */
	forget();
	lapic_timer_stop();
}

static void masked(void)
{
	uint64_t deadline;

	forget();
	expect_equal(ring3_call(RING3_CALL_EVENT_MASK, EVENT, 1, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_IPI, 0, EVENT, 0, 0), 0);
	expect_equal(shared->pending[1], 1ul << (EVENT - 64));
	deadline = now() + 5 * MS;
	expect_equal(ring3_call(RING3_CALL_TIMER_SET, deadline, 0, 0, 0), 0);
	halt();
	expect(now() >= deadline, "a masked one is no reason");
	expect_equal(ring3_call(RING3_CALL_EVENT_MASK, EVENT, 0, 0, 0), 0);
	shared->pending[0] = 0;
	halt();
	forget();
}

static void without_page(void)
{
	uint64_t deadline = now() + 5 * MS;

	forget();
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_TIMER_SET, deadline, 0, 0, 0), 0);
	halt();
	expect(now() >= deadline);
	expect_equal(shared->pending[0], 0, "the page is the guest's again");
	halt();
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, shared_pa, 0, 0, 0), 0);
	expect_equal(shared->pending[0], 1ul << RING3_EVENT_TIMER, "shown later");
	forget();
}

static void ipis(void)
{
	forget();
	for (unsigned e = 0; e < RING3_EVENTS; e++) {
		expect_equal(ring3_call(RING3_CALL_IPI, 0, e, 0, 0), 0);
		expect_equal(shared->pending[e / 64], 1ul << e % 64);
		halt();
		cpu_sti();
		__asm__ volatile("nop; nop");
		cpu_cli();
		expect_equal(interrupts, e + 1, "event %u", e);
		shared->pending[e / 64] = 0;
	}
	expect_equal(ring3_call(RING3_CALL_IPI, 0, RING3_EVENTS, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_IPI, 0, UINT32_MAX, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_IPI, 1, 5, 0, 0), HYPERCALL_EINVAL, "there is one CPU");
	expect_equal(ring3_call(RING3_CALL_IPI, 1ul << 32, 5, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_HALT, 1, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_HALT, 1ul << 63, 0, 0, 0), HYPERCALL_EINVAL);
	forget();
	for (unsigned i = 0; i < 100; i++)
		expect_equal(ring3_call(RING3_CALL_YIELD, ~0ul, ~0ul, 0, 0), 0);
	expect_equal(shared->pending[0] | shared->pending[1], 0);
}

void test_main(void)
{
	ring3_accept();
	shared = phys_to_virt(shared_pa = page_alloc());
	shared->size = sizeof(*shared);
	shared->interrupts = 1;
	trap_handler[VECTOR] = event_interrupt;
	trap_handler[LOCAL] = local_interrupt;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, shared_pa, 0, 0, 0), 0);
	lapic_enable();
	for (unsigned i = 0; i < 8; i++)
		until_timer(i & 1, i >> 1 & 1, i & 4 ? VECTOR : 0);
	local(false);
	local(true);
	masked();
	without_page();
	ipis();
}
