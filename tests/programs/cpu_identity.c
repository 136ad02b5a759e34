// SPDX-License-Identifier: MIT
/*
 * The CPU that user code sees is the one its kernel sees: CPUID executed at
 * CPL3 against /proc/cpuinfo, at a page boundary, in a loop, across threads;
 * its bytes inside immediates; feature bits that promise instructions are true;
 * XCR0 and the save area agree; RDTSC never goes backwards and matches the clock.
 */
#include <cpuid.h>
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

static char cpuinfo[65536];

static bool cpuinfo_flag(const char *flag)
{
	char *line = strstr(cpuinfo, "\nflags"), *end, word[64];

	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	snprintf(word, sizeof(word), " %s ", flag);
	char saved = *end;

	*end = ' ';
	char next = end[1];

	end[1] = 0;
	bool found = strstr(line, word) != NULL;

	*end = saved;
	end[1] = next;
	return found;
}

static unsigned cpuinfo_number(const char *key)
{
	char *line = strstr(cpuinfo, key);

	return line ? (unsigned)strtoul(strchr(line, ':') + 1, NULL, 10) : ~0u;
}

static void against_kernel(void)
{
	unsigned a, b, c, d;
	char vendor[13] = "", brand[49] = "", want[128];
	FILE *f = fopen("/proc/cpuinfo", "r");

	if (!f || !fread(cpuinfo, 1, sizeof(cpuinfo) - 1, f))
		check_abort("/proc/cpuinfo");
	fclose(f);
	__cpuid(0, a, b, c, d);
	memcpy(vendor, &b, 4), memcpy(vendor + 4, &d, 4), memcpy(vendor + 8, &c, 4);
	snprintf(want, sizeof(want), "vendor_id\t: %s\n", vendor);
	expect(strstr(cpuinfo, want) != NULL, "vendor");
	expect_equal(cpuinfo_number("cpuid level"), a, "highest leaf");
	for (unsigned i = 0; i < 3; i++) {
		__cpuid(0x80000002 + i, a, b, c, d);
		memcpy(brand + 16 * i, (unsigned[]){ a, b, c, d }, 16);
	}
	char *trimmed = brand;
	while (*trimmed == ' ')
		trimmed++;
	for (size_t n = strlen(trimmed); n && trimmed[n - 1] == ' '; n--)
		trimmed[n - 1] = 0;
	snprintf(want, sizeof(want), "model name\t: %s", trimmed);
	expect(strstr(cpuinfo, want) != NULL, "model name");
	__cpuid(1, a, b, c, d);
	unsigned family = (a >> 8 & 15) + ((a >> 8 & 15) == 15 ? a >> 20 & 0xff : 0);
	expect_equal(cpuinfo_number("cpu family"), family, "family");
	expect_equal(cpuinfo_number("stepping"), a & 15, "stepping");

	/* Flags: what CPUID says and what the kernel lists, where the kernel does not clear any. */
	static const struct { unsigned leaf, word, bit; const char *name; } flags[] = {
		{ 1, 3, 0, "fpu" }, { 1, 3, 4, "tsc" }, { 1, 3, 8, "cx8" }, { 1, 3, 15, "cmov" }, { 1, 3, 25, "sse" },
		{ 1, 3, 26, "sse2" }, { 1, 2, 0, "pni" }, { 1, 2, 1, "pclmulqdq" }, { 1, 2, 9, "ssse3" }, { 1, 2, 12, "fma" },
		{ 1, 2, 13, "cx16" }, { 1, 2, 19, "sse4_1" }, { 1, 2, 20, "sse4_2" }, { 1, 2, 22, "movbe" },
		{ 1, 2, 23, "popcnt" }, { 1, 2, 25, "aes" }, { 1, 2, 26, "xsave" }, { 1, 2, 28, "avx" }, { 1, 2, 29, "f16c" },
		{ 1, 2, 30, "rdrand" }, { 7, 1, 0, "fsgsbase" }, { 7, 1, 3, "bmi1" }, { 7, 1, 5, "avx2" }, { 7, 1, 8, "bmi2" },
		{ 7, 1, 9, "erms" }, { 7, 1, 16, "avx512f" }, { 7, 1, 19, "adx" }, { 7, 1, 29, "sha_ni" },
		{ 7, 1, 30, "avx512bw" }, { 7, 1, 31, "avx512vl" }, { 7, 2, 8, "gfni" }, { 7, 2, 9, "vaes" }, { 7, 2, 22, "rdpid" },
		{ 0x80000001, 3, 27, "rdtscp" }, { 0x80000001, 3, 29, "lm" }, { 0x80000001, 3, 20, "nx" },
		{ 0x80000001, 2, 0, "lahf_lm" }, { 0x80000001, 2, 5, "abm" },
	};
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		unsigned r[4];

		__cpuid_count(flags[i].leaf, 0, r[0], r[1], r[2], r[3]);
		bool set = r[flags[i].word] >> flags[i].bit & 1;

		expect(set == cpuinfo_flag(flags[i].name), "flag %s", flags[i].name);
	}
}

static sigjmp_buf resume;
static void on_ill(int number) { siglongjmp(resume, number); }

#define WORKS(code) ({ bool works_ = true; if (sigsetjmp(resume, 1)) works_ = false; else { code; } works_; })

/* An instruction works exactly if its feature bit is set. */
static void promises(void)
{
	unsigned a, b, c, d, b7, c7, d81;

	signal(SIGILL, on_ill);
	__cpuid(1, a, b, c, d);
	__cpuid_count(7, 0, a, b7, c7, d);
	__cpuid(0x80000001, a, b, d, d81);
	expect(!(b7 & 1) || WORKS(__asm__ volatile("rdgsbase %%rax" : : : "rax")), "rdgsbase as promised");
	expect(!(c >> 28 & 1) || WORKS(__asm__ volatile("vpxor %%ymm0, %%ymm0, %%ymm0; vzeroupper" : : : "xmm0")), "AVX as promised");
	expect(!(b7 >> 16 & 1) || WORKS(__asm__ volatile("vpxord %%zmm0, %%zmm0, %%zmm0; vzeroupper" : : : "xmm0")), "AVX-512 as promised");
	expect(!(c >> 30 & 1) || WORKS(__asm__ volatile("rdrand %%rax" : : : "rax", "cc")), "rdrand as promised");
	expect(!(d81 >> 27 & 1) || WORKS(__asm__ volatile("rdtscp" : : : "rax", "rcx", "rdx")), "rdtscp as promised");
}

static void xsave_area(void)
{
	unsigned a, b, c, d, low = 0, high = 0, size;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE)) {
		printf("# no xsave\n");
		return;
	}
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	__cpuid_count(0xd, 0, a, size, c, d);
	expect((low & ~a) == 0, "XCR0 has no bit that CPUID lacks");
	expect(size <= c && size >= 576, "size of the save area");
	static unsigned char area[16384] __attribute__((aligned(64)));

	memset(area, 0xee, sizeof(area));
	memset(area + 512, 0, 64);
	__asm__ volatile("xsave %0" : "=m"(area) : "a"(~0u), "d"(~0u) : "memory");
	unsigned used = sizeof(area);
	while (used && area[used - 1] == 0xee)
		used--;
	expect(used <= size, "XSAVE stays inside it");
}

/* push rbx; mov eax, edi; xor ecx, ecx; cpuid; mov eax, ebx; pop rbx; ret */
static const unsigned char cpuid_code[] = {
	0x53, 0x89, 0xf8, 0x31, 0xc9, 0x0f, 0xa2, 0x89, 0xd8, 0x5b, 0xc3,
};

static void shapes(void)
{
	unsigned vendor, a, c, d;
	int wrong = 0;
	size_t size = sizeof(cpuid_code);
	unsigned char *p = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	__cpuid(0, a, vendor, c, d);
	for (size_t at = 4096 - size - 1; at <= 4096 + 1; at++) {
		mprotect(p, 8192, PROT_READ | PROT_WRITE);
		memset(p, 0xcc, 8192);
		memcpy(p + at, cpuid_code, size);
		mprotect(p, 8192, PROT_READ | PROT_EXEC);
		for (int i = 0; i < 20; i++)
			wrong += ((unsigned (*)(unsigned))(void *)(p + at))(0) != vendor;
	}
	expect_equal(wrong, 0, "at every offset around a page boundary");
	wrong = 0;
	for (int i = 0; i < 2000; i++) {
		unsigned b;

		__cpuid(0, a, b, c, d);
		wrong += b != vendor;
	}
	expect_equal(wrong, 0, "two thousand times");
	unsigned value = 0;
	wrong = 0;
	for (int i = 0; i < 2000; i++) {
		__asm__ volatile("mov $0xa20fa20f, %0; add $0x0000a20f, %0; movabs $0xa20f310fa20f050f, %%rax; add %%eax, %0"
				 : "=r"(value) : : "rax", "cc");
		wrong += value != 0xa20fa20fu + 0xa20fu + 0xa20f050fu;
	}
	expect_equal(wrong, 0, "its bytes inside immediates");
	/* Other sensitive bytes as data within code: sgdt, sidt, sldt, str, smsw, lar, lsl, rdpid. */
	__asm__ volatile("jmp 1f; .byte 0x0f,0x01,0x00, 0x0f,0x01,0x08, 0x0f,0x00,0xc0, 0x0f,0x01,0xe0, 0x0f,0x02,0xc0,"
			 "0x0f,0x03,0xc0, 0xf3,0x0f,0xc7,0xf8, 0x0f,0x01,0xef, 0x0f,0xae,0x28; 1: mov $7, %0" : "=r"(value));
	expect_equal(value, 7, "sensitive bytes jumped over");
}

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void time_stamps(void)
{
	uint64_t last = rdtsc();
	unsigned backwards = 0;

	for (int i = 0; i < 200000; i++) {
		uint64_t t = rdtsc();

		backwards += t < last;
		last = t;
		if (i % 5000 == 0)
			sched_yield();
	}
	expect_equal(backwards, 0, "time stamps never go back");
	double rate[2];
	for (int i = 0; i < 2; i++) {
		double begin = now();
		uint64_t first = rdtsc();

		while (now() < begin + 0.2)
			;
		rate[i] = (double)(rdtsc() - first) / (now() - begin);
	}
	expect(rate[0] / rate[1] > 0.995 && rate[0] / rate[1] < 1.005, "their rate is constant");
}

static void which_cpu(void)
{
	unsigned cpu = ~0u, node = ~0u, limit, ok;
	int wrong = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (int i = 0; i < 1000; i++)
		wrong += syscall(SYS_getcpu, &cpu, &node, NULL) || cpu != 0 || sched_getcpu() != 0;
	expect_equal(wrong, 0, "getcpu");
	/* The selector whose limit holds CPU and node, as the vDSO reads it. */
	__asm__ volatile("lsl %2, %0; setz %b1" : "=r"(limit), "=q"(ok) : "r"(0x7b), "1"(0) : "cc");
	expect((ok & 1) && (limit & 0xfff) == 0, "limit of the CPU-number segment");
	unsigned eax, ebx, ecx, edx;

	__cpuid_count(7, 0, eax, ebx, ecx, edx);
	if (ecx >> 22 & 1) {
		uint64_t id;

		__asm__ volatile("rdpid %0" : "=r"(id));
		printf("# rdpid\n");
		if (id & 0xfff)
			expect(false, "rdpid");
	}
	__cpuid(0x80000001, eax, ebx, ecx, edx);
	if (edx >> 27 & 1) {
		uint32_t aux;

		__asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
		printf("# rdtscp\n");
		if (aux & 0xfff)
			expect(false, "rdtscp's CPU");
	}
}

int main(void)
{
	against_kernel();
	promises();
	xsave_area();
	shapes();
	time_stamps();
	which_cpu();
	return check_result();
}
