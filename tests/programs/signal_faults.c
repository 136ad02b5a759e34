// SPDX-License-Identifier: MIT
/*
 * A signal for every kind of fault user code can raise, with the siginfo and
 * the trap number and error code that the kernel derives from the CPU's own.
 * What needs a CPU more exact than QEMU's is in signal_faults_exact.c.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "fault.h"

static void memory_faults(void)
{
	char *area = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("file", 0);
	char *file;

	if (area == MAP_FAILED || fd < 0 || ftruncate(fd, 4096))
		check_abort("set-up");
	file = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mprotect(area + 4096, 4096, PROT_NONE);
	mprotect(area + 2 * 4096, 4096, PROT_READ);
	mprotect(area + 3 * 4096, 4096, PROT_READ | PROT_WRITE);
	munmap(area + 5 * 4096, 4096);
	area[3 * 4096] = (char)0xc3;
	base = (uintptr_t)area;
	FAULT("read protected", ADDRESS_RELATIVE, LOAD(area + 4096 + 17));
	FAULT("write protected", ADDRESS_RELATIVE, LOAD(area + 4096 + 18) = 1);
	FAULT("write read-only", ADDRESS_RELATIVE, LOAD(area + 2 * 4096 + 19) = 1);
	FAULT("read unmapped", ADDRESS_RELATIVE, LOAD(area + 5 * 4096 + 20));
	FAULT("write unmapped", ADDRESS_RELATIVE, LOAD(area + 5 * 4096 + 21) = 1);
	FAULT("execute no-execute", ADDRESS_RELATIVE, ((void (*)(void))(void *)(area + 3 * 4096))());
	FAULT("execute unmapped", ADDRESS_RELATIVE, ((void (*)(void))(void *)(area + 5 * 4096 + 22))());
	FAULT("execute protected", ADDRESS_RELATIVE, ((void (*)(void))(void *)(area + 4096))());
	FAULT("read across into protected", ADDRESS_RELATIVE, *(volatile long *)(void *)(area + 4096 - 3));
	FAULT("rep movsb into protected", ADDRESS_RELATIVE, {
		void *to = area + 4096 - 100, *from = area + 3 * 4096;
		long count = 200;
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	});
	FAULT("rep stosq downwards", ADDRESS_RELATIVE, {
		void *to = area + 6 * 4096 + 64;
		long count = 200;
		__asm__ volatile("std; rep stosq; cld" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	});
	__asm__ volatile("cld");
	base = (uintptr_t)file;
	FAULT("read behind end of file", ADDRESS_RELATIVE, LOAD(file + 2 * 4096 + 5));
	FAULT("write behind end of file", ADDRESS_RELATIVE, LOAD(file + 4096 + 6) = 1);
	base = 0;
	FAULT("read null", ADDRESS_RELATIVE, LOAD((char *)base));
	FAULT("write null+8", ADDRESS_RELATIVE, LOAD((char *)base + 8) = 1);
	FAULT("call null", ADDRESS_RELATIVE, ((void (*)(void))(base + 0))());
	base = 0xffffffff81000000UL;
	FAULT("read kernel text", ADDRESS_RELATIVE, LOAD(base));
	FAULT("write kernel text", ADDRESS_RELATIVE, LOAD(base + 1) = 1);
	base = 0xffff888000000000UL;
	FAULT("read direct map", ADDRESS_RELATIVE, LOAD(base + 4096));
	base = 0xffff800000001000UL;
	FAULT("read kernel hole", ADDRESS_RELATIVE, LOAD(base + 4096));
	base = 0x7ffffffff000UL;
	FAULT("read top of user space", ADDRESS_RELATIVE, LOAD(base + 5));
	FAULT("read non-canonical", ADDRESS_NONE, LOAD(0x8000000000001UL));
	FAULT("write non-canonical", ADDRESS_NONE, LOAD(0xdeadbeefcafe0001UL) = 1);
	base = 0xffffffff81000000UL;
	FAULT("jump to kernel text", ADDRESS_RELATIVE, ((void (*)(void))base)());
	munmap(area, 8 * 4096);
	munmap(file, 3 * 4096);
	close(fd);
}

static void arithmetic_faults(void)
{
	FAULT("divide by zero", ADDRESS_RIP, {
		int a = 1, d = 0;
		__asm__ volatile("idivl %2" : "+a"(a), "+d"(d) : "r"(0) : "cc");
	});
	FAULT("divide overflow", ADDRESS_RIP, {
		int a = INT32_MIN, d = -1;
		__asm__ volatile("idivl %2" : "+a"(a), "+d"(d) : "r"(-1) : "cc");
	});
	FAULT("divide 64 overflow", ADDRESS_RIP, {
		long a = 0, d = 5;
		__asm__ volatile("divq %2" : "+a"(a), "+d"(d) : "r"(5L) : "cc");
	});
	FAULT("x87 divide by zero", ADDRESS_NONE, {
		unsigned short cw = 0x37f & ~4;
		__asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(cw));
	});
	__asm__ volatile("fninit");
}

static void instruction_faults(void)
{
	FAULT("ud2", ADDRESS_RIP, __asm__ volatile("ud2"));
	FAULT("ud0", ADDRESS_RIP, __asm__ volatile(".byte 0x0f, 0xff, 0xc0"));
	FAULT("invalid in 64-bit mode", ADDRESS_RIP, __asm__ volatile(".byte 0x06"));
	FAULT("lock on a register", ADDRESS_RIP, __asm__ volatile(".byte 0xf0, 0x01, 0xc0"));
	FAULT("int3", ADDRESS_NONE, __asm__ volatile("int3"));
	FAULT("int 3 in two bytes", ADDRESS_NONE, __asm__ volatile(".byte 0xcd, 3"));
	FAULT("int 4", ADDRESS_NONE, __asm__ volatile("int $4"));
	FAULT("hlt", ADDRESS_NONE, __asm__ volatile("hlt"));
	FAULT("cli", ADDRESS_NONE, __asm__ volatile("cli"));
	FAULT("sti", ADDRESS_NONE, __asm__ volatile("sti"));
	FAULT("in", ADDRESS_NONE, __asm__ volatile("inb $0x60, %%al" : : : "rax"));
	FAULT("out", ADDRESS_NONE, __asm__ volatile("outb %%al, $0x80" : : "a"(0)));
	FAULT("rdmsr", ADDRESS_NONE, __asm__ volatile("rdmsr" : : "c"(0x10) : "rax", "rdx"));
	FAULT("wrmsr", ADDRESS_NONE, __asm__ volatile("wrmsr" : : "c"(0x10), "a"(0), "d"(0)));
	FAULT("mov from cr0", ADDRESS_NONE, __asm__ volatile("mov %%cr0, %%rax" : : : "rax"));
	FAULT("mov to cr3", ADDRESS_NONE, __asm__ volatile("mov %%rax, %%cr3" : : "a"(0)));
	FAULT("mov from dr7", ADDRESS_NONE, __asm__ volatile("mov %%dr7, %%rax" : : : "rax"));
	FAULT("swapgs", ADDRESS_NONE, __asm__ volatile("swapgs"));
	FAULT("sysretq", ADDRESS_NONE, __asm__ volatile("sysretq" : : "c"(0)));
	FAULT("lgdt", ADDRESS_NONE, __asm__ volatile("lgdt (%%rsp)" : : ));
	FAULT("invlpg", ADDRESS_NONE, __asm__ volatile("invlpg (%%rsp)" : : ));
	FAULT("wbinvd", ADDRESS_NONE, __asm__ volatile("wbinvd"));
	FAULT("clts", ADDRESS_NONE, __asm__ volatile("clts"));
	FAULT("ltr", ADDRESS_NONE, __asm__ volatile("ltr %%ax" : : "a"(0)));
	FAULT("xsetbv", ADDRESS_NONE, __asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0)));
	FAULT("load a wrong selector", ADDRESS_NONE, __asm__ volatile("mov %%ax, %%ds" : : "a"(0xfff8)));
	FAULT("load a system selector", ADDRESS_NONE, __asm__ volatile("mov %%ax, %%es" : : "a"(0x40)));
	FAULT("null ss", ADDRESS_NONE, __asm__ volatile("mov %%ax, %%ss" : : "a"(0)));
}

/* Trap flag: the trap comes after the next instruction. */
static void single_step(void)
{
	extern char step_after[];

	FAULT("single step", ADDRESS_RIP,
	      __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop\nstep_after: nop; nop" : : : "cc", "memory"));
	expect(trap_rip == (greg_t)(uintptr_t)step_after, "stops behind one instruction");
}

int main(void)
{
	fault_catch();
	memory_faults();
	arithmetic_faults();
	instruction_faults();
	single_step();
	/* And again many times, as a runtime that uses faults would. */
	volatile int seen = 0;
	for (volatile int i = 0; i < 3000; i++) {
		if (!sigsetjmp(resume, 1))
			LOAD((char *)(uintptr_t)(i * 16));
		else
			seen++;
	}
	expect_equal(seen, 3000, "3000 faults in a row");
	return check_result();
}
