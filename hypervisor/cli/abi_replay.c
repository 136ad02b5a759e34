// SPDX-License-Identifier: MIT
/*
 * `ring3 abi replay`: what was recorded between two boots is replayed in a process of its own,
 * for a machine is made once in a process, and so that one that fails is noticed here.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/abi.h"
#include "cli/hypercall_options.h"
#include "debug/calltext.h"
#include "trap/replay.h"

#define STATUS_SAME		0
#define STATUS_DIFFERENT	1
#define STATUS_FAILED		2

static void difference_print(struct replay *replay, uint64_t n, const struct recording_record *record,
			     const char *what)
{
	char call[512];

	(void)replay;
	calltext_call(call, sizeof(call), record->number, record->args);
	printf("%8" PRIu64 "  %s: %s\n", n, call, what);
}

static _Noreturn void child_run(struct replay *replay, const struct machine_config *config, uint64_t first,
				bool verbose)
{
	static struct machine_config own;

	own = *config;
	/* What the guest says to the user was said when it was recorded. */
	log_set_level(verbose ? LOG_DEBUG : LOG_ERROR);
	if (replay_machine(&replay->recording->header, &own))
		_exit(STATUS_FAILED);
	replay->at = replay_run(replay, first);
	_exit(fflush(stdout) == EOF ? STATUS_FAILED : STATUS_SAME);
}

static int child_judge(const struct replay *replay, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SAME)
		return 0;
	if (WIFSIGNALED(status))
		log_error("ring3 itself failed (signal %d, %s) at record %lu; this is a bug of ring3's",
			  WTERMSIG(status), strsignal(WTERMSIG(status)), replay->at);
	return -EIO;
}

/* The first boot that is still there; what is before it was made on a machine not known here. */
static uint64_t boot_find(const struct recording *r, uint64_t n)
{
	struct recording_record record;

	for (; n < r->header.records_begun; n++)
		if (recording_read(r, n, &record) == RECORDING_GOOD && record.kind == RECORDING_K_BOOT)
			break;
	return n;
}

static int replay_boots(struct replay *replay, const struct machine_config *config, uint64_t n, bool verbose)
{
	int status;
	pid_t child;

	while (n < replay->recording->header.records_begun) {
		replay->at = n;
		fflush(stdout);
		child = fork();
		if (child < 0) {
			log_error("cannot start a process: %s", strerror(errno));
			return -errno;
		}
		if (!child)
			child_run(replay, config, n, verbose);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		if (child_judge(replay, status))
			return -EIO;
		n = replay->at;
	}
	return 0;
}

static int conclude(const struct replay *replay)
{
	printf("%" PRIu64 " calls made again, %" PRIu64 " skipped, %" PRIu64 " different\n", replay->made,
	       replay->skipped, replay->different);
	if (replay->unfinished)
		printf("the last call did not return when it was recorded; now it did\n");
	if (!replay->lost)
		return replay->different ? STATUS_DIFFERENT : STATUS_SAME;
	fflush(stdout);
	log_error("%lu calls could not be made again: damaged, or their memory was overwritten; record with a"
		  " larger size", replay->lost);
	return STATUS_FAILED;
}

int abi_replay(const struct abi_options *options, struct recording *r)
{
	static struct machine_config config;
	struct replay *replay = mmap(NULL, sizeof(*replay), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t first = boot_find(r, recording_first(r));

	if (replay == MAP_FAILED) {
		log_error("no memory for the replay");
		return STATUS_FAILED;
	}
	if (options->abi && options_add_abi(&config, options->abi))
		return STATUS_FAILED;
	if (first == r->header.records_begun) {
		log_error("%s: how the machine began was overwritten; record with a larger size", options->file);
		return STATUS_FAILED;
	}
	if (first != 0)
		printf("the first %" PRIu64 " records, before a boot that is still there, are left out\n", first);
	*replay = (struct replay){ .recording = r, .difference = difference_print };
	return replay_boots(replay, &config, first, options->verbose) ? STATUS_FAILED : conclude(replay);
}
