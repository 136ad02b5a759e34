/* SPDX-License-Identifier: MIT */
/*
 * Into a guest instruction on the host's CPU and back: all general registers
 * but RSP, and the arithmetic flags, from and to native_frame.  The x87 and
 * vector state is in the registers already (fpu.c).
 *
 * A host fault inside leaves through native_abort (native.c sends the signal's
 * RIP there): RSP is taken from the frame, nothing else is relied on.
 */
	.bss
	.balign 64
	.globl native_frame
native_frame:
	.skip	16 * 8		/* registers, hardware order; RSP unused */
	.skip	8		/* 128: flags */
	.skip	8		/* 136: code */
	.skip	8		/* 144: host RSP */
	.skip	8		/* 152: aborted */

	.text
	.globl native_enter, native_abort
native_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, native_frame + 144(%rip)
	movq	$0, native_frame + 152(%rip)
	pushq	native_frame + 128(%rip)
	popfq
	mov	native_frame + 0(%rip), %rax
	mov	native_frame + 8(%rip), %rcx
	mov	native_frame + 16(%rip), %rdx
	mov	native_frame + 24(%rip), %rbx
	mov	native_frame + 40(%rip), %rbp
	mov	native_frame + 48(%rip), %rsi
	mov	native_frame + 56(%rip), %rdi
	mov	native_frame + 64(%rip), %r8
	mov	native_frame + 72(%rip), %r9
	mov	native_frame + 80(%rip), %r10
	mov	native_frame + 88(%rip), %r11
	mov	native_frame + 96(%rip), %r12
	mov	native_frame + 104(%rip), %r13
	mov	native_frame + 112(%rip), %r14
	mov	native_frame + 120(%rip), %r15
	call	*native_frame + 136(%rip)
	mov	%rax, native_frame + 0(%rip)
	mov	%rcx, native_frame + 8(%rip)
	mov	%rdx, native_frame + 16(%rip)
	mov	%rbx, native_frame + 24(%rip)
	mov	%rbp, native_frame + 40(%rip)
	mov	%rsi, native_frame + 48(%rip)
	mov	%rdi, native_frame + 56(%rip)
	mov	%r8, native_frame + 64(%rip)
	mov	%r9, native_frame + 72(%rip)
	mov	%r10, native_frame + 80(%rip)
	mov	%r11, native_frame + 88(%rip)
	mov	%r12, native_frame + 96(%rip)
	mov	%r13, native_frame + 104(%rip)
	mov	%r14, native_frame + 112(%rip)
	mov	%r15, native_frame + 120(%rip)
	pushfq
	popq	native_frame + 128(%rip)
native_leave:
	cld
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
native_abort:
	mov	native_frame + 144(%rip), %rsp
	movq	$1, native_frame + 152(%rip)
	jmp	native_leave

	.section .note.GNU-stack, "", @progbits
