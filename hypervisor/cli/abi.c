// SPDX-License-Identifier: MIT
/*
 * `ring3 abi COMMAND`: options and what they apply to.
 */
#include "cli/abi.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/log.h"

#define ABI_STATUS_ERROR	2	/* of all of them, as of diff(1) */

enum { WANT_FILE = 1, WANT_SHOW = 2, WANT_STATS = 4, WANT_REPLAY = 8, WANT_ALL = 15 };

static const struct command {
	const char *name;
	unsigned wants;
	int (*list)(const struct abi_options *options);
	int (*run)(const struct abi_options *options, struct recording *recording);
} commands[] = {
	{ "list",	0,				abi_list,	NULL },
	{ "show",	WANT_FILE | WANT_SHOW,		NULL,		abi_show },
	{ "stats",	WANT_FILE | WANT_STATS,		NULL,		abi_stats },
	{ "replay",	WANT_FILE | WANT_REPLAY,	NULL,		abi_replay },
};

enum option_id {
	OPTION_JSON = 256, OPTION_FULL, OPTION_LAST, OPTION_ABI,
};

static const struct option long_options[] = {
	{ "follow",	no_argument,		NULL, 'f' },
	{ "brief",	no_argument,		NULL, 'b' },
	{ "full",	no_argument,		NULL, OPTION_FULL },
	{ "last",	required_argument,	NULL, OPTION_LAST },
	{ "json",	no_argument,		NULL, OPTION_JSON },
	{ "abi",	required_argument,	NULL, OPTION_ABI },
	{ "verbose",	no_argument,		NULL, 'v' },
	{ "help",	no_argument,		NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
"Usage: ring3 abi COMMAND [FILE] [OPTION]...\n"
"\n"
"Look at ring3's hypercall ABI, and at recordings of hypercalls, which\n"
"ring3 run --pv ring3 --record FILE makes.\n"
"\n"
"  list               version, calls, features and errors of this ring3\n"
"  show FILE          the recorded calls, also while they are being recorded\n"
"    -f, --follow     go on with calls as they come, until the machine ends\n"
"    -b, --brief      without the memory they read and wrote\n"
"    --full           all of that memory\n"
"    --last N         only the last N\n"
"    --json           one JSON object a line\n"
"  stats FILE         counts, errors and latencies of all calls ever made\n"
"    --json           one JSON object a line\n"
"  replay FILE        make the calls again, on this ring3, and show what differs\n"
"    --abi WORDS      with this ABI instead of the recorded one, as for ring3 run\n"
"    -v, --verbose    say more\n"
"  -h, --help         this text\n"
"\n"
"Exit status: 0; of replay: 0 the same, 1 differences.  2: an error, which is said.\n";

static unsigned option_applies(int id)
{
	switch (id) {
	case 'f': case 'b': case OPTION_FULL: case OPTION_LAST:
		return WANT_SHOW;
	case OPTION_JSON:
		return WANT_SHOW | WANT_STATS;
	case OPTION_ABI: case 'v':
		return WANT_REPLAY;
	default:
		return 0;
	}
}

static bool option_take(struct abi_options *options, int id, const char *value)
{
	char *end;

	switch (id) {
	case 'f': options->follow = true; break;
	case 'b': options->brief = true; break;
	case 'v': options->verbose = true; break;
	case OPTION_FULL: options->full = true; break;
	case OPTION_JSON: options->json = true; break;
	case OPTION_ABI: options->abi = value; break;
	case OPTION_LAST:
		errno = 0;
		options->last = strtoull(value, &end, 10);
		if (errno || *end || *value < '1' || *value > '9') {
			log_error("--last \"%s\" is not understood; give a number", value);
			return false;
		}
		break;
	}
	return true;
}

/* 0, 1: help was asked for, -1: said.  used: by what it applies to, one option that was given. */
static int options_read(int argc, char **argv, struct abi_options *options, const char *used[WANT_ALL + 1])
{
	int id;

	optind = 0;
	while ((id = getopt_long(argc, argv, ":fbvh", long_options, NULL)) != -1) {
		const char *word = argv[optind - 1];

		if (id == 'h')
			return 1;
		if (id == '?' || id == ':') {
			log_error(id == ':' ? "%s needs an argument; see ring3 abi --help" :
					      "unknown option %s; see ring3 abi --help", word);
			return -1;
		}
		used[option_applies(id) & WANT_ALL] = word;
		if (!option_take(options, id, optarg))
			return -1;
	}
	return 0;
}

uint64_t abi_ns(const struct recording *recording, uint64_t ticks)
{
	uint64_t khz = recording->header.tsc_khz;

	return khz ? (uint64_t)((unsigned __int128)ticks * 1000000 / khz) : 0;
}

bool abi_running(const struct recording *recording)
{
	if (flock(recording->fd, LOCK_SH | LOCK_NB) < 0)
		return true;
	flock(recording->fd, LOCK_UN);
	return false;
}

static int command_run(const struct command *command, struct abi_options *options)
{
	static struct recording recording;
	const char *why;
	int status;

	if (command->list)
		return command->list(options);
	if (recording_open(&recording, options->file, &why)) {
		log_error("cannot read %s: %s", options->file, why);
		return ABI_STATUS_ERROR;
	}
	status = command->run(options, &recording);
	recording_close(&recording);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		log_error("cannot write: %s", strerror(errno));
		return ABI_STATUS_ERROR;
	}
	return status;
}

int abi_main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct abi_options options = { 0 };
	const char *used[WANT_ALL + 1] = { NULL };
	int r = options_read(argc, argv, &options, used);

	if (r > 0) {
		fputs(help_text, stdout);
		return 0;
	}
	if (r < 0)
		return ABI_STATUS_ERROR;
	for (unsigned i = 0; optind < argc && i < array_size(commands); i++)
		if (!strcmp(argv[optind], commands[i].name))
			command = &commands[i];
	if (!command) {
		log_error(optind < argc ? "ring3 abi does not know \"%s\"; see ring3 abi --help" :
					  "what of the ABI?  See ring3 abi --help%s",
			  optind < argc ? argv[optind] : "");
		return ABI_STATUS_ERROR;
	}
	for (unsigned wants = 1; wants <= WANT_ALL; wants++) {
		if (!used[wants] || wants & command->wants & ~WANT_FILE)
			continue;
		log_error("%s is not for ring3 abi %s; see ring3 abi --help", used[wants], command->name);
		return ABI_STATUS_ERROR;
	}
	optind++;
	if (command->wants & WANT_FILE && optind == argc) {
		log_error("ring3 abi %s needs the name of a recording", command->name);
		return ABI_STATUS_ERROR;
	}
	if (command->wants & WANT_FILE)
		options.file = argv[optind++];
	if (optind < argc) {
		log_error("\"%s\" is one word too many; see ring3 abi --help", argv[optind]);
		return ABI_STATUS_ERROR;
	}
	return command_run(command, &options);
}
