/* SPDX-License-Identifier: MIT */
/*
 * The stub: all code of ours in a user world.  One page, copied to STUB_TEXT,
 * which reaches the constants and the control area RIP-relative.
 *
 * A world is always in one of two modes, told apart by where in this file it
 * waits, never by memory (a guest program can write the control area):
 *
 *  fast    Entered by a patched SYSCALL site through its trampoline.  The
 *          alternate signal stack is armed; the guest's SIMD state is live.
 *  signal  A signal handler runs on the alternate stack, which the host
 *          disarmed at delivery (SS_AUTODISARM).  The guest's SIMD state is in
 *          the signal frame, which is always at the stack's top, because guest
 *          code never runs unless the stack is armed: every way from here to
 *          guest code passes gate_altstack.  So no value of RSP lets a guest
 *          program choose where frames go or make the host kill the world.
 *          There is no sigreturn, and no signal is ever masked.
 *
 * While disarmed, nothing that decides where RSP points is read from memory
 * that a guest program can write.
 *
 * Guest code can jump to any byte here, with any registers.  Each `syscall`
 * below is a gate: the world's seccomp filter (world/filter.c) ties it to its
 * address and its arguments, so that what follows a gate needs no register and
 * no stack of its past.  Behind gate_prove_* control stays in this file until
 * the kernel world says RUN; the kernel world checks the proof before it relies
 * on the world being stopped, or hands out a cookie (world/proof.c).
 *
 * The kick signal can arrive anywhere, also in here.  It is never returned from:
 * its handler finds out by RIP and TURN how far things were and takes over
 * (sig_kick).  The kernel world sends none while a batch is executed, and waits
 * for its acknowledgement, so that no frame holds the cookie; one that comes late
 * and does is scrubbed (world/proof.c).
 */
#include "world/stub.h"

#define SYS_mmap	9
#define SYS_mprotect	10
#define SYS_munmap	11
#define SYS_sched_yield	24
#define SYS_lseek	8
#define SYS_sigaltstack	131
#define SYS_futex	202
#define SYS_seccomp	317
/* struct world_frame, as the host's kernel lays it at RSP. */
#define FRAME_RSP	(8 + 40 + 15 * 8)
#define FRAME_RIP	(8 + 40 + 16 * 8)
#define FRAME_SIGNO	312

	.section .rodata.stub, "a", @progbits
	.balign 4096
	.globl stub_start
stub_start:

#define AT(offset)	(stub_start + (STUB_AREA - STUB_TEXT) + (offset))(%rip)
#define REG(n)		AT(AREA_REGS + 8 * (n))
#define CONST(offset)	(stub_start + (STUB_CONST - STUB_TEXT) + (offset))(%rip)

	.macro gate name
	syscall
	.globl gate_\name
gate_\name:
	.endm

	.macro label name
	.globl stub_\name
stub_\name:
	.endm

	/* AC would make the host fault on unaligned accesses, NT makes IRETQ fault. */
	.macro plain_flags
	push	$2
	popfq
	.endm

	/* Give the baton back. */
	.macro release
	xor	%eax, %eax
	xchg	%eax, AT(AREA_TURN)
	.endm

	/* Wake the kernel world if it sleeps, then wait for the baton. */
	.macro wait_turn mode
	cmpl	$0, AT(AREA_KERNEL_SLEEPS)
	je	1f
	mov	$SYS_futex, %eax
	lea	AT(AREA_TURN), %rdi
	mov	$1, %esi		/* FUTEX_WAKE */
	mov	$1, %edx
	xor	%r10d, %r10d
	gate	wake_\mode
1:	rdtsc
	shl	$32, %rdx
	lea	(%rdx, %rax), %rbx
	mov	AT(AREA_SPIN), %ecx
	add	%rcx, %rbx		/* spin until then */
	mov	AT(AREA_YIELDS), %ebp
2:	mov	AT(AREA_TURN), %eax
	cmp	$TURN_WORLD, %eax
	je	5f
	cmp	$TURN_PARK, %eax
	je	4f
	pause
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	cmp	%rbx, %rax
	jb	2b
3:	sub	$1, %ebp
	js	4f
	mov	$SYS_sched_yield, %eax
	gate	yield_\mode
	cmpl	$TURN_WORLD, AT(AREA_TURN)
	je	5f
	jmp	3b
4:	mov	$1, %eax
	xchg	%eax, AT(AREA_WORLD_SLEEPS)
	mov	AT(AREA_TURN), %edx
	cmp	$TURN_WORLD, %edx
	je	6f
	mov	$SYS_futex, %eax
	lea	AT(AREA_TURN), %rdi
	xor	%esi, %esi		/* FUTEX_WAIT while it is EDX */
	xor	%r10d, %r10d
	gate	wait_\mode
	jmp	4b
6:	movl	$0, AT(AREA_WORLD_SLEEPS)
5:
	.endm

	.macro prove mode
	mov	$SYS_lseek, %eax
	mov	$STUB_FD_PROOF, %edi
	mov	AT(AREA_NONCE), %rsi
	xor	%edx, %edx
	gate	prove_\mode
	.endm

	/* The guest's registers but RSP; no flag changes. */
	.macro load_registers
	mov	REG(0), %rax
	mov	REG(1), %rcx
	mov	REG(2), %rdx
	mov	REG(3), %rbx
	mov	REG(5), %rbp
	mov	REG(6), %rsi
	mov	REG(7), %rdi
	mov	REG(8), %r8
	mov	REG(9), %r9
	mov	REG(10), %r10
	mov	REG(11), %r11
	mov	REG(12), %r12
	mov	REG(13), %r13
	mov	REG(14), %r14
	mov	REG(15), %r15
	.endm

	.macro load_bases
	mov	AT(AREA_FS_BASE), %rax
	wrfsbase %rax
	mov	AT(AREA_GS_BASE), %rax
	wrgsbase %rax
	.endm

	/* Written only if changed: the cache line then stays where it is on both CPUs. */
	.macro save_bases
	rdfsbase %rax
	cmp	%rax, AT(AREA_FS_BASE)
	je	1f
	mov	%rax, AT(AREA_FS_BASE)
1:	rdgsbase %rax
	cmp	%rax, AT(AREA_GS_BASE)
	je	2f
	mov	%rax, AT(AREA_GS_BASE)
2:
	.endm

/*
 * From a trampoline: EAX is the call's number, RCX the address behind the site,
 * everything else, the flags included, the guest's.
 */
	label	fast_entry
	mov	%rax, REG(0)
	mov	%rcx, AT(AREA_RIP)
	mov	%rdx, REG(2)
	mov	%rbx, REG(3)
	mov	%rsp, AT(AREA_RSP)
	mov	%rbp, REG(5)
	mov	%rsi, REG(6)
	mov	%rdi, REG(7)
	mov	%r8, REG(8)
	mov	%r9, REG(9)
	mov	%r10, REG(10)
	mov	%r12, REG(12)
	mov	%r13, REG(13)
	mov	%r14, REG(14)
	mov	%r15, REG(15)
	lea	AT(AREA_RSP), %rsp
	label	fast_rsp
	pushfq				/* at AREA_RFLAGS */
	label	fast_saved
	save_bases
	movl	$REASON_FAST, AT(AREA_REASON)
	cmpl	$0, AT(AREA_ALWAYS_PROVE)
	je	fast_release
	prove	fast
fast_release:
	movl	$MODE_FAST, AT(AREA_MODE)	/* behind the gate: true if proved */
	release
	label	fast_released
	wait_turn fast

	mov	AT(AREA_COMMAND), %r15d
	test	$CMD_PROVE | CMD_SAVE | CMD_BATCH, %r15d
	jnz	fast_chores
fast_run:
	test	$CMD_RUN, %r15d
	jz	fast_ready
	test	$CMD_LOAD, %r15d
	jz	1f
	mov	$-1, %eax
	mov	$-1, %edx
	lea	AT(AREA_XSAVE), %rcx
	xrstor64 (%rcx)
1:	test	$CMD_BASES, %r15d
	jnz	fast_bases
run:
	movl	$1, AT(AREA_STARTED)
	test	$CMD_IRET, %r15d
	jnz	run_iret
	lea	AT(AREA_RFLAGS), %rsp
	popfq
	load_registers
	mov	AT(AREA_RSP), %rsp
	jmp	*AT(AREA_RIP)

run_iret:
	lea	AT(AREA_SCRATCH), %rsp
	plain_flags
	load_registers
	lea	AT(AREA_RIP), %rsp
	iretq

fast_bases:
	load_bases
	test	$CMD_COMPAT, %r15d
	jz	run
run_compat:
	mov	$0x2b, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	load_bases			/* the selectors reset them */
	jmp	run

fast_chores:
	test	$CMD_PROVE, %r15d
	jz	1f
	prove	chore
	mov	AT(AREA_COMMAND), %r15d
1:	test	$CMD_SAVE, %r15d
	jz	2f
	mov	$-1, %eax
	mov	$-1, %edx
	lea	AT(AREA_XSAVE), %rcx
	xsave64	(%rcx)
2:	test	$CMD_BATCH, %r15d
	jz	fast_run
	lea	fast_run(%rip), %rbx
	jmp	batch
fast_ready:
	movl	$REASON_READY, AT(AREA_REASON)
	jmp	fast_release

/*
 * Execute the requests; go to RBX.  Keeps R15.  The cookie is in memory from the
 * kernel world's hand-over to the second instruction here, then in R14 and
 * argument registers, and nowhere when this is left.
 */
batch:
	mov	AT(AREA_COOKIE), %r14
	movq	$0, AT(AREA_COOKIE)
	lea	AT(AREA_REQUESTS), %r12
	mov	AT(AREA_COUNT), %r13d
	xor	%ebp, %ebp		/* executed */
	movq	$0, AT(AREA_ERROR)
batch_next:
	cmp	%r13d, %ebp
	jae	batch_done
	mov	REQUEST_GVA(%r12), %rdi
	mov	REQUEST_LENGTH(%r12), %rsi
	mov	REQUEST_PROT(%r12), %rdx
	mov	REQUEST_OP(%r12), %eax
	cmp	$SYS_mmap, %eax
	jne	1f
	mov	REQUEST_FLAGS(%r12), %r10d
	mov	%r14d, %r8d		/* the cookie's lower half above the descriptor */
	shl	$32, %r8
	or	REQUEST_FD(%r12), %r8
	mov	%r14, %r9		/* the upper one above the protection */
	shr	$32, %r9
	shl	$32, %r9
	or	%r9, %rdx
	mov	REQUEST_OFFSET(%r12), %r9
	gate	mmap
	jmp	3f
1:	mov	%r14, %r10
	cmp	$SYS_mprotect, %eax
	jne	2f
	gate	mprotect
	jmp	3f
2:	mov	$SYS_munmap, %eax
	gate	munmap
3:	cmp	$-4096, %rax
	ja	batch_failed
	inc	%ebp
	add	$REQUEST_SIZE, %r12
	jmp	batch_next
batch_failed:
	mov	%rax, AT(AREA_ERROR)
batch_done:
	xor	%r14d, %r14d
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%edx, %edx
	mov	%ebp, AT(AREA_DONE)	/* from here on kicks may come */
	cmpq	$0, AT(AREA_ERROR)
	je	1f
	and	$~CMD_RUN, %r15d
1:	jmp	*%rbx

/*
 * A signal handler: EDI signal.  RSP is CONST_FRAME, or below it when a kick came
 * while the stack was disarmed.
 */
	label	sig_entry
	plain_flags
	cmp	$STUB_KICK_SIGNAL, %edi
	je	sig_kick
sig_exit:
	movl	$REASON_SIGNAL, AT(AREA_REASON)
sig_report:
	mov	CONST(CONST_FRAME), %rsp	/* frames below are done with */
	save_bases
	prove	signal
sig_release:
	movl	$MODE_SIGNAL, AT(AREA_MODE)
	release
	label	sig_released
	wait_turn signal

	mov	AT(AREA_COMMAND), %r15d
	test	$CMD_BATCH, %r15d
	jz	sig_run
	lea	sig_run(%rip), %rbx
	jmp	batch
sig_run:
	test	$CMD_RUN, %r15d
	jz	sig_ready
	mov	$-1, %eax
	mov	$-1, %edx
	mov	CONST(CONST_FPSTATE), %rcx
	xrstor64 (%rcx)
	mov	$SYS_sigaltstack, %eax
	lea	CONST(CONST_STACK), %rdi
	xor	%esi, %esi
	gate	altstack
	test	$CMD_BASES, %r15d
	jnz	fast_bases
	jmp	run
sig_ready:
	movl	$REASON_READY, AT(AREA_REASON)
	prove	ready
	jmp	sig_release

/*
 * The kick.  What it interrupted is never returned to: by its RIP, what remains
 * to be done is done here.  It may itself have interrupted a handler, even that of
 * another kick; such frames lie one below the other, RSI walks up through them.
 */
sig_kick:
	mov	AT(AREA_KICK_SEQ), %eax
	mov	%eax, AT(AREA_KICK_ACK)
	mov	%rsp, %rsi
	lea	stub_start(%rip), %rbx
kick_look:
	mov	FRAME_RIP(%rsi), %rcx
	sub	%rbx, %rcx
	cmp	$STUB_TEXT_SIZE, %rcx
	jae	kick_report			/* guest code, or a trampoline */
	cmpl	$TURN_WORLD, AT(AREA_TURN)
	jne	kick_waiting
	cmp	$(stub_fast_saved - stub_start), %rcx
	jb	kick_report			/* on the way in; the kernel world undoes it */
	cmp	$(stub_fast_released - stub_start), %rcx
	jb	kick_fast			/* a trampoline's exit, all saved */
	cmp	$(stub_sig_entry - stub_start), %rcx
	jb	kick_unchanged			/* waiting, doing chores, on the way out */
	cmp	$(sig_report - stub_start), %rcx
	jb	kick_handler			/* a handler that has decided nothing */
	cmp	$(stub_sig_released - stub_start), %rcx
	jb	sig_report			/* decided, not yet released */
	cmp	$(sig_kick - stub_start), %rcx
	jb	kick_unchanged			/* as above */

kick_handler:
	mov	FRAME_RSP(%rsi), %rdx
	or	$8, %rdx			/* plain_flags may have pushed */
	cmp	%rsi, %rdx
	jbe	kick_unchanged			/* jumped to with an RSP of its own: as you like */
	cmp	CONST(CONST_FRAME), %rdx
	ja	kick_unchanged
	mov	%rdx, %rsi
	cmpl	$STUB_KICK_SIGNAL, FRAME_SIGNO(%rsi)
	je	kick_look
	jmp	sig_exit			/* a fault's frame, complete */

kick_report:
	movl	$REASON_KICKED, AT(AREA_REASON)
	jmp	sig_report
kick_fast:
	movl	$REASON_FAST, AT(AREA_REASON)
	jmp	sig_report
kick_unchanged:
	movl	$REASON_UNCHANGED, AT(AREA_REASON)
	jmp	sig_report
kick_waiting:
	mov	CONST(CONST_FRAME), %rsp
	movl	$MODE_SIGNAL, AT(AREA_MODE)
	jmp	stub_sig_released

/*
 * First code of a world, once in its life: RSI points to struct sock_fprog in the
 * control area.  Unmaps everything else and shuts the door.
 */
	label	boot
	mov	%rsi, %rbx
	mov	$SYS_munmap, %eax
	xor	%edi, %edi
	mov	$STUB_TABLE, %esi
	syscall
	test	%rax, %rax
	jnz	boot_failed
	mov	$SYS_munmap, %eax
	mov	$(STUB_TABLE + STUB_TABLE_SIZE), %edi
	mov	$(STUB_BASE - STUB_TABLE - STUB_TABLE_SIZE), %rsi
	syscall
	test	%rax, %rax
	jnz	boot_failed
	mov	$SYS_munmap, %eax
	mov	$STUB_END, %rdi
	mov	$(0x7ffffffff000 - STUB_END), %rsi
	syscall
	test	%rax, %rax
	jnz	boot_failed
	mov	$SYS_seccomp, %eax
	mov	$1, %edi		/* SECCOMP_SET_MODE_FILTER */
	xor	%esi, %esi
	mov	%rbx, %rdx
	syscall
	test	%rax, %rax
	jz	fast_ready
boot_failed:
	mov	%rax, AT(AREA_ERROR)
	jmp	fast_ready

	.globl stub_end
stub_end:
	/* An error here: the stub outgrew its page. */
	.org	stub_start + STUB_TEXT_SIZE
	.section .note.GNU-stack, "", @progbits
