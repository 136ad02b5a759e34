// SPDX-License-Identifier: MIT
/*
 * Monitor commands; see gdbmonitor.h.  To add one, add a row to `commands`.
 */
#include "debug/gdbmonitor.h"

#include <string.h>

#include "debug/dump.h"
#include "debug/gdbproto.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "memory/ram.h"

#define TRACE_DEFAULT	32

static void skip_spaces(const char **p)
{
	while (gdb_take_char(p, ' '))
		;
}

/* A hexadecimal argument, 0x or not; the default when there is none. */
static uint64_t take_number(const char **p, uint64_t otherwise)
{
	uint64_t value;

	skip_spaces(p);
	gdb_take_prefix(p, "0x");
	return gdb_take_hex(p, &value) ? value : otherwise;
}

static void monitor_info(struct report *report, struct vcpu *vcpu, const char *args)
{
	(void)args;
	dump_registers(report, vcpu);
}

static void monitor_stats(struct report *report, struct vcpu *vcpu, const char *args)
{
	(void)vcpu;
	(void)args;
	stats_report(report);
}

static void monitor_trace(struct report *report, struct vcpu *vcpu, const char *args)
{
	(void)vcpu;
	trace_report(report, (unsigned)min_u64(take_number(&args, TRACE_DEFAULT), TRACE_RING_SIZE));
}

static void monitor_walk(struct report *report, struct vcpu *vcpu, const char *args)
{
	dump_walk(report, vcpu, GVA(take_number(&args, vcpu->rip)));
}

static void monitor_code(struct report *report, struct vcpu *vcpu, const char *args)
{
	dump_code(report, vcpu, GVA(take_number(&args, vcpu->rip)), 10);
}

static void monitor_phys(struct report *report, struct vcpu *vcpu, const char *args)
{
	uint64_t addr = take_number(&args, 0);
	uint64_t count = min_u64(take_number(&args, 64), PAGE_SIZE);

	(void)vcpu;
	for (uint64_t done = 0; done < count; done += 16) {
		uint64_t words[2];

		if (!ram_read(GPA(addr + done), words, sizeof(words))) {
			report_line(report, "%016lx: not RAM", addr + done);
			return;
		}
		report_line(report, "%016lx: %016lx %016lx", addr + done, words[0], words[1]);
	}
}

int (*gdb_unplug)(uint32_t device);

static void monitor_unplug(struct report *report, struct vcpu *vcpu, const char *args)
{
	uint64_t device = take_number(&args, UINT32_MAX);

	(void)vcpu;
	if (device >= UINT32_MAX || !gdb_unplug || gdb_unplug((uint32_t)device))
		report_line(report, "there is no such device; those with device=pv count from 0");
	else
		report_line(report, "removed");
}

static void monitor_help(struct report *report, struct vcpu *vcpu, const char *args);

static const struct command {
	const char *name;
	void (*run)(struct report *report, struct vcpu *vcpu, const char *args);
	const char *text;
} commands[] = {
	{ "info", monitor_info, "all registers, segments and tables of the vCPU" },
	{ "trace", monitor_trace, "[N]: the last N (hex) things the engine did" },
	{ "stats", monitor_stats, "counters and times" },
	{ "walk", monitor_walk, "[ADDR]: the page-table entries that map ADDR" },
	{ "phys", monitor_phys, "ADDR [COUNT]: guest-physical memory" },
	{ "code", monitor_code, "[ADDR]: disassembly as the engine decodes it" },
	{ "unplug", monitor_unplug, "N: remove the device of this number (device=pv)" },
	{ "help", monitor_help, "this list; numbers are hexadecimal" },
};

static void monitor_help(struct report *report, struct vcpu *vcpu, const char *args)
{
	(void)vcpu;
	(void)args;
	for (unsigned i = 0; i < array_size(commands); i++)
		report_line(report, "monitor %-6s %s", commands[i].name, commands[i].text);
}

void gdb_monitor(struct report *report, struct vcpu *vcpu, const char *command)
{
	skip_spaces(&command);
	for (unsigned i = 0; i < array_size(commands); i++) {
		const char *args = command;

		if (gdb_take_prefix(&args, commands[i].name) && (*args == ' ' || !*args)) {
			commands[i].run(report, vcpu, args);
			return;
		}
	}
	report_line(report, "unknown command; these are known:");
	monitor_help(report, vcpu, "");
}
