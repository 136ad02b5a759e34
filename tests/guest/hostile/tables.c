// SPDX-License-Identifier: MIT
/*
 * Descriptor tables, page tables, stacks and CR3 that point to nowhere: the machine triple-faults
 * or goes on, the virtual machine monitor itself neither breaks nor hangs.  One case a run.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "user.h"

static bool endless(struct trap_frame *f)
{
	(void)f;
	return trap_count[PF] % 10000;
}

static bool nested_fault(struct trap_frame *f)
{
	*(volatile uint64_t *)(TEST_BASE + f->rsp % 0x100000) = 1;
	return true;
}

static __attribute__((noinline)) uint64_t recurse(uint64_t n)
{
	volatile uint64_t room[64];

	room[n & 63] = n;
	if (n == ~0ul)
		return 0;
	return recurse(n + 1) + room[n & 63];
}

user_program(u_int, "int $0x80");

void test_main(void)
{
	struct table_pointer p = { 0xfff, TEST_BASE };
	uint64_t *self;

	print("case %lu\n", test_option("case", 0));
	switch (test_option("case", 0)) {
	case 0:		/* IDT not mapped */
		__asm__ volatile("lidt %0; int3" :: "m"(p) : "memory");
		break;
	case 1:		/* IDT in a device */
		p.base = (uint64_t)phys_to_virt(0xfee00000);
		__asm__ volatile("lidt %0; int3" :: "m"(p) : "memory");
		break;
	case 2:		/* IDT of garbage */
		memset(idt, 0xa5, sizeof(idt));
		__asm__ volatile("int3" ::: "memory");
		break;
	case 3:		/* GDT not mapped */
		__asm__ volatile("lgdt %0; int3; mov %1, %%ss" :: "m"(p), "r"(KERNEL_DS) : "memory");
		break;
	case 4:		/* CR3 beyond RAM */
		cr3_write(0xff0000000ul);
		break;
	case 5:		/* CR3 in a device */
		cr3_write(0xfee00000ul);
		break;
	case 6:		/* every page-table entry points to the table itself */
		self = phys_to_virt(page_alloc());
		for (unsigned i = 0; i < 512; i++)
			self[i] = virt_to_phys(self) | 7;
		cr3_write(virt_to_phys(self));
		break;
	case 7:		/* stack not mapped, no IST */
		__asm__ volatile("mov %0, %%rsp; push %%rax" :: "r"(TEST_BASE) : "memory");
		break;
	case 8:		/* stack not canonical */
		__asm__ volatile("mov %0, %%rsp; push %%rax" :: "r"(1ul << 62) : "memory");
		break;
	case 9:		/* TSS.RSP0 to nowhere, then an interrupt from CPL3 */
		user_init();
		user_prepare(user_address(u_int));
		__asm__ volatile("mov %0, %%rdx; movq %1, 4(%%rdx)" :: "r"(&tss), "r"(TEST_BASE) : "rdx", "memory");
		__asm__ volatile("push %0; push %1; push $2; push %2; push %3; iretq"
				 :: "r"((uint64_t)USER_DS), "r"(USER_STACK - 16), "r"((uint64_t)USER_CS),
				 "r"(user_address(u_int)) : "memory");
		break;
	case 10:	/* endless recursion down the stack into whatever lies below */
		recurse(0);
		break;
	case 11:	/* a fault handler that returns without a cure, many times */
		trap_handler[PF] = endless;
		for (unsigned i = 0; i < 5; i++)
			expect_equal(try_read((void *)TEST_BASE), PF);
		expect_equal(trap_count[PF], 50000);
		return;
	case 12:	/* faults in the fault handler, until the stack ends */
		trap_handler[PF] = nested_fault;
		(void)*(volatile uint64_t *)TEST_BASE;
		break;
	case 13:	/* the page tables unmap the code that runs */
		memset(phys_to_virt(cr3_read() & PTE_ADDRESS), 0, PAGE_SIZE);
		cr3_write(cr3_read());
		break;
	case 14:	/* page tables in device memory */
		*page_entry(TEST_BASE, 3) = 0xfee00000ul | 7;
		(void)try_read((void *)TEST_BASE);
		(void)try_write((void *)(TEST_BASE + 0x200000));
		break;
	case 15:	/* page tables beyond RAM */
		*page_entry(TEST_BASE, 3) = 0x7f0000000ul | 7;
		(void)try_read((void *)TEST_BASE);
		(void)try_write((void *)(TEST_BASE + 0x200000));
		(void)try_execute((void *)(TEST_BASE + 0x200000));
		break;
	case 16:	/* execute from a device and from nowhere */
		page_map(TEST_BASE, 0xfee00000ul, PTE_P | PTE_W);
		(void)try_execute((void *)TEST_BASE);
		break;
	case 17:	/* halted for ever */
		__asm__ volatile("cli; hlt");
		break;
	case 18:	/* an LDT and a TSS beyond everything */
		gdt[GDT_FREE] = 0xffff | 0x82ul << 40;
		gdt[GDT_FREE + 1] = 0x12345678;
		(void)TRY("lldt %w0; mov %1, %%ds", :: "r"(GDT_FREE * 8), "r"(0xc) : "memory");
		break;
	case 19:	/* the direct map lies: one RAM page as page table and as data */
		self = page_entry(TEST_BASE, 1);
		page_map(TEST_BASE, virt_to_phys(self) & PTE_ADDRESS, PTE_P | PTE_W);
		memset((void *)TEST_BASE, 0xff, PAGE_SIZE);
		(void)try_read((void *)(TEST_BASE + 0x5000));
		(void)try_write((void *)TEST_BASE);
		break;
	case 20:	/* code that overwrites itself while it runs */
		__asm__ volatile("lea 1f(%%rip), %%rdi; mov $64, %%ecx; mov $0xcc, %%al; 1: rep stosb; .skip 64, 0x90"
				 ::: "rdi", "rcx", "rax", "memory");
		break;
	default:
		test_error("no such case");
	}
	test_end(TEST_SUCCESS);
}
