// SPDX-License-Identifier: MIT
/*
 * format_string() against libc's snprintf, for every conversion that log.h
 * promises, and the memory operations against their definitions.
 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SAME(...) do { \
	char ours[200], theirs[200]; \
	int a = format_string(ours, sizeof(ours), __VA_ARGS__); \
	int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
	ck_assert_str_eq(ours, theirs); \
	ck_assert_int_eq(a, b); \
} while (0)

START_TEST(conversions)
{
	SAME("plain");
	SAME("%%|%c|%s|%.3s|%10s|%-10s|", 'x', "text", "abcdef", "right", "left");
	SAME("%d %d %d %d", 0, -1, 2147483647, -2147483647 - 1);
	SAME("%u %x %X %#x", 4294967295u, 0xabcdefu, 0xabcdefu, 0xffu);
	SAME("%ld %ld %lu %lx", 0L, -9223372036854775807L - 1, ~0ul, ~0ul);
	SAME("%lld %llu %llx", -5LL, 5ULL, 0x123456789abcdefULL);
	SAME("%zu %zd", (size_t)123456789012ul, (ssize_t)-7);
	SAME("%5d|%-5d|%05d|%5d|%05d", 42, 42, 42, -42, -42);
	SAME("%8x|%08x|%-8x|%16lx|%016lx", 0xbeef, 0xbeef, 0xbeef, 0xbeeful, 0xbeeful);
	SAME("%*d|%-*d|%*s", 6, 12, 6, 12, 4, "ab");
	SAME("%.4d|%8.4d|%+d|%+d", 42, 42, 1, -1);
	SAME("%p", (void *)0x1234);
	SAME("%2d|%02x", 12345, 0x12345);
}
END_TEST

START_TEST(truncation)
{
	char buf[8] = "1234567";

	ck_assert_int_eq(format_string(buf, 4, "%s", "abcdef"), 6);
	ck_assert_str_eq(buf, "abc");
	ck_assert_int_eq(buf[4], '5');
	ck_assert_int_eq(format_string(buf, 0, "%d", 12345), 5);
	ck_assert_str_eq(buf, "abc");
	ck_assert_int_eq(format_string(buf, 1, "x"), 1);
	ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(mistakes_do_not_crash)
{
	char buf[64];
	const char *volatile unknown = "%q|%", *volatile null = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	format_string(buf, sizeof(buf), unknown);
#pragma GCC diagnostic pop
	ck_assert_str_eq(buf, "%q|%");
	format_string(buf, sizeof(buf), "%s", null);
	ck_assert_str_eq(buf, "(null)");
}
END_TEST

/* Not memcmp(), which is under test here; and an assertion for each byte takes minutes. */
static bool same(const unsigned char *a, const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* Every length around the size classes, every alignment, both directions of overlap. */
START_TEST(memory_operations)
{
	static unsigned char a[2048], b[2048], want[2048];
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	void *(*volatile move)(void *, const void *, size_t) = memmove;
	void *(*volatile set)(void *, int, size_t) = memset;
	int (*volatile compare)(const void *, const void *, size_t) = memcmp;

	for (size_t len = 0; len < 600; len++) {
		for (size_t at = 0; at < 17; at += 1 + len / 100) {
			for (size_t i = 0; i < sizeof(a); i++)
				a[i] = (unsigned char)(i * 31 + len);
			for (size_t i = 0; i < sizeof(b); i++)
				b[i] = want[i] = (unsigned char)~i;
			for (size_t i = 0; i < len; i++)
				want[at + i] = a[7 + i];
			ck_assert_ptr_eq(copy(b + at, a + 7, len), b + at);
			ck_assert(same(b, want, sizeof(b)));
			ck_assert_int_eq(compare(b + at, a + 7, len), 0);

			for (int back = 0; back < 2; back++) {
				size_t from = back ? 600 : 600 + at, to = back ? 600 + at : 600;

				for (size_t i = 0; i < sizeof(b); i++)
					b[i] = want[i] = (unsigned char)(i * 13);
				for (size_t i = 0; i < len; i++)
					want[to + i] = (unsigned char)((from + i) * 13);
				ck_assert_ptr_eq(move(b + to, b + from, len), b + to);
				ck_assert(same(b, want, sizeof(b)));
			}

			for (size_t i = 0; i < len; i++)
				want[at + i] = 0x5a;
			ck_assert_ptr_eq(set(b + at, 0x5a, len), b + at);
			ck_assert(same(b, want, at + len + 1));
		}
	}
	ck_assert_int_lt(compare("abcdefghijk", "abcdefghijl", 11), 0);
	ck_assert_int_gt(compare("abcdefghi\xff", "abcdefghi\x01", 10), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("format");
	TCase *tests = tcase_create("format");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, conversions);
	tcase_add_test(tests, truncation);
	tcase_add_test(tests, mistakes_do_not_crash);
	tcase_add_test(tests, memory_operations);
	suite_add_tcase(suite, tests);
	return suite_run(suite);
}
