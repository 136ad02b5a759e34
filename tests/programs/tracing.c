// SPDX-License-Identifier: MIT
/*
 * A debugger in small: attach, single-step and compare the path, breakpoints
 * written with POKETEXT, hardware breakpoints and watchpoints, registers read
 * and written, system calls stopped at, changed and skipped, memory peeked,
 * vector state fetched, fork followed; and the trap flag by oneself.
 */
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "check.h"

extern char step_begin[], step_end[], step_loop[], step_call[];
__asm__(
	".text\n"
	"step_begin:\n"
	"	xor %eax, %eax\n"
	"	mov $5, %ecx\n"
	"step_loop:\n"
	"	add %ecx, %eax\n"
	"	push %rax\n"
	"	pop %rdx\n"
	"	call step_call\n"
	"	dec %ecx\n"
	"	jnz step_loop\n"
	"	pushfq\n"
	"	pop %rdx\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"	mov %ss, %edx\n"
	"	mov %edx, %ss\n"
	"	nop\n"
	"	mov $4, %ecx\n"
	"	rep stosb\n"
	"	cpuid\n"
	"	rdtsc\n"
	"	int3\n"
	"step_end:\n"
	"	ret\n"
	"step_call:\n"
	"	lea 1(%rax), %rax\n"
	"	ret\n");

static volatile long watched;
static volatile int broken;

static __attribute__((noinline)) int target(int x)
{
	broken++;
	watched = x;
	return x * 2;
}

static int wait_stop(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		check_abort("waitpid");
	return status;
}

static pid_t traced(void (*run)(void))
{
	fflush(stdout);
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		run();
		_exit(7);
	}
	wait_stop(pid);
	return pid;
}

static void registers_of(pid_t pid, struct user_regs_struct *r)
{
	if (ptrace(PTRACE_GETREGS, pid, 0, r))
		check_abort("PTRACE_GETREGS");
}

static char stos_target[4096];

static void run_steps(void)
{
	/* rbx is callee-saved and cpuid writes it. */
	__asm__ volatile("push %%rbx; call step_begin; pop %%rbx"
			 : : "D"(stos_target) : "rax", "rcx", "rdx", "rsi", "r11", "memory", "cc");
}

/* Step through the routine and print the path as offsets. */
static void single_steps(void)
{
	pid_t pid = traced(run_steps);
	struct user_regs_struct r;
	unsigned steps = 0, inside = 0, sum = 0, trap_flags = 0, status;
	uint64_t path = 0xcbf29ce484222325ULL;
	bool began = false;

	for (steps = 0; steps < 5000; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0))
			check_abort("PTRACE_SINGLESTEP");
		status = (unsigned)wait_stop(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
		registers_of(pid, &r);
		if (r.rip >= (uintptr_t)step_begin && r.rip < (uintptr_t)step_call + 8) {
			if (!began)
				printf("steps:");
			began = true;
			inside++;
			trap_flags += r.eflags >> 8 & 1;
			printf(" %u", (unsigned)(r.rip - (uintptr_t)step_begin));
			path = (path ^ (r.rip - (uintptr_t)step_begin)) * 0x100000001b3ULL;
			if (r.rip == (uintptr_t)step_loop)
				sum += (unsigned)r.rax;
			if (r.rip == (uintptr_t)step_end)
				break;
		}
	}
	printf("\n");
	printf("%u steps inside, sum %u, path %016llx, trap flags shown %u\n", inside, sum, (unsigned long long)path, trap_flags);
	ptrace(PTRACE_KILL, pid, 0, 0);
	waitpid(pid, NULL, 0);
}

static void run_target(void)
{
	for (int i = 0; i < 10; i++)
		target(i);
	_exit(broken == 10 ? 7 : 8);
}

static void software_breakpoint(void)
{
	pid_t pid = traced(run_target);
	uintptr_t at = (uintptr_t)target;
	long original = ptrace(PTRACE_PEEKTEXT, pid, at, 0);
	int hits = 0, arguments = 0, status;
	struct user_regs_struct r;

	expect(!memcmp(&original, (void *)at, 8), "peek shows the code");
	for (;;) {
		ptrace(PTRACE_POKETEXT, pid, at, (original & ~0xffl) | 0xcc);
		ptrace(PTRACE_CONT, pid, 0, 0);
		status = wait_stop(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
		registers_of(pid, &r);
		if (r.rip != at + 1)
			break;
		hits++;
		arguments += (int)r.rdi;
		ptrace(PTRACE_POKETEXT, pid, at, original);
		r.rip = at;
		ptrace(PTRACE_SETREGS, pid, 0, &r);
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		wait_stop(pid);
	}
	expect_equal(hits, 10, "breakpoint hit ten times");
	expect_equal(arguments, 45, "with its arguments");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "and the program ran on");
	expect(broken == 0, "our own code is not touched");
}

static void hardware_debug(void)
{
	int hits = 0, status, values = 0;
	struct user_regs_struct r;
	pid_t pid = traced(run_target);

	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), target) ||
	    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1)) {
		printf("# no hardware breakpoints: %s\n", strerror(errno));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		expect(false, "hardware breakpoint set");
		return;
	}
	for (;;) {
		ptrace(PTRACE_CONT, pid, 0, 0);
		status = wait_stop(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
		registers_of(pid, &r);
		hits += r.rip == (uintptr_t)target;
	}
	expect_equal(hits, 10, "hardware breakpoint");
	pid = traced(run_target);
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), &watched);
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1 | 1 << 16 | 2 << 18);
	hits = 0;
	for (;;) {
		ptrace(PTRACE_CONT, pid, 0, 0);
		status = wait_stop(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			break;
		hits++;
		values += (int)ptrace(PTRACE_PEEKDATA, pid, &watched, 0);
	}
	expect(hits == 10 && values == 45, "watchpoint on writes");
}

static void run_calls(void)
{
	long a = syscall(SYS_getpid), b = syscall(SYS_getuid), c = syscall(1234);

	_exit(a == 4242 && b == 77 && c == -1 ? 7 : 9);
}

/* Change results, replace numbers. */
static void system_calls(void)
{
	pid_t pid = traced(run_calls);
	struct user_regs_struct r;
	int stops = 0, status, entries = 0;
	bool entry = true;

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		status = wait_stop(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80))
			break;
		registers_of(pid, &r);
		stops++;
		if (entry) {
			entries++;
			if (r.rax != (unsigned long)-ENOSYS)
				break;
			if (r.orig_rax == SYS_getuid) {
				r.orig_rax = -1UL;	/* skipped: the result is set here */
				r.rax = 77;
				ptrace(PTRACE_SETREGS, pid, 0, &r);
			}
		} else if (r.orig_rax == SYS_getpid) {
			r.rax = 4242;
			ptrace(PTRACE_SETREGS, pid, 0, &r);
		}
		entry = !entry;
	}
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "system calls changed and skipped");
	printf("%d stops\n", stops);
}

static void run_forever(void)
{
	volatile long value = 0x1111;

	__asm__ volatile("movq %0, %%xmm7; mov $0x5a5a, %%r15d\n1: test %%r14, %%r14; jmp 1b" : : "r"(0x123456789abcdef0L) : "r15", "xmm7");
	(void)value;
}

static void interrupted(void)
{
	fflush(stdout);
	pid_t pid = fork();
	struct user_regs_struct r;
	struct user_fpregs_struct fp;
	int status;

	if (!pid) {
		run_forever();
		_exit(1);
	}
	usleep(20000);
	expect(!ptrace(PTRACE_SEIZE, pid, 0, 0), "seized");
	expect(!ptrace(PTRACE_INTERRUPT, pid, 0, 0), "interrupted");
	status = wait_stop(pid);
	expect(WIFSTOPPED(status), "a busy loop stops");
	registers_of(pid, &r);
	ptrace(PTRACE_GETFPREGS, pid, 0, &fp);
	uint64_t xmm7;

	memcpy(&xmm7, (char *)fp.xmm_space + 7 * 16, 8);
	expect(r.r15 == 0x5a5a && xmm7 == 0x123456789abcdef0, "with the loop's registers");
	static char buffer[16384];
	struct iovec iov = { buffer, sizeof(buffer) };

	expect(!ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov) && iov.iov_len >= 576, "extended state");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect(WIFSIGNALED(status), "killed while traced");
}

static void run_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	int status;

	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status) == 3 ? 7 : 1);
}

static void followed(void)
{
	pid_t pid = traced(run_fork), child = 0;
	unsigned long message = 0;
	int status, events = 0, exits = 0;

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	ptrace(PTRACE_CONT, pid, 0, 0);
	while (exits < 2) {
		pid_t who = waitpid(-1, &status, __WALL);

		if (who < 0)
			break;
		if (WIFEXITED(status)) {
			exits++;
			if (who == pid)
				expect_equal(WEXITSTATUS(status), 7, "the parent's status");
			continue;
		}
		if (who == pid && status >> 16 == PTRACE_EVENT_FORK) {
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
			child = (pid_t)message;
			events++;
		} else if (who == pid && status >> 16 == PTRACE_EVENT_CLONE) {
			events++;
		}
		int sig = status >> 16 ? 0 : WSTOPSIG(status);

		ptrace(PTRACE_CONT, who, 0, sig == SIGSTOP || sig == SIGTRAP ? 0 : sig);
	}
	expect(events == 1 && child > 0, "the fork is seen");
}

static volatile int traps;
static void on_trap(int number) { (void)number; traps++; }

/* The trap flag set by the program itself. */
static void own_trap_flag(void)
{
	long pid;

	signal(SIGTRAP, on_trap);
	traps = 0;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop; nop; pushfq; andl $~0x100, (%%rsp); popfq"
			 : : : "cc", "memory");
	printf("own trap flag: %d\n", traps);
	traps = 0;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; mov $39, %%eax; syscall; nop; pushfq; andl $~0x100, (%%rsp); popfq"
			 : "=a"(pid) : : "rcx", "r11", "cc", "memory");
	printf("over a system call: %d\n", traps);
	expect_equal(pid, getpid(), "whose result is right");
	unsigned a = 0, b, c = 0, d;
	traps = 0;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; cpuid; nop; pushfq; andl $~0x100, (%%rsp); popfq"
			 : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "cc", "memory");
	printf("over cpuid: %d\n", traps);
	signal(SIGTRAP, SIG_DFL);
}

int main(void)
{
	single_steps();
	software_breakpoint();
	hardware_debug();
	system_calls();
	interrupted();
	followed();
	own_trap_flag();
	return check_result();
}
