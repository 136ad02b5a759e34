// SPDX-License-Identifier: MIT
/*
 * The statistics table; see stats.h.
 */
#include "debug/stats.h"

#include <string.h>

#include "base/clock.h"
#include "world/world.h"

struct stats stats;

static const struct {
	const uint64_t *value;
	const char *section, *text;
} rows[] = {
#define X(field, section, text)	{ &stats.field, section, text },
	STATS_COUNTERS(X)
#undef X
	{ &world_stats.switches_spin,			"user worlds", "switches, partner spinning" },
	{ &world_stats.switches_wait,			"user worlds", "switches, partner asleep" },
	{ &world_stats.requests,			"user worlds", "map requests" },
	{ &world_stats.batches,				"user worlds", "switches made only for them" },
	{ &world_stats.exits[WORLD_EXIT_SYSCALL],	"user worlds", "exits: system call" },
	{ &world_stats.exits[WORLD_EXIT_INT],		"user worlds", "exits: INT n" },
	{ &world_stats.exits[WORLD_EXIT_FAULT],		"user worlds", "exits: fault" },
	{ &world_stats.exits[WORLD_EXIT_PATCH],		"user worlds", "exits: planted trap" },
	{ &world_stats.exits[WORLD_EXIT_INTERRUPTED],	"user worlds", "exits: interrupted" },
	{ &world_stats.fpu_moves,			"user worlds", "SIMD state moved" },
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
	clocks_report(report);
}

void stats_print(void)
{
	stats_report(&report_to_stderr);
}
