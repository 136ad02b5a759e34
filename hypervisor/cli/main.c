// SPDX-License-Identifier: MIT
/*
 * ring3, the command: sub-commands, and the checks made before anything starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot.h"
#include "cli/abi.h"
#include "cli/bench.h"
#include "cli/host.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/supervise.h"
#include "hostio/switch.h"

#define VERSION	"0.1"

static int main_run(int argc, char **argv)
{
	static struct options options;

	if (options_parse(argc, argv, &options))
		return STATUS_ERROR;
	if (options.help) {
		options_help();
		return 0;
	}
	log_set_level(options.log_level);
	if (host_check_features() || boot_check(&options.machine) ||
	    host_check_memory(options.machine.memory))
		return STATUS_ERROR;
	return supervise(&options.machine);
}

static int main_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("ring3 " VERSION);
	return 0;
}

/* Started by ring3 run for --net switch=NAME, with its listening socket. */
static int main_switch(int argc, char **argv)
{
	if (argc != 3 || !switch_name_good(argv[1]) || strcmp(argv[2], "3")) {
		log_error("ring3 run --net switch=NAME starts the switch by itself");
		return STATUS_ERROR;
	}
	return switch_run(argv[1], atoi(argv[2])) ? STATUS_ERROR : 0;
}

static int main_help(int argc, char **argv);

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "run",	main_run,	"boot a kernel; ring3 run --help shows the options" },
	{ "bench",	bench_main,	"measure this machine: ring3 bench io|cpu|boot; --help shows the options" },
	{ "abi",	abi_main,	"look at hypercalls: show, count and replay what was recorded" },
	{ "help",	main_help,	"show this text" },
	{ "switch",	main_switch,	"what connects machines (run starts it for --net switch=NAME)" },
	{ "version",	main_version,	"show the version" },
};

static int main_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("Usage: ring3 COMMAND [OPTION]...\n\nA hypervisor that lives entirely in ring 3.\n");
	for (size_t i = 0; i < array_size(commands); i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].text);
	return 0;
}

static const struct command *main_find(const char *name)
{
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	else if (!strcmp(name, "--version"))
		name = "version";
	for (size_t i = 0; i < array_size(commands); i++) {
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		log_error("no command; try ring3 help");
		return STATUS_ERROR;
	}
	command = main_find(argv[1]);
	if (!command) {
		log_error("unknown command \"%s\"; try ring3 help", argv[1]);
		return STATUS_ERROR;
	}
	return command->run(argc - 1, argv + 1);
}
