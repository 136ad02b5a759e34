// SPDX-License-Identifier: MIT
/*
 * CPUs to spare.
 *
 * With two or more usable CPUs all worlds live on one of them and the kernel
 * world on the others (docs/decisions/0002-baton.md).  That is fast while both
 * are ours: a handover needs both sides to run at the same moment.  When others
 * want the CPUs, too, each side would spin through its time slice while the other
 * waits for a CPU.  So the kernel world watches: if it loses its CPU, or a world
 * does not get one, for a good part of a short while, it moves to the worlds' CPU,
 * and they hand over like on a machine that has only one.  After a while it tries
 * again.
 */
#include "world/spare.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "world/area.h"

#define WINDOW_MS	50u
#define LOST_MS_MAX	20u		/* so much of it lost is contention: */
#define AWAY_MS_MIN	20u		/* then stay together for so long, doubling */
#define AWAY_MS_MAX	160u

#define STARVED_NS	300000u		/* a shorter sleep says nothing */
#define CPUCLOCK_SCHED	2		/* include/linux/posix-timers_types.h */

static cpu_set_t world_cpu, kernel_cpus;
static bool exists, together;
static unsigned away_ms = AWAY_MS_MIN;
static uint64_t window_end, lost, together_end;	/* TSC */

static bool move(const cpu_set_t *to)
{
	return hostcall3(SYS_sched_setaffinity, 0, sizeof(*to), (long)to) >= 0;
}

bool spare_init(void)
{
	cpu_set_t usable;
	unsigned skip;

	if (sched_getaffinity(0, sizeof(usable), &usable) || CPU_COUNT(&usable) < 2)
		return false;
	/* At random: there may be other machines on this host. */
	skip = (unsigned)(world_random() % (unsigned)CPU_COUNT(&usable));
	CPU_ZERO(&world_cpu);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &usable) && skip-- == 0)
			CPU_SET(cpu, &world_cpu);
	CPU_XOR(&kernel_cpus, &usable, &world_cpu);
	exists = move(&kernel_cpus);
	return exists;
}

void spare_child(void)
{
	if (exists)
		move(&world_cpu);
}

void spare_held_up(uint64_t now, uint64_t ticks)
{
	if (now > window_end) {
		window_end = now + WINDOW_MS * clock_tsc_khz();
		lost = 0;
	}
	lost += ticks;
	if (lost < LOST_MS_MAX * clock_tsc_khz() || together || !exists)
		return;
	together = true;
	together_end = now + away_ms * clock_tsc_khz();
	if (away_ms < AWAY_MS_MAX)
		away_ms *= 2;
	move(&world_cpu);
}

/* CPU time of a world, ns. */
static uint64_t cpu_time(int pid)
{
	struct timespec ts;
	long clock = (long)~(unsigned)pid << 3 | CPUCLOCK_SCHED;

	if (hostcall2(SYS_clock_gettime, (int)clock, (long)&ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ul + (uint64_t)ts.tv_nsec;
}

uint64_t spare_watch_begin(int pid, uint64_t *since)
{
	if (!exists || together)
		return 0;
	*since = clock_tsc();
	return cpu_time(pid);
}

void spare_watch_end(int pid, uint64_t since, uint64_t used)
{
	uint64_t now = clock_tsc(), passed;

	if (!used || together)
		return;
	passed = clock_tsc_to_ns(now) - clock_tsc_to_ns(since);
	used = cpu_time(pid) - used;
	if (passed > STARVED_NS && used < passed / 4 * 3)
		spare_held_up(now, (passed - used) * clock_tsc_khz() / 1000000);
}

bool spare_contended(void)
{
	return together;
}

bool spare_now(uint64_t now)
{
	if (together && now > together_end) {
		together = false;
		lost = 0;
		move(&kernel_cpus);
	} else if (!together && away_ms > AWAY_MS_MIN && now > together_end + away_ms * clock_tsc_khz()) {
		away_ms = AWAY_MS_MIN;		/* went well for as long */
	}
	return exists && !together;
}
