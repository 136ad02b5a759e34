// SPDX-License-Identifier: MIT
/*
 * Options to struct machine_config.  Checks form and ranges; whether files and
 * host features exist is checked by boot/ and cli/host.c.
 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/layout.h"
#include "cli/device_options.h"
#include "cli/hypercall_options.h"
#include "debug/recorder.h"
#include "debug/trace.h"

#define MEMORY_DEFAULT	(512 * MIB)
#define MEMORY_MIN	(4 * MIB)
#define MEMORY_MAX	LAYOUT_LOW_SIZE
#define TIMEOUT_MAX	(365u * 24 * 3600)

enum option_id {
	OPTION_KERNEL = 256, OPTION_INITRD, OPTION_APPEND, OPTION_MODULE, OPTION_PV, OPTION_SERIAL,
	OPTION_ABI, OPTION_NO_REBOOT, OPTION_TIMEOUT, OPTION_STATS, OPTION_TRACE, OPTION_GDB, OPTION_ENGINE,
	OPTION_RECORD, OPTION_DISK, OPTION_NET, OPTION_RNG, OPTION_IO,
};

static const struct option long_options[] = {
	{ "kernel",	required_argument,	NULL, OPTION_KERNEL },
	{ "initrd",	required_argument,	NULL, OPTION_INITRD },
	{ "append",	required_argument,	NULL, OPTION_APPEND },
	{ "module",	required_argument,	NULL, OPTION_MODULE },
	{ "memory",	required_argument,	NULL, 'm' },
	{ "pv",		required_argument,	NULL, OPTION_PV },
	{ "abi",	required_argument,	NULL, OPTION_ABI },
	{ "serial",	required_argument,	NULL, OPTION_SERIAL },
	{ "no-reboot",	no_argument,		NULL, OPTION_NO_REBOOT },
	{ "timeout",	required_argument,	NULL, OPTION_TIMEOUT },
	{ "stats",	optional_argument,		NULL, OPTION_STATS },
	{ "trace",	required_argument,	NULL, OPTION_TRACE },
	{ "record",	required_argument,	NULL, OPTION_RECORD },
	{ "gdb",	required_argument,	NULL, OPTION_GDB },
	{ "engine",	required_argument,	NULL, OPTION_ENGINE },
	{ "disk",	required_argument,	NULL, OPTION_DISK },
	{ "net",	required_argument,	NULL, OPTION_NET },
	{ "rng",	no_argument,		NULL, OPTION_RNG },
	{ "io",		required_argument,	NULL, OPTION_IO },
	{ "quiet",	no_argument,		NULL, 'q' },
	{ "verbose",	no_argument,		NULL, 'v' },
	{ "help",	no_argument,		NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
"Usage: ring3 run --kernel FILE [OPTION]...\n"
"\n"
"Boot an x86-64 kernel in this terminal.\n"
"\n"
"  --kernel FILE      a bzImage (vmlinuz), multiboot 1 or PVH image\n"
"  --initrd FILE      initial RAM disk\n"
"  --append TEXT      the kernel's command line, e.g. \"console=ttyS0\"\n"
"  --module FILE      module of a multiboot or PVH kernel, \"FILE ARGUMENTS\"; repeatable\n"
"  -m, --memory SIZE  guest memory: 512M, 2G; plain numbers are MiB (default 512M)\n"
"%s"
"  --pv none|kvm|ring3  what the guest may find: nothing (default), the KVM clock, or\n"
"                     that and ring3's own hypercalls\n"
"%s"
"  --serial WHERE     the first serial port: stdio, file:PATH, unix:PATH (default stdio)\n"
"  --no-reboot        end instead of starting again when the guest resets\n"
"  --timeout SECONDS  end the machine after that time\n"
"  --stats            at the end, print what the time went into\n"
"  --stats=FILE       the counters as JSON, at the end and on SIGUSR1\n"
"  --trace CLASS,...  print events as they happen:\n";

static const char help_text_end[] =
"  --record FILE[,size=SIZE]  keep every hypercall, the last of them, in a file (default\n"
"                     16M); ring3 abi shows, counts and replays them\n"
"  --gdb PORT[,wait]  serve gdb on 127.0.0.1:PORT; wait: do not start before it comes\n"
"  --engine ENGINE    translate (default), or emulate: interpret everything, slowly\n"
"  -q, --quiet        only errors from ring3 itself\n"
"  -v, --verbose      more from ring3 itself\n"
"  -h, --help         this text\n"
"\n"
"On a terminal, Ctrl-a x ends the machine and Ctrl-a h shows the other keys.\n"
"\n"
"Exit status: 0 power-off, 1 an error of ring3's own, 2 reboot (--no-reboot),\n"
"4 guest panic, 6 triple fault, 8 hung, 10 time-out, 12 ended by the user,\n"
"14 killed from outside, any odd status: (value << 1) | 1 of port 0xf4.\n";

void options_help(void)
{
	printf(help_text, options_device_help, options_abi_help);
	for (unsigned i = 0; i < TRACE_BIT_COUNT; i++)
		printf("                       %-10s %s\n", trace_class_name(i), trace_class_text(i));
	fputs(help_text_end, stdout);
}

bool options_size(const char *text, uint64_t *bytes)
{
	uint64_t unit = MIB;
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	switch (*end) {
	case 'k': case 'K': unit = KIB; end++; break;
	case 'm': case 'M': unit = MIB; end++; break;
	case 'g': case 'G': unit = GIB; end++; break;
	case 't': case 'T': unit = TIB; end++; break;
	default: break;
	}
	if (end[0] == 'i' && end[1] == 'B')
		end += 2;
	else if (end[0] == 'B')
		end++;
	return *end == '\0' && !__builtin_mul_overflow(value, unit, bytes);
}

static bool options_number(const char *text, unsigned max, unsigned *out)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > max)
		return false;
	*out = (unsigned)value;
	return true;
}

static int options_bad(const char *option, const char *value, const char *want)
{
	log_error("%s \"%s\" is not understood; give %s", option, value, want);
	return -EINVAL;
}

static int options_set_string(char **slot, const char *value)
{
	free(*slot);
	*slot = strdup(value);
	return *slot ? 0 : -ENOMEM;
}

static int options_add_module(struct machine_config *config, const char *value)
{
	size_t count = 0;
	char **modules;

	while (config->modules && config->modules[count])
		count++;
	modules = realloc(config->modules, (count + 2) * sizeof(*modules));
	if (!modules)
		return -ENOMEM;
	config->modules = modules;
	modules[count] = strdup(value);
	modules[count + 1] = NULL;
	return modules[count] ? 0 : -ENOMEM;
}

static int options_set_memory(struct machine_config *config, const char *value)
{
	if (!options_size(value, &config->memory))
		return options_bad("--memory", value, "a size such as 512M or 2G");
	config->memory = align_down(config->memory, PAGE_SIZE);
	if (config->memory < MEMORY_MIN || config->memory > MEMORY_MAX) {
		log_error("--memory %s is out of range; give %lu MiB to %lu GiB", value,
			  MEMORY_MIN / MIB, MEMORY_MAX / GIB);
		return -EINVAL;
	}
	return 0;
}

static int options_set_gdb(struct machine_config *config, const char *value)
{
	const char *comma = strchr(value, ',');
	char port[8];
	size_t length = comma ? (size_t)(comma - value) : strlen(value);

	if (length >= sizeof(port) || (comma && strcmp(comma, ",wait")))
		return options_bad("--gdb", value, "a port number, or PORT,wait");
	memcpy(port, value, length);
	port[length] = '\0';
	if (!options_number(port, UINT16_MAX, &config->gdb_port) || config->gdb_port == 0)
		return options_bad("--gdb", value, "a port number, or PORT,wait");
	config->gdb_wait = comma != NULL;
	return 0;
}

static int options_set_serial(struct machine_config *config, const char *value)
{
	if (strcmp(value, "stdio") && (strncmp(value, "file:", 5) || !value[5]) &&
	    (strncmp(value, "unix:", 5) || !value[5]))
		return options_bad("--serial", value, "stdio, file:PATH or unix:PATH");
	return options_set_string(&config->serial, value);
}

static int options_set_pv(struct machine_config *config, const char *value)
{
	static const char *const words[] = {
		[MACHINE_PV_NONE] = "none", [MACHINE_PV_KVM] = "kvm", [MACHINE_PV_RING3] = "ring3",
	};

	for (unsigned i = 0; i < array_size(words); i++) {
		if (!strcmp(value, words[i])) {
			config->pv = (enum machine_pv)i;
			return 0;
		}
	}
	return options_bad("--pv", value, "none, kvm or ring3");
}

static int options_set_trace(struct machine_config *config, const char *value)
{
	const char *unknown;

	if (!trace_parse(value, &config->trace, &unknown))
		return 0;
	log_error("--trace does not know \"%s\"; ring3 run --help lists the classes", unknown);
	return -EINVAL;
}

static int options_set_record(struct machine_config *config, const char *value)
{
	const char *size = strstr(value, ",size=");
	size_t length = size ? (size_t)(size - value) : strlen(value);

	config->record_bytes = RECORDER_BYTES_DEFAULT;
	if (!length || (size && !options_size(size + 6, &config->record_bytes)))
		return options_bad("--record", value, "FILE, or FILE,size=64M");
	if (config->record_bytes < RECORDER_BYTES_MIN || config->record_bytes > RECORDER_BYTES_MAX) {
		log_error("--record %s: the size is out of range; give %lu MiB to %lu GiB", value,
			  RECORDER_BYTES_MIN / MIB, RECORDER_BYTES_MAX / GIB);
		return -EINVAL;
	}
	free(config->record);
	config->record = strndup(value, length);
	return config->record ? 0 : -ENOMEM;
}

static int options_one(struct options *out, int id, const char *value)
{
	struct machine_config *config = &out->machine;

	switch (id) {
	case OPTION_KERNEL:
		return options_set_string(&config->kernel, value);
	case OPTION_INITRD:
		return options_set_string(&config->initrd, value);
	case OPTION_APPEND:
		return options_set_string(&config->append, value);
	case OPTION_MODULE:
		return options_add_module(config, value);
	case 'm':
		return options_set_memory(config, value);
	case OPTION_PV:
		return options_set_pv(config, value);
	case OPTION_ABI:
		return options_add_abi(config, value);
	case OPTION_SERIAL:
		return options_set_serial(config, value);
	case OPTION_NO_REBOOT:
		config->no_reboot = true;
		return 0;
	case OPTION_TIMEOUT:
		if (!options_number(value, TIMEOUT_MAX, &config->timeout))
			return options_bad("--timeout", value, "whole seconds");
		return 0;
	case OPTION_STATS:
		if (value)
			return options_set_string(&config->stats_file, value);
		config->stats = true;
		return 0;
	case OPTION_TRACE:
		return options_set_trace(config, value);
	case OPTION_RECORD:
		return options_set_record(config, value);
	case OPTION_GDB:
		return options_set_gdb(config, value);
	case OPTION_ENGINE:
		if (strcmp(value, "translate") && strcmp(value, "emulate"))
			return options_bad("--engine", value, "translate or emulate");
		config->engine = strcmp(value, "emulate") ? MACHINE_ENGINE_TRANSLATE :
							    MACHINE_ENGINE_EMULATE;
		return 0;
	case OPTION_DISK:
		return options_add_disk(config, value);
	case OPTION_NET:
		return options_add_net(config, value);
	case OPTION_RNG:
		config->rng = true;
		return 0;
	case OPTION_IO:
		if (strcmp(value, "uring") && strcmp(value, "threads"))
			return options_bad("--io", value, "uring or threads");
		config->io = strcmp(value, "uring") ? IO_THREADS : IO_URING;
		return 0;
	case 'q':
		out->log_level = LOG_ERROR;
		return 0;
	case 'v':
		out->log_level = LOG_DEBUG;
		return 0;
	case 'h':
		out->help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

/* getopt's own messages go through stdio with argv[0] "run": say it our way. */
static int options_misused(char **argv, int id)
{
	const char *word = argv[optind - 1];

	if (id == ':')
		log_error("%s needs an argument; see ring3 run --help", word);
	else if (optopt && optopt < 256)
		log_error("unknown option -%c; see ring3 run --help", optopt);
	else
		log_error("unknown or ambiguous option %s; see ring3 run --help", word);
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *out)
{
	int id, r;

	*out = (struct options){ .log_level = LOG_INFO };
	out->machine.memory = MEMORY_DEFAULT;
	optind = 0;	/* glibc: start over, also for the next caller */
	while ((id = getopt_long(argc, argv, ":m:qvh", long_options, NULL)) != -1) {
		if (id == '?' || id == ':')
			return options_misused(argv, id);
		r = options_one(out, id, optarg);
		if (r == -ENOMEM)
			log_error("no memory for the options");
		if (r)
			return r;
		if (out->help)
			return 0;
	}
	if (optind < argc) {
		log_error("\"%s\" is not an option; did you mean --kernel %s?", argv[optind],
			  argv[optind]);
		return -EINVAL;
	}
	if (!out->machine.kernel) {
		log_error("no kernel; give --kernel FILE (see ring3 run --help)");
		return -EINVAL;
	}
	if (out->machine.record && out->machine.pv != MACHINE_PV_RING3) {
		log_error("--record is about ring3's hypercalls; give --pv ring3, too");
		return -EINVAL;
	}
	r = options_check_devices(&out->machine);
	if (!r)
		r = options_check_abi(&out->machine);
	if (r)
		return r;
	if (!out->machine.serial)
		return options_set_string(&out->machine.serial, "stdio");
	return 0;
}
