/* SPDX-License-Identifier: MIT */
/*
 * One host instruction per routine: destination in RAX, source in RDX, count or
 * second source in RCX, flags in and out.  Called by alu_call() only.  Tables
 * alu_<name> hold the routines for 1, 2, 4 and 8 bytes (0 where none exists).
 */
	.text

.macro table name, b, w, l, q
	.section .rodata
	.balign 8
	.globl alu_\name
	.type alu_\name, @object
alu_\name:
	.quad \b, \w, \l, \q
	.size alu_\name, 32
	.text
.endm

.macro binary name
1:	\name\()b %dl, %al
	ret
2:	\name\()w %dx, %ax
	ret
3:	\name\()l %edx, %eax
	ret
4:	\name\()q %rdx, %rax
	ret
	table \name, 1b, 2b, 3b, 4b
.endm

.macro binary_wide name
2:	\name\()w %dx, %ax
	ret
3:	\name\()l %edx, %eax
	ret
4:	\name\()q %rdx, %rax
	ret
	table \name, 0, 2b, 3b, 4b
.endm

.macro unary name
1:	\name\()b %al
	ret
2:	\name\()w %ax
	ret
3:	\name\()l %eax
	ret
4:	\name\()q %rax
	ret
	table \name, 1b, 2b, 3b, 4b
.endm

.macro shift name
1:	\name\()b %cl, %al
	ret
2:	\name\()w %cl, %ax
	ret
3:	\name\()l %cl, %eax
	ret
4:	\name\()q %cl, %rax
	ret
	table \name, 1b, 2b, 3b, 4b
.endm

.macro double_shift name
2:	\name\()w %cl, %dx, %ax
	ret
3:	\name\()l %cl, %edx, %eax
	ret
4:	\name\()q %cl, %rdx, %rax
	ret
	table \name, 0, 2b, 3b, 4b
.endm

/* RAX by RCX into RDX:RAX. */
.macro product name, label
1:	\name\()b %cl
	ret
2:	\name\()w %cx
	ret
3:	\name\()l %ecx
	ret
4:	\name\()q %rcx
	ret
	table \label, 1b, 2b, 3b, 4b
.endm

	.irp name, add, or, adc, sbb, and, sub, xor, cmp, test
	binary \name
	.endr
	.irp name, bt, bts, btr, btc, bsf, bsr, tzcnt, lzcnt, popcnt, imul
	binary_wide \name
	.endr
	.irp name, inc, dec, neg, not
	unary \name
	.endr
	.irp name, rol, ror, rcl, rcr, shl, shr, sar
	shift \name
	.endr
	double_shift shld
	double_shift shrd
	product mul, mul
	product imul, imul1
	product div, div
	product idiv, idiv

3:	adcxl %edx, %eax
	ret
4:	adcxq %rdx, %rax
	ret
	table adcx, 0, 0, 3b, 4b
3:	adoxl %edx, %eax
	ret
4:	adoxq %rdx, %rax
	ret
	table adox, 0, 0, 3b, 4b
/* Indexed by the source's size. */
1:	crc32b %dl, %eax
	ret
2:	crc32w %dx, %eax
	ret
3:	crc32l %edx, %eax
	ret
4:	crc32q %rdx, %rax
	ret
	table crc32, 1b, 2b, 3b, 4b

	.section .note.GNU-stack, "", @progbits
