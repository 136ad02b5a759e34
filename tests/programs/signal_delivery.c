// SPDX-License-Identifier: MIT
/*
 * Delivery and return: alternate stacks, nesting, masks, queued signals, changed
 * register contexts, restarted and interrupted calls, interval timers, longjmp
 * out of handlers, signals between processes.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

static char alternate[65536];
static volatile int count, depth, deepest;
static volatile bool on_alternate;

static void install(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	if (sigaction(number, &action, NULL))
		check_abort("sigaction");
}

static void on_count(int number, siginfo_t *si, void *context)
{
	char here;

	(void)number, (void)si, (void)context;
	on_alternate = &here > alternate && &here < alternate + sizeof(alternate);
	count++;
}

static void on_nest(int number, siginfo_t *si, void *context)
{
	(void)si, (void)context;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (depth < 20)
		raise(number);
	depth--;
}

static void stacks(void)
{
	sigaltstack(&(stack_t){ .ss_sp = alternate, .ss_size = sizeof(alternate) }, NULL);
	install(SIGUSR1, on_count, SA_ONSTACK);
	raise(SIGUSR1);
	expect(on_alternate && count == 1, "handler on the alternate stack");
	install(SIGUSR1, on_count, 0);
	raise(SIGUSR1);
	expect(!on_alternate && count == 2, "handler on the ordinary stack");
	install(SIGUSR2, on_nest, SA_NODEFER);
	raise(SIGUSR2);
	expect(deepest == 20 && depth == 0, "twenty handlers deep");
	install(SIGUSR1, on_count, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction now;
	sigaction(SIGUSR1, NULL, &now);
	expect(now.sa_handler == SIG_DFL, "reset after the first");
}

/* The handler rewrites the interrupted context: registers, flags and RIP. */
static void on_rewrite(int number, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number, (void)si;
	g[REG_RAX] = 0x1122334455667788;
	g[REG_R12] = g[REG_R13] + 1;
	g[REG_EFL] |= 1;
	g[REG_RIP] += 2;
}

static void contexts(void)
{
	uint64_t rax, r12, carry = 0;

	install(SIGILL, on_rewrite, 0);
	__asm__ volatile("mov $41, %%r13; mov $0, %%r12; clc; ud2; mov %%rax, %0; mov %%r12, %1; setc %b2"
			 : "=&r"(rax), "=&r"(r12), "+r"(carry) : : "rax", "r12", "r13", "cc", "memory");
	expect(rax == 0x1122334455667788 && r12 == 42 && carry == 1, "context changed by the handler");
	uint64_t wrong = 0;
	for (int i = 0; i < 2000; i++) {
		__asm__ volatile("mov %3, %%r13; clc; ud2; mov %%rax, %0; mov %%r12, %1; setc %b2"
				 : "=&r"(rax), "=&r"(r12), "+r"(carry) : "r"((uint64_t)i) : "rax", "r12", "r13", "cc", "memory");
		wrong += rax != 0x1122334455667788 || r12 != (uint64_t)i + 1 || carry != 1;
	}
	expect_equal(wrong, 0, "the same 2000 times");
}

static void on_queue(int number, siginfo_t *si, void *context)
{
	(void)number, (void)context;
	if (si->si_code == SI_QUEUE && si->si_value.sival_int == count && si->si_pid == getpid())
		count++;
}

static void masks(void)
{
	sigset_t set, old, pending;

	count = 0;
	install(SIGRTMIN, on_queue, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 50; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	sigpending(&pending);
	expect(count == 0 && sigismember(&pending, SIGRTMIN), "blocked and pending");
	sigprocmask(SIG_SETMASK, &old, NULL);
	expect_equal(count, 50, "fifty queued signals in order");
	sigprocmask(SIG_BLOCK, &set, &old);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 7 });
	siginfo_t si;
	expect(sigwaitinfo(&set, &si) == SIGRTMIN && si.si_value.sival_int == 7, "sigwaitinfo");
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void timer_start(long microseconds, long interval)
{
	struct itimerval value = { { 0, interval }, { 0, microseconds } };

	setitimer(ITIMER_REAL, &value, NULL);
}

static void restarts(void)
{
	struct timespec ts = { 0, 60000000 }, left, begin, end;
	int fds[2];
	char c = 0;

	if (pipe(fds))
		check_abort("pipe");
	count = 0;
	install(SIGALRM, on_count, 0);
	timer_start(20000, 0);
	expect(read(fds[0], &c, 1) == -1 && errno == EINTR && count == 1, "read is interrupted");

	install(SIGALRM, on_count, SA_RESTART);
	pid_t pid = fork();
	if (!pid) {
		nanosleep(&ts, NULL);
		_exit(write(fds[1], "z", 1) != 1);
	}
	timer_start(5000, 5000);
	expect(read(fds[0], &c, 1) == 1 && c == 'z' && count > 2, "read is restarted");
	timer_start(0, 0);
	waitpid(pid, NULL, 0);

	timer_start(10000, 0);
	count = 0;
	expect(nanosleep(&ts, &left) == -1 && errno == EINTR && left.tv_nsec > 0 && left.tv_nsec < 60000000,
	       "nanosleep is interrupted and says what is left");

	/* Stopped and continued: restart_syscall takes over the rest of the sleep. */
	pid = fork();
	if (!pid) {
		clock_gettime(CLOCK_MONOTONIC, &begin);
		ts.tv_nsec = 150000000;
		if (nanosleep(&ts, NULL))
			_exit(1);
		clock_gettime(CLOCK_MONOTONIC, &end);
		long long ns = (end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec;
		_exit(ns < 150000000 ? 2 : 0);
	}
	int status;
	ts.tv_nsec = 30000000;
	nanosleep(&ts, NULL);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	expect(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "stopped");
	kill(pid, SIGCONT);
	waitpid(pid, &status, WCONTINUED);
	expect(WIFCONTINUED(status), "continued");
	waitpid(pid, &status, 0);
	expect(WIFEXITED(status) && !WEXITSTATUS(status), "the sleep was restarted");
}

static sigjmp_buf jump;

static void on_jump(int number, siginfo_t *si, void *context)
{
	(void)number, (void)si, (void)context;
	siglongjmp(jump, 1);
}

/* A timer interrupts pure computation; its registers must survive. */
static void timers(void)
{
	uint64_t a = 1, b = 1;

	count = 0;
	install(SIGALRM, on_count, SA_RESTART);
	timer_start(1000, 1000);
	unsigned long rounds = 0;
	while (count < 100 || rounds < 20000000) {
		uint64_t x = a * 6364136223846793005ULL + 1442695040888963407ULL;
		__asm__ volatile("imul %2, %0; add %3, %0" : "=r"(b) : "0"(b), "r"(6364136223846793005ULL),
				 "r"(1442695040888963407ULL) : "cc");
		a = x;
		rounds++;
	}
	timer_start(0, 0);
	expect(a == b, "registers survive a hundred timer signals");
	volatile int jumps = 0;
	install(SIGALRM, on_jump, 0);
	while (jumps < 20) {
		if (!sigsetjmp(jump, 1)) {
			timer_start(500, 0);
			for (;;)
				__asm__ volatile("");
		}
		jumps++;
	}
	expect_equal(jumps, 20, "longjmp out of twenty endless loops");

	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec spec = { { 0, 2000000 }, { 0, 2000000 } };
	timer_t timer;
	count = 0;
	install(SIGRTMIN + 1, on_count, SA_RESTART);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		check_abort("timer_create");
	timer_settime(timer, 0, &spec, NULL);
	while (count < 10)
		pause();
	timer_delete(timer);
	expect(count >= 10, "POSIX timer");
	install(SIGVTALRM, on_count, 0);
	count = 0;
	struct itimerval value = { { 0, 10000 }, { 0, 10000 } };
	setitimer(ITIMER_VIRTUAL, &value, NULL);
	while (count < 3)
		__asm__ volatile("");
	setitimer(ITIMER_VIRTUAL, &(struct itimerval){ 0 }, NULL);
	expect(count >= 3, "timer of user time");
}

static void between_processes(void)
{
	int status, fds[2];
	char c;
	static const int fatal[] = { SIGTERM, SIGKILL, SIGSEGV, SIGABRT };

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		if (pipe(fds))
			check_abort("pipe");
		pid_t pid = fork();
		if (!pid) {
			/* A signal may find it in user code, a system call or a fault. */
			signal(SIGTERM, SIG_DFL), signal(SIGSEGV, SIG_DFL);
			if (write(fds[1], "r", 1) != 1)
				_exit(1);
			for (;;)
				if (i == 1)
					syscall(SYS_getppid);
		}
		if (read(fds[0], &c, 1) != 1)
			check_abort("read");
		usleep(3000);
		kill(pid, fatal[i]);
		waitpid(pid, &status, 0);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == fatal[i], "a busy child ends by signal %d", fatal[i]);
		close(fds[0]), close(fds[1]);
	}
}

int main(void)
{
	stacks();
	contexts();
	masks();
	restarts();
	timers();
	between_processes();
	return check_result();
}
