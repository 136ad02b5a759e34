// SPDX-License-Identifier: MIT
/*
 * Processes: fork and copy-on-write in both directions, vfork, exec with
 * arguments and environment, clone with its flags and odd stacks, deep and wide
 * families, exit statuses, orphans.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define AREA (2ul << 20)

static void fill(unsigned char *p, unsigned char base)
{
	for (size_t i = 0; i < AREA; i += 64)
		p[i] = (unsigned char)(base + i / 4096);
}

static bool holds(const unsigned char *p, unsigned char base)
{
	for (size_t i = 0; i < AREA; i += 64)
		if (p[i] != (unsigned char)(base + i / 4096))
			return false;
	return true;
}

static void copy_on_write(void)
{
	unsigned char *area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *shared = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2], done[2];
	char c;

	if (area == MAP_FAILED || shared == MAP_FAILED)
		check_abort("mmap");
	fill(area, 1);
	fill(shared, 1);
	for (int round = 0; round < 8; round++) {
		if (pipe(go) || pipe(done))
			check_abort("pipe");
		pid_t pid = fork();

		if (!pid) {
			bool ok = holds(area, 1);

			if (round & 1) { /* the child writes first */
				fill(area, 100);
				fill(shared, (unsigned char)(50 + round));
			}
			if (write(done[1], "d", 1) != 1 || read(go[0], &c, 1) != 1)
				_exit(3);
			ok &= holds(area, round & 1 ? 100 : 1);
			fill(area, 60);
			_exit(ok && holds(area, 60) ? 0 : 1);
		}
		if (read(done[0], &c, 1) != 1)
			check_abort("read");
		bool ok = holds(area, 1);

		if (!(round & 1)) /* the parent writes first */
			fill(area, 200);
		else
			ok &= holds(shared, (unsigned char)(50 + round));
		if (write(go[1], "g", 1) != 1)
			check_abort("write");
		int status = check_wait(pid);

		ok &= holds(area, round & 1 ? 1 : 200);
		fill(area, 1);
		expect(ok && !status, "copy on write, round %d", round);
		close(go[0]), close(go[1]), close(done[0]), close(done[1]);
	}
	/* Sixteen children of one image, each with its own. */
	pid_t pids[16];
	int wrong = 0;

	for (int i = 0; i < 16; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			fill(area, (unsigned char)(i * 3));
			for (int j = 0; j < 10; j++) {
				sched_yield();
				if (!holds(area, (unsigned char)(i * 3)))
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 16; i++)
		wrong += check_wait(pids[i]) != 0;
	expect(!wrong && holds(area, 1), "sixteen children write the same pages");
	munmap(area, AREA);
	munmap(shared, AREA);
}

static void statuses(void)
{
	int wrong = 0;

	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		wrong += check_wait(pid) != i;
	}
	expect_equal(wrong, 0, "200 exit statuses");
	/* A chain of forks, each waiting for the next. */
	int depth = 0;
	pid_t pid = fork();

	if (!pid) {
		for (depth = 1; depth < 40; depth++) {
			pid = fork();
			if (pid)
				_exit(check_wait(pid) == 40 - 0 ? 40 : 41);
		}
		_exit(40);
	}
	expect_equal(check_wait(pid), 40, "forty generations");
	expect(wait4(-1, NULL, WNOHANG, NULL) == -1 && errno == ECHILD, "no child left");
}

static void virtual_fork(void)
{
	volatile int value = 1;
	pid_t pid = vfork();

	if (!pid) {
		value = 2;
		_exit(5);
	}
	expect(value == 2 && check_wait(pid) == 5, "vfork shares memory");
	int wrong = 0;

	for (int i = 0; i < 50; i++) {
		pid = vfork();
		if (!pid) {
			execl("/proc/self/exe", "process", "--echo-status", "7", (char *)NULL);
			_exit(1);
		}
		wrong += check_wait(pid) != 7;
	}
	expect_equal(wrong, 0, "fifty vfork and exec");
}

static void exec_forms(void)
{
	char *arguments[1003], big[4096];
	int out[2];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	arguments[0] = "process";
	arguments[1] = "--sum-arguments";
	for (int i = 2; i < 1002; i++)
		arguments[i] = i % 2 ? big : "y";
	arguments[1002] = NULL;
	if (pipe(out))
		check_abort("pipe");
	pid_t pid = fork();

	if (!pid) {
		dup2(out[1], 1);
		execve("/proc/self/exe", arguments, (char *[]){ "NAME=value", NULL });
		_exit(1);
	}
	close(out[1]);
	char text[64] = "";
	ssize_t got = read(out[0], text, sizeof(text) - 1);

	expect(check_wait(pid) == 0 && got > 0 && !strcmp(text, "1002 2048022 value\n"), "2 MB of arguments");
	if (got > 0 && strcmp(text, "1002 2048022 value\n"))
		printf("# got %s", text);
	close(out[0]);
	pid = fork();
	if (!pid) {
		/* An exec that fails must leave the caller as it was. */
		execl("/no/such/program", "x", (char *)NULL);
		_exit(errno == ENOENT ? 9 : 1);
	}
	expect_equal(check_wait(pid), 9, "failed exec");
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "process", "--exec-chain", "60", (char *)NULL);
		_exit(1);
	}
	expect_equal(check_wait(pid), 11, "sixty execs in a chain");
}

static volatile int clone_value;

static int clone_entry(void *argument)
{
	/* A write below an odd stack pointer must not disturb anything. */
	volatile char local[200];

	memset((void *)local, 7, sizeof(local));
	clone_value += (int)(long)argument + local[3] - 7;
	return 13;
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	int wrong = 0;

	for (long i = 0; i < 32; i++) {
		clone_value = 0;
		pid_t pid = clone(clone_entry, stack + 60000 + i, CLONE_VM | SIGCHLD, (void *)(i + 1));

		wrong += check_wait(pid) != 13 || clone_value != i + 1;
	}
	expect_equal(wrong, 0, "clone with stacks at odd addresses");
	pid_t pid = clone(clone_entry, stack + sizeof(stack),
			  CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | SIGCHLD, (void *)5L);

	expect(check_wait(pid) == 13, "clone with shared tables");
	/* Raw clone without a stack of its own: a fork. */
	long raw = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!raw)
		_exit(21);
	expect_equal(check_wait((pid_t)raw), 21, "raw clone as fork");
}

static void orphans(void)
{
	int fds[2];
	pid_t parent;

	if (pipe(fds))
		check_abort("pipe");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t pid = fork();

	if (!pid) {
		if (!fork()) {
			usleep(20000);
			parent = getppid();
			if (write(fds[1], &parent, sizeof(parent)) < 0)
				_exit(1);
			_exit(33);
		}
		_exit(0);
	}
	expect_equal(check_wait(pid), 0, "middle generation");
	expect(read(fds[0], &parent, sizeof(parent)) == sizeof(parent) && parent == getpid(),
	       "the orphan is ours");
	int status;

	expect(wait(&status) > 0 && WEXITSTATUS(status) == 33, "its status");
}

static void many(void)
{
	static pid_t pids[100];
	unsigned sum = 0;

	for (int i = 0; i < 100; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			volatile unsigned h = (unsigned)i;

			for (int j = 0; j < 20000; j++)
				h = h * 33 + (unsigned)j;
			usleep(1000);
			_exit((int)(h & 0x7f));
		}
		if (pids[i] < 0)
			check_abort("fork");
	}
	for (int i = 99; i >= 0; i--)
		sum = sum * 31 + (unsigned)check_wait(pids[i]);
	printf("a hundred children at once: %u\n", sum);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--echo-status"))
		return atoi(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "--sum-arguments")) {
		size_t total = 0;

		for (int i = 0; i < argc; i++)
			total += strlen(argv[i]);
		printf("%d %zu %s\n", argc, total, getenv("NAME"));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "--exec-chain")) {
		char left[16];

		if (!atoi(argv[2]))
			return 11;
		snprintf(left, sizeof(left), "%d", atoi(argv[2]) - 1);
		execl("/proc/self/exe", argv[0], argv[1], left, (char *)NULL);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	copy_on_write();
	statuses();
	virtual_fork();
	exec_forms();
	clones();
	orphans();
	many();
	return check_result();
}
