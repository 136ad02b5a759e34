/* SPDX-License-Identifier: MIT */
/* The 8259 pair: initialisation, priorities, every kind of EOI, cascade, poll, ELCR. */
#include "device_fakes.h"

#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pic.h"

static void init(uint16_t port, unsigned base, unsigned icw3, unsigned icw4)
{
	out8(port, 0x11);
	out8(port + 1, base);
	out8(port + 1, icw3);
	out8(port + 1, icw4);
	out8(port + 1, 0);
}

static void setup(void)
{
	ck_assert_int_eq(lapic_init(), 0);
	ck_assert_int_eq(ioapic_init(), 0);
	ck_assert_int_eq(pic_init(), 0);
	init(0x20, 0x30, 4, 1);
	init(0xa0, 0x38, 2, 1);
}

START_TEST(test_mask_register_reads_back)
{
	out8(0x21, 0xfb);
	ck_assert_uint_eq(in8(0x21), 0xfb);
	ck_assert_uint_eq(in8(0xa1), 0x00);
}
END_TEST

START_TEST(test_fixed_priority)
{
	pic_set(5, true);
	pic_set(1, true);
	ck_assert(pic_output());
	ck_assert_int_eq(pic_acknowledge(), 0x31);
	ck_assert(!pic_output());		/* 5 is lower than 1 in service */
	pic_set(0, true);
	ck_assert_int_eq(pic_acknowledge(), 0x30);
	out8(0x20, 0x20);
	out8(0x20, 0x20);
	ck_assert_int_eq(pic_acknowledge(), 0x35);
}
END_TEST

START_TEST(test_edge_needs_a_new_rise)
{
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	out8(0x20, 0x20);
	ck_assert(!pic_output());
	pic_set(3, true);
	ck_assert(!pic_output());
	pic_set(3, false);
	pic_set(3, true);
	ck_assert(pic_output());
	pic_set(3, false);			/* gone before INTA: spurious */
	ck_assert_int_eq(pic_acknowledge(), 0x37);
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0);	/* with no bit in service */
}
END_TEST

START_TEST(test_masked_edge_is_kept)
{
	out8(0x21, 0x08);
	pic_set(3, true);
	ck_assert(!pic_output());
	out8(0x21, 0x00);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
}
END_TEST

START_TEST(test_level_by_elcr)
{
	out8(0x4d0, 0xff);
	ck_assert_uint_eq(in8(0x4d0), 0xf8);	/* 0, 1, 2 are edge */
	out8(0x4d1, 0xff);
	ck_assert_uint_eq(in8(0x4d1), 0xde);	/* 8, 13 too */
	pic_set(9, true);
	ck_assert_int_eq(pic_acknowledge(), 0x39);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	ck_assert_int_eq(pic_acknowledge(), 0x39);	/* still asserted */
	pic_set(9, false);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	ck_assert(!pic_output());
}
END_TEST

START_TEST(test_cascade)
{
	pic_set(8, true);
	pic_set(14, true);
	ck_assert_int_eq(pic_acknowledge(), 0x38);
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0x04);
	out8(0xa0, 0x0b);
	ck_assert_uint_eq(in8(0xa0), 0x01);
	ck_assert(!pic_output());
	out8(0xa0, 0x20);
	ck_assert(!pic_output());		/* the master's cascade is in service */
	out8(0x20, 0x20);
	ck_assert_int_eq(pic_acknowledge(), 0x3e);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	pic_set(15, true);			/* slave before the master's 3..7 */
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x3f);
}
END_TEST

START_TEST(test_spurious_of_the_slave)
{
	pic_set(12, true);
	pic_set(12, false);
	ck_assert(!pic_output());
	ck_assert_int_eq(pic_acknowledge(), 0x37);
}
END_TEST

START_TEST(test_special_fully_nested)
{
	init(0x20, 0x30, 4, 0x11);
	pic_set(12, true);
	ck_assert_int_eq(pic_acknowledge(), 0x3c);
	ck_assert(!pic_output());
	pic_set(9, true);			/* higher within the slave: gets through */
	ck_assert_int_eq(pic_acknowledge(), 0x39);
}
END_TEST

START_TEST(test_specific_eoi)
{
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	pic_set(1, true);
	ck_assert_int_eq(pic_acknowledge(), 0x31);
	out8(0x20, 0x63);			/* 3, though 1 is the highest */
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0x02);
}
END_TEST

START_TEST(test_automatic_eoi)
{
	init(0x20, 0x30, 4, 3);
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0);
}
END_TEST

START_TEST(test_rotation)
{
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	out8(0x20, 0xa0);			/* rotate on EOI: 3 becomes the lowest */
	pic_set(3, false);
	pic_set(3, true);
	pic_set(4, true);
	pic_set(1, true);
	ck_assert_int_eq(pic_acknowledge(), 0x34);
	out8(0x20, 0x20);
	ck_assert_int_eq(pic_acknowledge(), 0x31);
	out8(0x20, 0x20);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	out8(0x20, 0x20);
	out8(0x20, 0xc7);			/* set priority: back to the usual */
	pic_set(5, true);
	pic_set(0, true);
	ck_assert_int_eq(pic_acknowledge(), 0x30);
}
END_TEST

START_TEST(test_special_mask_mode)
{
	pic_set(1, true);
	ck_assert_int_eq(pic_acknowledge(), 0x31);
	out8(0x21, 0x02);
	out8(0x20, 0x68);
	pic_set(6, true);			/* lower, but 1 is masked specially */
	ck_assert_int_eq(pic_acknowledge(), 0x36);
	out8(0x20, 0x20);			/* non-specific: not the masked one */
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0x02);
	out8(0x20, 0x48);
}
END_TEST

START_TEST(test_poll)
{
	out8(0x20, 0x0c);
	ck_assert_uint_eq(in8(0x20), 0);
	pic_set(5, true);
	out8(0x20, 0x0c);
	ck_assert_uint_eq(in8(0x20), 0x85);
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0x20);
}
END_TEST

START_TEST(test_read_irr)
{
	out8(0x21, 0xff);
	pic_set(6, true);
	out8(0x20, 0x0a);
	ck_assert_uint_eq(in8(0x20), 0x40);
	out8(0x20, 0x0b);
	ck_assert_uint_eq(in8(0x20), 0);
}
END_TEST

START_TEST(test_initialisation_clears)
{
	pic_set(3, true);
	ck_assert_int_eq(pic_acknowledge(), 0x33);
	pic_set(4, true);
	init(0x20, 0x50, 4, 1);
	ck_assert(!pic_output());		/* the edge is forgotten */
	pic_set(4, false);
	pic_set(4, true);
	ck_assert_int_eq(pic_acknowledge(), 0x54);
	/* A single one without ICW4 needs two words only. */
	out8(0x20, 0x12);
	out8(0x21, 0x60);
	out8(0x21, 0xef);
	ck_assert_uint_eq(in8(0x21), 0xef);
}
END_TEST

START_TEST(test_rise_kicks)
{
	fake_kicks = 0;
	pic_set(3, true);
	ck_assert_uint_ge(fake_kicks, 1);
	ck_assert(irq_pending());
	ck_assert_int_eq(irq_acknowledge(), 0x33);
	ck_assert(!irq_pending());
}
END_TEST

START_TEST(test_cascade_input_is_nobodys)
{
	pic_set(2, true);
	pic_set(16, true);
	ck_assert(!pic_output());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pic");
	TCase *t = tcase_create("pic");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_mask_register_reads_back);
	tcase_add_test(t, test_fixed_priority);
	tcase_add_test(t, test_edge_needs_a_new_rise);
	tcase_add_test(t, test_masked_edge_is_kept);
	tcase_add_test(t, test_level_by_elcr);
	tcase_add_test(t, test_cascade);
	tcase_add_test(t, test_spurious_of_the_slave);
	tcase_add_test(t, test_special_fully_nested);
	tcase_add_test(t, test_specific_eoi);
	tcase_add_test(t, test_automatic_eoi);
	tcase_add_test(t, test_rotation);
	tcase_add_test(t, test_special_mask_mode);
	tcase_add_test(t, test_poll);
	tcase_add_test(t, test_read_irr);
	tcase_add_test(t, test_initialisation_clears);
	tcase_add_test(t, test_rise_kicks);
	tcase_add_test(t, test_cascade_input_is_nobodys);
	suite_add_tcase(s, t);
	return suite_run(s);
}
