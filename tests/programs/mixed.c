// SPDX-License-Identifier: MIT
/*
 * Everything at once for some seconds: workers that compute, fault, fork, map,
 * signal, write code and talk by pipes, each checking its own results, on one
 * CPU under a fast timer.
 */
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define SECONDS 6
#define PAGE 4096

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int compute(unsigned round)
{
	double sum = 0;

	for (int i = 1; i < 20000; i++)
		sum += sqrt(i) * sin(i * 0.001 + round % 7);
	double again = 0;

	for (int i = 1; i < 20000; i++)
		again += sqrt(i) * sin(i * 0.001 + round % 7);
	return sum != again;
}

static int map_memory(unsigned round)
{
	size_t pages = 50 + round % 100;
	unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
	int wrong = 0;

	for (size_t i = 0; i < pages; i++)
		wrong += p[i * PAGE] != 0, p[i * PAGE + i] = (unsigned char)(i + round);
	mprotect(p, pages / 2 * PAGE, PROT_READ);
	for (size_t i = 0; i < pages; i++)
		wrong += p[i * PAGE + i] != (unsigned char)(i + round);
	munmap(p, pages * PAGE);
	return wrong;
}

static int fork_child(unsigned round)
{
	static volatile unsigned shared_by_copy[4 * PAGE];
	int status;

	shared_by_copy[round % 4 * PAGE] = round;
	pid_t pid = fork();

	if (!pid) {
		shared_by_copy[round % 4 * PAGE]++;
		_exit((int)(shared_by_copy[round % 4 * PAGE] & 0x7f));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) != ((round + 1) & 0x7f) || shared_by_copy[round % 4 * PAGE] != round;
}

static sigjmp_buf resume;
static void on_fault(int number) { siglongjmp(resume, number); }

static int take_faults(unsigned round)
{
	volatile int seen = 0;

	for (volatile int i = 0; i < 50; i++) {
		int number = sigsetjmp(resume, 1);

		if (!number) {
			switch ((round + (unsigned)i) % 3) {
			case 0: *(volatile int *)8 = 1; break;
			case 1: __asm__ volatile("ud2"); break;
			default:
				__asm__ volatile("xor %%ecx, %%ecx; div %%ecx"
						 :
						 :
						 : "eax", "ecx", "edx", "cc");
			}
		}
		seen += number == ((int[]){ SIGSEGV, SIGILL, SIGFPE })[(round + (unsigned)i) % 3];
	}
	return seen != 50;
}

static int write_code(unsigned round)
{
	static unsigned char *p;
	int wrong = 0;

	if (!p)
		p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	for (unsigned i = 0; i < 50; i++) {
		unsigned char *at = p + (round * 97 + i * 331) % (4 * PAGE - 8),
			      code[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };
		unsigned value = round * 1000 + i;

		memcpy(code + 1, &value, 4);
		memcpy(at, code, 6);
		wrong += ((unsigned (*)(void))(void *)at)() != value;
	}
	return wrong;
}

static int talk(unsigned round)
{
	int fds[2], wrong = 0;
	unsigned got;

	if (pipe(fds))
		return 1;
	for (unsigned i = 0; i < 100; i++) {
		unsigned value = round ^ i;

		wrong += write(fds[1], &value, 4) != 4 || read(fds[0], &got, 4) != 4 || got != value;
	}
	close(fds[0]), close(fds[1]);
	return wrong;
}

static volatile unsigned ticks;
static void on_tick(int number)
{
	(void)number;
	ticks++;
}

static int call_kernel(unsigned round)
{
	int wrong = 0, fd = open("/dev/null", O_WRONLY);

	for (int i = 0; i < 200; i++) {
		wrong += syscall(SYS_getpid) != getpid();
		wrong += write(fd, &round, 4) != 4;
		sched_yield();
	}
	close(fd);
	return wrong;
}

int main(void)
{
	static const struct {
		const char *name;
		int (*work)(unsigned);
	} workers[] = {
		{ "compute", compute },	  { "map", map_memory },  { "fork", fork_child },
		{ "fault", take_faults }, { "code", write_code }, { "talk", talk },
		{ "call", call_kernel },
	};
	enum { KINDS = sizeof(workers) / sizeof(workers[0]), EACH = 2 };
	pid_t pids[KINDS * EACH];
	double end = now() + SECONDS;

	fflush(stdout);
	for (int w = 0; w < KINDS * EACH; w++) {
		pids[w] = fork();
		if (pids[w])
			continue;
		struct sigaction tick = { .sa_handler = on_tick, .sa_flags = SA_RESTART };

		signal(SIGSEGV, on_fault), signal(SIGILL, on_fault), signal(SIGFPE, on_fault);
		sigaction(SIGALRM, &tick, NULL);
		setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 3000 }, { 0, 3000 } }, NULL);
		unsigned rounds = 0;

		while (now() < end)
			if (workers[w % KINDS].work(rounds++))
				_exit(1);
		_exit(rounds && ticks ? 0 : 2);
	}
	for (int w = 0; w < KINDS * EACH; w++) {
		int status;

		waitpid(pids[w], &status, 0);
		expect(!status, "%s", workers[w % KINDS].name);
		if (status)
			printf("# status %#x\n", (unsigned)status);
	}
	return check_result();
}
