/* SPDX-License-Identifier: MIT */
/*
 * The host timer behind machine/timer.h.
 *
 * Programmed lazily: a deadline that moves away leaves the host's timer as it
 * is (a guest re-arms its tick far more often than one expires); the early
 * signal finds nothing due, and timers_run() has the next one programmed.
 *
 * Set relative to now: our clock is the TSC, bent towards the host's clock only
 * now and then, and an absolute time would be off by all that lies between them.
 *
 * The signal handler (trap/signal.c) only kicks; whether the signal came is not
 * looked at here: a time that has passed counts as fired.
 */
#include "trap/hosttimer.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "machine/timer.h"

#define NS_PER_S	1000000000UL

/* struct sigevent as the kernel has it: libc hides the thread's field. */
struct event {
	uint64_t value;
	int32_t signal, notify, thread;
	int32_t pad[11];
};

_Static_assert(sizeof(struct event) == 64, "struct sigevent");

static int host_timer;
static uint64_t programmed = TIMER_NEVER;	/* clock_ns() at which it fires */
static uint64_t changes;

static void program(uint64_t next)
{
	struct itimerspec spec = { .it_interval = { 0, 0 } };
	uint64_t now, wait;

	if (next == TIMER_NEVER)
		return;
	now = clock_ns();
	if (next >= programmed && programmed > now)
		return;
	/* Zero would disarm it: what is due already comes as soon as can be. */
	wait = next > now ? next - now : 1;
	spec.it_value.tv_sec = (time_t)(wait / NS_PER_S);
	spec.it_value.tv_nsec = (long)(wait % NS_PER_S);
	programmed = next;
	changes++;
	hostcall6(SYS_timer_settime, host_timer, 0, (long)(uintptr_t)&spec, 0, 0, 0);
}

int hosttimer_init(void)
{
	struct event event = { .signal = SIGALRM, .notify = SIGEV_THREAD_ID };
	long r;

	event.thread = (int32_t)hostcall1(SYS_gettid, 0);
	r = hostcall3(SYS_timer_create, CLOCK_MONOTONIC, (long)(uintptr_t)&event,
		      (long)(uintptr_t)&host_timer);
	if (r < 0) {
		log_error("the host gives no timer (error %ld)", -r);
		return (int)r;
	}
	programmed = TIMER_NEVER;
	timers_changed = program;
	program(timers_next());
	return 0;
}

uint64_t hosttimer_programmed(void)
{
	return changes;
}
