// SPDX-License-Identifier: MIT
/*
 * System calls of 32-bit programs: int 0x80 and the vDSO's entry (SYSENTER or
 * SYSCALL, as the CPU has it), six arguments, registers preserved, restarts
 * after signals, at a page boundary, errors.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

uintptr_t vdso_entry; /* named by the assembly below */

static long by_gate(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

static long by_entry(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("call *vdso_entry"
			 : "=a"(result)
			 : "0"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
}

static void preserved(void)
{
	int wrong = 0;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t b = i * 3, c = i * 5, d = i * 7, si = i * 11, di = i * 13, flags;
		long result;

		__asm__ volatile("std; int $0x80; pushf; cld; pop %6"
				 : "=a"(result), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), "=m"(flags)
				 : "0"(SYS_getpid)
				 : "memory", "cc");
		wrong += result != getpid() || b != i * 3 || c != i * 5 || d != i * 7 || si != i * 11 ||
			 di != i * 13 || !(flags >> 10 & 1);
		__asm__ volatile("call *vdso_entry"
				 : "=a"(result), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di)
				 : "0"(SYS_getpid)
				 : "memory", "cc");
		wrong += result != getpid() || b != i * 3 || c != i * 5 || d != i * 7 || si != i * 11 ||
			 di != i * 13;
	}
	expect_equal(wrong, 0, "registers preserved");
}

static void six_arguments(void)
{
	/* mmap2(0, 4096, RW, PRIVATE|ANONYMOUS, -1, 0): the sixth in ebp. */
	long result;

	__asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
			 : "=a"(result)
			 : "0"(SYS_mmap2), "b"(0), "c"(4096), "d"(3), "S"(0x22), "D"(-1)
			 : "memory");
	expect((unsigned long)result < 0xfffff000ul, "six arguments by int 0x80");
	*(volatile int *)result = 5;
	syscall(SYS_munmap, result, 4096);
	void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(p != MAP_FAILED, "six arguments by libc");
	munmap(p, 8192);
}

static void page_boundary(void)
{
	/* mov eax, 20; int 0x80; ret */
	static const unsigned char code[] = { 0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3 };
	unsigned char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);
	int wrong = 0;

	for (int at = 4096 - 9; at <= 4097; at++) {
		memset(p, 0xcc, 8192);
		memcpy(p + at, code, sizeof(code));
		for (int i = 0; i < 100; i++)
			wrong += ((long (*)(void))(void *)(p + at))() != getpid();
	}
	expect_equal(wrong, 0, "int 0x80 around a page boundary");
	munmap(p, 8192);
}

static volatile int ticks;
static void on_tick(int number)
{
	(void)number;
	ticks++;
}

static void restarts(void)
{
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	struct itimerval value = { { 0, 3000 }, { 0, 3000 } };
	int fds[2], status;
	char c;

	sigaction(SIGALRM, &action, NULL);
	if (pipe(fds))
		check_abort("pipe");
	for (int way = 0; way < 2; way++) {
		ticks = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			usleep(40000);
			_exit(write(fds[1], "z", 1) != 1);
		}
		setitimer(ITIMER_REAL, &value, NULL);
		long got = way ? by_entry(SYS_read, fds[0], (long)&c, 1)
			       : by_gate(SYS_read, fds[0], (long)&c, 1);
		setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
		expect(got == 1 && ticks > 2, "read restarted, by %s",
		       way ? "the vDSO's entry" : "int 0x80");
		waitpid(pid, &status, 0);
	}
}

int main(void)
{
	int wrong = 0;

	vdso_entry = getauxval(AT_SYSINFO);
	expect(sizeof(long) == 4 && vdso_entry, "a 32-bit program with an entry of the vDSO");
	for (int i = 0; i < 3000; i++)
		wrong += by_gate(SYS_getpid, 1, 2, 3) != getpid() || by_gate(-1, 0, 0, 0) != -ENOSYS ||
			 by_gate(SYS_close, -1, 0, 0) != -EBADF;
	expect_equal(wrong, 0, "int 0x80");
	wrong = 0;
	for (int i = 0; i < 3000; i++)
		wrong += by_entry(SYS_getpid, 1, 2, 3) != getpid() || by_entry(-1, 0, 0, 0) != -ENOSYS ||
			 by_entry(SYS_close, -1, 0, 0) != -EBADF;
	expect_equal(wrong, 0, "the vDSO's entry");
	preserved();
	six_arguments();
	page_boundary();
	restarts();
	struct timespec a, b;
	wrong = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 5000; i++) {
		if (i % 2)
			clock_gettime(CLOCK_MONOTONIC, &b);
		else
			by_gate(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&b, 0);
		wrong += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
		a = b;
	}
	expect_equal(wrong, 0, "time by vDSO and by call");
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		waitpid(pid, &status, 0);
		wrong += WEXITSTATUS(status) != i;
	}
	expect_equal(wrong, 0, "fork");
	expect(open("/no/such", O_RDONLY) == -1 && errno == ENOENT, "errors");
	return check_result();
}
