/* SPDX-License-Identifier: MIT */
/*
 * User worlds: host processes that hold nothing but guest user pages and a stub,
 * and execute CPL3 code directly, at its own addresses.
 *
 * A world is TLB content: who uses which world for which guest address space is
 * memory/vtlb.c's business.  All calls are made by the kernel world's one
 * thread; exactly one of the processes runs at a time (the baton).
 *
 * Hostile code may run in a world.  What a world says (struct world_exit, the
 * registers) is what a program could have made happen anyway; nothing it says
 * is trusted beyond that.
 */
#ifndef RING3_WORLD_WORLD_H
#define RING3_WORLD_WORLD_H

#include "base/types.h"
#include "machine/vcpu.h"

struct world;

enum world_source { WORLD_RAM, WORLD_PATCHED };	/* which memfd a mapping shows */
enum world_op { WORLD_MAP, WORLD_PROTECT, WORLD_UNMAP };

#define WORLD_PROT_R	1u
#define WORLD_PROT_W	2u
#define WORLD_PROT_X	4u

struct world_request {
	uint64_t gva;		/* page aligned, lower half */
	uint64_t length;	/* bytes, page multiple */
	uint64_t offset;	/* WORLD_MAP: in the memfd of `source` */
	uint8_t op, prot, source;
};

enum world_exit_reason {
	WORLD_EXIT_SYSCALL,	/* SYSCALL executed: RIP behind it, RCX/R11 as hardware sets them */
	WORLD_EXIT_INT,		/* INT n (vector), RIP behind it */
	WORLD_EXIT_FAULT,	/* vector, error, address: as the host's CPU reported; RIP on it
				 * (INT3, INTO: behind it) */
	WORLD_EXIT_PATCH,	/* a trap planted by patch/ was reached: RIP on the guest instruction */
	WORLD_EXIT_INTERRUPTED,	/* world_interrupt() or a kick; RIP at an instruction boundary */
	WORLD_EXIT_DIED,	/* the process is gone; machine_stop() has been called */
};

struct world_exit {
	enum world_exit_reason reason;
	uint8_t vector;		/* VEC_* for FAULT; n for INT */
	uint32_t error;		/* page-fault error code as hardware (user bit set) */
	uint64_t address;	/* VEC_PF: faulting address */
	bool trapped;		/* SYSCALL: by the slow way, not through a patched site */
};

/*
 * Fork `count` world processes (before the engine's stack moves and before the
 * jail), each jailed.  0 or -errno, said.
 */
int worlds_init(unsigned count);
unsigned worlds_count(void);
struct world *world_get(unsigned index);
int world_pid(const struct world *w);
unsigned world_index(const struct world *w);
/* Kill and reap all.  Also happens by itself when the kernel world dies. */
void worlds_exit(void);

/* Queue a request; executed, in order, before guest code next runs there.  A full queue is
 * executed at once.  Adjacent requests that continue each other are merged. */
void world_request(struct world *w, const struct world_request *req);
/* Execute what is queued now.  0, or -errno of the first that failed (-ENOMEM: too many maps). */
int world_sync(struct world *w);
/* Execute what is queued now, where that costs the caller nothing: it goes on at once, and whoever
 * next wants something of this world waits for it.  After world_quiesce(). */
void world_flush(struct world *w);
/* Would one have to wait?  What it says of itself: a hint. */
bool world_flushing(const struct world *w);
/* Unmap everything of the guest's. */
void world_clear(struct world *w);

/*
 * Run CPL3 code: vcpu's registers, RIP, RFLAGS, FS/GS base, CS (64-bit or
 * compatibility) go in and come back, with the SIMD state following
 * vcpu->fpu_place.  Returns after one exit.  Returns WORLD_EXIT_INTERRUPTED
 * soon after vcpu->fast.kick is set.
 */
void world_run(struct world *w, struct vcpu *vcpu, struct world_exit *exit);

/* Make the guest's SIMD state be in vcpu->xsave (fpu_place = FPU_IN_MEMORY). */
void world_fpu_fetch(struct vcpu *vcpu);

/* Addresses the stub occupies in every world: [start, end).  Not usable by the guest directly. */
void world_stub_range(uint64_t *start, uint64_t *end);

/* Does [gva, gva + length) touch what is ours?  The stub's range, and a table near 0x60000. */
bool world_reserved(uint64_t gva, uint64_t length);

/*
 * Make sure that the world that ran last has stopped, and does not merely say so: to be called
 * before anything that the guest could know to be unobserved by user code, i.e. by every TLB
 * operation (CR3 and CR4 writes, INVLPG, INVPCID).  Costs nothing when it is known already.
 */
void world_quiesce(void);

/* Look for dead worlds, stopping the machine if there is one: after SIGCHLD.  Any context. */
void worlds_check(void);

/* Counters for --stats. */
struct world_stats {
	uint64_t switches_spin, switches_wait;	/* baton passed: partner spinning / slept */
	uint64_t requests, batches;		/* host map calls, and switches made only for them */
	uint64_t exits[6];			/* by enum world_exit_reason */
	uint64_t fpu_moves;
} __attribute__((aligned(PAGE_SIZE)));		/* stats_share() */
extern struct world_stats world_stats;

#endif
