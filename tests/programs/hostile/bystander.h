/* SPDX-License-Identifier: MIT */
/*
 * What every hostile program shares: a bystander, another process that
 * checksums its memory and uses the kernel all the while; a check at the end
 * that kernel and bystander are unharmed; and attempts, which run in children
 * that may die or hang.  Only the verdicts are compared with the host, where
 * the same program runs as well: what an attempt does to its own process is
 * its own business.
 *
 * Where the hypervisor's stub lies the programs know from world/stub.h, as an
 * attacker would; on the host nothing is mapped there.
 */
#ifndef RING3_TESTS_BYSTANDER_H
#define RING3_TESTS_BYSTANDER_H

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "world/stub.h"

#define BYSTANDER_SIZE (1u << 20)

struct bystander {
	volatile unsigned rounds, wrong, stop;
};

struct attempts {
	volatile unsigned long next;	/* how far they have come */
	volatile unsigned breaches, died, hung;
};

/* Shared memory; the attempts' children do not have the bystander's. */
static struct bystander *bystander;
static struct attempts *attempts;
static pid_t bystander_pid;

static inline void bystander_start(void)
{
	uint64_t *memory;

	setvbuf(stdout, NULL, _IOLBF, 0);
	bystander = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	attempts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bystander == MAP_FAILED || attempts == MAP_FAILED)
		check_abort("mmap");
	bystander_pid = fork();
	if (bystander_pid)
		return;
	memory = mmap(NULL, BYSTANDER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < BYSTANDER_SIZE / 8; i++)
		memory[i] = i * 0x9e3779b97f4a7c15ULL;
	pid_t self = getpid();

	while (!bystander->stop) {
		unsigned wrong = 0;
		double d = 1.0 / 3;

		for (size_t i = 0; i < BYSTANDER_SIZE / 8; i += 8)
			wrong += memory[i] != i * 0x9e3779b97f4a7c15ULL;
		wrong += syscall(SYS_getpid) != self || d * 3 != 1.0;
		memory[bystander->rounds % (BYSTANDER_SIZE / 8)] += 0;
		bystander->wrong += wrong;
		bystander->rounds++;
		usleep(2000);
	}
	_exit(bystander->wrong != 0);
}

/* The kernel still does its work: processes, memory, files, time. */
static inline bool kernel_works(void)
{
	int status, fds[2];
	char text[16] = "";
	struct timespec a, b;
	pid_t pid = fork();

	if (!pid)
		_exit(42);
	if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 42)
		return false;
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	for (int i = 0; i < 1 << 20; i += 4096) {
		if (p[i])
			return false;	/* fresh memory is zero */
		p[i] = 1;
	}
	munmap(p, 1 << 20);
	if (pipe(fds) || write(fds[1], "kernel", 6) != 6 || read(fds[0], text, 6) != 6 || strcmp(text, "kernel"))
		return false;
	close(fds[0]), close(fds[1]);
	clock_gettime(CLOCK_MONOTONIC, &a);
	usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec;
}

static inline int bystander_verdict(void)
{
	int status = -1;
	unsigned rounds = bystander->rounds;

	for (int i = 0; i < 100 && bystander->rounds == rounds; i++)
		usleep(20000);
	printf("# %u died, %u hung, bystander did %u rounds\n", attempts->died, attempts->hung, bystander->rounds);
	expect(bystander->rounds > rounds, "the bystander still runs");
	bystander->stop = 1;
	waitpid(bystander_pid, &status, 0);
	expect(!status && !bystander->wrong, "the bystander's memory is unharmed");
	expect(!attempts->breaches, "nothing was breached");
	expect(kernel_works(), "the guest kernel works");
	return check_result();
}

static sigjmp_buf hostile_resume;
static char hostile_stack[65536];

static inline void hostile_on_signal(int number)
{
	__asm__ volatile("pushfq; andq $~0x44500, (%%rsp); popfq; cld" : : : "cc", "memory");
	siglongjmp(hostile_resume, number);
}

/* Catch whatever an attempt raises, and break loops after some milliseconds. */
static inline void hostile_catch(void)
{
	struct sigaction action = { .sa_handler = hostile_on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER };
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM, SIGSYS };

	sigaltstack(&(stack_t){ .ss_sp = hostile_stack, .ss_size = sizeof(hostile_stack) }, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static inline void hostile_timer(long ms)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, ms * 1000 }, { 0, ms * 1000 } }, NULL);
}

static inline bool hostile_readable(uintptr_t at)
{
	if (sigsetjmp(hostile_resume, 1))
		return false;
	(void)*(volatile char *)at;
	return true;
}

static inline double hostile_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * Run attempt(i) for i in 0..count-1 in children: a child goes on with the next
 * after each that it survives; if it dies or hangs, another takes over.
 * Ends early after `seconds`.
 */
static inline void hostile_attempts(unsigned long count, void (*attempt)(unsigned long), double seconds)
{
	double begin = hostile_now();

	attempts->next = 0;
	while (attempts->next < count && hostile_now() < begin + seconds) {
		pid_t pid = fork();

		if (pid < 0)
			check_abort("fork");
		if (!pid) {
			int null = open("/dev/null", O_RDWR);

			dup2(null, 1), dup2(null, 2);
			munmap(bystander, 4096);
			hostile_catch();
			while (attempts->next < count && hostile_now() < begin + seconds) {
				unsigned long i = attempts->next;

				attempts->next = i + 1;
				hostile_timer(10);
				attempt(i);
			}
			_exit(0);
		}
		unsigned long seen = ~0ul;
		int status, quiet = 0;

		/* Three tenths of a second without progress is a hang. */
		for (;;) {
			pid_t got = waitpid(pid, &status, WNOHANG);

			if (got == pid) {
				if (status)
					attempts->died++;
				break;
			}
			usleep(2000);
			quiet = attempts->next == seen ? quiet + 1 : 0;
			seen = attempts->next;
			if (quiet > 150) {
				kill(pid, SIGKILL);
				waitpid(pid, NULL, 0);
				attempts->hung++;
				break;
			}
		}
	}
	if (attempts->next < count)
		printf("# %lu of %lu attempts in the time given\n", attempts->next, count);
}

/* All registers set, then a jump. */
struct hostile_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, flags, rip;
};

static inline _Noreturn void hostile_jump(const struct hostile_registers *r)
{
	/* The target goes through a word that needs no register. */
	static uint64_t target;

	target = r->rip;
	__asm__ volatile("mov %0, %%rax\n"
			 "push 128(%%rax); popfq\n"
			 "mov 8(%%rax), %%rbx; mov 16(%%rax), %%rcx; mov 24(%%rax), %%rdx; mov 32(%%rax), %%rsi\n"
			 "mov 40(%%rax), %%rdi; mov 48(%%rax), %%rbp; mov 56(%%rax), %%rsp; mov 64(%%rax), %%r8\n"
			 "mov 72(%%rax), %%r9; mov 80(%%rax), %%r10; mov 88(%%rax), %%r11; mov 96(%%rax), %%r12\n"
			 "mov 104(%%rax), %%r13; mov 112(%%rax), %%r14; mov 120(%%rax), %%r15; mov (%%rax), %%rax\n"
			 "jmp *%1" : : "r"(r), "m"(target) : "memory");
	__builtin_unreachable();
}

static uint64_t hostile_seed = 0x853c49e6748fea9bULL;

static inline uint64_t hostile_random(void)
{
	hostile_seed ^= hostile_seed << 13;
	hostile_seed ^= hostile_seed >> 7;
	hostile_seed ^= hostile_seed << 17;
	return hostile_seed;
}

#endif
