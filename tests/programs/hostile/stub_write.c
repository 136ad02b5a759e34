// SPDX-License-Identifier: MIT
/*
 * Look for memory that the kernel's map of this process does not show, and
 * write all of it that is writable: zeroes, ones, random words, and forged
 * requests with every field chosen; then make system calls, faults and jumps
 * into the stub that would act on them.
 */
#include "bystander.h"

#define LOOT 0x5a0000000000ul

static uintptr_t found[4096];
static unsigned found_count;

/* Is the address in /proc/self/maps?  Ranges are read once. */
static struct {
	uintptr_t begin, end;
} maps[256];
static unsigned maps_count;

static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && maps_count < 256 && fgets(line, sizeof(line), f)) {
		unsigned long begin, end;

		if (sscanf(line, "%lx-%lx", &begin, &end) == 2) {
			maps[maps_count].begin = begin;
			maps[maps_count++].end = end;
		}
	}
	if (f)
		fclose(f);
}

static void look_at(uintptr_t page)
{
	for (unsigned i = 0; i < maps_count; i++)
		if (page >= maps[i].begin && page < maps[i].end)
			return;
	if (found_count < 4096 && hostile_readable(page))
		found[found_count++] = page;
}

static void look_around(void)
{
	hostile_catch();
	for (uintptr_t p = 0; p < 0x400000; p += 4096)
		look_at(p);
	for (uintptr_t p = STUB_BASE - 0x10000; p < STUB_END + 0x10000; p += 4096)
		look_at(p);
	for (uintptr_t p = 0x7ffffff00000; p < 0x7ffffffff000; p += 4096)
		look_at(p);
	for (uintptr_t p = 0; p < 0x800000000000; p += 1ul << 32)
		look_at(p);
}

/* A request that would map guest RAM, as the queue holds it. */
static void forge_requests(void)
{
	volatile uint64_t *area = (volatile uint64_t *)STUB_AREA;

	for (unsigned i = 0; i < STUB_BATCH; i++) {
		volatile uint64_t *request = area + (AREA_REQUESTS + i * REQUEST_SIZE) / 8;

		request[REQUEST_OP / 8] = SYS_mmap;
		request[REQUEST_GVA / 8] = LOOT;
		request[REQUEST_LENGTH / 8] = 4096;
		request[REQUEST_PROT / 8] = 7;
		request[REQUEST_FD / 8] = STUB_FD_RAM;
		request[REQUEST_OFFSET / 8] = 0x1000 * i;
	}
	*(volatile uint32_t *)(STUB_AREA + AREA_COUNT) = STUB_BATCH;
	*(volatile uint32_t *)(STUB_AREA + AREA_COMMAND) = CMD_BATCH | CMD_RUN;
	*(volatile uint64_t *)(STUB_AREA + AREA_RIP) = STUB_TEXT;
	*(volatile uint64_t *)(STUB_AREA + AREA_CS) = 0x33;
	*(volatile uint64_t *)(STUB_AREA + AREA_COOKIE) = hostile_random();
}

/* Use the kernel after the damage: what is wrong in the world must show now, here only. */
static void use_kernel(void)
{
	volatile char *p = (volatile char *)0x200000000000;

	if (!sigsetjmp(hostile_resume, 1)) {
		for (int i = 0; i < 5; i++)
			syscall(SYS_getppid);
		(void)*p;
	}
	if (!sigsetjmp(hostile_resume, 1))
		__asm__ volatile("ud2");
	if (hostile_readable(LOOT))
		attempts->breaches++;
}

static void attempt(unsigned long i)
{
	unsigned page = (unsigned)(i / 4) % (found_count ? found_count : 1);

	if (!found_count) {
		use_kernel();
		return;
	}
	volatile uint64_t *word = (volatile uint64_t *)found[page];

	if (!sigsetjmp(hostile_resume, 1)) {
		for (int w = 0; w < 512; w++)
			switch (i % 4) {
			case 0: word[w] = 0; break;
			case 1: word[w] = ~0ul; break;
			case 2: word[w] = hostile_random(); break;
			default: word[w] ^= 1ul << (w % 64); break;
			}
	}
	use_kernel();
}

/* One field at a time, while everything else is right. */
static void one_word(unsigned long i)
{
	if (!sigsetjmp(hostile_resume, 1))
		((volatile uint32_t *)STUB_AREA)[i / 3] = i % 3 == 0   ? 0
							  : i % 3 == 1 ? ~0u
								       : (uint32_t)hostile_random();
	use_kernel();
}

static void forged(unsigned long i)
{
	if (!sigsetjmp(hostile_resume, 1)) {
		forge_requests();
		if (i % 2)
			*(volatile uint32_t *)(STUB_AREA + AREA_TURN) = (uint32_t)i & 1;
	}
	use_kernel();
	if (!sigsetjmp(hostile_resume, 1)) {
		struct hostile_registers r = { .flags = 0x202, .rip = STUB_TEXT + i % STUB_TEXT_SIZE };

		r.rsp = (uintptr_t)__builtin_frame_address(0) - 8192;
		forge_requests();
		hostile_jump(&r);
	}
	if (hostile_readable(LOOT))
		attempts->breaches++;
}

int main(void)
{
	bystander_start();
	read_maps();
	look_around();
	printf("# %u hidden pages are readable\n", found_count);
	for (unsigned i = 0; i < found_count && i < 20; i++)
		printf("# %#lx\n", found[i]);
	hostile_attempts(found_count ? found_count * 4ul : 10, attempt, 12);
	hostile_attempts(0x210 / 4 * 3, one_word, 8);
	hostile_attempts(STUB_TEXT_SIZE, forged, 12);
	return bystander_verdict();
}
