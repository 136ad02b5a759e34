// SPDX-License-Identifier: MIT
/*
 * Segment registers and descriptor tables: null and valid loads, FS and GS bases from descriptors
 * and what a null load does to them, selectors read back, CPL3 loads with privilege checks, LGDT,
 * LIDT, SGDT, SIDT, STR, SLDT, LLDT, LAR, LSL, VERR, VERW; LTR marks the TSS busy; UMIP.
 */
#include "test.h"
#include "user.h"

#define READ_SELECTOR(seg) ({ uint64_t v_; __asm__ volatile("mov %%" seg ", %k0" : "=r"(v_)); v_; })

user_program(u_load, "mov %edi, %ds; mov %edi, %es; mov %ds, %eax; mov %es, %ebx; syscall");
user_program(u_load_fs, "mov %edi, %fs; mov %edi, %gs; mov %fs, %eax; mov %gs, %ebx; mov %fs:0, %ecx; int $0x80");
user_program(u_read_ds, "mov %ds, %eax; mov %ss, %ebx; mov %cs, %ecx; int $0x80");
user_program(u_sgdt, "sgdt (%rdi); syscall");
user_program(u_smsw, "smsw %rax; syscall");
user_program(u_lsl, "mov $0xbad, %eax; lsl %edi, %eax; setz %bl; lar %edi, %edx; setz %bh; syscall");

static void loads(void)
{
	unsigned own = GDT_FREE * 8;

	for (unsigned i = 0; i < 2; i++) {
		unsigned sel = i ? KERNEL_DS : 0;

		__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" :: "r"(sel));
		expect_equal(READ_SELECTOR("ds"), sel);
		expect_equal(READ_SELECTOR("es"), sel);
		expect_equal(READ_SELECTOR("fs"), sel);
		expect_equal(READ_SELECTOR("gs"), sel);
	}
	expect_equal(READ_SELECTOR("ss"), KERNEL_DS);
	expect_equal(READ_SELECTOR("cs"), KERNEL_CS);
	/* push/pop of fs and gs */
	uint64_t v;

	__asm__ volatile("push %1; pop %%fs; push %%fs; pop %0" : "=r"(v) : "r"((uint64_t)KERNEL_DS));
	expect_equal(v, KERNEL_DS);
	expect_equal(TRY("mov %0, %%ss", :: "r"(0) : "memory"), TRAP_NONE, "null SS at CPL0");
	__asm__ volatile("mov %0, %%ss" :: "r"(KERNEL_DS));

	/* A base in a descriptor, at a low and at a 32-bit address. */
	gdt[GDT_FREE] = 0x00cf93000000ffff | (0x5678ul << 16) | (0x12ul << 32) | (0x40ul << 56);
	__asm__ volatile("mov %0, %%gs; mov %0, %%fs" :: "r"(own));
	expect_equal(msr_read(MSR_GS_BASE), 0x40125678);
	expect_equal(msr_read(MSR_FS_BASE), 0x40125678);
	expect(gdt[GDT_FREE] >> 40 & 1, "accessed bit");
	msr_write(MSR_GS_BASE, 0x1234567890);
	expect_equal(READ_SELECTOR("gs"), own, "selector untouched by the MSR");
	__asm__ volatile("mov %0, %%gs" :: "r"(own));
	expect_equal(msr_read(MSR_GS_BASE), 0x40125678);
	msr_write(MSR_GS_BASE, 0);
	msr_write(MSR_FS_BASE, 0);
	__asm__ volatile("mov %0, %%gs; mov %0, %%fs" :: "r"(0));
	expect_equal(TRY("mov %0, %%ds", :: "r"(KERNEL_DS | 3) : "memory"), GP, "RPL 3 at DPL 0");
	expect_equal(trap_last.error, KERNEL_DS);
	/* lfs, lgs, lss */
	struct { uint32_t offset; uint16_t sel; } __attribute__((packed)) far = { 0x11223344, KERNEL_DS };

	__asm__ volatile("lfs %1, %k0" : "=r"(v) : "m"(far));
	expect_equal(v, 0x11223344);
	expect_equal(READ_SELECTOR("fs"), KERNEL_DS);
}

static void tables(void)
{
	struct table_pointer g, i, odd = { 0x1ff, 0 };
	uint64_t tr, ldt, cr0;

	__asm__ volatile("sgdt %0; sidt %1" : "=m"(g), "=m"(i));
	expect_equal(g.base, gdt);
	expect_equal(g.limit, GDT_COUNT * 8 - 1);
	expect_equal(i.base, idt);
	expect_equal(i.limit, 256 * 16 - 1);
	odd.base = (uint64_t)gdt;
	__asm__ volatile("lgdt %0; sgdt %1" :: "m"(odd), "m"(i) : "memory");
	expect_equal(i.limit, 0x1ff);
	__asm__ volatile("lgdt %0" :: "m"(g));
	__asm__ volatile("str %k0; sldt %k1; smsw %2" : "=r"(tr), "=r"(ldt), "=r"(cr0));
	expect_equal((uint16_t)tr, TSS_SELECTOR);
	expect_equal((uint16_t)ldt, 0);
	expect_equal((uint32_t)cr0, (uint32_t)cr0_read());
	expect_equal(gdt[7] >> 40 & 0x1f, 0x0b, "busy TSS");
	expect_equal(TRY("ltr %w0", :: "r"(TSS_SELECTOR) : "memory"), GP, "LTR of a busy TSS");
	expect_equal(trap_last.error, TSS_SELECTOR);
	if (!test_on_tcg())	/* loads it, and aborts when it is used */
		expect_equal(TRY("ltr %w0", :: "r"(0) : "memory"), GP);
	expect_equal(TRY("ltr %w0", :: "r"(KERNEL_DS) : "memory"), GP);

	/* An LDT with one data segment. */
	static uint64_t table[2] = { 0, 0x00cf93000000ffff };
	uint64_t base = (uint64_t)table;

	gdt[GDT_FREE + 2] = 15 | (base & 0xffffff) << 16 | 0x82ul << 40 | (base >> 24 & 0xff) << 56;
	gdt[GDT_FREE + 3] = base >> 32;
	__asm__ volatile("lldt %w0" :: "r"((GDT_FREE + 2) * 8));
	expect_equal(TRY("mov %0, %%es", :: "r"(0xc) : "memory"), TRAP_NONE, "through the LDT");
	expect_equal(READ_SELECTOR("es"), 0xc);
	expect_equal(TRY("mov %0, %%es", :: "r"(0x14) : "memory"), GP, "beyond the LDT");
	__asm__ volatile("lldt %w0; mov %0, %%es" :: "r"(0));
}

static void queries(void)
{
	uint64_t v = 0xbad;
	uint8_t ok;

	__asm__ volatile("lar %2, %k0; setz %1" : "+r"(v), "=q"(ok) : "r"(KERNEL_CS) : "cc");
	expect(ok && (v & 0xf0ff00) == 0xa09b00, "LAR: %lx", v);
	__asm__ volatile("lsl %2, %k0; setz %1" : "+r"(v), "=q"(ok) : "r"(KERNEL_DS) : "cc");
	expect(ok && v == 0xffffffff, "LSL: %lx", v);
	__asm__ volatile("lsl %2, %k0; setz %1" : "+r"(v), "=q"(ok) : "r"(TSS_SELECTOR) : "cc");
	expect(ok && v == sizeof(tss) - 1, "LSL of the TSS: %lx", v);
	v = 0xbad;
	__asm__ volatile("lsl %2, %k0; setz %1" : "+r"(v), "=q"(ok) : "r"(0x7000) : "cc");
	expect(!ok && v == 0xbad, "LSL beyond the table");
	__asm__ volatile("verr %w1; setz %0" : "=q"(ok) : "r"(KERNEL_CS) : "cc");
	expect(ok, "VERR of readable code");
	__asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"(KERNEL_CS) : "cc");
	expect(!ok, "VERW of code");
	__asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"(KERNEL_DS) : "cc");
	expect(ok, "VERW of data");
}

static void user(void)
{
	user_init();
	expect_equal(user_run(u_load, USER_DS, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax == USER_DS && user_frame.rbx == USER_DS);
	expect_equal(user_run(u_load, 0, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax == 0 && user_frame.rbx == 0);
	expect_equal(user_run(u_load, KERNEL_DS, 0, 0), GP);
	expect_equal(trap_last.error, KERNEL_DS);
	expect_equal(user_run(u_load, 0x1003, 0, 0), GP);
	expect_equal(trap_last.error, 0x1000);
	expect_equal(user_run(u_load, 0x7, 0, 0), GP, "no LDT");
	expect_equal(user_run(u_read_ds, 0, 0, 0), 0x80);
	expect(user_frame.rbx == USER_DS && user_frame.rcx == USER_CS, "SS %lx CS %lx", user_frame.rbx, user_frame.rcx);

	/* A 32-bit base through a descriptor, as thread-local storage of 32-bit programs. */
	*(uint32_t *)user_data = 0x600dcafe;
	gdt[GDT_FREE + 4] = 0x00cff3000000ffff | (USER_DATA & 0xffffff) << 16 | (USER_DATA >> 24) << 56;
	expect_equal(user_run(u_load_fs, (GDT_FREE + 4) * 8 | 3, 0, 0), 0x80);
	expect_equal((uint32_t)user_frame.rcx, 0x600dcafe, "FS base from the descriptor");
	expect_equal(msr_read(MSR_GS_BASE), USER_DATA, "GS base stays for the kernel");

	expect_equal(user_run(u_lsl, USER_DS, 0, 0), TRAP_SYSCALL);
	expect((uint32_t)user_frame.rax == 0xffffffff && (user_frame.rbx & 0xffff) == 0x0101, "LSL at CPL3: %lx",
	       user_frame.rax);
	expect_equal(user_run(u_lsl, KERNEL_DS, 0, 0), TRAP_SYSCALL);
	expect(user_frame.rax == 0xbad && (user_frame.rbx & 0xffff) == 0, "LSL of DPL 0 at CPL3");
	/* As the vDSO reads the processor number. */
	gdt[GDT_FREE + 5] = 0x0040f50000000000 | 0x2a;
	expect_equal(user_run(u_lsl, (GDT_FREE + 5) * 8 | 3, 0, 0), TRAP_SYSCALL);
	expect_equal(user_frame.rax, 0x2a, "limit of a descriptor of the guest's");

	expect_equal(user_run(u_sgdt, USER_DATA, 0, 0), TRAP_SYSCALL);
	expect_equal(*(uint64_t *)(user_data + 2), gdt, "SGDT at CPL3 shows the guest's table");
	expect_equal(user_run(u_smsw, 0, 0, 0), TRAP_SYSCALL);
	expect_equal((uint32_t)user_frame.rax, (uint32_t)cr0_read(), "SMSW at CPL3");
	if (cpu_has_umip()) {
		cr4_write(cr4_read() | CR4_UMIP);
		expect_equal(user_run(u_sgdt, USER_DATA, 0, 0), GP, "UMIP");
		expect_equal(user_run(u_smsw, 0, 0, 0), GP, "UMIP");
		cr4_write(cr4_read() & ~CR4_UMIP);
	}
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" :: "r"(0));
}

void test_main(void)
{
	loads();
	tables();
	queries();
	user();
}
