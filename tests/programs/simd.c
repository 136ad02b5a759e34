// SPDX-License-Identifier: MIT
/*
 * Vector and x87 state: each of many processes and threads keeps its own
 * through yields, sleeps, faults, system calls, preemption and signals, whose
 * handlers clobber it and whose frames show and change it.  YMM and ZMM where
 * this CPU says it has them.
 */
#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

struct image {
	unsigned char vector[32][64];
	uint64_t mask[8];
	unsigned char x87[108];
	uint32_t mxcsr;
} __attribute__((aligned(64)));

static int width;     /* bytes of a vector register: 16, 32, 64 */
static int registers; /* 16 or 32 */

static void detect(void)
{
	unsigned a, b, c, d, low = 0, high;

	width = 16, registers = 16;
	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE) || !(c & bit_AVX))
		return;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	if ((low & 6) != 6)
		return;
	width = 32;
	__cpuid_count(7, 0, a, b, c, d);
	if ((b & bit_AVX512F) && (b & bit_AVX512BW) && (low & 0xe6) == 0xe6)
		width = 64, registers = 32;
}

#define EACH16 ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
#define EACH32 \
	".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"

static __attribute__((noinline)) void image_load(const struct image *m)
{
	__asm__ volatile("frstor %0; ldmxcsr %1" : : "m"(m->x87), "m"(m->mxcsr) : "memory");
	if (width == 16)
		__asm__ volatile(EACH16 "movaps \\i*64(%0), %%xmm\\i\n.endr" : : "r"(m->vector) : "memory");
	else if (width == 32)
		__asm__ volatile(EACH16 "vmovaps \\i*64(%0), %%ymm\\i\n.endr"
				 :
				 : "r"(m->vector)
				 : "memory");
	else
		__asm__ volatile(EACH32 "vmovaps \\i*64(%0), %%zmm\\i\n.endr\n"
					".irp i, 1,2,3,4,5,6,7\nkmovq \\i*8(%1), %%k\\i\n.endr"
				 :
				 : "r"(m->vector), "r"(m->mask)
				 : "memory");
}

static __attribute__((noinline)) void image_store(struct image *m)
{
	if (width == 16)
		__asm__ volatile(EACH16 "movaps %%xmm\\i, \\i*64(%0)\n.endr" : : "r"(m->vector) : "memory");
	else if (width == 32)
		__asm__ volatile(EACH16 "vmovaps %%ymm\\i, \\i*64(%0)\n.endr"
				 :
				 : "r"(m->vector)
				 : "memory");
	else
		__asm__ volatile(EACH32 "vmovaps %%zmm\\i, \\i*64(%0)\n.endr\n"
					".irp i, 1,2,3,4,5,6,7\nkmovq %%k\\i, \\i*8(%1)\n.endr"
				 :
				 : "r"(m->vector), "r"(m->mask)
				 : "memory");
	__asm__ volatile("stmxcsr %1; fnsave %0; frstor %0" : "=m"(m->x87), "=m"(m->mxcsr) : : "memory");
}

static void image_make(struct image *m, uint64_t seed)
{
	uint64_t *word = (uint64_t *)m->vector;

	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < sizeof(m->vector) / 8; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		word[i] = seed;
	}
	for (int i = 1; i < 8; i++)
		m->mask[i] = seed * (uint64_t)i;
	m->mxcsr = 0x1f80 | (uint32_t)(seed >> 50 & 3) << 13 | (uint32_t)(seed >> 40 & 0x3f);
	/* Eight values on the x87 stack, an odd control word. */
	double values[8];
	for (int i = 0; i < 8; i++)
		values[i] = (double)(seed % 1000003) + i * 0.125;
	unsigned short control = (unsigned short)(0x33f | (seed >> 60 & 3) << 10);
	__asm__ volatile("fninit; fldcw %0" : : "m"(control));
	for (int i = 0; i < 8; i++)
		__asm__ volatile("fldl %0" : : "m"(values[i]));
	__asm__ volatile("fnsave %0" : "=m"(m->x87));
}

static bool image_same(const struct image *a, const struct image *b)
{
	for (int i = 0; i < registers; i++)
		if (memcmp(a->vector[i], b->vector[i], (size_t)width))
			return false;
	if (width == 64 && memcmp(a->mask + 1, b->mask + 1, 7 * 8))
		return false;
	/* Control, status, tag words and the registers; not the last instruction's address. */
	return a->mxcsr == b->mxcsr && !memcmp(a->x87, b->x87, 12) && !memcmp(a->x87 + 28, b->x87 + 28, 80);
}

static volatile int handled;

static void on_clobber(int number)
{
	static struct image other;

	(void)number;
	memset(&other, 0xa5, sizeof(other));
	other.mxcsr = 0x1f80;
	memset(other.x87, 0, sizeof(other.x87));
	other.x87[0] = 0x7f, other.x87[1] = 3, other.x87[8] = other.x87[9] = 0xff;
	image_load(&other);
	handled++;
}

/* Do something of each kind between load and store, without using vectors here. */
static bool keep(uint64_t seed, int rounds)
{
	struct image mine, now;
	volatile char *page = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				   0);
	bool ok = true;

	image_make(&mine, seed);
	for (int i = 0; i < rounds; i++) {
		image_load(&mine);
		switch (i % 6) {
		case 0: {
			long r;
			__asm__ volatile("syscall"
					 : "=a"(r)
					 : "a"(24)
					 : "rcx", "r11", "memory"); /* sched_yield */
			break;
		}
		case 1: page[i / 6 % 16 * 4096] = 1; break;
		case 2: {
			long r, ts[2] = { 0, 100000 };
			__asm__ volatile("syscall"
					 : "=a"(r)
					 : "a"(35), "D"(ts), "S"(0)
					 : "rcx", "r11", "memory");
			break;
		}
		case 3:
			for (int j = 0; j < 3000; j++)
				__asm__ volatile("" : : : "memory");
			break;
		case 4: {
			long r, pid, tid;
			__asm__ volatile("syscall" : "=a"(pid) : "a"(39) : "rcx", "r11");
			__asm__ volatile("syscall" : "=a"(tid) : "a"(186) : "rcx", "r11");
			__asm__ volatile("syscall"
					 : "=a"(r)
					 : "a"(234), "D"(pid), "S"(tid), "d"(10)
					 : "rcx", "r11", "memory");
			break;
		}
		default: __asm__ volatile("syscall" : : "a"(39) : "rcx", "r11");
		}
		image_store(&now);
		__asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
		ok &= image_same(&mine, &now);
	}
	munmap((void *)page, 16 * 4096);
	return ok;
}

static volatile int thread_wrong;

static void *thread_keep(void *argument)
{
	if (!keep((uint64_t)argument * 77 + 5, 240))
		thread_wrong = 1;
	return NULL;
}

static uint32_t frame_magic_found;

/* The frame holds the state; what the handler writes there is what returns. */
static void on_frame(int number, siginfo_t *si, void *context)
{
	struct _libc_fpstate *fp = ((ucontext_t *)context)->uc_mcontext.fpregs;
	uint32_t *extended = (uint32_t *)(void *)((char *)fp + 464);

	(void)number, (void)si;
	frame_magic_found = extended[0] == 0x46505853;
	memset(&fp->_xmm[3], 0x5a, 16);
	if (width >= 32) /* upper halves follow the legacy area and the header */
		memset((char *)fp + 576 + 4 * 16, 0xc3, 16);
}

static void frames(void)
{
	struct image mine, now;
	struct sigaction action = { .sa_sigaction = on_frame, .sa_flags = SA_SIGINFO };

	sigaction(SIGILL, &action, NULL);
	image_make(&mine, 1234);
	struct sigaction step = { .sa_sigaction = on_frame, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR2, &step, NULL);
	image_load(&mine);
	__asm__ volatile("syscall; mov %%eax, %%edi; mov $12, %%esi; mov $62, %%eax; syscall"
			 :
			 : "a"(39)
			 : "rcx", "r11", "rdi", "rsi", "memory"); /* kill(getpid(), SIGUSR2) */
	image_store(&now);
	__asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
	memset(mine.vector[3], 0x5a, 16);
	if (width >= 32)
		memset(mine.vector[4] + 16, 0xc3, 16);
	expect(image_same(&mine, &now), "what a handler writes to its frame returns");
	expect(frame_magic_found || width == 16, "the frame holds extended state");
}

int main(void)
{
	pid_t pids[24];
	pthread_t t[24];
	int wrong = 0, status;

	detect();
	printf("# vector registers of %d bytes\n", width);
	signal(SIGUSR1, on_clobber);
	expect(keep(1, 600), "one process");
	expect_equal(handled, 100, "a hundred handlers clobbered it all");
	fflush(stdout);
	for (int i = 0; i < 24; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(!keep((uint64_t)i * 1001 + 3, 480));
	}
	for (int i = 0; i < 24; i++)
		wrong += waitpid(pids[i], &status, 0) != pids[i] || status;
	expect_equal(wrong, 0, "24 processes");
	for (long i = 0; i < 24; i++)
		pthread_create(&t[i], NULL, thread_keep, (void *)i);
	for (int i = 0; i < 24; i++)
		pthread_join(t[i], NULL);
	expect(!thread_wrong, "24 threads");
	struct itimerval value = { { 0, 1000 }, { 0, 1000 } };

	signal(SIGALRM, on_clobber);
	setitimer(ITIMER_REAL, &value, NULL);
	expect(keep(99, 1200), "under a timer of one millisecond");
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	frames();
	/* A child starts with its parent's state. */
	struct image mine, now;

	fflush(stdout);
	image_make(&mine, 4321);
	image_load(&mine);
	long pid;
	__asm__ volatile("syscall" : "=a"(pid) : "a"(57) : "rcx", "r11", "memory");
	image_store(&now);
	__asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
	if (!pid)
		_exit(!image_same(&mine, &now));
	waitpid((pid_t)pid, &status, 0);
	expect(!status && image_same(&mine, &now), "fork copies it");
	return check_result();
}
