/* SPDX-License-Identifier: MIT */
/*
 * void case_enter(const struct case_state *in, struct case_state *out, bool vmmcall)
 *
 * Makes one hypercall with every register as `in` has it, and notes in `out` what they all are
 * afterwards.  RSP is the kernel's own: it is noted before and after.  Offsets: case.h.
 */
	.macro	XMM_LOAD from
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	(136 + 16 * \n)(\from), %xmm\n
	.endr
	.endm

	.macro	XMM_STORE to
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, (136 + 16 * \n)(\to)
	.endr
	.endm

	.macro	ENTER instruction
	pushq	128(%rdi)
	popfq
	movq	0(%rdi), %rax
	movq	8(%rdi), %rbx
	movq	16(%rdi), %rcx
	movq	24(%rdi), %rdx
	movq	32(%rdi), %rsi
	movq	48(%rdi), %rbp
	movq	64(%rdi), %r8
	movq	72(%rdi), %r9
	movq	80(%rdi), %r10
	movq	88(%rdi), %r11
	movq	96(%rdi), %r12
	movq	104(%rdi), %r13
	movq	112(%rdi), %r14
	movq	120(%rdi), %r15
	movq	40(%rdi), %rdi
	\instruction
	.endm

	.text
	.globl	case_enter
case_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushfq
	pushq	%rsi
	movq	%rsp, 56(%rsi)
	XMM_LOAD %rdi
	testl	%edx, %edx
	jnz	1f
	ENTER	vmcall
	jmp	2f
1:	ENTER	vmmcall
2:	pushq	%rax
	pushfq
	movq	16(%rsp), %rax
	movq	%rbx, 8(%rax)
	movq	%rcx, 16(%rax)
	movq	%rdx, 24(%rax)
	movq	%rsi, 32(%rax)
	movq	%rdi, 40(%rax)
	movq	%rbp, 48(%rax)
	movq	%r8, 64(%rax)
	movq	%r9, 72(%rax)
	movq	%r10, 80(%rax)
	movq	%r11, 88(%rax)
	movq	%r12, 96(%rax)
	movq	%r13, 104(%rax)
	movq	%r14, 112(%rax)
	movq	%r15, 120(%rax)
	popq	128(%rax)
	popq	0(%rax)
	XMM_STORE %rax
	movq	56(%rax), %rbx		/* a push or pop too many would show here */
	movq	%rsp, %rcx
	subq	%rbx, %rcx
	movq	%rcx, 56(%rax)
	popq	%rsi
	popfq
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
