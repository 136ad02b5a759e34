// SPDX-License-Identifier: MIT
/*
 * The host's scheduler counts for each thread the time it waited in a run queue (Linux:
 * Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat, the second number).  The files
 * are opened at start-up and read in the jail by pread.
 *
 * A CPU's processes take turns, so their waits add up; but one that spins while it waits for
 * another may be made to wait at the same time as that one.  No more is counted than time has
 * passed.
 */
#include "machine/steal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/calls.h"

#define FILES_MAX	65

static int files[FILES_MAX];
static unsigned file_count;

void steal_watch(long pid)
{
	char path[48];
	int fd;

	if (file_count == FILES_MAX)
		return;
	format_string(path, sizeof(path), "/proc/%ld/schedstat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	files[file_count++] = fd;
	calls_allow(SYS_pread64, fd);
}

/* "RUN WAIT SLICES\n" */
static uint64_t waited(int fd)
{
	char text[96];
	long n = hostcall6(SYS_pread64, fd, (long)text, sizeof(text), 0, 0, 0);
	uint64_t value = 0;
	long i = 0;

	while (i < n && text[i] != ' ')
		i++;
	for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value;
}

uint64_t steal_ns(void)
{
	static uint64_t last_sum, last_time, counted;
	uint64_t sum = 0, now = clock_ns();

	for (unsigned i = 0; i < file_count; i++)
		sum += waited(files[i]);
	if (sum > last_sum && last_time)
		counted += min_u64(sum - last_sum, now - last_time);
	last_sum = sum;
	last_time = now;
	return counted;
}
