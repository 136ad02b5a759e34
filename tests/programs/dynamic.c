// SPDX-License-Identifier: MIT
/*
 * A dynamically linked, position-independent program as distributions build
 * them: the loader, lazy binding, a library opened at run time, thread-local
 * storage of libraries, resolvers that choose by CPUID, exceptions by unwind
 * tables (pthread_exit), locale and stdio machinery.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <wchar.h>

#include "check.h"

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static volatile int cleaned;
static void cleanup(void *argument)
{
	__atomic_add_fetch(&cleaned, (int)(intptr_t)argument, __ATOMIC_SEQ_CST);
}

static void *leaves_early(void *argument)
{
	pthread_cleanup_push(cleanup, argument);
	pthread_exit((void *)5);
	pthread_cleanup_pop(0);
	return NULL;
}

static _Thread_local char own[100];

static void *uses_libc(void *argument)
{
	char text[64];

	for (int i = 0; i < 500; i++) {
		snprintf(own, sizeof(own), "%d %.3f %s", i, (double)i / 7, (char *)argument);
		snprintf(text, sizeof(text), "%d %.3f %s", i, (double)i / 7, (char *)argument);
		if (strcmp(own, text))
			return (void *)1;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	char *words[200];
	pthread_t t[8];
	void *result;
	int wrong = 0, status;

	(void)argv;
	for (int i = 0; i < 200; i++)
		if (asprintf(&words[i], "word%d", i * 7919 % 1000) < 0)
			check_abort("asprintf");
	qsort(words, 200, sizeof(words[0]), compare);
	for (int i = 1; i < 200; i++)
		wrong += strcmp(words[i - 1], words[i]) > 0;
	expect_equal(wrong, 0, "qsort calls back");

	void *library = dlopen("libm.so.6", RTLD_NOW);
	double (*cube_root)(double) = library ? (double (*)(double))dlsym(library, "cbrt") : NULL;
	expect(cube_root && fabs(cube_root(27) - 3) < 1e-12, "a library opened at run time");
	volatile double one = 1;

	expect(fabs(sin(one) - 0.8414709848078965) < 1e-15, "its functions by the loader");

	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, i % 2 ? leaves_early : uses_libc,
			       i % 2 ? (void *)(intptr_t)i : "x");
	wrong = 0;
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &result);
		wrong += (intptr_t)result != (i % 2 ? 5 : 0);
	}
	expect(!wrong && cleaned == 1 + 3 + 5 + 7, "threads unwound");
	/* Each length and alignment of what the resolvers choose. */
	static char a[4096], b[4096];
	wrong = 0;
	for (size_t n = 0; n < 300; n++)
		for (size_t o = 0; o < 64; o += 7) {
			memset(a, 'a', sizeof(a));
			memset(b + o, 'b', n);
			b[o + n] = 0;
			memcpy(a + o, b + o, n + 1);
			wrong += strlen(a + o) != n || memcmp(a + o, b + o, n + 1) || strchr(a + o, 'c') ||
				 (n && memchr(a + o, 'b', n) != a + o);
			memmove(a + o + 1, a + o, n + 1);
			wrong += strlen(a + o + 1) != n || strcmp(a + o + 1, b + o);
		}
	expect_equal(wrong, 0, "string functions by length and alignment");
	if (argc > 1)
		return check_failures;
	wrong = 0;
	fflush(stdout);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			freopen("/dev/null", "w", stdout);
			execl("/proc/self/exe", "dynamic", "--quiet", (char *)NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		wrong += status != 0;
	}
	expect_equal(wrong, 0, "twenty times more");
	return check_result();
}
