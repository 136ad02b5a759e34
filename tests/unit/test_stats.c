// SPDX-License-Identifier: MIT
/*
 * Statistics: the table shows what was counted and only that; clocks add up.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "debug/stats.h"

struct collector {
	struct report report;
	char text[8192];
};

static void collect(struct report *report, const char *text)
{
	struct collector *c = (struct collector *)report;

	ck_assert_uint_lt(strlen(c->text) + strlen(text) + 2, sizeof(c->text));
	strcat(c->text, text);
	strcat(c->text, "\n");
}

START_TEST(nothing_counted)
{
	struct collector c = { .report = { collect } };

	stats_report(&c.report);
	ck_assert_ptr_eq(strstr(c.text, "blocks"), NULL);
	ck_assert_ptr_eq(strstr(c.text, "exceptions"), NULL);
}
END_TEST

START_TEST(counted_rows_show)
{
	struct collector c = { .report = { collect } };

	stats.blocks = 12345;
	stats.interrupts++;
	stats.exceptions[14] += 7;
	stats.exceptions[9]++;
	stats_report(&c.report);
	ck_assert_ptr_ne(strstr(c.text, "12345  blocks translated"), NULL);
	ck_assert_ptr_ne(strstr(c.text, "1  interrupts delivered"), NULL);
	ck_assert_ptr_ne(strstr(c.text, "7  #PF"), NULL);
	ck_assert_ptr_ne(strstr(c.text, "1  reserved vector"), NULL);
	ck_assert_ptr_eq(strstr(c.text, "#GP"), NULL);
}
END_TEST

START_TEST(clocks_add_up)
{
	uint64_t begin = __builtin_ia32_rdtsc(), total = 0;

	stats_time(STATS_ENGINE);	/* without effect */
	ck_assert_uint_eq(stats.since, 0);
	stats.timed = true;
	stats_time(STATS_ENGINE);
	for (unsigned i = 0; i < 1000; i++) {
		stats_time(STATS_USER);
		stats_time(STATS_KERNEL);
		stats_time(STATS_IDLE);
		stats_time(STATS_ENGINE);
	}
	for (unsigned i = 0; i < STATS_CLOCKS; i++) {
		ck_assert_uint_gt(stats.clock[i], 0);
		total += stats.clock[i];
	}
	ck_assert_uint_le(total, __builtin_ia32_rdtsc() - begin);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tc = tcase_create("stats");

	clock_init();
	tcase_add_test(tc, nothing_counted);
	tcase_add_test(tc, counted_rows_show);
	tcase_add_test(tc, clocks_add_up);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
