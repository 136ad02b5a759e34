// SPDX-License-Identifier: MIT
/*
 * First C code, the ends of a test, and the four functions a compiler may call.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

#define MULTIBOOT_BOOTED	0x2badb002
#define MULTIBOOT_CMDLINE	(1u << 2)
#define PVH_MAGIC		0x336ec578
#define DEBUG_EXIT		0xf4

const char *runtime_command_line = "";
uint32_t runtime_magic;
uint64_t runtime_info;

static char command_line[512];
static unsigned failures;

static void command_line_copy(uint64_t pa)
{
	const char *s = phys_to_virt(pa);

	for (unsigned i = 0; i < sizeof(command_line) - 1 && s[i]; i++)
		command_line[i] = s[i];
	runtime_command_line = command_line;
}

void runtime_start(uint32_t magic, uint64_t info)
{
	struct table_pointer p = { GDT_COUNT * 8 - 1, (uint64_t)gdt };
	extern uint64_t boot_pml4[512];

	__asm__ volatile("lgdt %0" :: "m"(p));
	if (GUEST_BASE)
		boot_pml4[0] = 0;
	else
		boot_pml4[273] = boot_pml4[511] = 0;
	cr3_write(cr3_read());
	trap_init();

	runtime_magic = magic;
	runtime_info = info;
	if (magic == MULTIBOOT_BOOTED) {
		const uint32_t *mb = phys_to_virt(info);

		if (mb[0] & MULTIBOOT_CMDLINE)
			command_line_copy(mb[4]);
	} else {
		const uint32_t *pvh = phys_to_virt(info);

		if (pvh[0] == PVH_MAGIC && pvh[6])
			command_line_copy(pvh[6]);
	}
	test_main();
	test_end(failures ? TEST_FAILURE : TEST_SUCCESS);
}

void test_end(enum test_outcome outcome)
{
	static const char *const names[] = { "success", "skip", "error", "failure", "crash" };

	print("outcome: %s\n", names[outcome - TEST_SUCCESS]);
	out8(DEBUG_EXIT, outcome);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void test_failed(void)
{
	if (++failures >= 20)
		test_end(TEST_FAILURE);
}

bool test_on_tcg(void)
{
	struct cpuid id = cpuid(0x40000000, 0);

	return (cpuid(1, 0).ecx & (1u << 31)) && id.ebx == 0x54474354;	/* "TCGT" */
}

uint64_t test_option(const char *name, uint64_t otherwise)
{
	size_t length = 0;

	while (name[length])
		length++;
	for (const char *s = runtime_command_line; *s; s++) {
		uint64_t v = 0;

		if ((s != runtime_command_line && s[-1] != ' ') || memcmp(s, name, length) ||
		    s[length] != '=')
			continue;
		for (s += length + 1; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (uint64_t)(*s - '0');
		return v;
	}
	return otherwise;
}

void *memset(void *d, int c, size_t n)
{
	void *to = d;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return d;
}

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
	void *to = d;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(n) :: "memory");
	return d;
}

void *memmove(void *d, const void *s, size_t n)
{
	uint8_t *to = d;
	const uint8_t *from = s;

	if (to < from) {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	} else {
		while (n--)
			to[n] = from[n];
	}
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
