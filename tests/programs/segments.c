// SPDX-License-Identifier: MIT
/*
 * Segments as user code may use them: FS and GS bases by arch_prctl and by
 * instruction, kept across switches and signals; a local descriptor table;
 * LAR, LSL, VERR, VERW; SGDT and friends as UMIP lets them; flags that user
 * code may change and those it may not.
 */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

static sigjmp_buf resume;
static volatile int ticks;
static void on_fault(int number) { siglongjmp(resume, number); }
static void on_tick(int number) { (void)number; ticks++; }

static uint64_t gs_load(uint64_t offset)
{
	uint64_t value;

	__asm__ volatile("mov %%gs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

static void gs_base(void)
{
	static uint64_t area[16];
	int wrong = 0;
	unsigned long base;

	for (int i = 0; i < 16; i++)
		area[i] = (uint64_t)i * 11;
	for (int i = 0; i < 500; i++) {
		syscall(SYS_arch_prctl, ARCH_SET_GS, &area[i % 16]);
		if (i % 7 == 0)
			sched_yield();
		wrong += gs_load(0) != (uint64_t)(i % 16) * 11;
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
		wrong += base != (uintptr_t)&area[i % 16];
	}
	expect_equal(wrong, 0, "GS base by arch_prctl");
	/* AT_HWCAP2 bit 1: the kernel lets user code write the bases. */
	wrong = 0;
	if (getauxval(AT_HWCAP2) & 2) {
		for (int i = 0; i < 500; i++) {
			__asm__ volatile("wrgsbase %0" : : "r"(&area[i % 16]));
			if (i % 7 == 0)
				sched_yield();
			wrong += gs_load(0) != (uint64_t)(i % 16) * 11;
			syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
			wrong += base != (uintptr_t)&area[i % 16];
			__asm__ volatile("rdfsbase %0" : "=r"(base));
			wrong += base != (uintptr_t)pthread_self();
		}
		__asm__ volatile("wrgsbase %0" : : "r"(0x7ffffffff000UL));
		__asm__ volatile("rdgsbase %0" : "=r"(base));
		wrong += base != 0x7ffffffff000UL;
		/* Upper-half bases are allowed as numbers. */
		__asm__ volatile("wrgsbase %0" : : "r"(0xffffffff80000000UL));
		sched_yield();
		__asm__ volatile("rdgsbase %0" : "=r"(base));
		wrong += base != 0xffffffff80000000UL;
		__asm__ volatile("wrgsbase %0" : : "r"(0UL));
	}
	expect_equal(wrong, 0, "bases by instruction");
	expect(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000UL) == -1 && errno == EPERM, "a kernel address is refused");
}

static volatile int gs_wrong, gs_stop;

static void *gs_thread(void *argument)
{
	uint64_t mine[2] = { (uintptr_t)argument, 0 };

	syscall(SYS_arch_prctl, ARCH_SET_GS, mine);
	for (int i = 0; i < 2000; i++) {
		if (gs_load(0) != (uintptr_t)argument)
			gs_wrong = 1;
		if (i % 10 == 0)
			sched_yield();
	}
	return NULL;
}

static void gs_threads(void)
{
	pthread_t t[12];

	for (long i = 0; i < 12; i++)
		pthread_create(&t[i], NULL, gs_thread, (void *)(i + 1));
	for (int i = 0; i < 12; i++)
		pthread_join(t[i], NULL);
	expect(!gs_wrong, "each thread its own GS base");
}

static void local_table(void)
{
	static uint32_t data[4] = { 0x11111111, 0x22222222, 0x33333333, 0x44444444 };
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct user_desc d = { .entry_number = 2, .limit = 15, .seg_32bit = 1, .useable = 1 };
	uint32_t value = 0;

	memcpy(low, data, sizeof(data));
	d.base_addr = (unsigned)(uintptr_t)low;
	if (syscall(SYS_modify_ldt, 1, &d, sizeof(d))) {
		printf("# modify_ldt: %s\n", strerror(errno));
		expect(errno == ENOSYS, "local descriptor table");
		return;
	}
	int wrong = 0;
	for (int i = 0; i < 200; i++) {
		__asm__ volatile("mov %1, %%gs; mov %%gs:8, %0" : "=r"(value) : "r"(2 << 3 | 7));
		wrong += value != 0x33333333;
		if (i % 5 == 0) {
			sched_yield();
			__asm__ volatile("mov %%gs:4, %0" : "=r"(value));
			wrong += value != 0x22222222;
		}
	}
	__asm__ volatile("mov %0, %%gs" : : "r"(0));
	expect_equal(wrong, 0, "local descriptor table");
}

static void descriptors(void)
{
	static const unsigned selectors[] = { 0x33, 0x2b, 0x23, 0x10, 0x18, 0x08, 0x40, 0, 0x7b, 0xfff8 };

	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		uint32_t access = 0, limit = 0;
		unsigned char a, l, r, w;

		__asm__ volatile("lar %2, %0; setz %1" : "+r"(access), "=q"(a) : "r"(selectors[i]) : "cc");
		__asm__ volatile("lsl %2, %0; setz %1" : "+r"(limit), "=q"(l) : "r"(selectors[i]) : "cc");
		__asm__ volatile("verr %w1; setz %0" : "=q"(r) : "r"(selectors[i]) : "cc");
		__asm__ volatile("verw %w1; setz %0" : "=q"(w) : "r"(selectors[i]) : "cc");
		/* CPUs differ in whether LAR shows the limit's upper bits. */
		printf("selector %#x: lar %d %x lsl %d %x verr %d verw %d\n", selectors[i], a, a ? access & 0xf0ff00 : 0, l,
		       selectors[i] == 0x7b ? 0 : l ? limit : 0, r, w);
	}
	unsigned short cs, ss, ds, es, fs, gs;

	__asm__ volatile("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2; mov %%es, %3; mov %%fs, %4; mov %%gs, %5"
			 : "=r"(cs), "=r"(ss), "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	printf("selectors %x %x %x %x %x %x\n", cs, ss, ds, es, fs, gs);
}

/* With UMIP the kernel emulates SGDT, SIDT, SMSW with dummy values and refuses the others. */
static void tables(void)
{
	static struct { uint16_t limit; uint64_t base; } __attribute__((packed)) g, i;

	if (!sigsetjmp(resume, 1)) {
		__asm__ volatile("sgdt %0; sidt %1" : "=m"(g), "=m"(i));
		printf("gdt %x %llx idt %x %llx\n", g.limit, (unsigned long long)g.base, i.limit, (unsigned long long)i.base);
	} else {
		printf("sgdt refused\n");
	}
	unsigned long word = 0;
	if (!sigsetjmp(resume, 1)) {
		__asm__ volatile("smsw %0" : "=r"(word));
		printf("smsw %lx\n", word & 0xffff);
	} else {
		printf("smsw refused\n");
	}
	if (!sigsetjmp(resume, 1)) {
		__asm__ volatile("sldt %0" : "=r"(word));
		printf("sldt %lx\n", word & 0xffff);
	} else {
		printf("sldt refused\n");
	}
	if (!sigsetjmp(resume, 1)) {
		__asm__ volatile("str %0" : "=r"(word));
		printf("str %lx\n", word & 0xffff);
	} else {
		printf("str refused\n");
	}
}

static void flags(void)
{
	uint64_t f;

	__asm__ volatile("pushfq; orq $0x200000, (%%rsp); popfq; pushfq; pop %0" : "=r"(f) : : "cc", "memory");
	expect(f >> 21 & 1, "ID flag");
	/* IOPL and IF do not change at CPL3, silently. */
	__asm__ volatile("pushfq; orq $0x3000, (%%rsp); andq $~0x200, (%%rsp); popfq; pushfq; pop %0" : "=r"(f) : : "cc", "memory");
	expect((f & 0x3200) == 0x200, "IOPL and IF keep");
	__asm__ volatile("std; pushfq; pop %0; cld" : "=r"(f) : : "cc", "memory");
	expect(f >> 10 & 1, "direction flag");
	__asm__ volatile("pushfq; orq $0x4000, (%%rsp); popfq; pushfq; pop %0; pushfq; andq $~0x4000, (%%rsp); popfq"
			 : "=r"(f) : : "cc", "memory");
	expect(f >> 14 & 1, "NT flag");
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	struct itimerval value = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &value, NULL);
	gs_base();
	gs_threads();
	local_table();
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	descriptors();
	tables();
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	flags();
	return check_result();
}
