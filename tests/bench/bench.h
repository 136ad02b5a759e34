/* SPDX-License-Identifier: MIT */
/*
 * The benchmark program's inner contract.  A benchmark runs n iterations
 * and says how many nanoseconds they took; what it prepares and clears away does
 * not count.  bench.c chooses n, repeats and prints.
 */
#ifndef RING3_TESTS_BENCH_H
#define RING3_TESTS_BENCH_H

#include <stdint.h>

struct benchmark {
	const char *name;
	const char *what;		/* one operation, for the table's reader */
	const char *unit;		/* "ns", "us" or "ms": how its time is printed */
	unsigned per;			/* operations in one iteration */
	uint64_t (*run)(unsigned long n);	/* n iterations */
};

extern const struct benchmark bench_user[];	/* user code only */
extern const struct benchmark bench_kernel[];	/* what the kernel does for it */

uint64_t bench_now(void);			/* CLOCK_MONOTONIC, ns */
_Noreturn void bench_die(const char *what);	/* say errno, exit 2 */
#define BENCH_NOT_ALLOWED 77			/* exit status of a benchmark that may not run here */

/* Where to find things: busybox and a directory on tmpfs, from the environment. */
const char *bench_busybox(void);
const char *bench_tmpfs(void);
const char *bench_self(void);

/* Keep a value alive without storing it. */
#define BENCH_USE(x) __asm__ volatile("" : : "r"(x) : "memory")

#endif
