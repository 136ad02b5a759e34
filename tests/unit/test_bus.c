/* SPDX-License-Identifier: MIT */
/* The bus: who answers, what happens at edges, overlaps and moves. */
#include "device_fakes.h"

#include <errno.h>

struct probe {
	uint64_t offset, value;
	unsigned size, reads, writes;
	uint8_t bytes[64];
};

static uint64_t probe_read(void *device, uint64_t offset, unsigned size)
{
	struct probe *p = device;

	p->offset = offset;
	p->size = size;
	p->reads++;
	return 0xf1e2d3c4b5a69788;	/* wider than asked: the bus cuts */
}

static void probe_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct probe *p = device;

	p->offset = offset;
	p->size = size;
	p->value = value;
	p->writes++;
	if (offset + size <= sizeof(p->bytes))
		memcpy(p->bytes + offset, &value, size);
}

static const struct bus_ops any_ops = { .read = probe_read, .write = probe_write };
static const struct bus_ops byte_ops = { .read = probe_read, .write = probe_write, .width = 1 };
static const struct bus_ops mute_ops = { .width = 0 };

START_TEST(test_unclaimed_reads_ones)
{
	ck_assert_uint_eq(bus_pio_read(0x1234, 1), 0xff);
	ck_assert_uint_eq(bus_pio_read(0xffff, 4), 0xffffffff);
	ck_assert_uint_eq(bus_mmio_read(GPA(0xfe000000), 8), UINT64_MAX);
	bus_pio_write(0x80, 1, 0xaa);
	bus_mmio_write(GPA(UINT64_MAX), 8, 0);
	ck_assert_ptr_null(bus_pio_name(0x80));
	ck_assert_ptr_null(bus_mmio_name(GPA(0)));
}
END_TEST

START_TEST(test_pio_offset_size_value)
{
	struct probe p = { 0 };

	ck_assert_int_eq(bus_add_pio(0x100, 8, &any_ops, &p, "p"), 0);
	ck_assert_uint_eq(bus_pio_read(0x102, 2), 0x9788);
	ck_assert_uint_eq(p.offset, 2);
	ck_assert_uint_eq(p.size, 2);
	bus_pio_write(0x104, 4, UINT64_MAX);
	ck_assert_uint_eq(p.value, UINT32_MAX);
	ck_assert_str_eq(bus_pio_name(0x107), "p");
	ck_assert_ptr_null(bus_pio_name(0x108));
	ck_assert_ptr_null(bus_pio_name(0xff));
}
END_TEST

START_TEST(test_wide_access_is_split)
{
	struct probe p = { 0 };

	ck_assert_int_eq(bus_add_pio(0x20, 4, &byte_ops, &p, "p"), 0);
	bus_pio_write(0x20, 4, 0x44332211);
	ck_assert_uint_eq(p.writes, 4);
	ck_assert_int_eq(memcmp(p.bytes, "\x11\x22\x33\x44", 4), 0);
	ck_assert_uint_eq(bus_pio_read(0x22, 2), 0x8888);
	ck_assert_uint_eq(p.reads, 2);
}
END_TEST

START_TEST(test_access_across_the_end)
{
	struct probe a = { 0 }, b = { 0 };

	ck_assert_int_eq(bus_add_pio(0x10, 2, &any_ops, &a, "a"), 0);
	ck_assert_int_eq(bus_add_pio(0x12, 1, &any_ops, &b, "b"), 0);
	bus_pio_write(0x11, 4, 0x44332211);
	ck_assert_uint_eq(a.writes, 1);
	ck_assert_uint_eq(a.value, 0x11);
	ck_assert_uint_eq(b.writes, 1);
	ck_assert_uint_eq(b.value, 0x22);
	ck_assert_uint_eq(bus_pio_read(0x12, 4), 0xffffff88);
	/* Begun at a port that is nobody's: nobody's (a dword to 0xcf8 is not a reset). */
	bus_pio_write(0x0f, 4, 0x44332211);
	ck_assert_uint_eq(a.writes, 1);
	/* The end of the port space. */
	ck_assert_int_eq(bus_add_pio(0xffff, 1, &any_ops, &b, "last"), 0);
	ck_assert_uint_eq(bus_pio_read(0xffff, 2), 0xff88);
}
END_TEST

START_TEST(test_pio_overlap_refused)
{
	struct probe p = { 0 };

	ck_assert_int_eq(bus_add_pio(0x10, 4, &any_ops, &p, "a"), 0);
	ck_assert_int_eq(bus_add_pio(0x13, 1, &any_ops, &p, "b"), -EEXIST);
	ck_assert_int_eq(bus_add_pio(0x0e, 3, &any_ops, &p, "b"), -EEXIST);
	ck_assert_int_eq(bus_add_pio(0xffff, 2, &any_ops, &p, "b"), -EINVAL);
	ck_assert_int_eq(bus_add_pio(0x14, 0, &any_ops, &p, "b"), -EINVAL);
	ck_assert_int_eq(bus_add_pio(0x14, 1, &any_ops, &p, "b"), 0);
}
END_TEST

START_TEST(test_pio_move)
{
	struct probe a = { 0 }, b = { 0 };

	ck_assert_int_eq(bus_add_pio(0x1000, 4, &any_ops, &a, "a"), 0);
	ck_assert_int_eq(bus_add_pio(0x2000, 4, &any_ops, &b, "b"), 0);
	bus_move_pio(&a, 0x1000, 0x3000);
	ck_assert_ptr_null(bus_pio_name(0x1000));
	ck_assert_str_eq(bus_pio_name(0x3003), "a");
	bus_move_pio(&a, 0x3000, 0x2002);	/* onto b: b keeps its ports */
	ck_assert_str_eq(bus_pio_name(0x2003), "b");
	ck_assert_str_eq(bus_pio_name(0x2004), "a");
	bus_move_pio(&a, 0x2002, 0x3000);
	ck_assert_str_eq(bus_pio_name(0x2003), "b");
	ck_assert_ptr_null(bus_pio_name(0x2004));
	bus_move_pio(&a, 0x3000, 0xfffe);	/* runs off the end */
	ck_assert_str_eq(bus_pio_name(0xffff), "a");
}
END_TEST

START_TEST(test_mmio_many_regions)
{
	static struct probe p[60];

	/* Registered out of order, found each. */
	for (unsigned i = 0; i < 60; i++) {
		unsigned k = i * 37 % 60;

		ck_assert_int_eq(bus_add_mmio(GPA(0xf0000000 + k * 0x2000), 0x1000, &any_ops, &p[k],
					      "m"), 0);
	}
	for (unsigned i = 0; i < 60; i++) {
		bus_mmio_write(GPA(0xf0000000 + i * 0x2000 + 0xff8), 8, i);
		ck_assert_uint_eq(p[i].writes, 1);
		ck_assert_uint_eq(p[i].offset, 0xff8);
		ck_assert_ptr_null(bus_mmio_name(GPA(0xf0000000 + i * 0x2000 + 0x1000)));
	}
	ck_assert_int_eq(bus_add_mmio(GPA(0xf0000fff), 1, &any_ops, p, "x"), -EEXIST);
	ck_assert_int_eq(bus_add_mmio(GPA(0xf0001000), 0x1001, &any_ops, p, "x"), -EEXIST);
	ck_assert_int_eq(bus_add_mmio(GPA(0xeffff000), 0x100000, &any_ops, p, "x"), -EEXIST);
	ck_assert_int_eq(bus_add_mmio(GPA(UINT64_MAX), 2, &any_ops, p, "x"), -EINVAL);
}
END_TEST

START_TEST(test_mmio_table_full)
{
	static struct probe p;
	int error = 0;
	unsigned n = 0;

	while (!error && n < 1000)
		error = bus_add_mmio(GPA(0xf0000000 + 0x1000 * n++), 0x1000, &any_ops, &p, "m");
	ck_assert_int_eq(error, -ENOSPC);
}
END_TEST

START_TEST(test_mmio_move_and_remove)
{
	struct probe a = { 0 }, b = { 0 };

	ck_assert_int_eq(bus_add_mmio(GPA(0xfee00000), 0x1000, &any_ops, &a, "a"), 0);
	ck_assert_int_eq(bus_add_mmio(GPA(0xfec00000), 0x1000, &any_ops, &b, "b"), 0);
	bus_mmio_read(GPA(0xfee00000), 4);	/* the last hit must not outlive the move */
	bus_move_mmio(&a, GPA(0xfee00000), GPA(0xfed00000));
	ck_assert_ptr_null(bus_mmio_name(GPA(0xfee00000)));
	ck_assert_str_eq(bus_mmio_name(GPA(0xfed00fff)), "a");
	bus_move_mmio(&a, GPA(0xfed00000), GPA(0xfec00800));
	ck_assert_str_eq(bus_mmio_name(GPA(0xfed00000)), "a");
	ck_assert_str_eq(bus_mmio_name(GPA(0xfec00800)), "b");
	bus_remove_mmio(&a, GPA(0xfed00000));
	ck_assert_ptr_null(bus_mmio_name(GPA(0xfed00000)));
	bus_remove_mmio(&a, GPA(0xfed00000));
	ck_assert_uint_eq(bus_mmio_read(GPA(0xfec00ffe), 4), 0xffff8888);
}
END_TEST

START_TEST(test_device_without_handlers)
{
	ck_assert_int_eq(bus_add_pio(0x500, 1, &mute_ops, NULL, "mute"), 0);
	bus_pio_write(0x500, 1, 1);
	ck_assert_uint_eq(bus_pio_read(0x500, 1), 0xff);
}
END_TEST

START_TEST(test_pio_removed)
{
	struct probe p = { 0 }, q = { 0 };

	/* More often than there are entries: they are used again. */
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(bus_add_pio(0x100, 8, &any_ops, &p, "p"), 0);
		ck_assert_int_eq(bus_add_pio(0x108, 8, &any_ops, &q, "q"), 0);
		bus_remove_pio(&p, 0x100);
		ck_assert_uint_eq(bus_pio_read(0x107, 1), 0xff);
		ck_assert_uint_eq(bus_pio_read(0x108, 1), 0x88);
		bus_remove_pio(&p, 0x108);		/* somebody else's: nothing happens */
		ck_assert_uint_eq(bus_pio_read(0x108, 1), 0x88);
		bus_move_pio(&p, 0x100, 0x200);		/* no longer there */
		ck_assert_ptr_null(bus_pio_name(0x200));
		bus_remove_pio(&q, 0x108);
	}
	ck_assert_ptr_null(bus_pio_name(0x108));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bus");
	TCase *t = tcase_create("bus");

	tcase_add_test(t, test_unclaimed_reads_ones);
	tcase_add_test(t, test_pio_offset_size_value);
	tcase_add_test(t, test_wide_access_is_split);
	tcase_add_test(t, test_access_across_the_end);
	tcase_add_test(t, test_pio_overlap_refused);
	tcase_add_test(t, test_pio_move);
	tcase_add_test(t, test_mmio_many_regions);
	tcase_add_test(t, test_mmio_table_full);
	tcase_add_test(t, test_mmio_move_and_remove);
	tcase_add_test(t, test_device_without_handlers);
	tcase_add_test(t, test_pio_removed);
	suite_add_tcase(s, t);
	return suite_run(s);
}
