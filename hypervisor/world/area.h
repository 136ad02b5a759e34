/* SPDX-License-Identifier: MIT */
/*
 * The control area as C sees it, and what the files of world/ share.
 *
 * The area is writable by hostile code.  The kernel world reads each value once,
 * bounds it, and keeps its own copy of everything it must remember.
 */
#ifndef RING3_WORLD_AREA_H
#define RING3_WORLD_AREA_H

#include "world/stub.h"
#include "world/world.h"

struct stub_request {
	uint32_t op;		/* __NR_mmap, __NR_mprotect, __NR_munmap */
	uint32_t flags;		/* of mmap */
	uint64_t gva, length, prot, fd, offset;
};

struct world_area {
	volatile uint32_t turn, kernel_sleeps, world_sleeps, command, reason, mode, kick_ack, done;
	volatile uint64_t nonce;
	volatile int64_t error;
	volatile uint32_t started;
	uint8_t pad0[AREA_SPIN - 0x34];
	volatile uint32_t spin, yields, always_prove, kick_seq;
	uint8_t pad1[AREA_COOKIE - 0x50];
	volatile uint64_t cookie;
	volatile uint32_t count;
	uint8_t pad2[AREA_FS_BASE - 0x8c];
	volatile uint64_t fs_base, gs_base;
	uint8_t pad3[AREA_REGS - 0xd0];
	volatile uint64_t regs[REG_COUNT];
	volatile uint64_t rip, cs, rflags, rsp, ss;
	uint8_t pad4[AREA_REQUESTS - 0x1a8];
	struct stub_request requests[STUB_BATCH];
	uint8_t pad5[AREA_XSAVE - AREA_REQUESTS - STUB_BATCH * REQUEST_SIZE];
	uint8_t xsave[AREA_XSAVE_SIZE];
	uint8_t pad6[AREA_STACK - AREA_XSAVE - AREA_XSAVE_SIZE];
	uint8_t stack[AREA_STACK_SIZE];
};

#define AREA_CHECK(field, offset) \
	_Static_assert(offsetof(struct world_area, field) == (offset), #field)
AREA_CHECK(turn, AREA_TURN);
AREA_CHECK(kernel_sleeps, AREA_KERNEL_SLEEPS);
AREA_CHECK(world_sleeps, AREA_WORLD_SLEEPS);
AREA_CHECK(command, AREA_COMMAND);
AREA_CHECK(spin, AREA_SPIN);
AREA_CHECK(yields, AREA_YIELDS);
AREA_CHECK(always_prove, AREA_ALWAYS_PROVE);
AREA_CHECK(nonce, AREA_NONCE);
AREA_CHECK(cookie, AREA_COOKIE);
AREA_CHECK(count, AREA_COUNT);
AREA_CHECK(kick_seq, AREA_KICK_SEQ);
AREA_CHECK(reason, AREA_REASON);
AREA_CHECK(mode, AREA_MODE);
AREA_CHECK(kick_ack, AREA_KICK_ACK);
AREA_CHECK(done, AREA_DONE);
AREA_CHECK(error, AREA_ERROR);
AREA_CHECK(started, AREA_STARTED);
AREA_CHECK(fs_base, AREA_FS_BASE);
AREA_CHECK(gs_base, AREA_GS_BASE);
AREA_CHECK(regs, AREA_REGS);
AREA_CHECK(rip, AREA_RIP);
AREA_CHECK(cs, AREA_CS);
AREA_CHECK(rflags, AREA_RFLAGS);
AREA_CHECK(rsp, AREA_RSP);
AREA_CHECK(ss, AREA_SS);
AREA_CHECK(requests, AREA_REQUESTS);
AREA_CHECK(xsave, AREA_XSAVE);
AREA_CHECK(stack, AREA_STACK);
_Static_assert(sizeof(struct world_area) == STUB_AREA_SIZE, "the area's size");
_Static_assert(AREA_REQUESTS + STUB_BATCH * REQUEST_SIZE <= AREA_XSAVE, "requests");
_Static_assert(AREA_XSAVE_SIZE >= VCPU_XSAVE_SIZE, "XSAVE area");
_Static_assert(sizeof(struct stub_request) == REQUEST_SIZE &&
	       offsetof(struct stub_request, flags) == REQUEST_FLAGS &&
	       offsetof(struct stub_request, gva) == REQUEST_GVA &&
	       offsetof(struct stub_request, length) == REQUEST_LENGTH &&
	       offsetof(struct stub_request, prot) == REQUEST_PROT &&
	       offsetof(struct stub_request, fd) == REQUEST_FD &&
	       offsetof(struct stub_request, offset) == REQUEST_OFFSET, "struct stub_request");

struct stub_const {
	uint64_t frame, fpstate;
	uint64_t stack_sp;		/* stack_t */
	uint32_t stack_flags, pad;
	uint64_t stack_size;
};
_Static_assert(offsetof(struct stub_const, frame) == CONST_FRAME &&
	       offsetof(struct stub_const, fpstate) == CONST_FPSTATE &&
	       offsetof(struct stub_const, stack_sp) == CONST_STACK, "struct stub_const");

/* The host's 64-bit signal frame (arch/x86/include/asm/sigframe.h, struct rt_sigframe). */
struct world_frame {
	uint64_t pretcode, uc_flags, uc_link, ss_sp, ss_flags, ss_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
	uint64_t rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trapno, oldmask, cr2, fpstate, reserved[8], sigmask;
	int32_t si_signo, si_errno, si_code, si_pad;
	uint64_t si_call_addr;		/* SIGSYS only */
	uint32_t si_syscall, si_arch;
};
_Static_assert(offsetof(struct world_frame, si_signo) == 312, "struct rt_sigframe");
_Static_assert(offsetof(struct world_frame, rip) == 8 + 40 + 16 * 8, "as stub.S reads it");

#define BASE_UNKNOWN	(0xdeadul << 48)	/* differs from every canonical address */

struct world {
	struct world_area *area;
	volatile struct world_frame *frame;	/* in the area's stack: of the last signal */
	uint8_t *fpstate;			/* its XSAVE area */
	int pid, proof_fd;
	unsigned index;
	bool started;		/* runs, or died since */
	bool signal_mode;	/* as the world last said: where its SIMD state is */
	bool proved;		/* known to be in the stub since its last exit */
	bool busy;		/* executes a batch that nobody waits for yet */
	bool saved;		/* its SIMD state has been written to area->xsave since then */
	uint64_t nonce, cookie;
	uint64_t fs_base, gs_base;		/* as the world's registers have them */
	unsigned queued;			/* requests in queue */
	int error;				/* of a batch executed by world_run() */
	struct stub_request queue[STUB_BATCH];
};

/* world.c */
extern struct world *worlds;
extern unsigned worlds_number;
extern unsigned world_xsave_size;	/* of the host's standard-format XSAVE area */
extern uint64_t world_xcr0;
uint64_t world_random(void);		/* unpredictable */
void world_died(struct world *w);	/* says so; stops the machine */

/* spawn.c */
int world_frame_learn(struct stub_const *out);
int world_spawn(struct world *w, int area_fd, uint64_t area_offset);

/* filter.c: the world's filter, into `program`; its length. */
struct sock_filter;
#define FILTER_MAX 256
unsigned filter_world(struct sock_filter *program, uint64_t cookie);

/* baton.c */
void baton_init(void);
void baton_child(void);		/* in a new world, while it still has libc */
void world_kick(struct world *w);	/* send the signal; nothing is waited for */
#define PATIENCE_NS	5000000ul	/* then a command that is not RUN is enforced by a kick */
/* Pass the baton with `command` and wait until it comes back.  kick: the word that asks for an
 * end of the wait by the kick signal, or NULL.  false: the world died. */
bool baton_pass(struct world *w, uint32_t command, volatile uint32_t *kick);
/* The same in halves, for commands that are not RUN: the world sleeps as soon as it is done.
 * Worth it where baton_spare(): worlds have a CPU of their own. */
bool baton_spare(void);
void baton_send(struct world *w, uint32_t command);
bool baton_receive(struct world *w);

/* proof.c */
bool world_prove(struct world *w);	/* false: died */
/* Execute the queue.  0, or -errno; the queue is empty then. */
int world_batch(struct world *w);
/* Fill the area for a batch; the caller passes the baton.  Requires proof. */
bool world_batch_prepare(struct world *w);	/* false: died */
int world_batch_result(struct world *w);

void world_settle(struct world *w);	/* after world_flush() */

void world_loose(struct world *w);	/* it ran, and says it stopped */
void world_quiesce_except(const struct world *w);	/* w is to run next */

/* queue.c: before a batch is made of it */
void queue_tidy(struct world *w);

/* fpu.c */
void fpu_init(void);
void fpu_enter(struct world *w, struct vcpu *vcpu, uint32_t *command);

#endif
