/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: priorities, EOI, LVT, timer in its three modes, ICR, errors,
 * xAPIC and x2APIC views.  Runs with the real IOAPIC, 8259 and wiring.
 */
#include "device_fakes.h"

#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pic.h"

#define BASE	LAPIC_DEFAULT_BASE

static uint32_t get(unsigned reg) { return (uint32_t)bus_mmio_read(GPA(BASE + reg), 4); }
static void set(unsigned reg, uint32_t v) { bus_mmio_write(GPA(BASE + reg), 4, v); }

static void setup(void)
{
	ck_assert_int_eq(lapic_init(), 0);
	ck_assert_int_eq(ioapic_init(), 0);
	ck_assert_int_eq(pic_init(), 0);
}

static void send(uint8_t vector)
{
	lapic_message(0, false, LAPIC_FIXED, vector, false);
}

START_TEST(test_state_left_by_firmware)
{
	ck_assert_uint_eq(get(0x20), 0);
	ck_assert_uint_eq(get(0x30), 0x50014);
	ck_assert_uint_eq(get(0xf0), 0x1ff);
	ck_assert_uint_eq(get(0x350), 0x700);
	ck_assert_uint_eq(get(0x360), 0x400);
	ck_assert_uint_eq(get(0x320), 0x10000);
	ck_assert_uint_eq(lapic_get_base(), 0xfee00900);
	ck_assert(!irq_pending());
	ck_assert_int_eq(irq_acknowledge(), -1);
}
END_TEST

START_TEST(test_highest_vector_first)
{
	send(0x31);
	send(0xef);
	send(0x80);
	ck_assert_uint_ge(fake_kicks, 1);
	ck_assert_int_eq(irq_acknowledge(), 0xef);
	ck_assert(!irq_pending());		/* both others are of lower class */
	set(0xb0, 0);
	ck_assert_int_eq(irq_acknowledge(), 0x80);
	set(0xb0, 0);
	ck_assert_int_eq(irq_acknowledge(), 0x31);
	set(0xb0, 0);
	ck_assert(!irq_pending());
	set(0xb0, 0);				/* EOI with nothing in service */
}
END_TEST

START_TEST(test_nesting_by_class)
{
	send(0x45);
	ck_assert_int_eq(irq_acknowledge(), 0x45);
	send(0x4f);				/* same class: waits */
	ck_assert(!irq_pending());
	send(0x50);
	ck_assert_int_eq(irq_acknowledge(), 0x50);
	ck_assert_uint_eq(get(0xa0), 0x50);
	ck_assert_uint_eq(get(0x120), 1u << 5 | 1u << 16);
	set(0xb0, 0);				/* ends 0x50, the higher */
	ck_assert_uint_eq(get(0xa0), 0x40);
	ck_assert(!irq_pending());
	set(0xb0, 0);
	ck_assert_int_eq(irq_acknowledge(), 0x4f);
}
END_TEST

START_TEST(test_tpr_masks)
{
	set(0x80, 0x50);
	ck_assert_uint_eq(lapic_get_tpr(), 5);
	send(0x5f);
	ck_assert(!irq_pending());
	send(0x60);
	ck_assert_int_eq(irq_acknowledge(), 0x60);
	set(0xb0, 0);
	lapic_set_tpr(4);
	ck_assert_uint_eq(get(0x80), 0x40);
	ck_assert_int_eq(irq_acknowledge(), 0x5f);
	/* PPR: the whole TPR when its class is at least that in service. */
	set(0x80, 0x5a);
	ck_assert_uint_eq(get(0xa0), 0x5a);
}
END_TEST

START_TEST(test_irr_holds_one_per_vector)
{
	send(0x41);
	send(0x41);
	ck_assert_uint_eq(get(0x220), 1u << 1);
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	send(0x41);				/* one more while in service */
	set(0xb0, 0);
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	set(0xb0, 0);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_software_disable_masks_all)
{
	set(0x320, 0x20030);
	set(0xf0, 0xff);
	ck_assert_uint_eq(get(0x320), 0x30030);
	ck_assert_uint_eq(get(0x350) & 0x10000, 0x10000);
	set(0x320, 0x20030);			/* cannot be unmasked now */
	ck_assert_uint_eq(get(0x320), 0x30030);
	send(0x41);
	ck_assert(!irq_pending());
	set(0xf0, 0x1ff);
	ck_assert(!irq_pending());		/* it was not accepted */
}
END_TEST

START_TEST(test_timer_one_shot)
{
	set(0x3e0, 0x3);			/* divide by 16 */
	set(0x320, 0x41);
	set(0x380, 1000000);
	ck_assert_uint_eq(get(0x390), 1000000);
	fake_sleep(1600);
	ck_assert_uint_eq(get(0x390), 999900);
	fake_sleep(16000000 - 1600 - 1);
	ck_assert(!irq_pending());
	ck_assert_uint_eq(get(0x390), 1);
	fake_sleep(1);
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	ck_assert_uint_eq(get(0x390), 0);
	set(0xb0, 0);
	fake_sleep(100000000);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_timer_divisors)
{
	static const struct { uint32_t dcr; unsigned by; } cases[] = {
		{ 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 },
	};

	for (unsigned i = 0; i < 8; i++) {
		set(0x3e0, cases[i].dcr);
		set(0x380, 1000000);
		fake_now += 128 * 1000;
		ck_assert_uint_eq(get(0x390), 1000000 - 128000 / cases[i].by);
	}
}
END_TEST

START_TEST(test_timer_divisor_changed_while_running)
{
	set(0x3e0, 0xb);
	set(0x320, 0x41);
	set(0x380, 1000000);
	fake_sleep(500000);
	set(0x3e0, 0x0);			/* half left, at half the speed */
	ck_assert_uint_eq(get(0x390), 500000);
	fake_sleep(999999);
	ck_assert(!irq_pending());
	fake_sleep(1);
	ck_assert(irq_pending());
}
END_TEST

START_TEST(test_timer_periodic_keeps_phase)
{
	unsigned n = 0;

	set(0x3e0, 0xb);
	set(0x320, 0x20041);
	set(0x380, 1000000);
	for (unsigned i = 0; i < 1000; i++) {
		fake_sleep(1000000);
		while (irq_acknowledge() == 0x41) {
			set(0xb0, 0);
			n++;
		}
	}
	ck_assert_uint_eq(n, 1000);
	ck_assert_uint_eq(get(0x390), 1000000);
	/* Host away for 10.5 periods: one interrupt, phase kept. */
	fake_now += 10500000;
	ck_assert_uint_eq(get(0x390), 500000);
	timers_run(fake_now);
	ck_assert_uint_eq(get(0x390), 500000);
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	set(0x380, 0);
	fake_sleep(100000000);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_timer_shortest_period_does_not_flood)
{
	unsigned n = 0;

	set(0x3e0, 0xb);
	set(0x320, 0x20041);
	set(0x380, 1);
	for (unsigned i = 0; i < 1000; i++) {
		fake_sleep(1000);
		while (irq_acknowledge() == 0x41) {
			set(0xb0, 0);
			n++;
		}
	}
	ck_assert_uint_le(n, 21);
	ck_assert_uint_ge(n, 15);
}
END_TEST

START_TEST(test_timer_masked_counts_silently)
{
	set(0x3e0, 0xb);
	set(0x320, 0x10041);
	set(0x380, 1000);
	fake_sleep(2000);
	ck_assert(!irq_pending());
	ck_assert_uint_eq(get(0x390), 0);
}
END_TEST

START_TEST(test_timer_tsc_deadline)
{
	lapic_set_tsc_deadline(clock_tsc() + 3000);	/* not in this mode: ignored */
	ck_assert_uint_eq(lapic_get_tsc_deadline(), 0);
	set(0x320, 0x40041);
	lapic_set_tsc_deadline(clock_tsc() + 3001);
	ck_assert_uint_eq(lapic_get_tsc_deadline(), clock_tsc() + 3001);
	set(0x380, 5);				/* the count registers do nothing */
	ck_assert_uint_eq(get(0x390), 0);
	fake_sleep(1000);
	ck_assert(!irq_pending());
	fake_sleep(1);				/* 1000.33 ns: never early */
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	ck_assert_uint_eq(lapic_get_tsc_deadline(), 0);
	set(0xb0, 0);
	lapic_set_tsc_deadline(1);		/* the past: at once */
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	set(0xb0, 0);
	lapic_set_tsc_deadline(clock_tsc() + 3000);
	lapic_set_tsc_deadline(0);		/* disarm */
	fake_sleep(10000);
	ck_assert(!irq_pending());
	lapic_set_tsc_deadline(clock_tsc() + 3000);
	set(0x320, 0x41);			/* leaving the mode disarms */
	ck_assert_uint_eq(lapic_get_tsc_deadline(), 0);
	fake_sleep(10000);
	ck_assert(!irq_pending());
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
}
END_TEST

START_TEST(test_ipi_to_self)
{
	set(0x300, 0x40000 | 0x55);		/* shorthand self */
	ck_assert_int_eq(irq_acknowledge(), 0x55);
	set(0xb0, 0);
	set(0x300, 0x80000 | 0x56);		/* all including self */
	ck_assert_int_eq(irq_acknowledge(), 0x56);
	set(0xb0, 0);
	set(0x300, 0xc0000 | 0x57);		/* all excluding self */
	ck_assert(!irq_pending());
	set(0x310, 0);
	set(0x300, 0x58);			/* physical 0 */
	ck_assert_int_eq(irq_acknowledge(), 0x58);
	set(0xb0, 0);
	set(0x310, 1u << 24);
	set(0x300, 0x59);			/* someone else */
	ck_assert(!irq_pending());
	set(0x310, 0xffu << 24);
	set(0x300, 0x5a);			/* broadcast */
	ck_assert_int_eq(irq_acknowledge(), 0x5a);
	ck_assert_uint_eq(get(0x300), 0x5a);	/* delivery status idle */
}
END_TEST

START_TEST(test_init_and_startup_to_others_are_ignored)
{
	set(0x310, 1u << 24);
	set(0x300, 0x4500);
	set(0x300, 0x4608);
	set(0x300, 0xc4500);			/* INIT to all but self */
	set(0x300, 0x88500);			/* level de-assert to all */
	set(0x310, 0);
	set(0x300, 0x4608);			/* SIPI to a running processor */
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	set(0x300, 0x4500);			/* INIT to oneself is a reset */
	ck_assert_int_eq(fake_stop, MACHINE_REBOOT);
}
END_TEST

START_TEST(test_nmi)
{
	ck_assert(!irq_take_nmi());
	set(0x300, 0x40400);
	ck_assert_uint_ge(fake_kicks, 1);
	ck_assert(irq_take_nmi());
	ck_assert(!irq_take_nmi());
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_logical_destinations)
{
	set(0xd0, 0x02000000);
	lapic_message(2, true, LAPIC_FIXED, 0x61, false);
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	set(0xb0, 0);
	lapic_message(1, true, LAPIC_LOWEST, 0x62, false);
	ck_assert(!irq_pending());
	set(0xe0, 0x0fffffff);			/* cluster model: cluster 0, member 2 */
	lapic_message(0x06, true, LAPIC_FIXED, 0x63, false);
	ck_assert_int_eq(irq_acknowledge(), 0x63);
	set(0xb0, 0);
	lapic_message(0x16, true, LAPIC_FIXED, 0x63, false);
	ck_assert(!irq_pending());
	lapic_message(0xf2, true, LAPIC_FIXED, 0x64, false);
	ck_assert_int_eq(irq_acknowledge(), 0x64);
}
END_TEST

START_TEST(test_message_signalled)
{
	irq_message(0xfee00000, 0x4071);
	ck_assert_int_eq(irq_acknowledge(), 0x71);
	set(0xb0, 0);
	irq_message(0xfee01000, 0x4071);	/* APIC ID 1 */
	irq_message(0xfed00000, 0x4071);	/* not an interrupt address */
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_errors)
{
	set(0x370, 0xfe);
	set(0x300, 0x40005);			/* vector 5 */
	ck_assert_int_eq(irq_acknowledge(), 0xfe);
	set(0xb0, 0);
	ck_assert_uint_eq(get(0x280), 0);	/* latched by a write only */
	set(0x280, 0);
	ck_assert_uint_eq(get(0x280), 0x20);
	set(0x280, 0);
	ck_assert_uint_eq(get(0x280), 0);
	send(3);
	ck_assert_int_eq(irq_acknowledge(), 0xfe);
	set(0xb0, 0);
	set(0x280, 0);
	ck_assert_uint_eq(get(0x280), 0x40);
	get(0x3f0 - 0x30);
	set(0x280, 0);
	ck_assert_uint_eq(get(0x280), 0x80);
	/* An error vector that is itself illegal must not recurse. */
	set(0x370, 0x05);
	send(3);
	set(0x280, 0);
	ck_assert_uint_eq(get(0x280), 0x40);
}
END_TEST

START_TEST(test_register_access_sizes)
{
	ck_assert_uint_eq(bus_mmio_read(GPA(BASE + 0x31), 1), 0x00);
	ck_assert_uint_eq(bus_mmio_read(GPA(BASE + 0x32), 2), 0x05);
	ck_assert_uint_eq(bus_mmio_read(GPA(BASE + 0x30), 8), 0x50014);
	bus_mmio_write(GPA(BASE + 0x80), 1, 0x20);	/* undefined by the manual: nothing */
	bus_mmio_write(GPA(BASE + 0x84), 4, 0x20);
	ck_assert_uint_eq(get(0x80), 0);
}
END_TEST

START_TEST(test_base_moves_and_disables)
{
	ck_assert_int_eq(lapic_set_base(0xfed00900), 0);
	ck_assert_ptr_null(bus_mmio_name(GPA(0xfee00000)));
	ck_assert_uint_eq(bus_mmio_read(GPA(0xfed00030), 4), 0x50014);
	ck_assert_int_eq(lapic_set_base(0xfee00900), 0);
	send(0x41);
	ck_assert_int_eq(lapic_set_base(0xfee00100), 0);
	ck_assert_ptr_null(bus_mmio_name(GPA(0xfee00000)));
	ck_assert(!irq_pending());
	ck_assert(lapic_accepts_extint());
	ck_assert_int_eq(lapic_set_base(0xfee00900), 0);
	ck_assert_uint_eq(get(0xf0), 0xff);	/* reset state */
	ck_assert_int_eq(lapic_set_base(0xfee00901), -1);
	ck_assert_int_eq(lapic_set_base(1ul << 60 | 0xfee00900), -1);
}
END_TEST

START_TEST(test_x2apic)
{
	uint64_t v;

	ck_assert_int_eq(lapic_x2apic_read(0x802, &v), -1);
	ck_assert_int_eq(lapic_set_base(0xfee00500), -1);	/* EXTD without EN */
	ck_assert_int_eq(lapic_set_base(0xfee00d00), 0);
	ck_assert_ptr_null(bus_mmio_name(GPA(0xfee00000)));
	ck_assert_int_eq(lapic_set_base(0xfee00900), -1);	/* not straight back */
	ck_assert_int_eq(lapic_x2apic_read(0x802, &v), 0);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(lapic_x2apic_read(0x80d, &v), 0);
	ck_assert_uint_eq(v, 1);
	ck_assert_int_eq(lapic_x2apic_read(0x80e, &v), -1);
	ck_assert_int_eq(lapic_x2apic_read(0x80b, &v), -1);
	ck_assert_int_eq(lapic_x2apic_read(0x831, &v), -1);
	ck_assert_int_eq(lapic_x2apic_read(0x8ff, &v), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x83f, 0x77), 0);
	ck_assert_int_eq(irq_acknowledge(), 0x77);
	ck_assert_int_eq(lapic_x2apic_write(0x80b, 1), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x80b, 0), 0);
	ck_assert_int_eq(lapic_x2apic_write(0x830, 0x78), 0);
	ck_assert_int_eq(irq_acknowledge(), 0x78);
	ck_assert_int_eq(lapic_x2apic_read(0x830, &v), 0);
	ck_assert_uint_eq(v, 0x78);
	ck_assert_int_eq(lapic_x2apic_write(0x80b, 0), 0);
	ck_assert_int_eq(lapic_x2apic_write(0x830, 0xffffffff00000079), 0);
	ck_assert_int_eq(irq_acknowledge(), 0x79);
	ck_assert_int_eq(lapic_x2apic_write(0x80b, 0), 0);
	ck_assert_int_eq(lapic_x2apic_write(0x808, 0x100), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x808, 0x30), 0);
	ck_assert_uint_eq(lapic_get_tpr(), 3);
	ck_assert_int_eq(lapic_x2apic_write(0x802, 0), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x803, 0), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x832, 1ul << 32), -1);
	ck_assert_int_eq(lapic_x2apic_write(0x832, 0x40041), 0);
	ck_assert_int_eq(lapic_set_base(0xfee00100), 0);	/* off: allowed */
}
END_TEST

START_TEST(test_extint_through_lint0)
{
	out8(0x20, 0x11); out8(0x21, 0x30); out8(0x21, 4); out8(0x21, 1);
	out8(0x21, 0x00);
	irq_set(4, true);
	ck_assert(irq_pending());
	ck_assert_int_eq(irq_acknowledge(), 0x34);
	irq_set(4, false);
	out8(0x20, 0x20);
	set(0x350, 0x10700);			/* masked */
	irq_set(4, true);
	ck_assert(!irq_pending());
	set(0x350, 0x700);
	ck_assert_int_eq(irq_acknowledge(), 0x34);
	irq_set(4, false);
	out8(0x20, 0x20);
	set(0x350, 0x88);			/* fixed: the edge is a vector of the APIC */
	irq_set(4, true);
	ck_assert_int_eq(irq_acknowledge(), 0x88);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_apic_goes_before_extint)
{
	out8(0x20, 0x11); out8(0x21, 0x30); out8(0x21, 4); out8(0x21, 1);
	out8(0x21, 0x00);
	irq_set(4, true);
	send(0x41);
	ck_assert_int_eq(irq_acknowledge(), 0x41);
	ck_assert_int_eq(irq_acknowledge(), 0x34);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lapic");
	TCase *t = tcase_create("lapic");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_state_left_by_firmware);
	tcase_add_test(t, test_highest_vector_first);
	tcase_add_test(t, test_nesting_by_class);
	tcase_add_test(t, test_tpr_masks);
	tcase_add_test(t, test_irr_holds_one_per_vector);
	tcase_add_test(t, test_software_disable_masks_all);
	tcase_add_test(t, test_timer_one_shot);
	tcase_add_test(t, test_timer_divisors);
	tcase_add_test(t, test_timer_divisor_changed_while_running);
	tcase_add_test(t, test_timer_periodic_keeps_phase);
	tcase_add_test(t, test_timer_shortest_period_does_not_flood);
	tcase_add_test(t, test_timer_masked_counts_silently);
	tcase_add_test(t, test_timer_tsc_deadline);
	tcase_add_test(t, test_ipi_to_self);
	tcase_add_test(t, test_init_and_startup_to_others_are_ignored);
	tcase_add_test(t, test_nmi);
	tcase_add_test(t, test_logical_destinations);
	tcase_add_test(t, test_message_signalled);
	tcase_add_test(t, test_errors);
	tcase_add_test(t, test_register_access_sizes);
	tcase_add_test(t, test_base_moves_and_disables);
	tcase_add_test(t, test_x2apic);
	tcase_add_test(t, test_extint_through_lint0);
	tcase_add_test(t, test_apic_goes_before_extint);
	suite_add_tcase(s, t);
	return suite_run(s);
}
