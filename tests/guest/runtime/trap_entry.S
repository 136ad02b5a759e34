/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of every gate, of SYSCALL, and the ways into and out of CPL3.
 */
	.text
	.altmacro
	.macro	GATE n
gate_\n:
	.if (\n == 8) || ((\n >= 10) && (\n <= 14)) || (\n == 17) || (\n == 21) || (\n == 29) || (\n == 30)
	.else
	pushq	$0
	.endif
	pushq	$\n
	jmp	gate_common
	.pushsection .rodata
	.quad	gate_\n
	.popsection
	.endm

	.pushsection .rodata
	.balign	8
	.globl	trap_gates
trap_gates:
	.popsection
	.set	i, 0
	.rept	256
	GATE	%i
	.set	i, i + 1
	.endr

	.macro	SAVE_REGISTERS
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.endm

	.macro	RESTORE_REGISTERS
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	.endm

gate_common:
	SAVE_REGISTERS
	pushfq
	popq	%rsi
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call	trap_dispatch
	movq	%rbx, %rsp
	RESTORE_REGISTERS
	addq	$16, %rsp
	iretq

/* int try_execute(p): the address faults, or returns; see trap.h. */
	.globl	try_execute
try_execute:
	movl	$-1, trap_last(%rip)
	movq	%rsp, try_execute_rsp(%rip)
	pushq	%rbx
	call	*%rdi
	popq	%rbx
	movq	$0, try_execute_rsp(%rip)
	movl	trap_last(%rip), %eax
	ret
	.globl	try_execute_failed
try_execute_failed:
	movq	try_execute_rsp(%rip), %rsp
	movq	-8(%rsp), %rbx
	movq	$0, try_execute_rsp(%rip)
	movl	trap_last(%rip), %eax
	ret

/* void user_enter_frame(struct trap_frame *f): IRETQ to it; comes back through user_leave. */
	.globl	user_enter_frame
user_enter_frame:
	pushfq
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, user_kernel_rsp(%rip)
	movq	%rsp, tss+4(%rip)
	cli
	movq	%rdi, %rsp
	RESTORE_REGISTERS
	addq	$16, %rsp
	.globl	user_iret
user_iret:
	iretq

	.globl	user_leave
user_leave:
	movq	user_kernel_rsp(%rip), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popfq
	ret

	.globl	syscall_entry
syscall_entry:
	movq	%rsp, syscall_rsp(%rip)
	movq	user_kernel_rsp(%rip), %rsp
	pushq	$0x2b
	pushq	syscall_rsp(%rip)
	pushq	%r11
	pushq	$0x33
	pushq	%rcx
	pushq	$0
	pushq	$0x100
	SAVE_REGISTERS
	pushfq
	popq	%rsi
	cld
	movq	%rsp, %rdi
	andq	$-16, %rsp
	movq	%rdi, %rbx
	call	syscall_dispatch
	/* The handler wants SYSRET with the frame's registers. */
	movq	%rbx, %rsp
	RESTORE_REGISTERS
	movq	16(%rsp), %rcx
	movq	32(%rsp), %r11
	movq	40(%rsp), %rsp
	sysretq

	.bss
	.balign	8
	.globl	user_kernel_rsp, try_execute_rsp
user_kernel_rsp:	.quad 0
syscall_rsp:		.quad 0
try_execute_rsp:	.quad 0

	.section .note.GNU-stack, "", @progbits
