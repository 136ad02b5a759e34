// SPDX-License-Identifier: MIT
/*
 * What the tests of the paravirtual kernel have it do; status 0, or a line that says what
 * was wrong and status 1.
 *
 *	load clock		prints CLOCK_REALTIME and CLOCK_MONOTONIC in ns
 *	load timers MS		sleeps and timers, up to that long, never end early, and not all of them late
 *	load forks N		N children that write to what they share with their parent
 *	load storm N		N processes at once, each forking until it is refused or done
 *	load memory MIB		private and shared memory: written, forked, protected, moved, unmapped
 *	load eat MIB		takes that much memory and keeps it for a while
 *	load sparse MIB		writes to every fourth page of that much
 *	load faults		prints how many faults 1024 first writes take, and as many after fork
 *	load ahead		pages mapped before they are touched: nothing else tells of them
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define MIB	(1ul << 20)

#define check(condition) do { \
	if (!(condition)) { \
		printf("load: line %d: %s is wrong (%s)\n", __LINE__, #condition, strerror(errno)); \
		exit(1); \
	} \
} while (0)

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t slept(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	int64_t start = now(CLOCK_MONOTONIC);

	check(nanosleep(&t, NULL) == 0);
	return now(CLOCK_MONOTONIC) - start;
}

static int64_t timer_took(int64_t ns)
{
	struct itimerspec t = { .it_value = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 } };
	int64_t start = now(CLOCK_MONOTONIC);
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t count;

	check(fd >= 0 && timerfd_settime(fd, 0, &t, NULL) == 0);
	check(read(fd, &count, sizeof(count)) == sizeof(count) && count == 1);
	close(fd);
	return now(CLOCK_MONOTONIC) - start;
}

static void timers(unsigned long longest)
{
	static const int64_t lengths[] = { 50000, 1000000, 7000000, 30000000, 250000000, 1100000000 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int64_t ns = lengths[i], best = INT64_MAX;

		if (ns > (int64_t)longest * 1000000)
			break;
		for (int round = 0; round < (ns > 200000000 ? 2 : 10); round++) {
			int64_t took = round % 2 ? timer_took(ns) : slept(ns);

			check(took >= ns);
			best = took < best ? took : best;
		}
		/* The host may have been busy, but hardly every time. */
		check(best < ns + 300000000);
	}
	for (int64_t i = 0, last = 0; i < 200000; i++) {
		int64_t t = now(CLOCK_MONOTONIC);

		check(t >= last);
		last = t;
	}
}

static void child_ends_well(pid_t pid)
{
	int status;

	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void forks(int count)
{
	unsigned char *area = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(area != MAP_FAILED);
	for (int i = 0; i < count; i++) {
		pid_t pid;

		for (unsigned page = 0; page < 64; page++)
			area[page * PAGE] = (unsigned char)(i + page);
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			for (unsigned page = 0; page < 64; page += 3)
				area[page * PAGE]++;
			for (unsigned page = 0; page < 64; page++)
				check(area[page * PAGE] == (unsigned char)(i + page + (page % 3 == 0)));
			_exit(0);
		}
		area[PAGE]--;
		child_ends_well(pid);
		check(area[0] == (unsigned char)i && area[PAGE] == (unsigned char)i);
	}
}

static void storm(int count)
{
	int born = 0;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		born++;
		if (!pid) {
			for (int deeper = 0; deeper < 3; deeper++) {
				pid = fork();
				if (pid > 0)
					waitpid(pid, NULL, 0);
				else if (!pid)
					sched_yield();
			}
			_exit(0);
		}
	}
	for (int i = 0; i < born; i++)
		check(wait(NULL) > 0);
	check(wait(NULL) < 0 && errno == ECHILD);
	printf("load: %d\n", born);
}

static void memory(unsigned long mib)
{
	size_t size = mib * MIB;
	unsigned char *a = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *shared = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	check(a != MAP_FAILED && shared != MAP_FAILED);
	for (size_t i = 0; i < size; i += PAGE)
		*(size_t *)(a + i) = i;
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < size; i += PAGE)
			check(*(size_t *)(a + i) == i);
		for (size_t i = 0; i < size; i += 7 * PAGE)
			a[i] = 1;
		memset(shared, 5, MIB);
		_exit(0);
	}
	child_ends_well(pid);
	for (size_t i = 0; i < size; i += PAGE)
		check(*(size_t *)(a + i) == i);
	for (size_t i = 0; i < MIB; i++)
		check(shared[i] == 5);
	/* Protected and back, in pieces; thrown away; moved. */
	for (size_t i = 0; i < size; i += 64 * PAGE) {
		check(mprotect(a + i, 16 * PAGE, PROT_READ) == 0);
		check(madvise(a + i + 16 * PAGE, 16 * PAGE, MADV_DONTNEED) == 0);
		check(mprotect(a + i, 16 * PAGE, PROT_READ | PROT_WRITE) == 0);
		for (size_t page = 0; page < 32; page++)
			check(*(size_t *)(a + i + page * PAGE) == (page < 16 ? i + page * PAGE : 0));
		a[i] = 3;
	}
	unsigned char *moved = mremap(a, size, size + 16 * MIB, MREMAP_MAYMOVE);

	check(moved != MAP_FAILED);
	for (size_t i = 0; i < size; i += 64 * PAGE)
		check(moved[i] == 3 && *(size_t *)(moved + i + PAGE) == i + PAGE);
	for (size_t i = size; i < size + 16 * MIB; i += PAGE)
		check(moved[i] == 0);
	check(munmap(moved, size + 16 * MIB) == 0);
}

static void eat(unsigned long mib)
{
	unsigned char *a = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(a != MAP_FAILED);
	for (size_t i = 0; i < mib * MIB; i += PAGE)
		a[i] = 1;
	printf("load: ate %lu\n", mib);
	sleep(1);
}

/* size bytes of small pages. */
static unsigned char *area_map(size_t size, int flags)
{
	unsigned char *a = mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	check(a != MAP_FAILED);
	madvise(a, size, MADV_NOHUGEPAGE);
	return a;
}

static void sparse(unsigned long mib)
{
	unsigned char *a = area_map(mib * MIB, 0);

	for (size_t i = 0; i < mib * MIB; i += 4 * PAGE)
		a[i] = 1;
	for (size_t i = 0; i < mib * MIB; i += 4 * PAGE)
		check(a[i] == 1 && a[i + PAGE] == 0);
}

static long faults(void)
{
	struct rusage usage;

	check(getrusage(RUSAGE_SELF, &usage) == 0);
	return usage.ru_minflt;
}

static long touch_all(unsigned char *a, size_t pages, unsigned char was, unsigned char value)
{
	long before = faults();

	for (size_t i = 0; i < pages; i++) {
		a[i * PAGE + 9] = value;
		check(a[i * PAGE + 8] == was);
		a[i * PAGE + 8] = value;
	}
	return faults() - before;
}

static void faults_count(void)
{
	unsigned char *a = area_map(1024 * PAGE, 0);
	long first = touch_all(a, 1024, 0, 7);
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		printf("%ld %ld\n", first, touch_all(a, 1024, 7, 8));
		_exit(0);
	}
	child_ends_well(pid);
	touch_all(a, 1024, 7, 9);
}

static size_t resident(void *a, size_t pages)
{
	unsigned char there[256];
	size_t n = 0;

	check(pages <= sizeof(there) && mincore(a, pages * PAGE, there) == 0);
	for (size_t i = 0; i < pages; i++)
		n += there[i] & 1;
	return n;
}

static long resident_all(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, rss;

	check(f && fscanf(f, "%ld %ld", &size, &rss) == 2);
	fclose(f);
	return rss;
}

/* The access ends this process by SIGSEGV. */
static void must_fault(volatile unsigned char *at)
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		*at = 1;
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* Who shares pages, writes to some, and forks again. */
static void families(unsigned char *a, unsigned char value, int depth)
{
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < 256; i++)
			check(a[i * PAGE + 9] == value);
		for (size_t i = 32 * (size_t)depth; i < 256; i++)
			a[i * PAGE + 9] = (unsigned char)(value + 1);
		for (size_t i = 0; i < 32 * (size_t)depth; i++)
			check(a[i * PAGE + 9] == value);
		for (size_t i = 0; i < 256; i++)
			a[i * PAGE + 9] = (unsigned char)(value + 1);
		if (depth)
			families(a, (unsigned char)(value + 1), depth - 1);
		_exit(0);
	}
	for (size_t i = 3; i < 200; i++)
		a[i * PAGE + 9] = 100;
	child_ends_well(pid);
	for (size_t i = 0; i < 256; i++)
		check(a[i * PAGE + 9] == (i < 3 || i >= 200 ? value : 100));
}

static void ahead(void)
{
	unsigned char *a = area_map(256 * PAGE, 0), *huge;
	long rss = resident_all();

	/* Nothing there but zeroes, and only where it may be. */
	check(mprotect(a + 100 * PAGE, PAGE, PROT_NONE) == 0);
	check(mprotect(a + 101 * PAGE, PAGE, PROT_READ) == 0);
	for (size_t i = 96; i < 108; i++)
		if (i != 100 && i != 101)
			a[i * PAGE] = 1;
	must_fault(a + 100 * PAGE);
	must_fault(a + 101 * PAGE);
	check(mprotect(a + 100 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	for (size_t i = 0; i < 256 * PAGE; i++)
		check(a[i] == (i % PAGE == 0 && i >= 96 * PAGE && i < 108 * PAGE && i / PAGE != 100 &&
			       i / PAGE != 101));
	memset(a, 6, 256 * PAGE);
	check(madvise(a + 13 * PAGE, 50 * PAGE, MADV_DONTNEED) == 0);
	for (size_t i = 13 * PAGE; i < 63 * PAGE; i++)
		check(a[i] == 0);
	memset(a, 6, 256 * PAGE);
	families(a, 6, 4);
	check(resident(a, 256) == 256);
	check(munmap(a, 256 * PAGE) == 0);
	check(resident_all() < rss + 32);

	/* What is locked as it is touched. */
	a = area_map(64 * PAGE, 0);
	check(mlock2(a, 64 * PAGE, MLOCK_ONFAULT) == 0);
	a[20 * PAGE] = a[21 * PAGE] = 1;
	check(resident(a, 64) == 2);

	/* A lone page does not bring many; address space is no memory. */
	huge = area_map(64ul << 30, 0);
	rss = resident_all();
	for (size_t i = 0; i < 64; i++)
		huge[(i << 30) + 5 * PAGE] = 1;
	check(resident_all() - rss < 64 * 4 + 32);
}

int main(int argc, char **argv)
{
	unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "clock"))
		printf("%lld %lld\n", (long long)now(CLOCK_REALTIME), (long long)now(CLOCK_MONOTONIC));
	else if (!strcmp(argv[1], "timers"))
		timers(number);
	else if (!strcmp(argv[1], "forks"))
		forks((int)number);
	else if (!strcmp(argv[1], "storm"))
		storm((int)number);
	else if (!strcmp(argv[1], "memory"))
		memory(number);
	else if (!strcmp(argv[1], "eat"))
		eat(number);
	else if (!strcmp(argv[1], "sparse"))
		sparse(number);
	else if (!strcmp(argv[1], "faults"))
		faults_count();
	else if (!strcmp(argv[1], "ahead"))
		ahead();
	else
		return 2;
	return 0;
}
