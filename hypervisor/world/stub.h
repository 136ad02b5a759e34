/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a user world, and the control area through which a world
 * and the kernel world speak.  Included by stub.S and by C: numbers only; the C
 * view of the control area is world/area.h, whose static asserts hold the two
 * together.
 *
 *   STUB_TABLE        pointers to the trampolines, read-only       (patch/site.c)
 *   STUB_TEXT         the stub's code, read and execute            (world/stub.S)
 *   STUB_CONST        constants the stub trusts, read-only         (struct stub_const)
 *   STUB_AREA         this world's control area, read and write    (struct world_area)
 *   STUB_TRAMPOLINES  one per patched SYSCALL site, read, execute  (patch/site.c)
 *
 * The table lies at 0x60000 so that a patched site's `jmp *[slot]` ends in the
 * bytes 06 00: who jumps into its middle meets an invalid opcode.  The rest lies
 * where neither position-dependent nor position-independent programs, mmap, the
 * stack nor sanitizers' shadows are found.
 */
#ifndef RING3_WORLD_STUB_H
#define RING3_WORLD_STUB_H

#define STUB_TABLE		0x60000
#define STUB_TABLE_SIZE		0x10000
#define STUB_BASE		0x6fffe0000000
#define STUB_BASE_HIGH		0x6fff		/* bits 32.. of all stub addresses */
#define STUB_TEXT		STUB_BASE
#define STUB_TEXT_SIZE		0x1000
#define STUB_CONST		(STUB_BASE + 0x1000)
#define STUB_CONST_SIZE		0x1000
#define STUB_AREA		(STUB_BASE + 0x10000)
#define STUB_AREA_SIZE		0x20000
#define STUB_TRAMPOLINES	(STUB_BASE + 0x40000)
#define STUB_TRAMPOLINES_SIZE	0x40000
#define STUB_END		(STUB_BASE + 0x80000)

#define STUB_SITES		(STUB_TABLE_SIZE / 8)
#define STUB_TRAMPOLINE_SIZE	(STUB_TRAMPOLINES_SIZE / STUB_SITES)

/* Control area. */
#define AREA_TURN		0x000	/* u32: whose turn, TURN_*; with the rest of its cache line, */
#define AREA_KERNEL_SLEEPS	0x004	/* u32: kernel world waits in a futex for TURN */
#define AREA_WORLD_SLEEPS	0x008	/* u32: the world does */
#define AREA_COMMAND		0x00c	/* u32: CMD_*, kernel world -> stub */
#define AREA_REASON		0x010	/* u32: REASON_*, stub -> kernel world */
#define AREA_MODE		0x014	/* u32: MODE_*: where the SIMD state is */
#define AREA_KICK_ACK		0x018	/* u32: number of the last kick taken */
#define AREA_DONE		0x01c	/* u32: requests executed; BATCH_PENDING before that */
#define AREA_NONCE		0x020	/* u64: what the proof must show */
#define AREA_ERROR		0x028	/* s64: result of the request that failed, or 0 */
#define AREA_STARTED		0x030	/* u32: guest code is being entered */
#define AREA_SPIN		0x040	/* u32: TSC ticks to spin before sleeping; rarely written line */
#define AREA_YIELDS		0x044	/* u32: sched_yield calls after that */
#define AREA_ALWAYS_PROVE	0x048	/* u32: prove on the fast path, too */
#define AREA_KICK_SEQ		0x04c	/* u32: number of the last kick sent */
#define AREA_COOKIE		0x080	/* u64: passport of map requests; zero except inside a batch */
#define AREA_COUNT		0x088	/* u32: requests in the batch */
#define AREA_FS_BASE		0x0c0
#define AREA_GS_BASE		0x0c8
#define AREA_REGS		0x100	/* u64[16], hardware order */
#define AREA_RIP		0x180	/* these five are an IRETQ frame */
#define AREA_CS			0x188
#define AREA_RFLAGS		0x190
#define AREA_RSP		0x198
#define AREA_SS			0x1a0
#define AREA_SCRATCH		0x200	/* top of a stack of one word */
#define AREA_REQUESTS		0x1000	/* struct stub_request[STUB_BATCH] */
#define AREA_XSAVE		0x3000
#define AREA_XSAVE_SIZE		0x4000
#define AREA_STACK		0x8000	/* alternate signal stack */
#define AREA_STACK_SIZE		0x18000

#define STUB_BATCH		160
#define BATCH_PENDING		0xffffffff

/* Whoever finds TURN_WORLD in TURN: it is the world's turn; anything else: the kernel world's. */
#define TURN_KERNEL		0
#define TURN_WORLD		1
#define TURN_PARK		2	/* the kernel world's; the world should sleep */

#define CMD_RUN			0x01	/* enter guest code; otherwise give the baton back */
#define CMD_BATCH		0x02	/* execute the requests first */
#define CMD_PROVE		0x04	/* show that the stub has control */
#define CMD_SAVE		0x08	/* fast mode: XSAVE into the area */
#define CMD_LOAD		0x10	/* fast mode: XRSTOR from the area */
#define CMD_BASES		0x20	/* load FS and GS base */
#define CMD_IRET		0x40	/* enter by IRETQ */
#define CMD_COMPAT		0x80	/* load flat data segments (with CMD_IRET, CMD_BASES) */

#define REASON_FAST		1	/* SYSCALL through a trampoline; registers in AREA_REGS */
#define REASON_SIGNAL		2	/* a signal; registers in its frame */
#define REASON_KICKED		3	/* the kick signal; registers in its frame */
#define REASON_UNCHANGED	4	/* the kick signal, before the first guest instruction */
#define REASON_READY		5	/* the command is done (nothing ran) */

#define MODE_FAST		0	/* SIMD state is live in the registers */
#define MODE_SIGNAL		1	/* SIMD state is in the signal frame */

/* struct stub_const */
#define CONST_FRAME		0x00	/* u64: RSP at a handler's entry */
#define CONST_FPSTATE		0x08	/* u64: XSAVE area of that frame */
#define CONST_STACK		0x10	/* stack_t of the alternate stack */

/* struct stub_request */
#define REQUEST_OP		0x00
#define REQUEST_FLAGS		0x04	/* of mmap: MAP_SHARED | MAP_FIXED, or with MAP_POPULATE */
#define REQUEST_GVA		0x08
#define REQUEST_LENGTH		0x10
#define REQUEST_PROT		0x18
#define REQUEST_FD		0x20
#define REQUEST_OFFSET		0x28
#define REQUEST_SIZE		0x30

/* Signal numbers as the stub sees them. */
#define STUB_KICK_SIGNAL	62

/* The memfd of patch/: what all worlds share, then the patched images. */
#define PATCH_TABLE		0x00000
#define PATCH_TEXT		0x10000
#define PATCH_CONST		0x11000
#define PATCH_TRAMPOLINES	0x20000
#define PATCH_IMAGES		0x60000

/* Descriptors in every world. */
#define STUB_FD_RAM		3
#define STUB_FD_PATCH		4
#define STUB_FD_PROOF		5

#endif
