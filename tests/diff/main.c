/* SPDX-License-Identifier: MIT */
/*
 * Run random cases of every opcode by every executor, compare with the first.
 *
 *   diff [-n CASES_PER_OPCODE] [-s SEED] [-o MAP:OPCODE] [-m 32|64] [-l LINES] [-v]
 *
 * One PASS or FAIL line for each opcode map and executor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decode/decode.h"
#include "diff.h"
#include "emulate/isa.h"

static const struct diff_executor *const executors[] = { &diff_native, &diff_emulate };
#define EXECUTORS	(sizeof(executors) / sizeof(executors[0]))

static const char *const map_names[MAP_COUNT] = {
	"one-byte", "0f", "0f38", "0f3a", "vex1", "vex2", "vex3", "evex1", "evex2", "evex3",
};

static struct diff_memory initial;
static uint8_t constants[DIFF_PAGE];
static unsigned shown, show_limit = 20;

#define FLAGS_COMPARED	0xcd5ul

/* A component that is not in use has its initial value. */
static void xsave_normalize(uint8_t *x)
{
	uint64_t bv;

	memcpy(&bv, x + 512, 8);
	if (!(bv & 1)) {
		memset(x, 0, 24);
		x[0] = 0x7f;
		x[1] = 0x03;
		memset(x + 32, 0, 128);
	}
	memset(x + 6, 0, 18);		/* last instruction and operand */
	memset(x + 28, 0, 4);		/* MXCSR mask */
	for (unsigned i = 0; i < 8; i++)
		memset(x + 32 + 16 * i + 10, 0, 6);
	if (!(bv & 2))
		memset(x + 160, 0, 256);
	memset(x + 416, 0, 96);
	for (unsigned i = 2; i < 8; i++) {
		unsigned size, offset = diff_component(i, &size);

		if (!(bv >> i & 1) && offset && offset + size <= DIFF_XSAVE_SIZE)
			memset(x + offset, 0, size);
	}
	memset(x + 512, 0, 64);
}

static bool differs(const struct diff_case *c, struct diff_outcome *a, struct diff_outcome *b,
		    char *why, size_t size)
{
	static const char names[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	uint64_t mask = FLAGS_COMPARED & ~c->flags_ignored;

	if (b->unsupported) {
		snprintf(why, size, "not implemented");
		return true;
	}
	if (c->faults_ignored && (a->fault || b->fault))
		return false;
	/* The test program itself lies there. */
	if (c->compat && b->fault && b->vector == 14 && b->address < 0x40000000)
		return false;
	if (a->fault != b->fault || (a->fault && a->vector != b->vector)) {
		snprintf(why, size, "fault %d/%u at %lx, not %d/%u at %lx", b->fault, b->vector,
			 b->address, a->fault, a->vector, a->address);
		return true;
	}
	/* The host's kernel says "present" of all its own addresses. */
	if (a->fault && a->vector == 14 && a->address >= 0x7ffffffff000)
		b->error |= 1;
	if (a->fault && a->vector == 14 && (a->address != b->address || a->error != b->error)) {
		snprintf(why, size, "#PF(%x) at %lx, not (%x) %lx", b->error, b->address, a->error,
			 a->address);
		return true;
	}
	if (a->rip != b->rip) {
		snprintf(why, size, "rip %lx, not %lx", b->rip, a->rip);
		return true;
	}
	for (unsigned i = 0; i < (c->compat ? 8 : 16); i++) {
		if (c->compat ? (uint32_t)a->regs[i] != (uint32_t)b->regs[i]
			      : a->regs[i] != b->regs[i]) {
			snprintf(why, size, "%s %lx, not %lx (was %lx)", names[i], b->regs[i],
				 a->regs[i], c->regs[i]);
			return true;
		}
	}
	if ((a->rflags ^ b->rflags) & mask) {
		snprintf(why, size, "rflags %lx, not %lx (was %lx)", b->rflags, a->rflags, c->rflags);
		return true;
	}
	for (unsigned i = 0; i < sizeof(a->memory); i++) {
		uint64_t addr = i < DIFF_DATA_SIZE ? DIFF_DATA + i : DIFF_STACK + i - DIFF_DATA_SIZE;
		uint8_t x = ((uint8_t *)&a->memory)[i], y = ((uint8_t *)&b->memory)[i];

		if (x != y && !(addr >= c->ignore_start && addr < c->ignore_end)) {
			snprintf(why, size, "[%lx] %02x, not %02x", addr, y, x);
			return true;
		}
	}
	xsave_normalize(a->xsave);
	xsave_normalize(b->xsave);
	/* Whether an MMX instruction that raises #XM has made the x87 transition. */
	if (a->fault && a->vector == 19)
		memcpy(b->xsave, a->xsave, 24), memcpy(b->xsave + 32, a->xsave + 32, 128);
	for (unsigned i = 0; i < DIFF_XSAVE_SIZE; i++) {
		if (a->xsave[i] != b->xsave[i]) {
			snprintf(why, size, "xsave[%x] %02x, not %02x (was %02x)", i, b->xsave[i],
				 a->xsave[i], c->xsave[i]);
			return true;
		}
	}
	return false;
}

static void report(const struct diff_case *c, const char *name, const char *why)
{
	char text[256];

	if (shown++ >= show_limit)
		return;
	diff_describe(c, text, sizeof(text));
	printf("    %s: %s: %s\n", name, text, why);
}

static unsigned long run_opcode(struct diff_rng *rng, enum diff_map map, unsigned opcode,
				bool compat, unsigned cases, bool verbose, unsigned long failures[EXECUTORS])
{
	static struct diff_outcome outcomes[EXECUTORS];
	static struct diff_case c;
	char why[256], text[256];
	unsigned long done = 0;

	for (unsigned tries = 0; done < cases && tries < 6 * cases; tries++) {
		c.memory = &initial;
		c.constants = constants;
		if (!diff_generate(rng, map, opcode, compat, &c))
			continue;
		done++;
		if (verbose) {
			diff_describe(&c, text, sizeof(text));
			printf("%s\n", text);
			fflush(stdout);
		}
		for (unsigned e = 0; e < EXECUTORS; e++) {
			executors[e]->run(&c, &outcomes[e]);
			if (e && differs(&c, &outcomes[0], &outcomes[e], why, sizeof(why))) {
				failures[e]++;
				report(&c, executors[e]->name, why);
			}
		}
	}
	return done;
}

extern unsigned long emulate_aborts;

static int run_map(struct diff_rng *rng, enum diff_map map, unsigned only_opcode, bool compat,
		   unsigned cases, bool verbose)
{
	unsigned long failures[EXECUTORS] = { 0 }, done = 0;
	int status = 0;

	shown = 0;
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		if (only_opcode < 256 && opcode != only_opcode)
			continue;
		done += run_opcode(rng, map, opcode, compat, cases, verbose, failures);
	}
	for (unsigned e = 1; e < EXECUTORS; e++) {
		printf("%s diff/%s/%s%s: %lu cases", failures[e] ? "FAIL" : "PASS",
		       executors[e]->name, map_names[map], compat ? "/32" : "", done);
		if (failures[e])
			printf(", %lu differ", failures[e]);
		printf("\n");
		status |= failures[e] != 0;
	}
	fflush(stdout);
	return status;
}

int main(int argc, char **argv)
{
	struct diff_rng rng = { .state = 1 }, filler = { .state = 42 };
	unsigned cases = 40, only_map = MAP_COUNT, only_opcode = 256, modes = 0;
	struct vcpu vcpu = { 0 };
	bool verbose = false;
	int opt, status = 0;

	while ((opt = getopt(argc, argv, "n:s:o:vl:m:")) >= 0) {
		switch (opt) {
		case 'n': cases = (unsigned)atoi(optarg); break;
		case 's': rng.state = strtoul(optarg, NULL, 0); break;
		case 'o': sscanf(optarg, "%u:%x", &only_map, &only_opcode); break;
		case 'm': modes = atoi(optarg) == 64 ? 2 : 1; break;
		case 'v': verbose = true; break;
		case 'l': show_limit = (unsigned)atoi(optarg); break;
		default: return 2;
		}
	}
	for (unsigned i = 0; i < sizeof(initial); i += 8) {
		uint64_t v = diff_random(&filler);

		memcpy((uint8_t *)&initial + i, &v, 8);
	}
	for (unsigned i = 0; i < sizeof(constants); i++)
		constants[i] = (uint8_t)diff_random(&filler);
	for (unsigned e = 0; e < EXECUTORS; e++) {
		if (!executors[e]->init()) {
			printf("SKIP diff/%s: cannot be set up here\n", executors[e]->name);
			return e == 0 ? 0 : 1;
		}
	}
	isa_init(&vcpu);
	for (unsigned map = 0; map < MAP_COUNT; map++) {
		if (only_map < MAP_COUNT && map != only_map)
			continue;
		if (!(modes & 1))
			status |= run_map(&rng, map, only_opcode, false, cases, verbose);
		/* EVEX adds nothing there. */
		if (!(modes & 2) && map < MAP_EVEX1)
			status |= run_map(&rng, map, only_opcode, true, cases, verbose);
	}
	/* A host fault that the interpreter should have foreseen. */
	printf("%s diff/emulate/foreseen: %lu host faults\n", emulate_aborts ? "FAIL" : "PASS",
	       emulate_aborts);
	return status | (emulate_aborts != 0);
}
