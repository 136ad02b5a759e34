// SPDX-License-Identifier: MIT
/*
 * The trampolines of patched SYSCALL sites and the table that leads to them.
 * Both lie in patch/'s memfd and are mapped in every world; the table's contents
 * never change, a trampoline is written once, before the first jump to it.
 */
#include "world/site.h"

#include <string.h>

#include "base/layout.h"
#include "base/log.h"
#include "world/stub.h"

#define INVALID_OPCODE	0x06
#define HASH_SIZE	(2 * STUB_SITES)

static struct { uint64_t start; uint32_t number; } sites[STUB_SITES];
static uint16_t hash[HASH_SIZE];	/* site + 1; 0: empty */
static unsigned sites_used;

_Static_assert(STUB_SITES < 0xffff && STUB_TRAMPOLINE_SIZE >= 20, "sites");

static uint8_t *trampoline(unsigned site)
{
	return (uint8_t *)(LAYOUT_PATCH + PATCH_TRAMPOLINES + site * STUB_TRAMPOLINE_SIZE);
}

void site_init(void)
{
	uint64_t *table = (uint64_t *)(LAYOUT_PATCH + PATCH_TABLE);

	memset(trampoline(0), INVALID_OPCODE, STUB_TRAMPOLINES_SIZE);
	for (unsigned i = 0; i < STUB_SITES; i++)
		table[i] = STUB_TRAMPOLINES + i * STUB_TRAMPOLINE_SIZE;
}

void site_reset(void)
{
	memset(hash, 0, sizeof(hash));
	sites_used = 0;
}

static void trampoline_write(unsigned site)
{
	uint8_t *p = trampoline(site);
	uint64_t behind = sites[site].start + SITE_LENGTH;
	int32_t to_entry = (int32_t)(STUB_TEXT - (STUB_TRAMPOLINES + site * STUB_TRAMPOLINE_SIZE) -
				     20);

	p[0] = 0xb8;			/* mov $number, %eax */
	memcpy(p + 1, &sites[site].number, 4);
	p[5] = 0x48;			/* movabs $behind, %rcx */
	p[6] = 0xb9;
	memcpy(p + 7, &behind, 8);
	p[15] = 0xe9;			/* jmp fast_entry */
	memcpy(p + 16, &to_entry, 4);
}

int site_make(uint64_t start, uint32_t number)
{
	uint64_t key = (start ^ (uint64_t)number << 40) * 0x9e3779b97f4a7c15ul;
	unsigned at = (unsigned)(key >> 40) % HASH_SIZE;

	while (hash[at]) {
		unsigned site = hash[at] - 1u;

		if (sites[site].start == start && sites[site].number == number)
			return (int)site;
		at = (at + 1) % HASH_SIZE;
	}
	if (sites_used == STUB_SITES)
		return -1;
	sites[sites_used].start = start;
	sites[sites_used].number = number;
	trampoline_write(sites_used);
	hash[at] = (uint16_t)(sites_used + 1);
	return (int)sites_used++;
}

void site_code(unsigned site, uint8_t code[SITE_LENGTH])
{
	uint32_t slot = STUB_TABLE + 8 * site;

	code[0] = 0xff;			/* jmp *[slot] */
	code[1] = 0x24;
	code[2] = 0x25;
	memcpy(code + 3, &slot, 4);	/* ends in 06 00 */
}

bool site_find(uint64_t rip, unsigned *site, unsigned *offset)
{
	uint64_t at = rip - STUB_TRAMPOLINES;

	if (at >= sites_used * STUB_TRAMPOLINE_SIZE)
		return false;
	*site = (unsigned)(at / STUB_TRAMPOLINE_SIZE);
	*offset = at % STUB_TRAMPOLINE_SIZE;
	return true;
}

uint32_t site_number(unsigned site)
{
	return sites[site].number;
}

uint64_t site_start(unsigned site)
{
	return sites[site].start;
}

uint64_t site_syscall(unsigned site)
{
	return sites[site].start + SITE_LENGTH - 2;
}
