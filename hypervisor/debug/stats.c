// SPDX-License-Identifier: MIT
/*
 * The statistics table; see stats.h.
 */
#include "debug/stats.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "debug/recorder.h"
#include "hostio/io_stats.h"
#include "world/world.h"

struct stats stats;

static const struct stats_row rows[] = {
#define X(field, section, text)	{ #field, section, text, &stats.field },
	STATS_COUNTERS(X)
#undef X
	{ "switches_spin", "user worlds", "switches, partner spinning",
	  &world_stats.switches_spin },
	{ "switches_wait", "user worlds", "switches, partner asleep",
	  &world_stats.switches_wait },
	{ "map_requests", "user worlds", "map requests",
	  &world_stats.requests },
	{ "map_batches", "user worlds", "switches made only for them",
	  &world_stats.batches },
	{ "user_exit_syscall", "user worlds", "exits: system call",
	  &world_stats.exits[WORLD_EXIT_SYSCALL] },
	{ "user_exit_int", "user worlds", "exits: INT n",
	  &world_stats.exits[WORLD_EXIT_INT] },
	{ "user_exit_fault", "user worlds", "exits: fault",
	  &world_stats.exits[WORLD_EXIT_FAULT] },
	{ "user_exit_trap", "user worlds", "exits: planted trap",
	  &world_stats.exits[WORLD_EXIT_PATCH] },
	{ "user_exit_interrupted", "user worlds", "exits: interrupted",
	  &world_stats.exits[WORLD_EXIT_INTERRUPTED] },
	{ "simd_moves", "user worlds", "SIMD state moved",
	  &world_stats.fpu_moves },
	{ "io_calls", "back-ends", "host calls for input and output", &io_stats.calls },
	{ "block_reads", "back-ends", "disk reads", &io_stats.reads },
	{ "block_writes", "back-ends", "disk writes", &io_stats.writes },
	{ "block_others", "back-ends", "disk flushes, discards, zeroes", &io_stats.others },
	{ "disk_bytes", "back-ends", "bytes read and written", &io_stats.block_bytes },
	{ "frames_sent", "back-ends", "frames sent", &io_stats.frames_sent },
	{ "frames_received", "back-ends", "frames received", &io_stats.frames_received },
	{ "frame_bytes", "back-ends", "bytes of frames", &io_stats.frame_bytes },
};

static const char *const clock_names[STATS_CLOCKS] = {
	[STATS_ENGINE] = "engine", [STATS_USER] = "user worlds",
	[STATS_KERNEL] = "kernel code with its call-outs", [STATS_IDLE] = "idle (HLT)",
};

static const char *const exception_names[32] = {
	[0] = "#DE", [1] = "#DB", [2] = "NMI", [3] = "#BP", [4] = "#OF", [5] = "#BR", [6] = "#UD",
	[7] = "#NM", [8] = "#DF", [10] = "#TS", [11] = "#NP", [12] = "#SS", [13] = "#GP",
	[14] = "#PF", [16] = "#MF", [17] = "#AC", [18] = "#MC", [19] = "#XM",
};

static void row_report(struct report *report, uint64_t value, const char *text)
{
	report_line(report, "%16lu  %s", value, text);
}

static void clocks_report(struct report *report)
{
	uint64_t total = 0, khz = clock_tsc_khz();

	for (unsigned i = 0; i < STATS_CLOCKS; i++)
		total += stats.clock[i];
	if (!total || !khz)
		return;
	report_line(report, "time");
	for (unsigned i = 0; i < STATS_CLOCKS; i++) {
		uint64_t ms = stats.clock[i] / khz;
		uint64_t tenths = stats.clock[i] / (total / 1000 + 1);

		report_line(report, "%12lu.%03lu  s, %2lu.%lu %%, %s", ms / 1000, ms % 1000,
			    tenths / 10, tenths % 10, clock_names[i]);
	}
}

void stats_report(struct report *report)
{
	const char *section = NULL;
	bool any = false;

	stats_time(stats.current);	/* bring the running clock up to date */
	for (unsigned i = 0; i < array_size(rows); i++) {
		if (!*rows[i].value)
			continue;
		if (!section || strcmp(section, rows[i].section)) {
			section = rows[i].section;
			report_line(report, "%s", section);
		}
		row_report(report, *rows[i].value, rows[i].text);
	}
	for (unsigned i = 0; i < array_size(stats.exceptions); i++) {
		if (!stats.exceptions[i])
			continue;
		if (!any)
			report_line(report, "exceptions injected");
		any = true;
		row_report(report, stats.exceptions[i],
			   exception_names[i] ? exception_names[i] : "reserved vector");
	}
	recorder_report(report);
	clocks_report(report);
}

const struct stats_row *stats_row(unsigned index)
{
	return index < array_size(rows) ? &rows[index] : NULL;
}

const char *stats_exception_name(unsigned vector)
{
	return vector < array_size(exception_names) ? exception_names[vector] : NULL;
}

/* Each is alone on its pages: its type is aligned to them. */
static int share(void *at, size_t size)
{
	void *p = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

int stats_share(void)
{
	int r = share(&stats, sizeof(stats));

	if (!r)
		r = share(&world_stats, sizeof(world_stats));
	return r ? r : share(&io_stats, sizeof(io_stats));
}

void stats_reset(void)
{
	memset(&stats, 0, sizeof(stats));
	memset(&world_stats, 0, sizeof(world_stats));
	memset(&io_stats, 0, sizeof(io_stats));
}

void stats_print(void)
{
	stats_report(&report_to_stderr);
}
