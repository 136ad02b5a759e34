/* SPDX-License-Identifier: MIT */
/*
 * The trace: a ring of binary records of what the engine did last.
 *
 * Everything is always recorded (a few ns each), so that after a fault the way
 * to it can be read; classes chosen by --trace are also printed as they happen.
 * The ring is dumped by trace_dump() on our own bugs, engine faults, triple
 * faults and hangs (debug/dump.h does it all), and by gdb's `monitor trace`.
 * Reading the clock would cost more than the rest: records are stamped in
 * groups of TRACE_STAMP_EVERY, unless they are printed.
 *
 * How to use:  trace_exit(TRACE_K_CR_WRITE, vcpu->rip, 3, value);
 * To add a kind, add a row below.  One writer, the vCPU's thread; a record made
 * by a signal handler on top of another may lose that other one, nothing worse.
 */
#ifndef RING3_DEBUG_TRACE_H
#define RING3_DEBUG_TRACE_H

#include "base/types.h"
#include "debug/report.h"

/*	class		name on the command line	what it shows */
#define TRACE_CLASSES(X)							\
	X(EXITS,	exits,		"every way out of guest code")		\
	X(CPU,		cpu,		"exceptions, system registers, modes")	\
	X(MMU,		mmu,		"page faults, fills and flushes")	\
	X(TRANSLATE,	translate,	"blocks made, linked, dropped; patches")	\
	X(IRQ,		irq,		"interrupts raised and taken, timers")	\
	X(DEVICE,	device,		"port and memory-mapped I/O")		\
	X(WORLD,	world,		"user worlds: entries, map requests")	\
	X(HYPERCALLS,	hypercalls,	"hypercalls and their results")

/*	kind		class		meaning of a	meaning of b */
#define TRACE_KINDS(X)								\
	X(WORLD_EXIT,	EXITS,		"reason",	"detail")		\
	X(SYSCALL,	EXITS,		"nr",		"arg0")			\
	X(CALLOUT,	EXITS,		"exit",		"detail")		\
	X(HOST_FAULT,	EXITS,		"address",	"error")		\
	X(EMULATE,	EXITS,		"rsp",		"cpl")			\
	X(INTERRUPTED,	EXITS,		"host",		"kick")			\
	X(HALT,		EXITS,		"rflags",	"deadline")		\
	X(STOP,		EXITS,		"why",		"code")			\
	X(EXCEPTION,	CPU,		"vector",	"error/cr2")		\
	X(CR_WRITE,	CPU,		"cr",		"value")		\
	X(MSR_READ,	CPU,		"msr",		"value")		\
	X(MSR_WRITE,	CPU,		"msr",		"value")		\
	X(CPUID,	CPU,		"leaf",		"subleaf")		\
	X(MODE,		CPU,		"cr0",		"efer")			\
	X(FILL,		MMU,		"gva",		"gpa")			\
	X(FLUSH,	MMU,		"what",		"address")		\
	X(EVICT,	MMU,		"gva",		"count")		\
	X(BLOCK,	TRANSLATE,	"host",		"bytes")		\
	X(ADAPT,	TRANSLATE,	"known",	"-")			\
	X(CODE_WRITTEN,	TRANSLATE,	"gpa",		"blocks")		\
	X(CACHE_FLUSH,	TRANSLATE,	"used",		"blocks")		\
	X(PATCH,	TRANSLATE,	"gpa",		"traps")		\
	X(IRQ_SET,	IRQ,		"gsi",		"level")		\
	X(IRQ_TAKE,	IRQ,		"vector",	"rflags")		\
	X(PIO_READ,	DEVICE,		"port",		"value")		\
	X(PIO_WRITE,	DEVICE,		"port",		"value")		\
	X(MMIO_READ,	DEVICE,		"gpa",		"value")		\
	X(MMIO_WRITE,	DEVICE,		"gpa",		"value")		\
	X(WORLD_SYNC,	WORLD,		"world",	"requests")		\
	X(WORLD_CLEAR,	WORLD,		"world",	"-")			\
	X(FPU_MOVE,	WORLD,		"from",		"to")			\
	X(HYPERCALL,	HYPERCALLS,	"number",	"result")		\
	X(GUEST,	HYPERCALLS,	"a",		"b")

enum trace_class_bit {
#define X(class, name, text)	TRACE_BIT_##class,
	TRACE_CLASSES(X)
#undef X
	TRACE_BIT_COUNT
};

enum trace_class {
#define X(class, name, text)	TRACE_##class = 1u << TRACE_BIT_##class,
	TRACE_CLASSES(X)
#undef X
	TRACE_ALL = (1u << TRACE_BIT_COUNT) - 1
};

enum trace_kind {
#define X(kind, class, a, b)	TRACE_K_##kind,
	TRACE_KINDS(X)
#undef X
	TRACE_KIND_COUNT
};

struct trace_record {
	uint64_t tsc;
	uint64_t rip;		/* guest's */
	uint64_t a, b;		/* as TRACE_KINDS says */
	uint64_t kind;
};

#define TRACE_RING_SIZE	4096	/* a power of two */

#define TRACE_STAMP_EVERY	16	/* likewise */

struct trace_ring {
	uint64_t count;		/* ever recorded; the next one goes to count % size */
	uint64_t stamp;		/* TSC when last read */
	uint32_t mask;		/* TRACE_*: also printed live */
	struct trace_record records[TRACE_RING_SIZE];
};

extern struct trace_ring trace_ring;

/* Private to trace_exit(): print the record if its class is chosen. */
void trace_print_live(const struct trace_record *record);

static inline void trace_exit(enum trace_kind kind, uint64_t rip, uint64_t a, uint64_t b)
{
	struct trace_record *r = &trace_ring.records[trace_ring.count % TRACE_RING_SIZE];

	if (trace_ring.count++ % TRACE_STAMP_EVERY == 0 || unlikely(trace_ring.mask))
		trace_ring.stamp = __builtin_ia32_rdtsc();
	r->tsc = trace_ring.stamp;
	r->rip = rip;
	r->a = a;
	r->b = b;
	r->kind = kind;
	if (unlikely(trace_ring.mask))
		trace_print_live(r);
}

/* "exits,cpu" or "all" to a mask.  0, or -EINVAL: an unknown name, which *unknown points to. */
int trace_parse(const char *list, uint32_t *mask, const char **unknown);
/* Names and what they show, for --help and error messages: i < TRACE_BIT_COUNT. */
const char *trace_class_name(unsigned i);
const char *trace_class_text(unsigned i);

/* Which classes to print from now on (machine.config.trace). */
void trace_set_mask(uint32_t mask);

/* The last n records, oldest first, decoded; times are before now, good to a group. */
void trace_report(struct report *report, unsigned n);
void trace_dump(unsigned n);	/* to standard error */

#endif
