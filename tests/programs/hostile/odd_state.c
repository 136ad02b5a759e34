// SPDX-License-Identifier: MIT
/*
 * System calls, faults and traps with RSP, flags, selectors and bases where no
 * compiler would put them.  The handler runs on an alternate stack, so each is
 * survivable on real hardware.
 */
#include "bystander.h"

static const uint64_t stacks[] = {
	0,
	1,
	8,
	0xfff,
	0x1000,
	0x60000,
	0x60008,
	0x7ffffffffff8,
	0x7fffffffffff,
	0x800000000000,
	0x8000000000000000,
	0xffff800000000000,
	0xffffffff81000000,
	0xfffffffffffffff8,
	~0ul,
	STUB_TEXT,
	STUB_TEXT + 0x800,
	STUB_CONST,
	STUB_CONST + 0x10,
	STUB_AREA,
	STUB_AREA + 8,
	STUB_AREA + AREA_REGS,
	STUB_AREA + AREA_SCRATCH,
	STUB_AREA + AREA_REQUESTS,
	STUB_AREA + AREA_XSAVE,
	STUB_AREA + AREA_STACK,
	STUB_AREA + AREA_STACK + AREA_STACK_SIZE,
	STUB_AREA + STUB_AREA_SIZE,
	STUB_AREA + STUB_AREA_SIZE - 8,
	STUB_AREA + STUB_AREA_SIZE - 0x1000,
	STUB_TRAMPOLINES,
	STUB_END,
	STUB_BASE - 8,
};
static const uint64_t flags[] = { 0x202,    0x302,	   0x602,   0x40202, 0x4202,
				  0x200202, 0xcd7 | 0x200, 0x40302, 0x244702 };

extern char odd_syscall[], odd_ud2[], odd_load[], odd_int3[], odd_divide[], odd_cpuid[], odd_push[],
	odd_int80[], odd_loop[], odd_hlt[], odd_call[], odd_getcpu[];
__asm__(".text\n"
	"odd_syscall:	syscall; int3\n"
	"odd_ud2:	ud2\n"
	"odd_load:	mov 0x1000, %eax; int3\n"
	"odd_int3:	int3\n"
	"odd_divide:	xor %ecx, %ecx; div %ecx; int3\n"
	"odd_cpuid:	cpuid; int3\n"
	"odd_push:	push %rax; pop %rax; int3\n"
	"odd_int80:	int $0x80; int3\n"
	"odd_loop:	mov $100000, %ecx; 1: dec %ecx; jnz 1b; int3\n"
	"odd_hlt:	hlt\n"
	"odd_call:	call 1f; 1: int3\n"
	"odd_getcpu:	mov $0x7b, %ecx; lsl %ecx, %ecx; rdtsc; int3\n");
static char *const actions[] = { odd_syscall, odd_ud2,	 odd_load, odd_int3, odd_divide, odd_cpuid,
				 odd_push,    odd_int80, odd_loop, odd_hlt,  odd_call,	 odd_getcpu };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void attempt(unsigned long i)
{
	struct hostile_registers r = { 0 };

	if (!sigsetjmp(hostile_resume, 1)) {
		r.rip = (uintptr_t)actions[i % COUNT(actions)];
		i /= COUNT(actions);
		r.flags = flags[i % COUNT(flags)];
		i /= COUNT(flags);
		r.rax = r.rip == (uintptr_t)odd_int80 ? 20 : SYS_getpid;
		/* With the trap flag, hostile_jump itself traps: part of the attempt. */
		r.rsp = stacks[i % COUNT(stacks)];
		hostile_jump(&r);
	}
}

/* Segment bases that point at the stub or beyond canonical space, then use them. */
static void bases(unsigned long i)
{
	static const uint64_t values[] = { 0,	      STUB_AREA,
					   STUB_TEXT, 0x7fffffff0000,
					   0x60000,   ~0xffful & 0x7fffffffffff };

	if (!sigsetjmp(hostile_resume, 1)) {
		syscall(SYS_arch_prctl, 0x1001, values[i % COUNT(values)]); /* ARCH_SET_GS */
		__asm__ volatile("mov %%gs:0x80, %%rax; mov %%rax, %%gs:0x100" : : : "rax", "memory");
	}
	if (!sigsetjmp(hostile_resume, 1)) {
		unsigned short selector = (unsigned short)(i * 3);

		__asm__ volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(selector));
	}
	if (!sigsetjmp(hostile_resume, 1)) {
		syscall(SYS_getppid);
		__asm__ volatile("ud2");
	}
	__asm__ volatile("mov %w0, %%ds; mov %w0, %%es" : : "r"(0));
}

/* Every selector, by far jump, far return and IRETQ. */
static void selectors(unsigned long i)
{
	static struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) far;
	uint64_t selector = i / 3;

	if (sigsetjmp(hostile_resume, 1))
		return;
	far.offset = (uint32_t)(uintptr_t)odd_int3;
	far.selector = (uint16_t)selector;
	switch (i % 3) {
	case 0: __asm__ volatile("ljmp *(%0)" : : "r"(&far) : "memory"); break;
	case 1:
		__asm__ volatile("push %0; lea odd_int3(%%rip), %%rax; push %%rax; lretq"
				 :
				 : "r"(selector)
				 : "rax", "memory");
		break;
	default:
		__asm__ volatile(
			"push %0; push %%rsp; pushfq; push %1; lea odd_int3(%%rip), %%rax; push %%rax; iretq"
			:
			: "r"(selector ^ 0x18), "r"(selector)
			: "rax", "memory");
	}
}

static void interrupts(unsigned long i)
{
	static unsigned char *code;

	if (!code)
		code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	if (!sigsetjmp(hostile_resume, 1)) {
		code[0] = 0xcd;
		code[1] = (unsigned char)i;
		code[2] = 0xcc;
		struct hostile_registers r = { .rax = 20,
					       .rip = (uintptr_t)code,
					       .flags = i & 256 ? 0x302 : 0x202 };

		r.rsp = (uintptr_t)__builtin_frame_address(0) - 8192;
		hostile_jump(&r);
	}
}

/* Extended state that cannot be: XRSTOR and FXRSTOR of garbage, then live on. */
static void states(unsigned long i)
{
	static unsigned char area[16384] __attribute__((aligned(64)));

	if (!sigsetjmp(hostile_resume, 1)) {
		for (size_t b = 0; b < sizeof(area); b++)
			area[b] = (unsigned char)hostile_random();
		if (i % 4 == 0)
			memset(area + 512, 0, 64);
		if (i % 4 == 1)
			memset(area + 520, 0, 56);
		if (i % 2 == 0)
			memset(area + 24, 0, 8);
		if (i % 5 == 0)
			__asm__ volatile("fxrstor %0" : : "m"(area));
		else
			__asm__ volatile("xrstor %0"
					 :
					 : "m"(area), "a"((uint32_t)hostile_random() | 3),
					   "d"((uint32_t)hostile_random()));
	}
	if (!sigsetjmp(hostile_resume, 1))
		__asm__ volatile("wrpkru" : : "a"(0), "c"(0), "d"(0));
	if (!sigsetjmp(hostile_resume, 1))
		__asm__ volatile("xsetbv" : : "a"(~0u), "c"(0), "d"(0));
	if (!sigsetjmp(hostile_resume, 1)) {
		syscall(SYS_getppid);
		__asm__ volatile("ud2");
	}
	__asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
}

/* Forged frames for rt_sigreturn: random, and nearly right. */
static void frames(unsigned long i)
{
	static uint64_t frame[512] __attribute__((aligned(64)));

	if (sigsetjmp(hostile_resume, 1))
		return;
	for (size_t w = 0; w < 512; w++)
		frame[w] = i % 3 ? 0 : hostile_random();
	if (i % 3) {
		/* uc_mcontext begins at 40 bytes of the ucontext: r8.. rip flags cs */
		uint64_t *g = frame + 5;

		g[15] = stacks[i % COUNT(stacks)]; /* rsp */
		g[16] = i % 3 == 1 ? (uintptr_t)odd_int3 : STUB_TEXT + i % STUB_TEXT_SIZE;
		g[17] = hostile_random(); /* flags */
		g[18] = i % 7 ? 0x33 | (uint64_t)0x2b << 48 : hostile_random();
		g[23] = i % 5 ? 0 : i % 2 ? STUB_AREA + AREA_XSAVE : hostile_random(); /* fpstate */
	}
	__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; int3" : : "r"(frame) : "memory");
}

static void vsyscalls(unsigned long i)
{
	if (!sigsetjmp(hostile_resume, 1)) {
		struct hostile_registers r = { .flags = 0x202, .rip = 0xffffffffff600000 + i };

		r.rsp = i & 1 ? (uintptr_t)__builtin_frame_address(0) - 8192
			      : stacks[i / 2 % COUNT(stacks)];
		hostile_jump(&r);
	}
}

int main(void)
{
	bystander_start();
	hostile_attempts(COUNT(actions) * COUNT(flags) * COUNT(stacks), attempt, 10);
	hostile_attempts(60, bases, 3);
	hostile_attempts(0x200 * 3, selectors, 4);
	hostile_attempts(512, interrupts, 4);
	hostile_attempts(400, states, 4);
	hostile_attempts(900, frames, 5);
	hostile_attempts(400, vsyscalls, 3);
	return bystander_verdict();
}
