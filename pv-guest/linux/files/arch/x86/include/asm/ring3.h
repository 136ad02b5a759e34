/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring3 hypervisor, as the rest of the kernel sees it.
 *
 * ring3.c finds it (CPUID), agrees on a version and features with it, and shares a page
 * with it; ring3_event.c makes Linux interrupts of its events; ring3_time.c, ring3_mmu.c
 * and drivers/ring3/ use them.  The calls and structures are <linux/ring3_abi.h>, which is
 * generated from the hypervisor's own list of calls.
 *
 * Without CONFIG_RING3_GUEST, or on any other machine, ring3_guest() is false, and nothing
 * else here may be called.
 */
#ifndef _ASM_X86_RING3_H
#define _ASM_X86_RING3_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/ring3_abi.h>
#include <linux/types.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/page_types.h>

/*
 * Entry: the number in RAX, arguments in RDI, RSI, RDX, R10, R8, R9; the result in RAX, as
 * a negative error number or what the call says.  All else is preserved.  ring3 takes both
 * instructions; the alternative is there for what runs it in between.
 */
#define RING3_ENTER	ALTERNATIVE("vmcall", "vmmcall", X86_FEATURE_VMMCALL)

static __always_inline long ring3_call0(unsigned long number)
{
	long result;

	asm volatile(RING3_ENTER : "=a" (result) : "a" (number) : "memory");
	return result;
}

static __always_inline long ring3_call1(unsigned long number, unsigned long a)
{
	long result;

	asm volatile(RING3_ENTER : "=a" (result) : "a" (number), "D" (a) : "memory");
	return result;
}

static __always_inline long ring3_call2(unsigned long number, unsigned long a, unsigned long b)
{
	long result;

	asm volatile(RING3_ENTER : "=a" (result) : "a" (number), "D" (a), "S" (b) : "memory");
	return result;
}

static __always_inline long ring3_call3(unsigned long number, unsigned long a, unsigned long b,
					unsigned long c)
{
	long result;

	asm volatile(RING3_ENTER : "=a" (result)
		     : "a" (number), "D" (a), "S" (b), "d" (c) : "memory");
	return result;
}

static __always_inline long ring3_call4(unsigned long number, unsigned long a, unsigned long b,
					unsigned long c, unsigned long d)
{
	register unsigned long r10 asm("r10") = d;
	long result;

	asm volatile(RING3_ENTER : "=a" (result)
		     : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10) : "memory");
	return result;
}

static __always_inline long ring3_call5(unsigned long number, unsigned long a, unsigned long b,
					unsigned long c, unsigned long d, unsigned long e)
{
	register unsigned long r10 asm("r10") = d;
	register unsigned long r8 asm("r8") = e;
	long result;

	asm volatile(RING3_ENTER : "=a" (result)
		     : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8) : "memory");
	return result;
}

static __always_inline long ring3_call6(unsigned long number, unsigned long a, unsigned long b,
					unsigned long c, unsigned long d, unsigned long e,
					unsigned long f)
{
	register unsigned long r10 asm("r10") = d;
	register unsigned long r8 asm("r8") = e;
	register unsigned long r9 asm("r9") = f;
	long result;

	asm volatile(RING3_ENTER : "=a" (result)
		     : "a" (number), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "memory");
	return result;
}

#ifdef CONFIG_RING3_GUEST

/* Features that both sides agreed on, as a mask; 0 on any other machine. */
extern u64 ring3_features;
/* What ring3 says about itself: bits RING3_HINT_* */
extern u64 ring3_hints;

/* True once ring3 was found and a version agreed on, which is before any driver runs. */
bool ring3_guest(void);

/* Before that, for early consoles: output and shutdown need no agreement. */
bool ring3_present(void);

/* feature: RING3_FEATURE_* */
static inline bool ring3_has(unsigned int feature)
{
	return ring3_features & BIT_ULL(feature);
}

/*
 * Events: bits that ring3 and its devices set.  Numbers below RING3_EVENT_FIRST are ring3's
 * own.  ring3_event_alloc(): a number that nobody uses, or -ENOSPC, -ENODEV.
 * ring3_event_irq(): its Linux interrupt, for request_irq(); edge-like, no EOI, masked until
 * requested; or a negative error number.  What came while it was masked comes at unmasking.
 * free: after free_irq(), and after whoever signals it was told to stop.  May sleep.
 */
#define RING3_EVENT_FIRST	3

int ring3_event_alloc(void);
void ring3_event_free(unsigned int event);
int ring3_event_irq(unsigned int event);

/* The page shared with this CPU, or NULL (feature VCPU_PAGE). */
struct ring3_vcpu_page *ring3_vcpu_page(void);

/* For arch/x86/mm/tlb.c; false: nothing was done, do it as on a PC. */
bool __ring3_load_cr3(unsigned long cr3);
bool __ring3_flush(unsigned int kind, unsigned long cr3, unsigned long start, unsigned long end);

#else

static inline bool ring3_guest(void)
{
	return false;
}

static inline bool ring3_has(unsigned int feature)
{
	return false;
}

static inline bool __ring3_load_cr3(unsigned long cr3)
{
	return false;
}

static inline bool __ring3_flush(unsigned int kind, unsigned long cr3, unsigned long start,
				 unsigned long end)
{
	return false;
}

#endif /* CONFIG_RING3_GUEST */

/* cr3 is what the register would get, X86_CR3_PCID_NOFLUSH included. */
static inline bool ring3_load_cr3(unsigned long cr3)
{
	return ring3_has(RING3_FEATURE_MMU) && __ring3_load_cr3(cr3);
}

/* On this CPU, global ones, too; cr3: the space of user addresses. */
static inline bool ring3_flush_pages(unsigned long cr3, unsigned long start, unsigned long end)
{
	return ring3_has(RING3_FEATURE_MMU) && __ring3_flush(RING3_FLUSH_PAGES, cr3, start, end);
}

/*
 * The same of pages of 1 << shift bytes.  A few large ones are flushed one by one; many are
 * the page tables that exec gives back with its temporary stack, 512 steps of 2 MiB of a
 * space that has little mapped.
 */
#define RING3_STRIDES_MAX	8	/* an INVLPG each, 0.1 us */

static inline bool ring3_flush_strides(unsigned long cr3, unsigned long start, unsigned long end,
				       unsigned int shift)
{
	if (shift == PAGE_SHIFT)
		return ring3_flush_pages(cr3, start, end);
	return ring3_has(RING3_FEATURE_MMU) && (end - start) >> shift > RING3_STRIDES_MAX &&
	       __ring3_flush(RING3_FLUSH_SPACE, cr3, 0, 0);
}

#endif /* _ASM_X86_RING3_H */
