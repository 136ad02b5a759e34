// SPDX-License-Identifier: MIT
/*
 * vCPU state at a kernel's entry.  Writes guest RAM only where entry.h says.
 *
 * Linux Documentation/x86/boot.rst, "64-bit BOOT PROTOCOL"; Multiboot 0.6.96,
 * 3.2 "Machine state"; Xen docs/misc/pvh.pandoc, "Initial state".
 */
#include "boot/entry.h"

#include <string.h>

#include "boot/e820.h"
#include "memory/ram.h"

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_PS		(1ull << 7)
#define PAGE_1G		(1ull << 30)
#define PAGE_2M		(1ull << 21)
#define TABLE_ENTRIES	512u

#define DESC_CODE64	0x00af9b000000ffffull
#define DESC_CODE32	0x00cf9b000000ffffull
#define DESC_DATA	0x00cf93000000ffffull
#define DESC_TSS32	0x00008b0000000067ull	/* busy, base 0: nothing ever reads it */

#define ATTR_CODE	0x009b	/* present, code, readable, accessed */
#define ATTR_DATA	0x0093	/* present, data, writable, accessed */
#define ATTR_TSS	0x008b

#define BDA_EBDA_SEGMENT	0x40e
#define BDA_BASE_MEMORY_KIB	0x413

void entry_bios_data(void)
{
	uint16_t segment = E820_LOW_RAM_END >> 4, kib = E820_LOW_RAM_END >> 10;

	ram_write(GPA(BDA_EBDA_SEGMENT), &segment, sizeof(segment));
	ram_write(GPA(BDA_BASE_MEMORY_KIB), &kib, sizeof(kib));
}

static void entry_gdt(struct vcpu *vcpu, gpa_t at, bool long_mode)
{
	uint64_t gdt[ENTRY_GDT_SIZE / 8] = {
		[ENTRY_CS / 8] = long_mode ? DESC_CODE64 : DESC_CODE32,
		[ENTRY_DS / 8] = DESC_DATA,
		[ENTRY_TR / 8] = DESC_TSS32,
	};
	struct vcpu_segment data = { .selector = ENTRY_DS, .limit = UINT32_MAX,
				     .attr = ATTR_DATA | SEG_ATTR_DB | SEG_ATTR_G };

	ram_write(at, gdt, sizeof(gdt));
	vcpu->gdtr = (struct vcpu_table){ .base = at.v, .limit = sizeof(gdt) - 1 };
	vcpu->idtr = (struct vcpu_table){ 0 };
	vcpu->seg[SEG_CS] = (struct vcpu_segment){
		.selector = ENTRY_CS, .limit = UINT32_MAX,
		.attr = ATTR_CODE | SEG_ATTR_G | (long_mode ? SEG_ATTR_L : SEG_ATTR_DB),
	};
	vcpu->seg[SEG_DS] = vcpu->seg[SEG_ES] = vcpu->seg[SEG_SS] = data;
	vcpu->seg[SEG_FS] = vcpu->seg[SEG_GS] = data;
	vcpu->seg[SEG_LDTR] = (struct vcpu_segment){ 0 };
	vcpu->seg[SEG_TR] = (struct vcpu_segment){ .selector = ENTRY_TR, .limit = 0x67,
						   .attr = ATTR_TSS };
	vcpu->fast.gs_base[0] = 0;
}

/*
 * PML4, PDPT and four page directories: the low 4 GiB in 2 MiB pages, RAM above
 * in 1 GiB pages.
 */
static uint64_t entry_identity_map(void)
{
	uint64_t table[TABLE_ENTRIES] = { 0 };
	uint64_t pml4 = ENTRY_PAGE_TABLES, pdpt = pml4 + PAGE_SIZE, directories = pdpt + PAGE_SIZE;
	uint64_t high_end = RAM_HIGH_BASE + ram_high_size();

	table[0] = pdpt | PTE_P | PTE_W;
	ram_write(GPA(pml4), table, sizeof(table));
	for (uint64_t i = 0; i < TABLE_ENTRIES; i++) {
		if (i < 4)
			table[i] = (directories + i * PAGE_SIZE) | PTE_P | PTE_W;
		else
			table[i] = i * PAGE_1G < high_end ? i * PAGE_1G | PTE_P | PTE_W | PTE_PS : 0;
	}
	ram_write(GPA(pdpt), table, sizeof(table));
	for (uint64_t d = 0; d < 4; d++) {
		for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
			table[i] = (d * PAGE_1G + i * PAGE_2M) | PTE_P | PTE_W | PTE_PS;
		ram_write(GPA(directories + d * PAGE_SIZE), table, sizeof(table));
	}
	return pml4;
}

void entry_long_mode(struct vcpu *vcpu, uint64_t rip, uint64_t rsi)
{
	vcpu_reset(vcpu);
	entry_gdt(vcpu, GPA(ENTRY_GDT), true);
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[REG_RSI] = rsi;
	vcpu->rip = rip;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->cr3 = entry_identity_map();
	vcpu->cr4 = CR4_PAE;
	vcpu->efer = EFER_LME | EFER_LMA;
	vcpu->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	vcpu->cpl = 0;
}

void entry_protected_mode(struct vcpu *vcpu, gpa_t gdt, uint32_t eip, uint32_t eax, uint32_t ebx)
{
	vcpu_reset(vcpu);
	entry_gdt(vcpu, gdt, false);
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[REG_RAX] = eax;
	vcpu->regs[REG_RBX] = ebx;
	vcpu->rip = eip;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->cr0 = CR0_PE | CR0_ET | CR0_NE;
	vcpu->cr3 = vcpu->cr4 = vcpu->efer = 0;
	vcpu->cpl = 0;
}
