// SPDX-License-Identifier: MIT
/*
 * Seccomp in the guest: strict mode, filters that allow, fail, trap, kill and
 * log by number and argument, SIGSYS with its siginfo, inheritance over fork
 * and exec, and the 32-bit gate seen as another architecture.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static void install(struct sock_filter *filter, size_t n)
{
	struct sock_fprog program = { (unsigned short)n, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(90);
}
#define INSTALL(...) \
	do { \
		struct sock_filter f[] = { __VA_ARGS__ }; \
		install(f, sizeof(f) / sizeof(f[0])); \
	} while (0)

static void strict_allowed(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_write, -1, NULL, 0);
	syscall(SYS_exit, 5);
}

static void strict_killed(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	syscall(SYS_getpid);
}

static void errno_filter(void)
{
	INSTALL(LOAD(nr), IS(SYS_getppid, 0, 1), RETURN(SECCOMP_RET_ERRNO | 55), IS(SYS_dup, 0, 3),
		LOAD(args[0]), IS(77, 0, 1), RETURN(SECCOMP_RET_ERRNO | 66), RETURN(SECCOMP_RET_ALLOW));
	int wrong = 0;

	for (int i = 0; i < 2000; i++) {
		wrong += syscall(SYS_getppid) != -1 || errno != 55;
		wrong += syscall(SYS_dup, 77) != -1 || errno != 66;
		wrong += syscall(SYS_dup, 78) != -1 || errno != EBADF;
		wrong += syscall(SYS_getuid) < 0;
	}
	_exit(wrong ? 1 : 6);
}

static volatile int trapped_number, trapped_arch, trapped_code, trapped_data, trapped_rip_ok;

static void on_sys(int number, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	trapped_number = si->si_syscall;
	trapped_arch = (int)si->si_arch;
	trapped_code = si->si_code;
	trapped_data = si->si_errno;
	trapped_rip_ok = (greg_t)(uintptr_t)si->si_call_addr == g[REG_RIP] && g[REG_RAX] == si->si_syscall;
	g[REG_RAX] = 4321;
}

static void trap_filter(void)
{
	struct sigaction action = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &action, NULL);
	INSTALL(LOAD(nr), IS(SYS_getppid, 0, 1), RETURN(SECCOMP_RET_TRAP | 9), RETURN(SECCOMP_RET_ALLOW));
	int wrong = 0;

	for (int i = 0; i < 1000; i++)
		wrong += syscall(SYS_getppid) != 4321;
	wrong += trapped_number != SYS_getppid || trapped_arch != (int)AUDIT_ARCH_X86_64 ||
		 trapped_code != 1 || trapped_data != 9 || !trapped_rip_ok;
	_exit(wrong ? 1 : 8);
}

static void kill_filter(void)
{
	INSTALL(LOAD(nr), IS(SYS_getppid, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),
		RETURN(SECCOMP_RET_ALLOW));
	syscall(SYS_getppid);
}

static void pointer_filter(void)
{
	/* Only calls from this very instruction address are allowed to getppid. */
	extern char allowed_site[];
	INSTALL(LOAD(nr), IS(SYS_getppid, 0, 3), LOAD(instruction_pointer),
		IS((uint32_t)(uintptr_t)allowed_site, 1, 0), RETURN(SECCOMP_RET_ERRNO | 44),
		RETURN(SECCOMP_RET_ALLOW));
	long here, there, wrong = 0;

	for (int i = 0; i < 1000; i++) {
		__asm__ volatile("syscall\nallowed_site:" : "=a"(here) : "a"(SYS_getppid) : "rcx", "r11");
		__asm__ volatile("syscall" : "=a"(there) : "a"(SYS_getppid) : "rcx", "r11");
		wrong += here < 0 || there != -44;
	}
	_exit(wrong ? 1 : 10);
}

static void arch_filter(void)
{
	INSTALL(LOAD(arch), IS(AUDIT_ARCH_I386, 0, 1), RETURN(SECCOMP_RET_ERRNO | 33),
		RETURN(SECCOMP_RET_ALLOW));
	long a, b, wrong = 0;

	for (int i = 0; i < 500; i++) {
		__asm__ volatile("int $0x80" : "=a"(a) : "a"(20) : "r8", "r9", "r10", "r11", "memory");
		__asm__ volatile("syscall" : "=a"(b) : "a"(SYS_getpid) : "rcx", "r11", "memory");
		wrong += a != -33 || b != getpid();
	}
	_exit(wrong ? 1 : 12);
}

static void inherited(void)
{
	INSTALL(LOAD(nr), IS(SYS_getppid, 0, 1), RETURN(SECCOMP_RET_ERRNO | 55), RETURN(SECCOMP_RET_ALLOW));
	pid_t pid = fork();
	int status;

	if (!pid) {
		execl("/proc/self/exe", "confinement", "--inherited", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--inherited"))
		return syscall(SYS_getppid) == -1 && errno == 55 ? 14 : 1;
	expect_equal(check_in_child(strict_allowed), 5, "strict mode, allowed calls");
	expect_equal(check_in_child(strict_killed), 1000 + SIGKILL, "strict mode, another call");
	expect_equal(check_in_child(errno_filter), 6, "errors by number and argument");
	expect_equal(check_in_child(trap_filter), 8, "traps with their siginfo");
	expect_equal(check_in_child(kill_filter), 1000 + SIGSYS, "kill");
	expect_equal(check_in_child(pointer_filter), 10, "by the instruction pointer");
	expect_equal(check_in_child(arch_filter), 12, "the 32-bit gate");
	expect_equal(check_in_child(inherited), 14, "inherited over fork and exec");
	return check_result();
}
