/* SPDX-License-Identifier: MIT */
/*
 * Counters for --stats and Ctrl-a s: where exits and time go.
 *
 * A counter is a plain field: `stats.blocks++`.  Only the vCPU's thread counts.
 * Time is accounted by saying what begins:  stats_time(STATS_USER) on the way
 * into a user world, stats_time(STATS_ENGINE) on the way out; one RDTSC each,
 * hence only if stats.timed (--stats).
 *
 * Counters of user worlds (switches, map calls) live in world/world.h, those of
 * back-ends in hostio/io_stats.h; the table shows all.
 *
 * stats_share() puts them on pages that fork() shares, so that the supervisor can
 * read them while the machine runs (--stats=FILE); whoever has no need of that does
 * not call it.
 */
#ifndef RING3_DEBUG_STATS_H
#define RING3_DEBUG_STATS_H

#include "base/types.h"
#include "debug/report.h"

/*	field			section			what it counts */
#define STATS_COUNTERS(X)								\
	X(kernel_enters,	"kernel code",		"entries to generated code")	\
	X(exit_lookup,		"kernel code",		"exits: block not known")	\
	X(exit_callout,		"kernel code",		"exits: sensitive instruction")	\
	X(exit_fault,		"kernel code",		"exits: host fault")		\
	X(exit_kick,		"kernel code",		"exits: interrupt or engine work") \
	X(returns,		"kernel code",		"IRET and SYSRET")		\
	X(msr,			"kernel code",		"accesses to MSRs")		\
	X(control,		"kernel code",		"writes of control registers")	\
	X(hlt,			"kernel code",		"HLT, each of them")		\
	X(emulated,		"kernel code",		"instructions interpreted, CPL0")	\
	X(emulated_user,	"user code",		"instructions interpreted, CPL3") \
	X(syscalls,		"user code",		"system calls")			\
	X(user_faults,		"user code",		"page faults of user worlds")	\
	X(pages_scanned,	"user code",		"code pages scanned")		\
	X(pages_patched,	"user code",		"code pages run from patched copies") \
	X(syscall_sites,	"user code",		"syscall sites patched")	\
	X(blocks,		"translation",		"blocks translated")		\
	X(block_instructions,	"translation",		"instructions translated")	\
	X(block_bytes,		"translation",		"bytes generated")		\
	X(links,		"translation",		"direct branches linked")	\
	X(sites_adapted,	"translation",		"sites given another form")	\
	X(blocks_dropped,	"translation",		"blocks dropped: code written")	\
	X(cache_flushes,	"translation",		"whole cache flushed")		\
	X(fills_kernel,		"memory",		"vTLB fills, kernel world")	\
	X(fills_user,		"memory",		"vTLB fills, user worlds")	\
	X(pages_filled,		"memory",		"pages mapped by fills")	\
	X(prefilled,		"memory",		"pages mapped because the guest said so")	\
	X(flushes_all,		"memory",		"flushes: everything")		\
	X(flushes_pcid,		"memory",		"flushes: one address space")	\
	X(flushes_page,		"memory",		"flushes: one page")		\
	X(revalidated,		"memory",		"entries kept by revalidation")	\
	X(dropped,		"memory",		"entries unmapped by flushes")	\
	X(evictions,		"memory",		"evictions for want of mappings") \
	X(host_maps,		"memory",		"host map calls, kernel world")	\
	X(user_accesses,	"memory",		"kernel accesses to user memory, by walk") \
	X(interrupts,		"interrupts",		"interrupts delivered")		\
	X(halts,		"interrupts",		"HLT waits")			\
	X(pio,			"devices",		"port accesses")		\
	X(mmio,			"devices",		"memory-mapped accesses")

enum stats_clock { STATS_ENGINE, STATS_USER, STATS_KERNEL, STATS_IDLE, STATS_CLOCKS };

#define STATS_HYPERCALLS 64

struct stats {
#define X(field, section, text)	uint64_t field;
	STATS_COUNTERS(X)
#undef X
	uint64_t exceptions[32];	/* injected, by vector */
	uint64_t hypercalls[STATS_HYPERCALLS];	/* by number; the last: unknown */
	bool timed;
	uint64_t clock[STATS_CLOCKS];	/* TSC ticks */
	uint64_t since;			/* TSC when the current clock began; 0: not started */
	enum stats_clock current;
} __attribute__((aligned(PAGE_SIZE)));

extern struct stats stats;

/* Switch clocks: the time until now goes to the one that ran. */
static inline void stats_time(enum stats_clock next)
{
	uint64_t now;

	if (likely(!stats.timed))
		return;
	now = __builtin_ia32_rdtsc();
	if (likely(stats.since))
		stats.clock[stats.current] += now - stats.since;
	stats.since = now;
	stats.current = next;
}

/* One counter of STATS_COUNTERS, of user worlds or of back-ends; NULL behind the last. */
struct stats_row {
	const char *name;		/* one word, for programs */
	const char *section, *text;
	const uint64_t *value;
};
const struct stats_row *stats_row(unsigned index);
const char *stats_exception_name(unsigned vector);	/* "#PF"; NULL: none */

/* Start-up, before fork(): counters on shared pages.  0 or -errno. */
int stats_share(void);
void stats_reset(void);		/* all zero, for another life of the machine */

/* The table; zero rows are left out. */
void stats_report(struct report *report);
void stats_print(void);		/* to standard error */

#endif
