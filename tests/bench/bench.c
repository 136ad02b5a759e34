// SPDX-License-Identifier: MIT
/*
 * The benchmark program: one static executable that runs alike on the host, in
 * a ring3 guest and in a QEMU guest.  Each benchmark's iteration count is
 * calibrated to a run of about TARGET_NS, repeated; best and median are printed:
 *
 *	result <name> <best> <median> <unit>
 *
 * --count: behind each, once more between `@count NAME OPERATIONS` and `@counted NAME`, with
 * rests in which the driver reads the machine's counters.
 *
 * All times are per operation, so lower is better throughout.  `total` says how
 * long the whole took by this machine's clock, for the driver to hold against
 * the host's.  Usage: bench [--list] [--repeat n] [--count] [name...], or bench --tsc: the
 * time stamp counter's kHz.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define TARGET_NS	100000000ULL
#define MAX_REPEAT	25
#define REST_US		50000

static const struct benchmark *const groups[] = { bench_user, bench_kernel };

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void bench_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static const char *environment(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

const char *bench_busybox(void)
{
	return environment("BENCH_BUSYBOX", "/bin/busybox");
}

const char *bench_tmpfs(void)
{
	return environment("BENCH_TMPFS", "/tmp");
}

const char *bench_self(void)
{
	return "/proc/self/exe";
}

static unsigned long calibrate(const struct benchmark *b)
{
	unsigned long n = 1;

	for (;;) {
		uint64_t ns = b->run(n);

		if (ns >= TARGET_NS / 2)
			return n;
		if (ns >= TARGET_NS / 10)
			return (unsigned long)((double)n * (double)TARGET_NS / (double)ns) + 1;
		n = ns < TARGET_NS / 100 ? n * 8 : n * 3;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void count_exits(const struct benchmark *b, unsigned long n)
{
	printf("@count %s %lu\n", b->name, n * b->per);
	fflush(stdout);
	usleep(REST_US);
	b->run(n);
	printf("@counted %s\n", b->name);
	fflush(stdout);
	usleep(REST_US);
}

static void measure(const struct benchmark *b, unsigned repeat, bool count)
{
	double scale = !strcmp(b->unit, "ms") ? 1e6 : !strcmp(b->unit, "us") ? 1e3 : 1;
	double times[MAX_REPEAT];
	unsigned long n = calibrate(b);

	for (unsigned i = 0; i < repeat; i++)
		times[i] = (double)b->run(n) / (double)n / b->per / scale;
	qsort(times, repeat, sizeof(times[0]), compare);
	printf("result %s %.4f %.4f %s\n", b->name, times[0], times[repeat / 2], b->unit);
	fflush(stdout);
	if (count)
		count_exits(b, n);
}

static void tsc_khz(void)
{
	uint64_t begin = bench_now(), ticks = __builtin_ia32_rdtsc(), ns;

	do {
		ns = bench_now() - begin;
	} while (ns < TARGET_NS);
	printf("%.0f\n", (double)(__builtin_ia32_rdtsc() - ticks) * 1e6 / (double)ns);
}

/* In a process of its own, so that no benchmark pays for another's memory. */
static bool measure_apart(const struct benchmark *b, unsigned repeat, bool count)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		measure(b, repeat, count);
		exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && !status)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == BENCH_NOT_ALLOWED) {
		printf("skipped %s\n", b->name);
		return true;
	}
	printf("failed %s %#x\n", b->name, (unsigned)status);
	fflush(stdout);
	return false;
}

static bool wanted(const struct benchmark *b, int argc, char **argv)
{
	if (!argc)
		return true;
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], b->name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	uint64_t begin = bench_now();
	unsigned repeat = 5;
	bool list = false, count = false, failed = false;

	argc--, argv++;
	if (argc && !strcmp(argv[0], "--exit"))
		_exit(0);
	if (argc && !strcmp(argv[0], "--tsc")) {
		tsc_khz();
		return 0;
	}
	if (argc && !strcmp(argv[0], "--list")) {
		list = true;
		argc--, argv++;
	}
	if (argc > 1 && !strcmp(argv[0], "--repeat")) {
		repeat = (unsigned)atoi(argv[1]);
		if (repeat < 1 || repeat > MAX_REPEAT)
			repeat = 5;
		argc -= 2, argv += 2;
	}
	if (argc && !strcmp(argv[0], "--count")) {
		count = true;
		argc--, argv++;
	}
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct benchmark *b = groups[g]; b->name; b++) {
			if (!wanted(b, argc, argv))
				continue;
			if (list)
				printf("%s\t%s\n", b->name, b->what);
			else
				failed |= !measure_apart(b, repeat, count);
		}
	if (!list)
		printf("total %.3f s\n", (double)(bench_now() - begin) / 1e9);
	return failed;
}
