/* SPDX-License-Identifier: MIT */
/*
 * The processor's instructions and register bits that C cannot say.
 */
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR0_MP		(1ul << 1)
#define CR0_EM		(1ul << 2)
#define CR0_TS		(1ul << 3)
#define CR0_NE		(1ul << 5)
#define CR0_WP		(1ul << 16)
#define CR0_AM		(1ul << 18)
#define CR0_NW		(1ul << 29)
#define CR0_CD		(1ul << 30)
#define CR0_PG		(1ul << 31)
#define CR4_TSD		(1ul << 2)
#define CR4_DE		(1ul << 3)
#define CR4_PAE		(1ul << 5)
#define CR4_PGE		(1ul << 7)
#define CR4_OSFXSR	(1ul << 9)
#define CR4_UMIP	(1ul << 11)
#define CR4_FSGSBASE	(1ul << 16)
#define CR4_PCIDE	(1ul << 17)
#define CR4_OSXSAVE	(1ul << 18)
#define CR4_SMEP	(1ul << 20)
#define CR4_SMAP	(1ul << 21)

#define FLAG_CF		(1ul << 0)
#define FLAG_PF		(1ul << 2)
#define FLAG_AF		(1ul << 4)
#define FLAG_ZF		(1ul << 6)
#define FLAG_SF		(1ul << 7)
#define FLAG_TF		(1ul << 8)
#define FLAG_IF		(1ul << 9)
#define FLAG_DF		(1ul << 10)
#define FLAG_OF		(1ul << 11)
#define FLAG_IOPL	(3ul << 12)
#define FLAG_NT		(1ul << 14)
#define FLAG_RF		(1ul << 16)
#define FLAG_AC		(1ul << 18)
#define FLAG_ID		(1ul << 21)
#define FLAG_ARITH	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define MSR_TSC			0x10
#define MSR_APIC_BASE		0x1b
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_PAT			0x277
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103

#define EFER_SCE	(1ul << 0)
#define EFER_LME	(1ul << 8)
#define EFER_LMA	(1ul << 10)
#define EFER_NXE	(1ul << 11)

/* Selectors of the runtime's GDT (entry.S). */
#define KERNEL_CS32	0x08
#define KERNEL_CS	0x10
#define KERNEL_DS	0x18
#define USER_CS32	0x23
#define USER_DS		0x2b
#define USER_CS		0x33
#define TSS_SELECTOR	0x38
#define GDT_FREE	9	/* index of the first entry that is the test's own */
#define GDT_COUNT	32

enum {
	DE = 0, DB = 1, NMI = 2, BP = 3, OF = 4, BR = 5, UD = 6, NM = 7, DF = 8, TS = 10, NP = 11,
	SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, MC = 18, XM = 19
};

extern uint64_t gdt[GDT_COUNT];

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
	uint8_t io_bitmap[8192 + 1];
} __attribute__((packed));

extern struct tss tss;

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

#define CPU_READ(name, insn)						\
	static inline uint64_t name(void)				\
	{								\
		uint64_t v;						\
		__asm__ volatile(insn " %0" : "=r"(v) :: "memory");	\
		return v;						\
	}
#define CPU_WRITE(name, insn)						\
	static inline void name(uint64_t v)				\
	{								\
		__asm__ volatile(insn :: "r"(v) : "memory");		\
	}
CPU_READ(cr0_read, "mov %%cr0,")
CPU_READ(cr2_read, "mov %%cr2,")
CPU_READ(cr3_read, "mov %%cr3,")
CPU_READ(cr4_read, "mov %%cr4,")
CPU_READ(cr8_read, "mov %%cr8,")
CPU_READ(dr6_read, "mov %%dr6,")
CPU_READ(dr7_read, "mov %%dr7,")
CPU_READ(flags_read, "pushf; pop")
CPU_WRITE(cr0_write, "mov %0, %%cr0")
CPU_WRITE(cr2_write, "mov %0, %%cr2")
CPU_WRITE(cr3_write, "mov %0, %%cr3")
CPU_WRITE(cr4_write, "mov %0, %%cr4")
CPU_WRITE(cr8_write, "mov %0, %%cr8")
CPU_WRITE(dr0_write, "mov %0, %%dr0")
CPU_WRITE(dr1_write, "mov %0, %%dr1")
CPU_WRITE(dr2_write, "mov %0, %%dr2")
CPU_WRITE(dr3_write, "mov %0, %%dr3")
CPU_WRITE(dr6_write, "mov %0, %%dr6")
CPU_WRITE(dr7_write, "mov %0, %%dr7")
CPU_WRITE(flags_write, "push %0; popf")

static inline void cpu_invlpg(uint64_t va)
{
	__asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
}

static inline void cpu_invpcid(uint64_t type, uint64_t pcid, uint64_t va)
{
	uint64_t descriptor[2] = { pcid, va };

	__asm__ volatile("invpcid %0, %1" :: "m"(descriptor), "r"(type) : "memory");
}

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

static inline void msr_write(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" :: "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

struct cpuid { uint32_t eax, ebx, ecx, edx; };

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t cpu_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return lo | (uint64_t)hi << 32;
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" :: "a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" :: "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" :: "a"(v), "Nd"(port) : "memory");
}

static inline void cpu_sti(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void cpu_cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void cpu_pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void cpu_stac(void) { __asm__ volatile("stac" ::: "memory"); }
static inline void cpu_clac(void) { __asm__ volatile("clac" ::: "memory"); }

/* Feature tests used to skip. */
static inline bool cpu_has_smep(void) { return cpuid(7, 0).ebx & (1u << 7); }
static inline bool cpu_has_smap(void) { return cpuid(7, 0).ebx & (1u << 20); }
static inline bool cpu_has_umip(void) { return cpuid(7, 0).ecx & (1u << 2); }
static inline bool cpu_has_fsgsbase(void) { return cpuid(7, 0).ebx & 1; }
static inline bool cpu_has_invpcid(void) { return cpuid(7, 0).ebx & (1u << 10); }
static inline bool cpu_has_pcid(void) { return cpuid(1, 0).ecx & (1u << 17); }
static inline bool cpu_has_tsc_deadline(void) { return cpuid(1, 0).ecx & (1u << 24); }
static inline bool cpu_has_x2apic(void) { return cpuid(1, 0).ecx & (1u << 21); }
static inline bool cpu_has_xsave(void) { return cpuid(1, 0).ecx & (1u << 26); }
static inline bool cpu_has_avx(void) { return cpuid(1, 0).ecx & (1u << 28); }
static inline bool cpu_has_1g_pages(void) { return cpuid(0x80000001, 0).edx & (1u << 26); }

#endif
