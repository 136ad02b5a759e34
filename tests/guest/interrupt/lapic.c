// SPDX-License-Identifier: MIT
/*
 * The local APIC as a program sees it: self-IPI by ICR with every shorthand, IRR, ISR and EOI,
 * priorities, TPR by register and by CR8, software disable, spurious vector, error register, the
 * register file, and x2APIC mode by MSR.
 */
#include "page.h"
#include "test.h"
#include "time.h"
#include "trap.h"

#define ICR_SELF	(1u << 18)
#define ICR_ALL		(2u << 18)
#define ICR_BUSY	(1u << 12)

static unsigned order[16], taken;
static bool nest;

static bool note(struct trap_frame *f)
{
	order[taken++ & 15] = (unsigned)f->vector;
	expect(lapic_bit(LAPIC_ISR, (unsigned)f->vector), "in service: %lx", f->vector);
	expect(!lapic_bit(LAPIC_IRR, (unsigned)f->vector), "no longer requested: %lx", f->vector);
	expect_equal(lapic_read(LAPIC_PPR) & 0xf0, f->vector & 0xf0, "PPR in service");
	if (nest && f->vector == 0x50) {
		lapic_write(LAPIC_ICR, ICR_SELF | 0x45);	/* lower: waits */
		lapic_write(LAPIC_ICR, ICR_SELF | 0x5a);	/* same class: waits */
		lapic_write(LAPIC_ICR, ICR_SELF | 0x70);	/* higher: interrupts us */
		cpu_sti();
		for (volatile unsigned i = 0; i < 100; i++)
			;
		cpu_cli();
		expect_equal(taken, 2, "only the higher class interrupted");
	}
	lapic_eoi();
	return true;
}

static void open(void)
{
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
}

static void send(uint32_t icr)
{
	lapic_write(LAPIC_ICR_HIGH, 0);
	lapic_write(LAPIC_ICR, icr);
	for (unsigned i = 0; i < 1000 && lapic_read(LAPIC_ICR) & ICR_BUSY; i++)
		cpu_pause();
}

static void self(void)
{
	taken = 0;
	send(ICR_SELF | 0x50);
	expect(lapic_bit(LAPIC_IRR, 0x50), "requested");
	expect_equal(taken, 0, "IF is clear");
	open();
	expect_equal(taken, 1);
	expect(!lapic_bit(LAPIC_ISR, 0x50) && !lapic_bit(LAPIC_IRR, 0x50), "done");
	send(ICR_ALL | 0x51);
	open();
	expect_equal(taken, 2, "all including self");
	lapic_write(LAPIC_ICR_HIGH, lapic_read(LAPIC_ID));
	lapic_write(LAPIC_ICR, 0x52);
	open();
	expect_equal(taken, 3, "by its own ID");
	send((3u << 18) | 0x53);
	open();
	expect_equal(taken, 3, "all but self is nobody");
	/* Twice the same before it is taken: one interrupt. */
	send(ICR_SELF | 0x50);
	send(ICR_SELF | 0x50);
	open();
	expect_equal(taken, 4, "edges merge in IRR");
}

static void priorities(void)
{
	taken = 0;
	send(ICR_SELF | 0x41);
	send(ICR_SELF | 0x81);
	send(ICR_SELF | 0x61);
	open();
	expect(taken == 3 && order[0] == 0x81 && order[1] == 0x61 && order[2] == 0x41, "%x %x %x", order[0],
	       order[1], order[2]);
	taken = 0;
	nest = true;
	send(ICR_SELF | 0x50);
	open();
	nest = false;
	expect(taken == 4 && order[0] == 0x50 && order[1] == 0x70 && order[2] == 0x5a && order[3] == 0x45,
	       "%u: %x %x %x %x", taken, order[0], order[1], order[2], order[3]);

	for (unsigned by_cr8 = 0; by_cr8 < 2; by_cr8++) {
		taken = 0;
		if (by_cr8)
			cr8_write(5);
		else
			lapic_write(LAPIC_TPR, 0x50);
		expect_equal(cr8_read(), 5);
		expect_equal(lapic_read(LAPIC_TPR), 0x50);
		expect_equal(lapic_read(LAPIC_PPR), 0x50);
		send(ICR_SELF | 0x51);
		send(ICR_SELF | 0x60);
		open();
		expect(taken == 1 && order[0] == 0x60, "TPR 0x50 lets 0x60 through only: %u %x", taken, order[0]);
		if (by_cr8)
			__asm__ volatile("sti; mov %0, %%cr8; nop; nop; cli" :: "r"(4ul) : "memory");
		else
			__asm__ volatile("sti; movl $0x40, (%0); nop; nop; cli"
					 :: "r"((uint64_t)phys_to_virt(0xfee00080)) : "memory");
		expect(taken == 2 && order[1] == 0x51, "delivered when TPR falls");
		cr8_write(0);
	}
	expect_but_tcg("does not check", TRY("mov %0, %%cr8", :: "r"(16ul) : "memory") == GP,
		       "CR8 has four bits");
}

static bool spurious(struct trap_frame *f)
{
	(void)f;
	return true;
}

static void registers(void)
{
	uint32_t version = lapic_read(LAPIC_VERSION);

	expect((version & 0xff) >= 0x10 && (version >> 16 & 0xff) >= 3, "version %x", version);
	expect_equal(lapic_read(LAPIC_ID) >> 24, cpuid(1, 0).ebx >> 24, "ID as in CPUID");
	lapic_write(LAPIC_ESR, 0);
	lapic_write(LAPIC_ESR, 0);
	expect_equal(lapic_read(LAPIC_ESR), 0);
	trap_handler[0xff] = spurious;
	/* Disabled by software: local interrupts masked, no fixed delivery. */
	lapic_write(LAPIC_SVR, 0xff);
	expect(lapic_read(LAPIC_TIMER) & 0x10000, "LVT masked by disabling");
	lapic_write(LAPIC_TIMER, 0x54);
	expect_but_tcg("does not enforce", lapic_read(LAPIC_TIMER) & 0x10000, "mask bit cannot be cleared while disabled");
	lapic_write(LAPIC_SVR, 0x1ff);
	expect(msr_read(MSR_APIC_BASE) & (1u << 11), "enabled");
	expect(msr_read(MSR_APIC_BASE) & (1u << 8), "boot processor");
	for (unsigned r = 0x300; r <= 0x370; r += 0x10)
		(void)lapic_read(r);
}

static void x2apic(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);

	if (!cpu_has_x2apic()) {
		print("no x2APIC\n");
		return;
	}
	msr_write(MSR_APIC_BASE, base | 1u << 10);
	expect_equal(msr_read(MSR_APIC_BASE), base | 1u << 10);
	expect_equal(msr_read(0x802), cpuid(1, 0).ebx >> 24);
	static volatile unsigned got;

	got = 0;
	trap_handler[0x58] = NULL;
	uint64_t v;

	expect_equal(try_msr_write(0x83f, 0x58), TRAP_NONE, "self IPI register");
	expect(msr_read(0x820 + 2) >> (0x58 - 64) & 1, "IRR by MSR");
	trap_handler[0x58] = spurious;
	open();
	expect(msr_read(0x810 + 2) >> (0x58 - 64) & 1, "ISR by MSR");
	msr_write(0x80b, 0);
	expect(!(msr_read(0x810 + 2) >> (0x58 - 64) & 1), "EOI by MSR");
	expect_equal(try_msr_write(0x80b, 1), GP, "EOI takes zero only");
	expect_equal(try_msr_read(0x80e, &v), GP, "reserved register");
	expect_equal(try_msr_write(0x802, 0), GP, "ID is read-only");
	expect_equal(try_msr_write(MSR_APIC_BASE, base), GP, "x2APIC to xAPIC is refused");
	msr_write(MSR_APIC_BASE, base & ~(3ul << 10));
	msr_write(MSR_APIC_BASE, base);
	(void)got;
}

void test_main(void)
{
	pic_init(0);
	lapic_enable();
	for (unsigned v = 0x40; v < 0x90; v++)
		trap_handler[v] = note;
	self();
	priorities();
	registers();
	x2apic();
}
