/* SPDX-License-Identifier: MIT */
/*
 * The host timer with the real clock: it fires for the earliest deadline, not
 * early, and is left alone when deadlines only move away.
 */
#include "suite.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "machine/timer.h"
#include "trap/hosttimer.h"

#define MS	1000000UL

static volatile sig_atomic_t signals;
static unsigned fired;
static struct timer timer;

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

static void note(void *device)
{
	(void)device;
	fired++;
}

static void setup(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(clock_init(), 0);
	ck_assert_int_eq(hosttimer_init(), 0);
	timer_init(&timer, note, NULL);
}

/* As the vCPU loop does: wait for a signal, run what is due. */
static void run_until_fired(unsigned n)
{
	sigset_t block, wait;

	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, &wait);
	while (fired < n) {
		timers_run(clock_ns());
		if (fired < n)
			sigsuspend(&wait);
	}
	sigprocmask(SIG_SETMASK, &wait, NULL);
}

START_TEST(test_fires_in_time)
{
	uint64_t start = clock_ns();

	timer_arm(&timer, start + 20 * MS);
	run_until_fired(1);
	ck_assert_uint_ge(clock_ns() - start, 20 * MS);
	ck_assert_uint_le(clock_ns() - start, 2000 * MS);	/* a loaded machine */
	ck_assert_int_ge(signals, 1);
}
END_TEST

START_TEST(test_the_past_fires_at_once)
{
	timer_arm(&timer, 1);
	run_until_fired(1);
}
END_TEST

START_TEST(test_moving_away_costs_no_host_call)
{
	uint64_t start = clock_ns(), before = hosttimer_programmed();

	for (unsigned i = 0; i < 1000; i++)
		timer_arm(&timer, start + 50 * MS + i);
	timer_cancel(&timer);
	timer_arm(&timer, start + 80 * MS);
	ck_assert_uint_eq(hosttimer_programmed() - before, 1);
	run_until_fired(1);		/* one signal for nothing on the way */
	ck_assert_uint_ge(clock_ns() - start, 80 * MS);
}
END_TEST

START_TEST(test_earlier_is_set_at_once)
{
	uint64_t start = clock_ns();

	timer_arm(&timer, start + 3600000 * MS);
	timer_arm(&timer, start + 10 * MS);
	run_until_fired(1);
	ck_assert_uint_le(clock_ns() - start, 2000 * MS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hosttimer");
	TCase *t = tcase_create("hosttimer");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_fires_in_time);
	tcase_add_test(t, test_the_past_fires_at_once);
	tcase_add_test(t, test_moving_away_costs_no_host_call);
	tcase_add_test(t, test_earlier_is_set_at_once);
	suite_add_tcase(s, t);
	return suite_run(s);
}
