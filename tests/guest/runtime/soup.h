/* SPDX-License-Identifier: MIT */
/*
 * Random programs of valid instructions with defined results, for comparing machines.
 *
 * A program uses RBX, RSI, RDI, R8, R9 and RBP as pointers into its memory to begin with, and
 * ends with INT 0x41.  Branches go forward to instruction boundaries only, so it ends, or faults.
 */
#ifndef GUEST_SOUP_H
#define GUEST_SOUP_H

#include "cpu.h"

#define SOUP_END	0x41
#define SOUP_SIZE	2048u

struct soup {
	uint64_t seed;
	uint64_t code, data;	/* addresses where they will be used; data within 2 GiB of code */
	bool kernel;		/* privileged instructions too */
};

uint64_t soup_random(struct soup *s);
/* Writes at most SOUP_SIZE bytes at `at` (the kernel's view of s->code); returns their number. */
unsigned soup_make(struct soup *s, uint8_t *at, unsigned instructions);

#endif
