// SPDX-License-Identifier: MIT
/*
 * Guest-virtual access: page crossing, faults before any effect, MMIO pieces,
 * code pages, and what the software TLB may and may not remember.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "machine/bus.h"
#include "memory/access.h"
#include "memory/ram.h"

#define P	(1ull << 0)
#define W	(1ull << 1)
#define U	(1ull << 2)
#define D	(1ull << 6)
#define NX	(1ull << 63)

#define PML4	0x1000ul
#define PDPT	0x2000ul
#define PD	0x3000ul
#define PT	0x4000ul
#define PAGE_A	0x10000ul
#define PAGE_B	0x20000ul	/* mapped behind PAGE_A, not adjacent to it */
#define VA	0x40000000ul
#define MMIO	0xfe000000ul
#define RAM	(16 * MIB)

static struct vcpu vcpu;
static gpa_t told;
static unsigned told_count;

static uint64_t *pte(unsigned page)
{
	return (uint64_t *)(LAYOUT_RAM + PT) + page;
}

static uint8_t *host(uint64_t gpa)
{
	return (uint8_t *)(LAYOUT_RAM + gpa);
}

static void code_written(gpa_t page)
{
	told = page;
	told_count++;
	ram_mark_code(page, false);
}

static void setup(void)
{
	memset((void *)LAYOUT_RAM, 0, MIB);
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.cr0 = CR0_PE | CR0_PG | CR0_WP;
	vcpu.cr4 = CR4_PAE | CR4_SMAP;
	vcpu.efer = EFER_LME | EFER_LMA | EFER_NXE;
	vcpu.cr3 = PML4;
	*(uint64_t *)host(PML4) = PDPT | P | W | U;
	((uint64_t *)host(PDPT))[1] = PD | P | W | U;
	*(uint64_t *)host(PD) = PT | P | W | U;
	*pte(0) = PAGE_A | P | W;
	*pte(1) = PAGE_B | P | W;
	for (unsigned i = 0; i < 2 * PAGE_SIZE; i++)
		host(i < PAGE_SIZE ? PAGE_A : PAGE_B - PAGE_SIZE)[i] = (uint8_t)(i * 7 + i / 256);
	told_count = 0;
	ram_code_written = code_written;
	access_flush(&vcpu);
}

static uint8_t pattern(unsigned i)
{
	return (uint8_t)(i * 7 + i / 256);
}

START_TEST(every_size_at_every_offset)
{
	uint8_t buf[64];

	for (unsigned len = 1; len <= 64; len++) {
		for (unsigned at = PAGE_SIZE - 70; at < PAGE_SIZE + 8; at++) {
			ck_assert(access_read(&vcpu, GVA(VA + at), buf, len, WALK_READ));
			for (unsigned i = 0; i < len; i++)
				ck_assert_uint_eq(buf[i], pattern(at + i));
			for (unsigned i = 0; i < len; i++)
				buf[i] = (uint8_t)~buf[i];
			ck_assert(access_write(&vcpu, GVA(VA + at), buf, len, WALK_READ));
			ck_assert_uint_eq(host(PAGE_A)[PAGE_SIZE - 71], pattern(PAGE_SIZE - 71));
			for (unsigned i = 0; i < len; i++) {
				unsigned b = at + i;
				uint8_t *p = b < PAGE_SIZE ? host(PAGE_A) + b : host(PAGE_B) + b - PAGE_SIZE;

				ck_assert_uint_eq(*p, (uint8_t)~pattern(b));
				*p = pattern(b);
			}
		}
	}
}
END_TEST

START_TEST(crossing_fault_writes_nothing)
{
	uint64_t value = ~0ull;

	*pte(1) = PAGE_B | P;	/* read-only */
	ck_assert(!access_write(&vcpu, GVA(VA + PAGE_SIZE - 4), &value, 8, 0));
	ck_assert(vcpu.exception.valid && vcpu.exception.vector == VEC_PF);
	ck_assert_uint_eq(vcpu.exception.cr2, VA + PAGE_SIZE);
	ck_assert_uint_eq(vcpu.exception.error, PF_P | PF_W);
	for (unsigned i = PAGE_SIZE - 4; i < PAGE_SIZE; i++)
		ck_assert_uint_eq(host(PAGE_A)[i], pattern(i));

	*pte(0) = 0;
	ck_assert(!access_read(&vcpu, GVA(VA + PAGE_SIZE - 3), &value, 8, WALK_USER));
	ck_assert_uint_eq(vcpu.exception.cr2, VA + PAGE_SIZE - 3);
	ck_assert_uint_eq(vcpu.exception.error, PF_U);
}
END_TEST

START_TEST(non_canonical)
{
	uint64_t value;

	ck_assert(!access_read(&vcpu, GVA(0x800000000000ul), &value, 8, 0));
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
	ck_assert(!access_read(&vcpu, GVA(0x7ffffffffffful), &value, 8, 0));
}
END_TEST

START_TEST(tlb_keeps_until_flush)
{
	uint32_t value = 0;

	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));
	*pte(0) = 0;
	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));	/* as hardware may */
	access_flush(&vcpu);
	ck_assert(!access_read(&vcpu, GVA(VA), &value, 4, 0));
	/* A fault is never remembered. */
	*pte(0) = PAGE_B | P;
	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert_int_eq(memcmp(&value, host(PAGE_B), 4), 0);
}
END_TEST

START_TEST(tlb_keeps_contexts_apart)
{
	uint32_t value = 0;

	/* What the supervisor may is not what the user may, and reading not writing. */
	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert(!access_read(&vcpu, GVA(VA), &value, 4, WALK_USER));
	*pte(0) = PAGE_A | P | U | NX;
	access_flush(&vcpu);
	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, WALK_USER));
	ck_assert(!access_write(&vcpu, GVA(VA), &value, 4, WALK_USER));
	/* SMAP: AC opens, implicit never. */
	ck_assert(!access_read(&vcpu, GVA(VA), &value, 4, 0));
	vcpu.rflags |= RFLAGS_AC;
	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert(!access_read(&vcpu, GVA(VA), &value, 4, WALK_IMPLICIT));
	vcpu.rflags &= ~(uint64_t)RFLAGS_AC;
	ck_assert(!access_read(&vcpu, GVA(VA), &value, 4, 0));
	/* Fetch is a third thing. */
	vcpu.cpl = 3;
	ck_assert_uint_eq(access_fetch(&vcpu, GVA(VA), (uint8_t *)&value, 4), 0);
	ck_assert_uint_eq(vcpu.exception.error, PF_P | PF_U | PF_I);
}
END_TEST

START_TEST(first_write_sets_dirty)
{
	uint32_t value = 1;

	ck_assert(access_read(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert_uint_eq(*pte(0) & D, 0);
	ck_assert(access_write(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert_uint_eq(*pte(0) & D, D);
}
END_TEST

START_TEST(code_pages_are_told)
{
	uint32_t value = 1;

	ck_assert(access_write(&vcpu, GVA(VA), &value, 4, 0));	/* in the TLB now */
	ram_mark_code(GPA(PAGE_A), true);
	ck_assert(access_write(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told.v, PAGE_A);
	ck_assert(access_write(&vcpu, GVA(VA), &value, 4, 0));
	ck_assert_uint_eq(told_count, 1);
	ram_mark_code(GPA(PAGE_B), true);
	ck_assert(access_write(&vcpu, GVA(VA + PAGE_SIZE - 1), &value, 4, 0));
	ck_assert_uint_eq(told_count, 2);
	ck_assert_uint_eq(told.v, PAGE_B);
	ram_mark_code(GPA(PAGE_B), true);
	ck_assert_ptr_nonnull(access_atomic(&vcpu, GVA(VA + PAGE_SIZE), 8, 0));
	ck_assert_uint_eq(told_count, 3);
}
END_TEST

START_TEST(fetch_stops_at_the_fault)
{
	uint8_t buf[15];

	*pte(1) = 0;
	ck_assert_uint_eq(access_fetch(&vcpu, GVA(VA + PAGE_SIZE - 6), buf, 15), 6);
	ck_assert(!vcpu.exception.valid);
	ck_assert_int_eq(memcmp(buf, host(PAGE_A) + PAGE_SIZE - 6, 6), 0);
	ck_assert_uint_eq(access_fetch(&vcpu, GVA(VA + PAGE_SIZE), buf, 15), 0);
	ck_assert(vcpu.exception.valid && vcpu.exception.cr2 == VA + PAGE_SIZE);
}
END_TEST

START_TEST(atomic_operands)
{
	ck_assert_ptr_eq(access_atomic(&vcpu, GVA(VA + 8), 8, 0), host(PAGE_A) + 8);
	vcpu.exception.valid = false;
	ck_assert_ptr_null(access_atomic(&vcpu, GVA(VA + PAGE_SIZE - 4), 8, 0));
	ck_assert(!vcpu.exception.valid);
	*pte(1) = PAGE_B | P;
	ck_assert_ptr_null(access_atomic(&vcpu, GVA(VA + PAGE_SIZE), 8, 0));
	ck_assert(vcpu.exception.valid);
}
END_TEST

static struct { uint64_t offset; unsigned size; uint64_t value; } bus_log[64];
static unsigned bus_count;

static uint64_t device_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	bus_log[bus_count].offset = offset;
	bus_log[bus_count++].size = size;
	return 0x8877665544332211ull >> (offset % 8 * 8);
}

static void device_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	bus_log[bus_count].offset = offset;
	bus_log[bus_count].value = value;
	bus_log[bus_count++].size = size;
}

START_TEST(mmio)
{
	static const struct bus_ops ops = { .read = device_read, .write = device_write };
	uint8_t buf[16] = { 0 };
	uint32_t value = 0;

	ck_assert_int_eq(bus_add_mmio(GPA(MMIO), 0x1000, &ops, NULL, "test"), 0);
	*pte(0) = MMIO | P | W;
	ck_assert(access_read(&vcpu, GVA(VA + 4), &value, 4, 0));
	ck_assert_uint_eq(value, 0x88776655);
	ck_assert(bus_count == 1 && bus_log[0].offset == 4 && bus_log[0].size == 4);
	value = 0xdeadbeef;
	ck_assert(access_write(&vcpu, GVA(VA + 0xf0), &value, 4, 0));
	ck_assert(bus_count == 2 && bus_log[1].offset == 0xf0 && bus_log[1].value == 0xdeadbeef);
	bus_count = 0;
	ck_assert(access_read(&vcpu, GVA(VA + 8), buf, 16, 0));
	ck_assert(bus_count == 2 && bus_log[0].size == 8 && bus_log[1].offset == 16);
	ck_assert_uint_eq(buf[15], 0x88);
	/* From MMIO into RAM: two bytes each. */
	bus_count = 0;
	ck_assert(access_read(&vcpu, GVA(VA + PAGE_SIZE - 2), &value, 4, 0));
	ck_assert(bus_count == 1 && bus_log[0].size == 2 && bus_log[0].offset == 0xffe);
	ck_assert_int_eq(memcmp((uint8_t *)&value + 2, host(PAGE_B), 2), 0);
	ck_assert_ptr_null(access_atomic(&vcpu, GVA(VA), 4, 0));
}
END_TEST

START_TEST(legacy_addresses_wrap)
{
	uint32_t value = 0x11223344;

	vcpu.efer = 0;
	vcpu.cr0 = CR0_PE;
	host(0)[0] = 0xaa;
	ck_assert(access_read(&vcpu, GVA(0x100000000ul), &value, 1, 0));
	ck_assert_uint_eq(value & 0xff, 0xaa);
}
END_TEST

START_TEST(debugger_sees_all)
{
	uint8_t buf[16];

	*pte(0) = PAGE_A | P | NX;
	*pte(1) = PAGE_B | P | U;	/* SMAP in the way of the supervisor */
	ck_assert_uint_eq(access_debug_read(&vcpu, GVA(VA + PAGE_SIZE - 8), buf, 16), 16);
	ck_assert_int_eq(memcmp(buf + 8, host(PAGE_B), 8), 0);
	memset(buf, 0xcc, sizeof(buf));
	ck_assert_uint_eq(access_debug_write(&vcpu, GVA(VA + 2 * PAGE_SIZE - 8), buf, 16), 8);
	ck_assert_uint_eq(host(PAGE_B)[PAGE_SIZE - 1], 0xcc);
	ck_assert_uint_eq(*pte(1), PAGE_B | P | U);	/* no A, no D */
	ck_assert(!vcpu.exception.valid);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tests = tcase_create("access");

	if (ram_init(RAM))
		return 2;
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, every_size_at_every_offset);
	tcase_add_test(tests, crossing_fault_writes_nothing);
	tcase_add_test(tests, non_canonical);
	tcase_add_test(tests, tlb_keeps_until_flush);
	tcase_add_test(tests, tlb_keeps_contexts_apart);
	tcase_add_test(tests, first_write_sets_dirty);
	tcase_add_test(tests, code_pages_are_told);
	tcase_add_test(tests, fetch_stops_at_the_fault);
	tcase_add_test(tests, atomic_operands);
	tcase_add_test(tests, mmio);
	tcase_add_test(tests, legacy_addresses_wrap);
	tcase_add_test(tests, debugger_sees_all);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
