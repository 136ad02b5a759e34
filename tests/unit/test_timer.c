/* SPDX-License-Identifier: MIT */
/* The timer heap: order, re-arming, cancelling, and what the host timer is told. */
#include "device_fakes.h"

static uint64_t fired[256];
static unsigned fired_count;
static uint64_t told;
static unsigned told_count;

static void note(void *device)
{
	fired[fired_count++] = (uint64_t)(uintptr_t)device;
}

static void told_next(uint64_t next)
{
	told = next;
	told_count++;
}

START_TEST(test_order)
{
	static struct timer t[50];

	for (unsigned i = 0; i < 50; i++) {
		timer_init(&t[i], note, (void *)(uintptr_t)i);
		timer_arm(&t[i], 1000 + i * 31 % 50);
	}
	ck_assert_uint_eq(timers_next(), 1000);
	timers_run(999);
	ck_assert_uint_eq(fired_count, 0);
	timers_run(1024);
	ck_assert_uint_eq(fired_count, 25);
	timers_run(5000);
	ck_assert_uint_eq(fired_count, 50);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_uint_eq(fired[i] * 31 % 50, i);
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
}
END_TEST

/* Against a plain array, with random arming and cancelling. */
START_TEST(test_random_against_model)
{
	static struct timer t[40];
	uint64_t model[40], now = 0;
	unsigned seed = 1;

	for (unsigned i = 0; i < 40; i++) {
		timer_init(&t[i], note, (void *)(uintptr_t)i);
		model[i] = TIMER_NEVER;
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned r = (unsigned)rand_r(&seed), i = r % 40;
		uint64_t least = TIMER_NEVER;

		if (r & 0x10000) {
			model[i] = now + (r >> 8) % 1000;
			timer_arm(&t[i], model[i]);
		} else if (r & 0x20000) {
			model[i] = TIMER_NEVER;
			timer_cancel(&t[i]);
		} else {
			now += 20;
			fired_count = 0;
			timers_run(now);
			for (unsigned k = 0; k < fired_count; k++) {
				ck_assert_uint_le(model[fired[k]], now);
				if (k)
					ck_assert_uint_le(t[fired[k - 1]].deadline,
							  t[fired[k]].deadline);
				model[fired[k]] = TIMER_NEVER;
			}
		}
		for (unsigned k = 0; k < 40; k++) {
			ck_assert_int_eq(t[k].index >= 0, model[k] != TIMER_NEVER);
			if (model[k] < least)
				least = model[k];
		}
		ck_assert_uint_eq(timers_next(), least);
	}
}
END_TEST

static struct timer again;

static void rearm(void *device)
{
	note(device);
	timer_arm(&again, again.deadline + 10);
}

START_TEST(test_rearm_in_callback)
{
	timer_init(&again, rearm, NULL);
	timer_arm(&again, 10);
	timers_run(35);
	ck_assert_uint_eq(fired_count, 3);
	ck_assert_uint_eq(timers_next(), 40);
}
END_TEST

START_TEST(test_host_timer_is_told_of_changes)
{
	static struct timer a, b;

	timers_changed = told_next;
	timer_init(&a, note, NULL);
	timer_init(&b, note, NULL);
	timer_arm(&a, 100);
	ck_assert_uint_eq(told, 100);
	timer_arm(&b, 200);
	ck_assert_uint_eq(told_count, 1);
	timer_arm(&a, 300);
	ck_assert_uint_eq(told, 200);
	timer_cancel(&b);
	ck_assert_uint_eq(told, 300);
	timer_cancel(&b);
	ck_assert_uint_eq(told_count, 3);
	/* After each run it is told again, whatever the value: the host's may have fired. */
	timers_run(299);
	ck_assert_uint_eq(told, 300);
	ck_assert_uint_eq(told_count, 4);
	timers_run(300);
	ck_assert_uint_eq(told, TIMER_NEVER);
	ck_assert_uint_eq(told_count, 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");
	TCase *t = tcase_create("timer");

	tcase_add_test(t, test_order);
	tcase_add_test(t, test_random_against_model);
	tcase_add_test(t, test_rearm_in_callback);
	tcase_add_test(t, test_host_timer_is_told_of_changes);
	suite_add_tcase(s, t);
	return suite_run(s);
}
