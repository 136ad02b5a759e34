// SPDX-License-Identifier: MIT
/*
 * The trace: the ring keeps the last records in order, the command line's list
 * parses, and only chosen classes are printed live.
 */
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "debug/trace.h"

struct collector {
	struct report report;
	unsigned lines;
	char first[REPORT_LINE_MAX], last[REPORT_LINE_MAX], heading[REPORT_LINE_MAX];
};

static void collect(struct report *report, const char *text)
{
	struct collector *c = (struct collector *)report;
	char *to = c->lines == 0 ? c->heading : c->lines == 1 ? c->first : c->last;

	ck_assert_uint_lt(strlen(text), REPORT_LINE_MAX);
	strcpy(to, text);
	if (c->lines == 1)
		strcpy(c->last, text);
	c->lines++;
}

START_TEST(parse_names)
{
	const char *unknown = NULL;
	uint32_t mask = 0;

	ck_assert_int_eq(trace_parse("exits", &mask, &unknown), 0);
	ck_assert_uint_eq(mask, TRACE_EXITS);
	ck_assert_int_eq(trace_parse("exits,cpu,mmu,translate", &mask, &unknown), 0);
	ck_assert_uint_eq(mask, TRACE_EXITS | TRACE_CPU | TRACE_MMU | TRACE_TRANSLATE);
	ck_assert_int_eq(trace_parse("all", &mask, &unknown), 0);
	ck_assert_uint_eq(mask, TRACE_ALL);
	for (unsigned i = 0; i < TRACE_BIT_COUNT; i++) {
		ck_assert_int_eq(trace_parse(trace_class_name(i), &mask, &unknown), 0);
		ck_assert_uint_eq(mask, 1u << i);
		ck_assert_ptr_ne(trace_class_text(i), NULL);
	}
}
END_TEST

START_TEST(parse_refuses)
{
	static const char *const bad[] = { "", ",", "exit", "exits,", "exits,,cpu", "exits,nope",
					   "EXITS", " exits", "allx" };
	const char *unknown = NULL;
	uint32_t mask = 42;

	for (size_t i = 0; i < array_size(bad); i++) {
		unknown = NULL;
		ck_assert_int_eq(trace_parse(bad[i], &mask, &unknown), -EINVAL);
		ck_assert_ptr_ne(unknown, NULL);
		ck_assert_uint_eq(mask, 42);
	}
	trace_parse("cpu,nope,mmu", &mask, &unknown);
	ck_assert_str_eq(unknown, "nope,mmu");
}
END_TEST

START_TEST(ring_keeps_the_last)
{
	struct collector c = { .report = { collect } };

	for (uint64_t i = 0; i < TRACE_RING_SIZE + 10; i++)
		trace_exit(TRACE_K_CR_WRITE, 0xffffffff81000000 + i, 3, i);
	trace_report(&c.report, 4);
	ck_assert_uint_eq(c.lines, 5);
	ck_assert_ptr_ne(strstr(c.heading, "last 4 of 4106"), NULL);
	ck_assert_ptr_ne(strstr(c.first, "CR_WRITE"), NULL);
	ck_assert_ptr_ne(strstr(c.first, "rip ffffffff81001006"), NULL);
	ck_assert_ptr_ne(strstr(c.first, "cr 3  value 1006"), NULL);
	ck_assert_ptr_ne(strstr(c.last, "value 1009"), NULL);
}
END_TEST

START_TEST(ring_not_full)
{
	struct collector c = { .report = { collect } };

	trace_report(&c.report, 100);
	ck_assert_uint_eq(c.lines, 1);
	trace_exit(TRACE_K_EXCEPTION, 0x1000, 14, 2);
	trace_exit(TRACE_K_FILL, 0x1000, 0xdead, 2);
	c.lines = 0;
	trace_report(&c.report, 100);
	ck_assert_uint_eq(c.lines, 3);
	ck_assert_ptr_ne(strstr(c.first, "vector e  error/cr2 2"), NULL);
	ck_assert_ptr_ne(strstr(c.last, "gva dead"), NULL);
}
END_TEST

/* What the live trace writes to standard error while `mask` is chosen. */
static size_t live_output(uint32_t mask, char *buf, size_t size)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert_int_eq(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
	trace_set_mask(mask);
	trace_exit(TRACE_K_IRQ_TAKE, 0x2000, 0xec, 0x202);
	trace_exit(TRACE_K_PIO_WRITE, 0x2001, 0x3f8, 'x');
	trace_set_mask(0);
	trace_exit(TRACE_K_IRQ_TAKE, 0x2002, 0xec, 0x202);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(pipes[0], buf, size - 1);
	close(pipes[0]);
	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	return (size_t)n;
}

START_TEST(live_prints_chosen_classes)
{
	char text[1024];

	ck_assert_uint_eq(live_output(TRACE_MMU, text, sizeof(text)), 0);
	live_output(TRACE_IRQ, text, sizeof(text));
	ck_assert_ptr_ne(strstr(text, "IRQ_TAKE"), NULL);
	ck_assert_ptr_eq(strstr(text, "PIO_WRITE"), NULL);
	ck_assert_ptr_eq(strstr(text, "2002"), NULL);
	live_output(TRACE_ALL, text, sizeof(text));
	ck_assert_ptr_ne(strstr(text, "PIO_WRITE"), NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tc = tcase_create("trace");

	clock_init();
	tcase_add_test(tc, parse_names);
	tcase_add_test(tc, parse_refuses);
	tcase_add_test(tc, ring_keeps_the_last);
	tcase_add_test(tc, ring_not_full);
	tcase_add_test(tc, live_prints_chosen_classes);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
