/* SPDX-License-Identifier: MIT */
/*
 * Into generated code and out of it.
 *
 * translate_enter() is an ordinary function; it returns when the vCPU loop is
 * wanted.  In between, generated code comes to translate_callout with all guest
 * registers in the host's; the state is saved, translate_dispatch() runs on the
 * engine's stack, and its answer decides between going on and returning.
 *
 * Signals: up to translate_resume_end the vCPU's state in memory is whole, so
 * the handler may divert to translate_leave; behind translate_callout, the
 * flag `kick` is enough, since it is tested at translate_resume_begin.
 */
#include "asm_offsets.h"

#define V(offset)	(ASM_VCPU + (offset))
#define REG(n)		V(VCPU_REGS + 8 * (n))

	.text

	.globl translate_enter
	.type translate_enter, @function
translate_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$8, %rsp
	movq	%rsp, V(VCPU_ENGINE_RSP)

	.globl translate_resume_begin
translate_resume_begin:
	cmpl	$0, V(VCPU_KICK)
	jne	translate_leave
	movq	V(VCPU_DELTA), %rax
	wrfsbase %rax
	pushq	V(VCPU_HOST_FLAGS)
	popfq
	movq	REG(0), %rax
	movq	REG(1), %rcx
	movq	REG(2), %rdx
	movq	REG(3), %rbx
	movq	REG(5), %rbp
	movq	REG(6), %rsi
	movq	REG(7), %rdi
	movq	REG(8), %r8
	movq	REG(9), %r9
	movq	REG(10), %r10
	movq	REG(11), %r11
	movq	REG(12), %r12
	movq	REG(13), %r13
	movq	REG(14), %r14
	movq	REG(15), %r15
	movq	V(VCPU_HOST_RSP), %rsp
	jmp	*V(VCPU_CACHE_RIP)
	.globl translate_resume_end
translate_resume_end:

	.globl translate_ibl_miss
translate_ibl_miss:
	movq	V(VCPU_SPILL + 8), %rcx
	movl	$translate_indirect_site, V(VCPU_EXIT_INDEX)
	/* fall through */

	.globl translate_callout
translate_callout:
	movq	%rsp, V(VCPU_HOST_RSP)
	movq	V(VCPU_ENGINE_RSP), %rsp
	pushfq
	popq	V(VCPU_HOST_FLAGS)
	cld
	movq	%rax, REG(0)
	movq	%rcx, REG(1)
	movq	%rdx, REG(2)
	movq	%rbx, REG(3)
	movq	%rbp, REG(5)
	movq	%rsi, REG(6)
	movq	%rdi, REG(7)
	movq	%r8, REG(8)
	movq	%r9, REG(9)
	movq	%r10, REG(10)
	movq	%r11, REG(11)
	movq	%r12, REG(12)
	movq	%r13, REG(13)
	movq	%r14, REG(14)
	movq	%r15, REG(15)
	movq	V(VCPU_HOST_RSP), %rax
	subq	V(VCPU_DELTA), %rax
	movq	%rax, REG(4)
	movq	V(VCPU_ENGINE_FS), %rax
	wrfsbase %rax
	movl	$ASM_VCPU, %edi
	call	translate_dispatch
	testb	%al, %al
	jnz	translate_resume_begin

	.globl translate_leave
translate_leave:
	movq	V(VCPU_ENGINE_RSP), %rsp
	cld
	movq	V(VCPU_ENGINE_FS), %rax
	wrfsbase %rax
	addq	$8, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size translate_enter, . - translate_enter

/*
 * Signal handlers of the kernel world begin here: FS.base may be the guest's.
 * void signal_entry(int, siginfo_t *, void *); signal_dispatch() says whether
 * the interrupted code goes on with its own FS base (true) or the engine's.
 */
	.globl signal_entry
	.type signal_entry, @function
signal_entry:
	pushq	%rbx
	rdfsbase %rbx
	movq	V(VCPU_ENGINE_FS), %rax
	wrfsbase %rax
	call	signal_dispatch
	testb	%al, %al
	jz	1f
	wrfsbase %rbx
1:	popq	%rbx
	ret
	.size signal_entry, . - signal_entry

	/* Where handlers return to: rt_sigreturn. */
	.globl signal_return
	.type signal_return, @function
signal_return:
	movl	$15, %eax
	syscall
	.size signal_return, . - signal_return

	.section .note.GNU-stack, "", @progbits
