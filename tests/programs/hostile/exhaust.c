// SPDX-License-Identifier: MIT
/*
 * Use up what a hypervisor keeps for its guests: mappings beyond the host's
 * limit for a process, hundreds of address spaces, exec in a loop, endless
 * faults, code pages made and thrown away, patched sites beyond counting.
 */
#include "bystander.h"

static int fd;

static int in_child(int (*run)(void), double seconds)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(run());
	for (double begin = hostile_now(); hostile_now() < begin + seconds; usleep(5000))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* One file page mapped as often as the kernel allows, each mapping apart and touched. */
static int mappings(void)
{
	unsigned long made = 0, wrong = 0;
	char *at = (char *)0x100000000000;

	for (; made < 70000; made++) {
		char *p = mmap(at + made * 8192, 4096, made % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)(made % 16) * 4096);

		if (p == MAP_FAILED)
			break;
		if (p[1] != (char)('a' + made % 16))
			wrong++;
	}
	for (unsigned long i = 0; i < made; i += 7)
		wrong += at[i * 8192 + 1] != (char)('a' + i % 16);
	return wrong ? 1 : made > 60000 ? 7 : 2;
}

/* The same without the kernel's limit: one VMA whose pages alternate between two files' pages. */
static int scattered(void)
{
	size_t pages = 40000;
	unsigned char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
	unsigned wrong = 0;

	madvise(p, pages * 4096, MADV_NOHUGEPAGE);
	/* In an order that leaves neighbours in distant frames. */
	for (size_t i = 0; i < pages; i++)
		p[i * 7919 % pages * 4096] = (unsigned char)i;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < pages; i++)
			wrong += p[i * 7919 % pages * 4096] != (unsigned char)i;
	return wrong ? 1 : 7;
}

static int processes(void)
{
	static pid_t pids[300];
	int made = 0, wrong = 0, status;

	for (; made < 300; made++) {
		pids[made] = fork();
		if (!pids[made]) {
			static volatile char own[65536];

			memset((void *)own, made, sizeof(own));
			for (int i = 0; i < 5; i++) {
				usleep(20000);
				if (own[i * 4096] != (char)made)
					_exit(99);
			}
			_exit(made % 100);
		}
		if (pids[made] < 0)
			break;
	}
	for (int i = 0; i < made; i++)
		wrong += waitpid(pids[i], &status, 0) != pids[i] || WEXITSTATUS(status) != i % 100;
	return wrong ? 1 : made == 300 ? 7 : 2;
}

static int exec_loop(void)
{
	int status;

	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();

		if (!pid) {
			execl("/proc/self/exe", "exhaust", "--leave", (char *)NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		if (WEXITSTATUS(status) != 3)
			return 1;
	}
	return 7;
}

static volatile unsigned faults;
static void on_fault_again(int number)
{
	(void)number;
	if (++faults == 20000)
		_exit(7);
}

/* The handler returns to the fault, which happens again. */
static int endless_faults(void)
{
	signal(SIGSEGV, on_fault_again);
	*(volatile int *)16 = 1;
	return 1;
}

/* Code pages made, run and discarded; each with SYSCALL sites worth patching. */
static int code_pages(void)
{
	static const unsigned char code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	long pid = getpid(), wrong = 0;

	for (int i = 0; i < 400; i++) {
		unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int at = 0; at + 8 <= 4096; at += 8)
			memcpy(p + at, code, 8);
		for (int n = 0; n < 60; n++)
			wrong += ((long (*)(void))(void *)(p + (n % 20 + i) % 512 * 8))() != pid;
		if (i % 3)
			munmap(p, 4096);
	}
	return wrong ? 1 : 7;
}

/* More hot sites than there is room for patches. */
static int sites(void)
{
	static const unsigned char code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	size_t count = 12000;
	unsigned char *p = mmap(NULL, count * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
	long pid = getpid(), wrong = 0;

	for (size_t i = 0; i < count; i++)
		memcpy(p + i * 8, code, 8);
	mprotect(p, count * 8, PROT_READ | PROT_EXEC);
	for (size_t i = 0; i < count; i++)
		for (int n = 0; n < 10; n++)
			wrong += ((long (*)(void))(void *)(p + i * 8))() != pid;
	return wrong ? 1 : 7;
}

/* Protection flipped without end. */
static int flips(void)
{
	volatile char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);

	for (int i = 0; i < 3000; i++) {
		mprotect((void *)p, 64 * 4096, PROT_READ);
		(void)p[i % 64 * 4096];
		mprotect((void *)p, 64 * 4096, PROT_READ | PROT_WRITE);
		p[i % 64 * 4096] = (char)i;
	}
	return 7;
}

/* Memory taken until the limit says no, by three at once. */
static int memory(void)
{
	int status, wrong = 0;

	for (int i = 0; i < 3; i++)
		if (!fork()) {
			size_t size = 0;

			while (size < (150u << 20)) {
				char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

				if (p == MAP_FAILED)
					break;
				memset(p, i + 1, 1 << 20);
				size += 1 << 20;
			}
			_exit(size == (150u << 20) ? 0 : 1);
		}
	while (wait(&status) > 0)
		wrong += status != 0;
	return wrong ? 1 : 7;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--leave"))
		return 3;
	bystander_start();
	fd = memfd_create("exhaust", 0);
	for (int i = 0; i < 16; i++) {
		char page[4096];

		memset(page, 'a' + i, sizeof(page));
		write(fd, page, sizeof(page));
	}
	expect_equal(in_child(mappings, 40), 7, "as many mappings as there may be");
	expect_equal(in_child(scattered, 20), 7, "forty thousand scattered pages");
	expect_equal(in_child(processes, 20), 7, "three hundred processes at once");
	expect_equal(in_child(exec_loop, 20), 7, "two hundred execs");
	expect_equal(in_child(endless_faults, 20), 7, "twenty thousand faults that return");
	expect_equal(in_child(code_pages, 20), 7, "four hundred code pages");
	expect_equal(in_child(sites, 20), 7, "twelve thousand hot call sites");
	expect_equal(in_child(flips, 20), 7, "protection flipped");
	expect_equal(in_child(memory, 30), 7, "memory for three");
	return bystander_verdict();
}
