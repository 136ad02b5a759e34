/* SPDX-License-Identifier: MIT */
/* The I/O APIC: edge and level pins, masking, remote IRR and EOI, register access. */
#include "device_fakes.h"

#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pic.h"

static void setup(void)
{
	ck_assert_int_eq(lapic_init(), 0);
	ck_assert_int_eq(ioapic_init(), 0);
	ck_assert_int_eq(pic_init(), 0);
}

static uint32_t get(unsigned reg)
{
	bus_mmio_write(GPA(IOAPIC_BASE), 4, reg);
	return (uint32_t)bus_mmio_read(GPA(IOAPIC_BASE + 0x10), 4);
}

static void set(unsigned reg, uint32_t v)
{
	bus_mmio_write(GPA(IOAPIC_BASE), 4, reg);
	bus_mmio_write(GPA(IOAPIC_BASE + 0x10), 4, v);
}

static void eoi(void) { bus_mmio_write(GPA(LAPIC_DEFAULT_BASE + 0xb0), 4, 0); }

#define LEVEL	0x8000
#define REMOTE	0x4000
#define MASKED	0x10000

START_TEST(test_identity)
{
	ck_assert_uint_eq(get(0), IOAPIC_ID << 24);
	ck_assert_uint_eq(get(1), 0x170020);
	set(0, 0x0f000000);
	ck_assert_uint_eq(get(0), 0x0f000000);
	set(1, 0xffffffff);
	ck_assert_uint_eq(get(1), 0x170020);
	for (unsigned i = 0; i < 24; i++)
		ck_assert_uint_eq(get(0x10 + 2 * i), MASKED);
	ck_assert_uint_eq(get(0x40), 0);
	ck_assert_uint_eq(get(0xff), 0);
	set(0xff, 1);
}
END_TEST

START_TEST(test_entry_bits)
{
	set(0x14, 0xffffffff);
	ck_assert_uint_eq(get(0x14), 0x1afff);	/* status and remote IRR are not writable */
	set(0x15, 0xffffffff);
	ck_assert_uint_eq(get(0x15), 0xff000000);
}
END_TEST

START_TEST(test_edge)
{
	set(0x18, 0x51);
	irq_set(4, true);
	ck_assert_int_eq(irq_acknowledge(), 0x51);
	eoi();
	ck_assert(!irq_pending());		/* still high: no new edge */
	irq_set(4, true);
	ck_assert(!irq_pending());
	irq_set(4, false);
	irq_set(4, true);
	ck_assert_int_eq(irq_acknowledge(), 0x51);
	ck_assert_uint_eq(get(0x18) & REMOTE, 0);
	eoi();
	irq_pulse(4);				/* line was high: no edge */
	irq_pulse(4);
	ck_assert_int_eq(irq_acknowledge(), 0x51);
}
END_TEST

START_TEST(test_masked_edge_is_lost)
{
	set(0x18, 0x51 | MASKED);
	irq_set(4, true);
	set(0x18, 0x51);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_level)
{
	set(0x22, 0x61 | LEVEL);
	irq_set(9, true);
	ck_assert_uint_eq(get(0x22) & REMOTE, REMOTE);
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	irq_set(9, false);
	irq_set(9, true);			/* in service: not again */
	ck_assert(!irq_pending());
	eoi();					/* still asserted: again */
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	irq_set(9, false);
	eoi();
	ck_assert(!irq_pending());
	ck_assert_uint_eq(get(0x22) & REMOTE, 0);
}
END_TEST

START_TEST(test_level_masking)
{
	set(0x22, 0x61 | LEVEL | MASKED);
	irq_set(9, true);
	ck_assert(!irq_pending());
	set(0x22, 0x61 | LEVEL);		/* still asserted when unmasked */
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	set(0x22, 0x61 | LEVEL | MASKED);
	eoi();
	ck_assert(!irq_pending());
	ck_assert_uint_eq(get(0x22) & REMOTE, 0);
	set(0x22, 0x61 | LEVEL);
	ck_assert(irq_pending());
}
END_TEST

START_TEST(test_two_level_pins_share_a_vector)
{
	set(0x22, 0x61 | LEVEL);
	set(0x24, 0x61 | LEVEL);
	irq_set(9, true);
	irq_set(10, true);
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	irq_set(9, false);
	eoi();
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	irq_set(10, false);
	eoi();
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_edge_does_not_broadcast_eoi)
{
	set(0x22, 0x61 | LEVEL);
	set(0x18, 0x61);
	irq_set(9, true);
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	irq_pulse(4);				/* same vector by edge: TMR says edge now */
	eoi();
	ck_assert_int_eq(irq_acknowledge(), 0x61);
	eoi();
	ck_assert_uint_eq(get(0x22) & REMOTE, REMOTE);
	bus_mmio_write(GPA(IOAPIC_BASE + 0x40), 4, 0x61);	/* directed EOI */
	ck_assert_int_eq(irq_acknowledge(), 0x61);
}
END_TEST

START_TEST(test_switch_to_edge_clears_remote_irr)
{
	set(0x22, 0x61 | LEVEL);
	irq_set(9, true);
	ck_assert_uint_eq(get(0x22) & REMOTE, REMOTE);
	set(0x22, 0x61 | MASKED);
	set(0x22, 0x61 | LEVEL | MASKED);
	ck_assert_uint_eq(get(0x22) & REMOTE, 0);
}
END_TEST

START_TEST(test_destination)
{
	set(0x19, 3u << 24);
	set(0x18, 0x51);
	irq_pulse(4);
	ck_assert(!irq_pending());		/* no such APIC */
	set(0x19, 0);
	irq_pulse(4);
	ck_assert(irq_pending());
}
END_TEST

START_TEST(test_nmi_pin)
{
	set(0x18, 0x400);
	irq_pulse(4);
	ck_assert(irq_take_nmi());
}
END_TEST

START_TEST(test_timer_pin_and_8259)
{
	out8(0x20, 0x11); out8(0x21, 0x30); out8(0x21, 4); out8(0x21, 1);
	out8(0x21, 0xfe);
	irq_set(2, true);			/* the timer: IRQ 0 of the 8259 */
	ck_assert_int_eq(irq_acknowledge(), 0x30);
	irq_set(2, false);
	set(0x14, 0x40);
	out8(0x21, 0xff);
	irq_set(2, true);
	ck_assert_int_eq(irq_acknowledge(), 0x40);
}
END_TEST

START_TEST(test_pins_above_the_isa_and_nonsense)
{
	set(0x3e, 0x77);
	irq_pulse(23);
	ck_assert_int_eq(irq_acknowledge(), 0x77);
	irq_pulse(24);
	irq_pulse(1000);
	irq_pulse(0);
}
END_TEST

START_TEST(test_wide_and_narrow_window_access)
{
	bus_mmio_write(GPA(IOAPIC_BASE), 1, 1);
	ck_assert_uint_eq(bus_mmio_read(GPA(IOAPIC_BASE + 0x10), 4), 0x170020);
	ck_assert_uint_eq(bus_mmio_read(GPA(IOAPIC_BASE), 8), 1);
	ck_assert_uint_eq(bus_mmio_read(GPA(IOAPIC_BASE + 0x20), 4), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ioapic");
	TCase *t = tcase_create("ioapic");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_identity);
	tcase_add_test(t, test_entry_bits);
	tcase_add_test(t, test_edge);
	tcase_add_test(t, test_masked_edge_is_lost);
	tcase_add_test(t, test_level);
	tcase_add_test(t, test_level_masking);
	tcase_add_test(t, test_two_level_pins_share_a_vector);
	tcase_add_test(t, test_edge_does_not_broadcast_eoi);
	tcase_add_test(t, test_switch_to_edge_clears_remote_irr);
	tcase_add_test(t, test_destination);
	tcase_add_test(t, test_nmi_pin);
	tcase_add_test(t, test_timer_pin_and_8259);
	tcase_add_test(t, test_pins_above_the_isa_and_nonsense);
	tcase_add_test(t, test_wide_and_narrow_window_access);
	suite_add_tcase(s, t);
	return suite_run(s);
}
