// SPDX-License-Identifier: MIT
/*
 * IRETQ and far returns: to CPL0, to CPL3 in 64-bit and compatibility mode, to CPL0 compatibility
 * mode and back; every refusal with its vector and error code, raised on the IRETQ at CPL0 with
 * the stack as it was; IRETQ at CPL3 cannot gain privilege; the 32-bit forms of INT3, INTO and
 * BOUND; SYSRET to compatibility mode and SYSCALL from it.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

user_program(u_int80, "int $0x80");
user_program(u_iret,
	"mov %rsp, %rbx; mov %ss, %eax; push %rax; push %rbx; pushf; xorl $0x3200, (%rsp); push %rsi\n"
	"lea 1f(%rip), %rax; push %rax\n"
	"u_iret_insn: iretq; ud2; 1: pushf; pop %rax; sub %rsp, %rbx; int $0x80");
/* 48 ff c0: inc %rax in 64-bit mode; dec %eax, inc %eax in compatibility mode. */
user_program(u_mode, "xor %eax, %eax; .byte 0x48, 0xff, 0xc0; int $0x80");
user_program32(u32_into, "mov $0x7fffffff, %eax; inc %eax; into; int $0x80");
user_program32(u32_bound, "bound %eax, (%edi); int $0x80");
user_program32(u32_int3, "int3; int $0x80");
user_program32(u32_stack, "push $5; call 1f; 1: pop %eax; pop %ecx;"
	     "push %ds; pop %edx; pusha; popa; mov (%edi), %ebx; int $0x80");
user_program32(u32_syscall, "syscall; int $0x80");
user_program32(u32_far, "push $0x33; push %edi; lret");

static int iret_try(uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
	return TRY_IN("mov %%rsp, %%rbx; push %4; push %3; push %2; push %1; push %0", "iretq",
		      "mov %%rbx, %%rsp; push $2; popf",
		      :: "r"(rip), "r"(cs), "r"(flags), "r"(rsp), "r"(ss) : "rbx", "memory", "cc");
}

static void refused(const char *what, int got, int vector, uint64_t error)
{
	expect_equal(got, vector, "%s", what);
	expect_equal(trap_last.error, error, "%s: error code", what);
	expect_equal(trap_last.rip, trap_last.try_start, "%s: RIP on the IRETQ", what);
	expect_equal(trap_last.cs, KERNEL_CS, "%s", what);
}

static void faults(void)
{
	uint64_t rip = user_address(u_int80), rsp = USER_STACK - 16, hole = 0x0000900000000000ul;
	uint64_t absent = GDT_FREE * 8 | 3;

	gdt[GDT_FREE] = gdt[USER_CS >> 3] & ~(1ul << 47);
	refused("CS null", iret_try(rip, 0, 2, rsp, USER_DS), GP, 0);
	refused("CS data", iret_try(rip, USER_DS, 2, rsp, USER_DS), GP, USER_DS & ~3ul);
	refused("CS beyond the GDT", iret_try(rip, 0xf003, 2, rsp, USER_DS), GP, 0xf000);
	refused("CS absent", iret_try(rip, absent, 2, rsp, USER_DS), NP, absent & ~3ul);
	refused("SS null for CPL3", iret_try(rip, USER_CS, 2, rsp, 0), GP, 0);
	refused("SS of DPL 0", iret_try(rip, USER_CS, 2, rsp, KERNEL_DS | 3), GP, KERNEL_DS);
	refused("SS of RPL 0", iret_try(rip, USER_CS, 2, rsp, USER_DS & ~3ul), GP, USER_DS & ~3ul);
	refused("SS code", iret_try(rip, USER_CS, 2, rsp, USER_CS), GP, USER_CS & ~3ul);
	if (!test_on_tcg())	/* faults at the target there */
		refused("RIP not canonical", iret_try(hole, USER_CS, 2, rsp, USER_DS), GP, 0);
	refused("nested task", TRY_IN("pushf; pushf; orl $0x4000, (%%rsp); popf", "iretq", "popf",
				      ::: "memory", "cc"), GP, 0);
}

static bool leave_compat(struct trap_frame *f)
{
	f->cs = KERNEL_CS;
	f->rip = f->rdx;
	f->rsp = f->rbx;
	return true;
}

static void kernel(void)
{
	uint64_t rax, pa = page_alloc(), va = USER_FREE;
	/* inc/dec as above, push %eax, pop %ecx, int $0x45 */
	static const uint8_t text[] = { 0x31, 0xc0, 0x48, 0xff, 0xc0, 0x50, 0x59, 0xcd, 0x45 };

	__asm__ volatile("mov %%rsp, %%rbx; push $0; push $0x1230; pushf; push $0x10; lea 1f(%%rip), %%rax;"
			 "push %%rax; iretq; 1: mov %%rsp, %0; mov %%ss, %%ecx; mov %%rbx, %%rsp;"
			 "mov $0x18, %%edx; mov %%edx, %%ss; shl $32, %%rcx; or %%rcx, %0"
			 : "=&r"(rax) :: "rax", "rbx", "rcx", "rdx", "memory", "cc");
	expect_equal(rax, 0x1230, "IRETQ to CPL0 loads RSP and a null SS");

	memcpy(phys_to_virt(pa), text, sizeof(text));
	page_map(va, pa, PTE_P | PTE_W);
	trap_handler[0x45] = leave_compat;
	__asm__ volatile("mov %%rsp, %%rbx; lea 1f(%%rip), %%rdx; push $0x18; push %2; push $2; push $8; push %1;"
			 "iretq; 1: mov $0x18, %%ecx; mov %%ecx, %%ss"
			 : "=&a"(rax) : "r"(va), "r"(va + 0x800) : "rbx", "rcx", "rdx", "memory", "cc");
	expect_equal((uint32_t)rax, 0, "CPL0 compatibility mode");
	expect_equal(trap_last.cs, KERNEL_CS32);
	expect_equal(trap_last.rip, va + sizeof(text));
	page_map(va, 0, 0);
	cpu_invlpg(va);
}

static int run32(const char *code, uint64_t rdi)
{
	user_prepare(user_address(code));
	user_frame.cs = USER_CS32;
	user_frame.rdi = rdi;
	/* 64-bit code does not look at these; 32-bit code needs them. */
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" :: "r"(USER_DS));
	return user_enter();
}

static bool sysret32(struct trap_frame *f)
{
	(void)f;
	user_syscall = 0;
	__asm__ volatile("mov %0, %%rsp; sysretl" :: "r"(USER_STACK - 16), "c"(user_address(u_mode)),
			 "r"(0) : "memory");
	__builtin_unreachable();
}

static void compat(void)
{
	extern char u32_int3[];
	int32_t *bounds = (int32_t *)user_data;

	expect_equal(user_run(u_mode, 0, 0, 0), 0x80);
	expect_equal(user_frame.rax, 1, "64-bit mode");
	expect_equal(run32(u_mode, 0), 0x80);
	expect_equal((uint32_t)user_frame.rax, 0, "compatibility mode");
	expect_equal(trap_last.cs, USER_CS32);
	expect_equal(run32(u32_into, 0), OF, "INTO needs DPL 3, like INT3");
	expect_equal(run32(u32_int3, 0), BP);
	expect_equal(user_frame.rip, user_address(u32_int3) + 1);
	bounds[0] = 1, bounds[1] = 9;
	expect_equal(run32(u32_bound, USER_DATA), BR);
	expect_equal(user_frame.rip, user_address(u32_bound));
	bounds[2] = 0x1234;
	expect_equal(run32(u32_stack, USER_DATA + 8), 0x80);
	expect_equal((uint32_t)user_frame.rax, user_address(u32_stack) + 7, "call and pop");
	expect_equal((uint32_t)user_frame.rcx, 5);
	expect_equal((uint32_t)user_frame.rbx, 0x1234);
	expect_equal(run32(u32_far, user_address(u_int80)), 0x80, "far return to 64-bit mode");
	expect_equal(trap_last.cs, USER_CS);

	struct cpuid id = cpuid(0, 0);

	msr_write(MSR_CSTAR, msr_read(MSR_LSTAR));
	if (id.ebx == 0x756e6547)	/* Intel: no SYSCALL in compatibility mode */
		expect_equal(run32(u32_syscall, 0), UD);
	else
		expect_equal(run32(u32_syscall, 0), TRAP_SYSCALL, "SYSCALL through CSTAR");
	user_syscall = sysret32;
	__asm__ volatile("" ::: "memory");
	user_program(u_call, "mov $2, %r11d; syscall");
	expect_equal(user_run(u_call, 0, 0, 0), 0x80, "SYSRETL");
	expect_equal((uint32_t)user_frame.rax, 0, "SYSRETL");
	expect_equal(trap_last.cs, USER_CS32, "SYSRETL");
}

static void user(void)
{
	expect_equal(user_run(u_iret, 0, USER_CS, 0), 0x80);
	expect_equal(user_frame.rax & (FLAG_IF | FLAG_IOPL), FLAG_IF, "CPL3 cannot change IF and IOPL");
	expect_equal(user_frame.rbx, 0, "RSP from the frame");
	expect_equal(user_run(u_iret, 0, KERNEL_CS, 0), GP);
	expect_equal(trap_last.error, KERNEL_CS);
	expect_equal(user_run(u_iret, 0, 0, 0), GP);
	expect_equal(trap_last.error, 0);
}

void test_main(void)
{
	user_init();
	trap_set_dpl(BP, 3);
	trap_set_dpl(OF, 3);
	trap_set_dpl(BR, 3);
	faults();
	kernel();
	user();
	compat();
}
