// SPDX-License-Identifier: MIT
/*
 * The page walk against a second statement of the manual's rules.
 *
 * Every combination of W, U and NX at each level is built in guest RAM and
 * asked for by every kind of access under every setting of WP, SMEP, SMAP, AC
 * and NXE; `expect()` judges the same from the plain sentences of SDM vol. 3,
 * 4.6.1.  Then A/D bits, reserved bits, the other paging modes, and tables
 * outside RAM, one test each.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "memory/ram.h"
#include "memory/walk.h"

#define P	(1ull << 0)
#define W	(1ull << 1)
#define U	(1ull << 2)
#define A	(1ull << 5)
#define D	(1ull << 6)
#define PS	(1ull << 7)
#define G	(1ull << 8)
#define NX	(1ull << 63)

#define PML4	0x1000ul
#define PDPT	0x2000ul
#define PD	0x3000ul
#define PT	0x4000ul
#define PAGE	0x5000ul
#define ADDR	0xffffffff81234567ul
#define RAM	(16 * MIB)

static struct vcpu vcpu;

static uint64_t *entry(uint64_t table, unsigned index)
{
	return (uint64_t *)(LAYOUT_RAM + table) + index;
}

static uint64_t *e4(uint64_t a) { return entry(PML4, a >> 39 & 511); }
static uint64_t *e3(uint64_t a) { return entry(PDPT, a >> 30 & 511); }
static uint64_t *e2(uint64_t a) { return entry(PD, a >> 21 & 511); }
static uint64_t *e1(uint64_t a) { return entry(PT, a >> 12 & 511); }

static void setup(void)
{
	memset((void *)LAYOUT_RAM, 0, 64 * KIB);
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.cr0 = CR0_PE | CR0_PG | CR0_WP;
	vcpu.cr4 = CR4_PAE | CR4_PGE;
	vcpu.efer = EFER_LME | EFER_LMA | EFER_NXE;
	vcpu.cr3 = PML4;
	*e4(ADDR) = PDPT | P | W | U;
	*e3(ADDR) = PD | P | W | U;
	*e2(ADDR) = PT | P | W | U;
	*e1(ADDR) = PAGE | P | W | U;
}

/* The rules as the manual words them.  0, or the error code's bits with P. */
static bool expect(bool w, bool u, bool nx, unsigned access)
{
	bool wp = vcpu.cr0 & CR0_WP, smep = vcpu.cr4 & CR4_SMEP, smap = vcpu.cr4 & CR4_SMAP;
	bool ac = vcpu.rflags & RFLAGS_AC;

	if (access & WALK_USER) {	/* user-mode accesses */
		if (!u)
			return false;
		if (access & WALK_WRITE)
			return w;
		return access & WALK_EXEC ? !nx : true;
	}
	if (access & WALK_EXEC)		/* supervisor-mode fetches */
		return !nx && !(u && smep);
	if (u && smap && ((access & WALK_IMPLICIT) || !ac))
		return false;
	return !(access & WALK_WRITE) || w || !wp;
}

static uint32_t expect_code(unsigned access, bool nxe)
{
	uint32_t code = PF_P;

	if (access & WALK_WRITE)
		code |= PF_W;
	if (access & WALK_USER)
		code |= PF_U;
	if ((access & WALK_EXEC) && (nxe || (vcpu.cr4 & CR4_SMEP)))
		code |= PF_I;
	return code;
}

static const unsigned kinds[] = {
	WALK_READ, WALK_WRITE, WALK_EXEC, WALK_IMPLICIT, WALK_IMPLICIT | WALK_WRITE,
	WALK_USER, WALK_USER | WALK_WRITE, WALK_USER | WALK_EXEC,
};

static void modes_set(unsigned modes, bool nxe)
{
	vcpu.cr0 = CR0_PE | CR0_PG | (modes & 1 ? CR0_WP : 0);
	vcpu.cr4 = (vcpu.cr4 & ~(uint64_t)(CR4_SMEP | CR4_SMAP)) | (modes & 2 ? CR4_SMEP : 0) |
		   (modes & 4 ? CR4_SMAP : 0);
	vcpu.rflags = modes & 8 ? RFLAGS_AC : 0;
	vcpu.efer = (vcpu.efer & ~(uint64_t)EFER_NXE) | (nxe ? EFER_NXE : 0);
}

static void judge(uint64_t addr, bool w, bool u, bool nx, uint64_t gpa, uint64_t size, bool nxe)
{
	for (unsigned i = 0; i < array_size(kinds); i++) {
		struct walk walk = { 0 };
		uint32_t ret = walk_translate(&vcpu, GVA(addr), kinds[i] | WALK_PROBE, &walk);

		if (!expect(w, u, nx, kinds[i])) {
			ck_assert_uint_eq(ret, WALK_FAULT | expect_code(kinds[i], nxe));
			continue;
		}
		ck_assert_uint_eq(ret, 0);
		ck_assert_uint_eq(walk.gpa.v, gpa);
		ck_assert_uint_eq(walk.page_size, size);
		ck_assert(walk.writable == w && walk.user == u && walk.no_execute == nx);
	}
}

/* levels: 4: 4 KiB, 3: 2 MiB, 2: 1 GiB pages */
static void combinations(unsigned levels)
{
	uint64_t *at[4] = { e4(ADDR), e3(ADDR), e2(ADDR), e1(ADDR) };
	uint64_t plain[4] = { PDPT | P, PD | P, PT | P, PAGE | P };
	uint64_t size = levels == 4 ? PAGE_SIZE : levels == 3 ? 2 * MIB : GIB;
	uint64_t frame = levels == 4 ? PAGE : 4 * GIB;
	unsigned all = (1u << levels) - 1;

	if (levels < 4)
		plain[levels - 1] = frame | P | PS;
	for (unsigned modes = 0; modes < 16; modes++) {
		modes_set(modes, true);
		for (unsigned bits = 0; bits < 1u << 3 * levels; bits++) {
			unsigned w = bits & all, u = bits >> levels & all, nx = bits >> 2 * levels;

			for (unsigned i = 0; i < levels; i++)
				*at[i] = plain[i] | (w >> i & 1 ? W : 0) | (u >> i & 1 ? U : 0) |
					 (nx >> i & 1 ? NX : 0);
			judge(ADDR, w == all, u == all, nx != 0, frame | (ADDR & (size - 1)), size,
			      true);
		}
	}
}

START_TEST(permissions_4k) { combinations(4); } END_TEST
START_TEST(permissions_2m) { combinations(3); } END_TEST
START_TEST(permissions_1g) { combinations(2); } END_TEST

START_TEST(permissions_without_nx)
{
	for (unsigned modes = 0; modes < 16; modes++) {
		modes_set(modes, false);
		for (unsigned bits = 0; bits < 4; bits++) {
			*e1(ADDR) = PAGE | P | (bits & 1 ? W : 0) | (bits & 2 ? U : 0);
			judge(ADDR, bits & 1, bits & 2, false, PAGE | (ADDR & 0xfff), PAGE_SIZE, false);
		}
	}
}
END_TEST

START_TEST(not_present_at_each_level)
{
	uint64_t *at[4] = { e4(ADDR), e3(ADDR), e2(ADDR), e1(ADDR) };
	struct walk walk;

	for (int i = 0; i < 4; i++) {
		uint64_t was = *at[i];

		*at[i] = ~P;	/* all other bits are ignored */
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), WALK_FAULT);
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_USER | WALK_WRITE, &walk),
				  WALK_FAULT | PF_U | PF_W);
		*at[i] = was;
	}
	/* Nothing was marked by failed walks. */
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(*at[i] & A, 0);
}
END_TEST

static void reserved_case(uint64_t *at, uint64_t bit, bool reserved)
{
	uint64_t was = *at;
	struct walk walk;
	uint32_t ret;

	*at = was | bit;
	ret = walk_translate(&vcpu, GVA(ADDR), WALK_WRITE | WALK_PROBE, &walk);
	if (reserved)
		ck_assert_msg(ret == (WALK_FAULT | PF_P | PF_W | PF_RSVD), "bit %lx of %lx: %x", bit, was,
			      ret);
	else
		ck_assert_msg(!(ret & PF_RSVD), "bit %lx of %lx: %x", bit, was, ret);
	*at = was;
}

START_TEST(reserved_bits)
{
	uint64_t *at[4] = { e4(ADDR), e3(ADDR), e2(ADDR), e1(ADDR) };

	for (int level = 0; level < 4; level++) {
		for (unsigned bit = 40; bit < 64; bit++)	/* below: the next table's address */
			reserved_case(at[level], 1ull << bit, bit >= 40 && bit < 52);
		vcpu.efer &= ~(uint64_t)EFER_NXE;
		reserved_case(at[level], NX, true);
		vcpu.efer |= EFER_NXE;
	}
	reserved_case(at[0], PS, true);

	*e2(ADDR) = P | W | PS;
	for (unsigned bit = 8; bit < 63; bit++)
		reserved_case(e2(ADDR), 1ull << bit, (bit >= 13 && bit < 21) || (bit >= 40 && bit < 52));
	*e3(ADDR) = P | W | PS;
	for (unsigned bit = 8; bit < 63; bit++)
		reserved_case(e3(ADDR), 1ull << bit, (bit >= 13 && bit < 30) || (bit >= 40 && bit < 52));
}
END_TEST

START_TEST(accessed_and_dirty)
{
	uint64_t *at[4] = { e4(ADDR), e3(ADDR), e2(ADDR), e1(ADDR) };
	struct walk walk;

	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ | WALK_PROBE, &walk), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(*at[i] & (A | D), 0);

	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), 0);
	ck_assert(!walk.dirty);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(*at[i] & (A | D), A);

	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_WRITE, &walk), 0);
	ck_assert(walk.dirty);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(*at[i] & (A | D), i == 3 ? A | D : A);
	ck_assert_uint_eq(walk.leaf_gpa, (uint64_t)at[3] - LAYOUT_RAM);

	/* A write that is refused marks nothing. */
	setup();
	*e1(ADDR) = PAGE | P;
	ck_assert_uint_ne(walk_translate(&vcpu, GVA(ADDR), WALK_WRITE, &walk), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(*at[i] & (A | D), 0);

	/* Upper levels are marked under a large page, too. */
	setup();
	*e2(ADDR) = P | W | PS;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(*e4(ADDR) & (A | D), A);
	ck_assert_uint_eq(*e3(ADDR) & (A | D), A);
	ck_assert_uint_eq(*e2(ADDR) & (A | D), A | D);
	*e3(ADDR) = P | W | PS;
	*e4(ADDR) &= ~A;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(*e4(ADDR) & (A | D), A);
	ck_assert_uint_eq(*e3(ADDR) & (A | D), A | D);
}
END_TEST

START_TEST(global_needs_pge)
{
	struct walk walk;

	*e1(ADDR) |= G;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), 0);
	ck_assert(walk.global);
	vcpu.cr4 &= ~(uint64_t)CR4_PGE;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), 0);
	ck_assert(!walk.global);
}
END_TEST

/* An empty bus answers ones: present, with reserved bits set. */
START_TEST(tables_outside_ram)
{
	uint64_t *at[3] = { e4(ADDR), e3(ADDR), e2(ADDR) };
	struct walk walk;

	for (int i = 0; i < 3; i++) {
		setup();
		*at[i] = 0xfee00000 | P | W | U;
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk),
				  WALK_FAULT | PF_P | PF_RSVD);
		*at[i] = RAM | P | W | U;	/* the first byte behind RAM */
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk),
				  WALK_FAULT | PF_P | PF_RSVD);
	}
	vcpu.cr3 = 0xfffffff000;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk),
			  WALK_FAULT | PF_P | PF_RSVD);
}
END_TEST

static gpa_t told;
static void code_written(gpa_t page)
{
	told = page;
	ram_mark_code(page, false);
}

/* A table page can hold code as well: whoever translated it hears of A and D. */
START_TEST(accessed_bit_in_code_page)
{
	struct walk walk;

	ram_code_written = code_written;
	ram_mark_code(GPA(PT), true);
	told = GPA(0);
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), 0);
	ck_assert_uint_eq(told.v, PT);
	ram_mark_code(GPA(PT), true);
	told = GPA(0);
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(ADDR), WALK_READ, &walk), 0);
	ck_assert_uint_eq(told.v, 0);	/* nothing to set any more */
}
END_TEST

START_TEST(paging_off)
{
	struct walk walk;

	vcpu.efer = 0;
	vcpu.cr0 = CR0_PE;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(0x123456789aul), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(walk.gpa.v, 0x3456789a);
	ck_assert_uint_eq(walk.leaf_gpa, 0);
}
END_TEST

START_TEST(pae)
{
	const uint64_t addr = 0xc1234567;
	uint64_t *pd = entry(PD, addr >> 21 & 511), *pt = entry(PT, addr >> 12 & 511);
	struct walk walk;

	vcpu.efer = EFER_NXE;
	vcpu.pdpte[3] = PD | P;
	for (unsigned modes = 0; modes < 16; modes++) {
		modes_set(modes, true);
		for (unsigned bits = 0; bits < 64; bits++) {
			unsigned w = bits & 3, u = bits >> 2 & 3, nx = bits >> 4;

			*pd = PT | P | (w & 1 ? W : 0) | (u & 1 ? U : 0) | (nx & 1 ? NX : 0);
			*pt = PAGE | P | (w & 2 ? W : 0) | (u & 2 ? U : 0) | (nx & 2 ? NX : 0);
			judge(addr, w == 3, u == 3, nx, PAGE | (addr & 0xfff), PAGE_SIZE, true);
		}
	}
	modes_set(0, true);
	*pd = PT | P | W;
	*pt = PAGE | P | W;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(*pd & (A | D), A);
	ck_assert_uint_eq(*pt & (A | D), A | D);
	for (unsigned bit = 40; bit < 63; bit++) {	/* here 62:52 are reserved, too */
		*pt = PAGE | P | W | 1ull << bit;
		ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_READ, &walk),
				  WALK_FAULT | PF_P | PF_RSVD);
	}
	*pd = 0x200000 | P | W | PS;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_READ, &walk), 0);
	ck_assert_uint_eq(walk.gpa.v, 0x200000 | (addr & 0x1fffff));
	ck_assert_uint_eq(walk.page_size, 2 * MIB);
	vcpu.pdpte[3] = 0;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_READ, &walk), WALK_FAULT);
}
END_TEST

START_TEST(two_level)
{
	const uint32_t addr = 0xc1234567;
	uint32_t *pd = (uint32_t *)(LAYOUT_RAM + PD) + (addr >> 22);
	uint32_t *pt = (uint32_t *)(LAYOUT_RAM + PT) + (addr >> 12 & 1023);
	struct walk walk;

	vcpu.efer = 0;
	vcpu.cr4 = CR4_PSE;
	vcpu.cr3 = PD;
	for (unsigned modes = 0; modes < 16; modes++) {
		modes_set(modes, false);
		for (unsigned bits = 0; bits < 16; bits++) {
			unsigned w = bits & 3, u = bits >> 2 & 3;

			*pd = (uint32_t)(PT | P | (w & 1 ? W : 0) | (u & 1 ? U : 0));
			*pt = (uint32_t)(PAGE | P | (w & 2 ? W : 0) | (u & 2 ? U : 0));
			judge(addr, w == 3, u == 3, false, PAGE | (addr & 0xfff), PAGE_SIZE, false);
		}
	}
	modes_set(0, false);
	*pd = (uint32_t)(PT | P | W);
	*pt = (uint32_t)(PAGE | P | W);
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(*pd & (A | D), A);
	ck_assert_uint_eq(*pt & (A | D), A | D);

	*pd = 0x00c00000 | 5u << 13 | P | W | PS;	/* PSE-36: address bit 34 and 32 */
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_WRITE, &walk), 0);
	ck_assert_uint_eq(walk.gpa.v, (5ull << 32) | 0x00c00000 | (addr & 0x3fffff));
	ck_assert_uint_eq(walk.page_size, 4 * MIB);
	*pd |= 1u << 21;
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_READ, &walk),
			  WALK_FAULT | PF_P | PF_RSVD);
	vcpu.cr4 = 0;	/* without PSE, PS is just a bit */
	*pd = (uint32_t)(PT | P | W | PS);
	ck_assert_uint_eq(walk_translate(&vcpu, GVA(addr), WALK_READ, &walk), 0);
	ck_assert_uint_eq(walk.gpa.v, PAGE | (addr & 0xfff));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("walk");
	TCase *tests = tcase_create("walk");

	if (ram_init(RAM))
		return 2;
	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, permissions_4k);
	tcase_add_test(tests, permissions_2m);
	tcase_add_test(tests, permissions_1g);
	tcase_add_test(tests, permissions_without_nx);
	tcase_add_test(tests, not_present_at_each_level);
	tcase_add_test(tests, reserved_bits);
	tcase_add_test(tests, accessed_and_dirty);
	tcase_add_test(tests, global_needs_pge);
	tcase_add_test(tests, tables_outside_ram);
	tcase_add_test(tests, accessed_bit_in_code_page);
	tcase_add_test(tests, paging_off);
	tcase_add_test(tests, pae);
	tcase_add_test(tests, two_level);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
