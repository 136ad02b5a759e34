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

static struct site_entry {
	uint64_t start;
	uint8_t length;			/* of the head */
	uint8_t head[SITE_HEAD_MAX];
} sites[STUB_SITES];
static uint16_t hash[HASH_SIZE];	/* site + 1; 0: empty */
static unsigned sites_used;

_Static_assert(STUB_SITES < 0xffff && STUB_TRAMPOLINE_SIZE >= SITE_HEAD_MAX + 15, "sites");

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
	const struct site_entry *e = &sites[site];
	uint8_t *p = trampoline(site);
	uint64_t behind = e->start + e->length + 2;
	int32_t to_entry = (int32_t)(STUB_TEXT - (STUB_TRAMPOLINES + site * STUB_TRAMPOLINE_SIZE) -
				     (e->length + 15u));

	memcpy(p, e->head, e->length);
	p += e->length;
	p[0] = 0x48;			/* movabs $behind, %rcx */
	p[1] = 0xb9;
	memcpy(p + 2, &behind, 8);
	p[10] = 0xe9;			/* jmp fast_entry */
	memcpy(p + 11, &to_entry, 4);
}

static unsigned hash_slot(uint64_t start)
{
	return (unsigned)(start * 0x9e3779b97f4a7c15ul >> 40) % HASH_SIZE;
}

int site_make(uint64_t start, const uint8_t *head, unsigned length)
{
	unsigned at = hash_slot(start);
	struct site_entry *e;

	for (; hash[at]; at = (at + 1) % HASH_SIZE) {
		e = &sites[hash[at] - 1u];
		if (e->start == start && e->length == length && !memcmp(e->head, head, length))
			return hash[at] - 1;
	}
	if (sites_used == STUB_SITES)
		return -1;
	e = &sites[sites_used];
	e->start = start;
	e->length = (uint8_t)length;
	memcpy(e->head, head, length);
	trampoline_write(sites_used);
	hash[at] = (uint16_t)(sites_used + 1);
	return (int)sites_used++;
}

bool site_inside(uint64_t rip)
{
	for (uint64_t start = rip - SITE_JUMP + 1; start < rip; start++)
		for (unsigned at = hash_slot(start); hash[at]; at = (at + 1) % HASH_SIZE)
			if (sites[hash[at] - 1u].start == start)
				return true;
	return false;
}

void site_code(unsigned site, uint8_t code[SITE_JUMP])
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

uint64_t site_guest(unsigned site, unsigned offset)
{
	/* Behind the head: on the SYSCALL. */
	return sites[site].start + min_u64(offset, sites[site].length);
}
