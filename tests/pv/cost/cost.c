// SPDX-License-Identifier: MIT
/*
 * What an operation costs the guest's kernel: as a PC does it, and by ring3's call in place of
 * it.  A module that measures when it is loaded, prints lines "cost: ...".
 *
 * Each figure is the best of many batches, so that what else the host does hardly counts.
 * Everything is undone or has no effect: entries belong to a page table that nothing uses.
 */
#define pr_fmt(fmt) "cost: " fmt

#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/apic.h>
#include <asm/invpcid.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/ring3.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <asm/tsc.h>

#define BATCHES	400
#define ROUNDS	16

static u8 virtual_flag, pending;
static u64 *table;
static struct ring3_mmu_update *updates;
static struct ring3_multicall *calls;
static unsigned long cr3, user;
static char *text;

/* Best time of one of ROUNDS statements, in ticks << 8. */
#define MEASURE(statement) ({						\
	u64 best_ = U64_MAX;						\
	unsigned long flags_;						\
	int batch_, round_;						\
									\
	for (batch_ = 0; batch_ < BATCHES; batch_++) {			\
		u64 start_;						\
									\
		local_irq_save(flags_);					\
		start_ = rdtsc_ordered();				\
		for (round_ = 0; round_ < ROUNDS; round_++) {		\
			statement;					\
			barrier();					\
		}							\
		start_ = rdtsc_ordered() - start_;			\
		local_irq_restore(flags_);				\
		best_ = min(best_, start_);				\
	}								\
	(best_ << 8) / ROUNDS;						\
})

static u64 nothing;

static void report(const char *name, u64 ticks)
{
	u64 ns10 = div_u64((ticks - min(ticks, nothing)) * 10000000, tsc_khz) >> 8;

	pr_info("%s: %llu.%llu ns\n", name, ns10 / 10, ns10 % 10);
}

#define REPORT(name, statement)	report(name, MEASURE(statement))

static void interrupt_flag(void)
{
	unsigned long f;

	REPORT("cli, sti", asm volatile("cli; sti; cli" : : : "memory"));
	REPORT("flag in memory", {
		WRITE_ONCE(virtual_flag, 0);
		WRITE_ONCE(virtual_flag, 1);
		if (unlikely(READ_ONCE(pending)))
			cpu_relax();
	});
	REPORT("pushf, pop", asm volatile("pushfq; pop %0" : "=r"(f) : : "memory"));
	REPORT("pushf, pop, cli, push, popf",
	       asm volatile("pushfq; pop %0; cli; push %0; popfq" : "=r"(f) : : "memory"));
}

static void updates_make(unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		updates[i].entry = __pa(&table[i]) | flags;
		updates[i].value = 0;
		updates[i].address = user + i * PAGE_SIZE;
	}
}

static __always_inline void page_invalidate(unsigned long address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static __always_inline void entries_store(bool flush)
{
	unsigned int i;

	for (i = 0; i < 32; i++) {
		WRITE_ONCE(table[i], 0);
		if (flush)
			page_invalidate(user + i * PAGE_SIZE);
	}
}

static void page_tables(void)
{
	REPORT("entry stored", WRITE_ONCE(table[1], 0));
	REPORT("32 entries stored", entries_store(false));
	REPORT("INVLPG", page_invalidate(user));
	REPORT("32 entries stored, each INVLPG", entries_store(true));
	if (!ring3_has(RING3_FEATURE_MMU))
		return;
	updates_make(0);
	REPORT("mmu_update of 1",
	       ring3_call3(RING3_CALL_MMU_UPDATE, __pa(updates), 1, cr3));
	REPORT("32 queued, mmu_update", {
		updates_make(0);
		ring3_call3(RING3_CALL_MMU_UPDATE, __pa(updates), 32, cr3);
	});
	REPORT("mmu_flush of 1 page", ring3_call4(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, cr3, user, 1));
	REPORT("mmu_flush of 32 pages",
	       ring3_call4(RING3_CALL_MMU_FLUSH, RING3_FLUSH_PAGES, cr3, user, 32));
}

static void spaces(void)
{
	unsigned long cr4 = __read_cr4();

	REPORT("MOV to CR3", native_write_cr3(cr3));
	REPORT("CR4.PGE off and on", {
		asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~X86_CR4_PGE) : "memory");
		asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	});
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		REPORT("INVPCID of all", invpcid_flush_all());
	if (!ring3_has(RING3_FEATURE_MMU))
		return;
	REPORT("mmu_load", ring3_call2(RING3_CALL_MMU_LOAD, cr3, 0));
	REPORT("mmu_flush of the space", ring3_call4(RING3_CALL_MMU_FLUSH, RING3_FLUSH_SPACE, cr3, 0, 0));
	REPORT("mmu_flush of all", ring3_call4(RING3_CALL_MMU_FLUSH, RING3_FLUSH_GLOBAL, 0, 0, 0));
}

static void calls_as_such(void)
{
	unsigned int i;

	REPORT("port read", inb(0x80));
	REPORT("CPUID", native_cpuid_eax(0));
	if (!ring3_guest())
		return;
	REPORT("call (unknown)", ring3_call0(0x7fffffff));
	REPORT("event_retry", ring3_call0(RING3_CALL_EVENT_RETRY));
	if (!ring3_has(RING3_FEATURE_MULTICALL))
		return;
	for (i = 0; i < 32; i++)
		calls[i] = (struct ring3_multicall){ .number = RING3_CALL_EVENT_RETRY };
	REPORT("multicall of 32", ring3_call3(RING3_CALL_MULTICALL, __pa(calls), 32, 0));
}

/* What is written is seen: a line of spaces, 80 times. */
static void console(void)
{
	u64 start = rdtsc_ordered();
	unsigned int i;

	for (i = 0; i < 80; i++) {
		while (!(inb(0x3fd) & 0x20))
			cpu_relax();
		outb(' ', 0x3f8);
	}
	report("80 characters by the serial port", (rdtsc_ordered() - start) << 8);
	if (!ring3_guest())
		return;
	start = rdtsc_ordered();
	ring3_call2(RING3_CALL_CONSOLE_WRITE, __pa(text), 80);
	report("console_write of 80 characters", (rdtsc_ordered() - start) << 8);
}

static void timers(void)
{
	u64 t;

	REPORT("RDTSC", t = rdtsc_ordered());
	REPORT("ktime_get", t = ktime_get());
	/* What was to come is replaced: in the end, let the tick come at once. */
	if (boot_cpu_has(X86_FEATURE_TSC_DEADLINE_TIMER)) {
		REPORT("TSC deadline", native_write_msr(MSR_IA32_TSC_DEADLINE, U32_MAX, 0x3fffffff));
		native_write_msr(MSR_IA32_TSC_DEADLINE, 1, 0);
	}
	REPORT("EOI", apic_write(APIC_EOI, APIC_EOI_ACK));
	if (ring3_has(RING3_FEATURE_TIMER)) {
		REPORT("timer_set", ring3_call1(RING3_CALL_TIMER_SET, U64_MAX - 1));
		ring3_call1(RING3_CALL_TIMER_SET, 0);
	}
	(void)t;
}

static int __init cost_init(void)
{
	table = (u64 *)get_zeroed_page(GFP_KERNEL);
	updates = (void *)get_zeroed_page(GFP_KERNEL);
	calls = (void *)get_zeroed_page(GFP_KERNEL);
	if (!table || !updates || !calls)
		return -ENOMEM;
	cr3 = __native_read_cr3();
	user = 0x10000000;
	text = memset((char *)table + 2048, ' ', 80);
	nothing = MEASURE(barrier());
	pr_info("TSC %u kHz, empty %llu ticks\n", tsc_khz, nothing >> 8);
	calls_as_such();
	interrupt_flag();
	page_tables();
	spaces();
	timers();
	console();
	return 0;
}
module_init(cost_init);

static void __exit cost_exit(void)
{
	free_page((unsigned long)table);
	free_page((unsigned long)updates);
	free_page((unsigned long)calls);
}
module_exit(cost_exit);

MODULE_DESCRIPTION("Measures operations of the guest's kernel");
MODULE_LICENSE("Dual MIT/GPL");
