/* SPDX-License-Identifier: MIT */
/*
 * Differential test of instructions: one case, several executors, equal outcomes.
 *
 * A case is one instruction at CPL3, 64-bit or compatibility mode, with registers, flags, vector state
 * and memory.  An executor runs it and reports the state after it, or its fault.
 * All executors show the same memory at the same addresses:
 *
 *   DIFF_CODE    one page, filled with INT3 around the instruction
 *   DIFF_DATA    DIFF_DATA_SIZE bytes, writable, nothing mapped behind
 *   DIFF_CONST   one page, read-only
 *   DIFF_STACK   one page, writable, nothing mapped around
 *
 * To add an executor: fill a struct diff_executor and list it in main.c.
 */
#ifndef RING3_TESTS_DIFF_H
#define RING3_TESTS_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIFF_CODE	0x50000000ul
#define DIFF_DATA	0x51000000ul
#define DIFF_DATA_SIZE	0x4000ul
#define DIFF_CONST	0x52000000ul
#define DIFF_STACK	0x53000000ul
#define DIFF_PAGE	0x1000ul

#define DIFF_XSAVE_SIZE	0x1000
/* x87, SSE, AVX, AVX-512: what is loaded and compared. */
#define DIFF_XFEATURES	0xe7ul

struct diff_memory {
	uint8_t data[DIFF_DATA_SIZE];
	uint8_t stack[DIFF_PAGE];
};

struct diff_case {
	bool compat;			/* 32-bit code segment */
	uint8_t code[16];
	unsigned length;
	unsigned offset;		/* of the instruction in the code page */
	uint64_t regs[16];		/* hardware order */
	uint64_t rflags;
	const struct diff_memory *memory;
	const uint8_t *constants;	/* DIFF_PAGE bytes */
	uint8_t xsave[DIFF_XSAVE_SIZE] __attribute__((aligned(64)));

	/* What may differ: */
	uint64_t flags_ignored;
	uint64_t ignore_start, ignore_end;	/* guest addresses */
	/* Which element of a masked operand faults, and whether: CPUs differ. */
	bool faults_ignored;
};

struct diff_outcome {
	bool fault;
	bool unsupported;		/* the executor does not know this instruction */
	unsigned vector;		/* of the fault */
	uint32_t error;
	uint64_t address;		/* #PF */
	uint64_t regs[16];
	uint64_t rip, rflags;
	struct diff_memory memory;
	uint8_t xsave[DIFF_XSAVE_SIZE] __attribute__((aligned(64)));
};

struct diff_executor {
	const char *name;
	bool (*init)(void);
	void (*run)(const struct diff_case *c, struct diff_outcome *out);
};

/* Host signals outside native_run(): true if handled, *rip is where to go on. */
extern bool (*diff_foreign_fault)(uint64_t *rip, uint8_t vector);

extern const struct diff_executor diff_native, diff_emulate;

/* Offset of an extended component in the standard XSAVE format, its size; 0: not on this host. */
unsigned diff_component(unsigned nr, unsigned *size);
/* The features of DIFF_XFEATURES that this host has. */
uint64_t diff_xfeatures(void);

/* generate.c: a random case for one opcode; false: nothing came out this time. */
struct diff_rng { uint64_t state; };
uint64_t diff_random(struct diff_rng *rng);
enum diff_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX1, MAP_VEX2, MAP_VEX3, MAP_EVEX1,
		MAP_EVEX2, MAP_EVEX3, MAP_COUNT };
bool diff_generate(struct diff_rng *rng, enum diff_map map, unsigned opcode, bool compat,
		   struct diff_case *c);
void diff_describe(const struct diff_case *c, char *text, size_t size);

#endif
