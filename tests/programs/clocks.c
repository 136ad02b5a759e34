// SPDX-License-Identifier: MIT
/*
 * Time within one machine: the vDSO's answers lie between the system call's, no
 * clock goes backwards, all run at one rate, sleeps and timers last as long as
 * asked, the legacy vsyscall page answers or refuses as the kernel was told.
 */
#include <dlfcn.h>
#include <elf.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include "check.h"

typedef int (*gettime_function)(clockid_t, struct timespec *);

/* Look a symbol up in the vDSO's own dynamic table. */
static void *vdso_symbol(const char *name)
{
	char *base = (char *)getauxval(AT_SYSINFO_EHDR);

	if (!base)
		return NULL;
	Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)base;
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(base + eh->e_phoff);
	Elf64_Dyn *dynamic = NULL;

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dynamic = (Elf64_Dyn *)(void *)(base + ph[i].p_offset);
	Elf64_Sym *symbols = NULL;
	const char *strings = NULL;

	for (Elf64_Dyn *d = dynamic; d && d->d_tag; d++) {
		if (d->d_tag == DT_SYMTAB)
			symbols = (Elf64_Sym *)(void *)(base + d->d_un.d_ptr);
		if (d->d_tag == DT_STRTAB)
			strings = base + d->d_un.d_ptr;
	}
	for (int i = 1; symbols && strings && (char *)&symbols[i] < strings; i++)
		if (!strcmp(strings + symbols[i].st_name, name))
			return base + symbols[i].st_value;
	return NULL;
}

static int64_t ns_of(const struct timespec *ts) { return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec; }

static int64_t by_syscall(clockid_t clock)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, clock, &ts);
	return ns_of(&ts);
}

static gettime_function vdso_gettime;

static int64_t by_vdso(clockid_t clock)
{
	struct timespec ts;

	vdso_gettime(clock, &ts);
	return ns_of(&ts);
}

static void vdso_agrees(void)
{
	static const struct {
		clockid_t id;
		const char *name;
	} clocks[] = {
		{ CLOCK_REALTIME, "realtime" },	      { CLOCK_MONOTONIC, "monotonic" },
		{ CLOCK_BOOTTIME, "boottime" },	      { CLOCK_MONOTONIC_RAW, "raw" },
		{ CLOCK_MONOTONIC_COARSE, "coarse" }, { CLOCK_TAI, "TAI" },
	};

	for (size_t c = 0; c < sizeof(clocks) / sizeof(clocks[0]); c++) {
		int wrong = 0;

		for (int i = 0; i < 2000; i++) {
			int64_t before = by_syscall(clocks[c].id), inside = by_vdso(clocks[c].id),
				after = by_syscall(clocks[c].id);

			wrong += inside < before || after < inside;
		}
		expect_equal(wrong, 0, clocks[c].name);
	}
	int wrong = 0;
	int64_t last = by_vdso(CLOCK_MONOTONIC);
	for (int i = 0; i < 300000; i++) {
		int64_t t = by_vdso(CLOCK_MONOTONIC);

		wrong += t < last;
		last = t;
	}
	expect_equal(wrong, 0, "monotonic");
	struct timeval tv;
	int64_t before = by_syscall(CLOCK_REALTIME);
	gettimeofday(&tv, NULL);
	int64_t us = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
	expect(us >= before / 1000 && us <= by_syscall(CLOCK_REALTIME) / 1000, "gettimeofday");
	expect(time(NULL) - by_syscall(CLOCK_REALTIME) / 1000000000 <= 1, "time");
}

static void rates(void)
{
	int64_t mono = by_vdso(CLOCK_MONOTONIC), real = by_vdso(CLOCK_REALTIME),
		raw = by_vdso(CLOCK_MONOTONIC_RAW);

	for (int i = 0; i < 10; i++)
		nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	mono = by_vdso(CLOCK_MONOTONIC) - mono;
	real = by_vdso(CLOCK_REALTIME) - real;
	raw = by_vdso(CLOCK_MONOTONIC_RAW) - raw;
	expect(llabs(mono - real) < mono / 500, "realtime and monotonic run alike");
	expect(llabs(mono - raw) < mono / 500, "raw and monotonic run alike");
	int64_t cpu = by_vdso(CLOCK_PROCESS_CPUTIME_ID), begin = by_vdso(CLOCK_MONOTONIC);
	while (by_vdso(CLOCK_MONOTONIC) < begin + 200000000)
		;
	cpu = by_vdso(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	expect(cpu > 50000000 && cpu < 300000000, "CPU time of a busy fifth of a second");
}

static void sleeps(void)
{
	int early = 0, late = 0;

	for (int i = 1; i <= 60; i++) {
		int64_t asked = i * 500000, begin = by_vdso(CLOCK_MONOTONIC);

		nanosleep(&(struct timespec){ 0, asked }, NULL);
		int64_t took = by_vdso(CLOCK_MONOTONIC) - begin;

		early += took < asked;
		late += took > asked + 100000000;
	}
	expect_equal(early, 0, "no sleep ends early");
	expect(late <= 2, "nor much too late");
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec spec = { { 0, 5000000 }, { 0, 5000000 } };
	uint64_t expirations, total = 0;
	int64_t begin = by_vdso(CLOCK_MONOTONIC);

	timerfd_settime(fd, 0, &spec, NULL);
	while (total < 40 && read(fd, &expirations, 8) == 8)
		total += expirations;
	int64_t took = by_vdso(CLOCK_MONOTONIC) - begin;

	expect(took >= 195000000 && took < 400000000, "forty periods of five milliseconds");
	close(fd);
	begin = by_vdso(CLOCK_MONOTONIC);
	poll(NULL, 0, 50);
	took = by_vdso(CLOCK_MONOTONIC) - begin;
	expect(took >= 50000000 && took < 200000000, "poll's time limit");
}

static sigjmp_buf resume;
static void on_fault(int number) { siglongjmp(resume, number); }

/* Emulated calls by the fixed page, where the kernel provides it. */
static void vsyscall_page(void)
{
	volatile long page = -10485760; /* 0xffffffffff600000 */
	struct timeval tv;
	volatile int worked = 0, wrong = 0;

	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(resume, 1)) {
		for (int i = 0; i < 500; i++) {
			int64_t before = by_syscall(CLOCK_REALTIME) / 1000;
			int r = ((int (*)(struct timeval *, void *))page)(&tv, NULL);
			int64_t us = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;

			wrong += r != 0 || us < before || us > by_syscall(CLOCK_REALTIME) / 1000;
			unsigned cpu = 99;
			wrong += ((long (*)(unsigned *, unsigned *, void *))(page + 2048))(&cpu, NULL,
											   NULL) != 0 ||
				 cpu > 64;
		}
		worked = 1;
	}
	expect_equal(wrong, 0, "vsyscall page");
	printf("# vsyscall page %s\n", worked ? "works" : "is absent");
	volatile int inside = 0;
	if (!sigsetjmp(resume, 1)) {
		((void (*)(void))(page + 1))();
		inside = 1;
	}
	expect(!inside, "an odd address in it faults");
	if (!sigsetjmp(resume, 1)) {
		((void (*)(void))(page + 4096))();
		inside = 1;
	}
	expect(!inside, "so does the page behind it");
}

int main(void)
{
	*(void **)&vdso_gettime = vdso_symbol("__vdso_clock_gettime");
	expect(vdso_gettime != NULL, "the vDSO has clock_gettime");
	if (!vdso_gettime)
		return check_result();
	vdso_agrees();
	rates();
	sleeps();
	vsyscall_page();
	return check_result();
}
