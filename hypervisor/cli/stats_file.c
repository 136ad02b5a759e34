// SPDX-License-Identifier: MIT
/*
 * The counters as a file.  The supervisor writes it, with libc, from pages that it
 * shares with the kernel world (stats_share()), while that goes on counting: each
 * counter is read in one load, two of them not at the same moment.
 *
 *	{ "snapshot": 1, "final": false, "monotonic_ns": ..., "counters":
 *	  [ { "name": "exit_lookup", "section": "kernel code", "text": "...", "value": 17 }, ... ] }
 *
 * Counters that are 0 are there too; hypercalls and exceptions that never came are not.
 */
#include "cli/stats_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "debug/stats.h"

static const char *const call_names[STATS_HYPERCALLS] = {
#define HYPERCALL(number, name, ...)	[number] = #name,
#include "abi/hypercall_table.h"
#undef HYPERCALL
	[STATS_HYPERCALLS - 1] = "unknown",
};

static const char *separator;

static void counter_write(FILE *f, const char *name, const char *section, const char *text,
			  const uint64_t *value)
{
	fprintf(f, "%s{ \"name\": \"%s\", \"section\": \"%s\", \"text\": \"%s\", \"value\": %lu }",
		separator, name, section, text, __atomic_load_n(value, __ATOMIC_RELAXED));
	separator = ",\n  ";
}

static void numbered_write(FILE *f, const char *section, const char *name, unsigned number,
			   const uint64_t *value)
{
	char word[48], text[48];

	if (!*value)
		return;
	snprintf(word, sizeof(word), "%s_%s", section, name ? name : "");
	if (!name)
		snprintf(word, sizeof(word), "%s_%u", section, number);
	snprintf(text, sizeof(text), "%s %s", section, name ? name : "without a name");
	counter_write(f, word, section, text, value);
}

static void counters_write(FILE *f)
{
	const struct stats_row *row;

	for (unsigned i = 0; (row = stats_row(i)); i++)
		counter_write(f, row->name, row->section, row->text, row->value);
	for (unsigned i = 0; i < STATS_HYPERCALLS; i++)
		numbered_write(f, "hypercall", call_names[i], i, &stats.hypercalls[i]);
	for (unsigned i = 0; i < array_size(stats.exceptions); i++)
		numbered_write(f, "exception", stats_exception_name(i), i, &stats.exceptions[i]);
}

int stats_file_write(const char *path, bool final)
{
	static unsigned snapshot;
	struct timespec ts;
	char beside[4096];
	int error;
	FILE *f;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return -ENAMETOOLONG;
	f = fopen(beside, "we");
	if (!f)
		goto refused;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	fprintf(f, "{ \"snapshot\": %u, \"final\": %s, \"monotonic_ns\": %ld, \"counters\":\n[ ", ++snapshot,
		final ? "true" : "false", ts.tv_sec * 1000000000l + ts.tv_nsec);
	separator = "";
	counters_write(f);
	fprintf(f, " ] }\n");
	if (fflush(f) || ferror(f)) {
		error = errno;
		fclose(f);
		unlink(beside);
		errno = error;
		goto refused;
	}
	fclose(f);
	if (!rename(beside, path))
		return 0;
refused:
	error = errno;
	log_error("cannot write the counters to %s: %s", path, strerror(error));
	return -error;
}
