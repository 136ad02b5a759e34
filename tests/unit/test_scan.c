// SPDX-License-Identifier: MIT
/*
 * The byte scan: each sensitive sequence at each place of a page, across its end,
 * and nothing else: a second, slow statement of the list judges random pages.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "patch/scan.h"

static uint8_t page[PAGE_SIZE + 3];

static const struct sequence {
	uint8_t bytes[3];
	bool found, found32;
} sequences[] = {
	{ { 0x0f, 0xa2, 0x00 }, true, true },		/* cpuid */
	{ { 0x0f, 0x00, 0x00 }, true, true },		/* sldt (%rax) */
	{ { 0x0f, 0x00, 0xc8 }, true, true },		/* str %eax */
	{ { 0x0f, 0x00, 0xd0 }, false, false },		/* lldt: privileged */
	{ { 0x0f, 0x00, 0x18 }, false, false },		/* ltr: privileged */
	{ { 0x0f, 0x00, 0xe0 }, true, true },		/* verr */
	{ { 0x0f, 0x00, 0x28 }, true, true },		/* verw */
	{ { 0x0f, 0x00, 0xf0 }, false, false },		/* /6: invalid */
	{ { 0x0f, 0x01, 0x00 }, true, true },		/* sgdt */
	{ { 0x0f, 0x01, 0x08 }, true, true },		/* sidt */
	{ { 0x0f, 0x01, 0x10 }, false, false },		/* lgdt: privileged */
	{ { 0x0f, 0x01, 0x20 }, true, true },		/* smsw mem */
	{ { 0x0f, 0x01, 0xe0 }, true, true },		/* smsw reg */
	{ { 0x0f, 0x01, 0xf0 }, false, false },		/* lmsw: privileged */
	{ { 0x0f, 0x01, 0xf9 }, true, true },		/* rdtscp */
	{ { 0x0f, 0x01, 0xd0 }, false, false },		/* xgetbv */
	{ { 0x0f, 0x01, 0xef }, true, true },		/* wrpkru */
	{ { 0x0f, 0x01, 0xc1 }, true, true },		/* vmcall */
	{ { 0x0f, 0x01, 0xd9 }, true, true },		/* vmmcall */
	{ { 0x0f, 0x02, 0x00 }, true, true },		/* lar */
	{ { 0x0f, 0x03, 0xc0 }, true, true },		/* lsl */
	{ { 0x0f, 0xc7, 0xf8 }, true, true },		/* rdpid, rdseed */
	{ { 0x0f, 0xc7, 0xf0 }, false, false },		/* rdrand */
	{ { 0x0f, 0xc7, 0x38 }, false, false },		/* memory form */
	{ { 0x0f, 0x34, 0x00 }, true, true },		/* sysenter */
	{ { 0x0f, 0x05, 0x00 }, false, true },		/* syscall */
	{ { 0x0f, 0x31, 0x00 }, false, false },		/* rdtsc */
	{ { 0x0f, 0x0b, 0x00 }, false, false },		/* ud2 */
};

START_TEST(every_place)
{
	const struct sequence *s = &sequences[_i];

	for (unsigned at = 0; at < PAGE_SIZE; at++) {
		memset(page, 0x90, sizeof(page));
		memcpy(page + at, s->bytes, 3);
		ck_assert_int_eq(scan_next(page, page + PAGE_SIZE, 0, true), s->found ? (int)at : -1);
		ck_assert_int_eq(scan_next(page, page + PAGE_SIZE, 0, false),
				 s->found32 ? (int)at : -1);
		if (s->found)
			ck_assert_int_eq(scan_next(page, page + PAGE_SIZE, at + 1, true), -1);
	}
}
END_TEST

/* What follows is not known: whatever could become sensitive is suspicious. */
START_TEST(unknown_tail)
{
	memset(page, 0x90, sizeof(page));
	page[PAGE_SIZE - 1] = 0x0f;
	ck_assert_int_eq(scan_next(page, NULL, 0, true), PAGE_SIZE - 1);
	page[PAGE_SIZE - 1] = 0x01;
	page[PAGE_SIZE - 2] = 0x0f;
	ck_assert_int_eq(scan_next(page, NULL, 0, true), PAGE_SIZE - 2);
	page[PAGE_SIZE - 1] = 0x31;
	ck_assert_int_eq(scan_next(page, NULL, 0, true), -1);
}
END_TEST

static bool naive(const uint8_t *b, bool wide)
{
	for (unsigned i = 0; i < array_size(sequences); i++) {
		struct insn insn;

		if (b[0] != 0x0f || decode_insn_brief(wide ? DECODE_64 : DECODE_32, b, INSN_MAX, &insn))
			continue;
		if (scan_sensitive(&insn, wide))
			return true;
	}
	return false;
}

/* What decodes as sensitive without prefixes is found wherever it stands. */
START_TEST(random_pages)
{
	uint32_t random = 1;

	for (unsigned round = 0; round < 20; round++) {
		static uint8_t big[PAGE_SIZE + 16];

		for (unsigned i = 0; i < sizeof(big); i++) {
			random = random * 1664525 + 1013904223;
			big[i] = random >> 28 < 6 ? 0x0f : (uint8_t)(random >> 20);
		}
		for (unsigned at = 0; at < PAGE_SIZE - 3; at++)
			if (naive(big + at, round & 1))
				ck_assert_int_eq(scan_next(big, big + PAGE_SIZE, at, round & 1), at);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");
	TCase *tc = tcase_create("scan");

	tcase_add_loop_test(tc, every_place, 0, (int)array_size(sequences));
	tcase_add_test(tc, unknown_tail);
	tcase_add_test(tc, random_pages);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
