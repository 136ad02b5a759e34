/* SPDX-License-Identifier: MIT */
/*
 * From the loader to C: multiboot 1 or PVH enter start32 in 32-bit protected
 * mode; it builds the first page tables, enters long mode and jumps to
 * runtime_start() at the address the test is linked for (GUEST_BASE + physical).
 *
 * The first page tables:
 *   low  variant (GUEST_BASE 0):     0 .. 1 GiB and 3 .. 4 GiB identity-mapped
 *   high variant (-2 GiB): the same at 0xffff888000000000, and the first GiB at -2 GiB;
 *                          the identity map goes away in runtime_start()
 * All with 2 MiB pages, supervisor only, in tables that allow user leaves.
 */
#define PHYS(symbol)	((symbol) - GUEST_BASE)
#define MB_MAGIC	0x1badb002
#define MB_FLAGS	0x3

	.section .boot, "ax"
	.code32
#ifndef GUEST_PVH
	.balign 4
	.long	MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
#else
	.pushsection .note.Xen, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start32
	.popsection
#endif

	.globl	start32
start32:
	cli
	cld
	movl	%eax, %ebp		/* multiboot magic (PVH: undefined) */
	movl	$PHYS(boot_stack_top), %esp

	/* .bss is zero: only the non-zero entries are written. */
	movl	$PHYS(boot_pdpt) + 7, PHYS(boot_pml4)
	movl	$PHYS(boot_pdpt) + 7, PHYS(boot_pml4) + 273 * 8
	movl	$PHYS(boot_pdpt_high) + 7, PHYS(boot_pml4) + 511 * 8
	movl	$PHYS(boot_pd) + 7, PHYS(boot_pdpt)
	movl	$PHYS(boot_pd_mmio) + 7, PHYS(boot_pdpt) + 3 * 8
	movl	$PHYS(boot_pd) + 7, PHYS(boot_pdpt_high) + 510 * 8
	movl	$0x83, %eax		/* P W PS */
	xorl	%ecx, %ecx
1:	movl	%eax, PHYS(boot_pd)(,%ecx,8)
	leal	0xc0000010(%eax), %edx	/* + PCD */
	movl	%edx, PHYS(boot_pd_mmio)(,%ecx,8)
	addl	$0x200000, %eax
	incl	%ecx
	cmpl	$512, %ecx
	jb	1b

	movl	$0x620, %eax		/* PAE OSFXSR OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$PHYS(boot_pml4), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	movl	$0x901, %eax		/* NXE LME SCE */
	xorl	%edx, %edx
	wrmsr
	movl	$0x80010033, %eax	/* PG WP NE ET MP PE */
	movl	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$0x10, $start64

	.balign	8
boot_gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	PHYS(gdt)

	.code64
start64:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%ebp, %edi
	movl	%ebx, %esi		/* multiboot information or PVH start_info */
	movabsq	$1f, %rax
	jmp	*%rax

	.text
1:	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp
	call	runtime_start
	ud2

	.data
	.balign	16
	.globl	gdt, gdt_end
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08 kernel code, 32 bit */
	.quad	0x00af9b000000ffff	/* 0x10 kernel code, 64 bit */
	.quad	0x00cf93000000ffff	/* 0x18 kernel data */
	.quad	0x00cffb000000ffff	/* 0x20 user code, 32 bit */
	.quad	0x00cff3000000ffff	/* 0x28 user data */
	.quad	0x00affb000000ffff	/* 0x30 user code, 64 bit */
	.quad	0, 0			/* 0x38 TSS */
	.fill	23, 8, 0		/* 0x48 .. 0xf8: the test's own */
gdt_end:

	.bss
	.balign	4096
	.globl	boot_pml4
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pdpt_high:	.skip 4096
boot_pd:	.skip 4096
boot_pd_mmio:	.skip 4096
boot_stack:	.skip 65536
	.globl	boot_stack_top
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
