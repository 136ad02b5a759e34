// SPDX-License-Identifier: MIT
/*
 * Stolen time: of two processes that both want one CPU, each waits; no more is counted than time
 * has passed, and it never shrinks.
 */
#include "suite.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "machine/steal.h"

#define MS	1000000ul

static void spin(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		__builtin_ia32_pause();
}

START_TEST(two_on_one_cpu)
{
	uint64_t before, after, began;
	cpu_set_t one;
	pid_t rival;

	if (access("/proc/self/schedstat", R_OK))
		return;		/* this host does not tell */
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	steal_watch(getpid());
	rival = fork();
	if (!rival)
		for (;;)
			__builtin_ia32_pause();
	before = steal_ns();
	began = clock_ns();
	for (unsigned i = 0; i < 10; i++) {
		uint64_t last = steal_ns();

		spin(30 * MS);
		after = steal_ns();
		ck_assert_uint_ge(after, last);
	}
	kill(rival, SIGKILL);
	waitpid(rival, NULL, 0);
	/* Half of it, on a fair host with nobody else. */
	ck_assert_uint_gt(after - before, 20 * MS);
	ck_assert_uint_le(after - before, clock_ns() - began);
}
END_TEST

START_TEST(nobody_there)
{
	steal_watch(0x7fffffff);
	ck_assert_uint_eq(steal_ns(), 0);
	spin(MS);
	ck_assert_uint_eq(steal_ns(), 0);
}
END_TEST

static void setup(void)
{
	ck_assert_int_eq(clock_init(), 0);
}

int main(void)
{
	Suite *s = suite_create("steal");
	TCase *t = tcase_create("schedstat");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, two_on_one_cpu);
	tcase_add_test(t, nobody_there);
	suite_add_tcase(s, t);
	return suite_run(s);
}
