// SPDX-License-Identifier: MIT
/*
 * Fuzzes the page walk over arbitrary tables.  Properties:
 *
 *  - it never reads or writes outside guest RAM (a fault ends the run);
 *  - a refused walk changes nothing, and so does a probe;
 *  - what a walk marked, the next one finds: same answer, nothing more to mark;
 *  - only A and D bits of RAM ever change, and they are only ever set;
 *  - an error code names exactly the access that was asked for;
 *  - the answer of a walk lies in the page that its leaf entry names.
 *
 * Input: 24 bytes of modes, an address and CR3, then the contents of the first
 * pages of RAM, repeated, so that small inputs make self-referring tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/ram.h"
#include "memory/walk.h"

#define RAM		(1 * MIB)
#define TABLES		(16 * PAGE_SIZE)
#define HEADER		24

#define check(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vcpu vcpu;
static uint64_t before[TABLES / 8];
static uint64_t *const tables = (uint64_t *)LAYOUT_RAM;

static bool same_walk(const struct walk *a, const struct walk *b)
{
	return a->gpa.v == b->gpa.v && a->page_size == b->page_size && a->writable == b->writable &&
	       a->user == b->user && a->no_execute == b->no_execute && a->global == b->global &&
	       a->leaf_gpa == b->leaf_gpa;
}

static void modes_set(const uint8_t *data)
{
	uint64_t cr3, modes = data[1] | (uint64_t)data[2] << 8;

	memset(&vcpu, 0, offsetof(struct vcpu, xsave));
	memcpy(&cr3, data + 16, sizeof(cr3));
	vcpu.cr0 = CR0_PE | CR0_PG | (modes & 1 ? CR0_WP : 0);
	vcpu.cr4 = (modes & 2 ? CR4_SMEP : 0) | (modes & 4 ? CR4_SMAP : 0) |
		   (modes & 8 ? CR4_PGE : 0) | (modes & 16 ? CR4_PSE : 0);
	vcpu.rflags = RFLAGS_FIXED | (modes & 32 ? RFLAGS_AC : 0);
	vcpu.efer = modes & 64 ? EFER_NXE : 0;
	/* Mostly inside the tables, sometimes anywhere. */
	vcpu.cr3 = modes & 128 ? cr3 & 0xfffffff000 : cr3 & (TABLES - 1) & PAGE_MASK;
	switch (modes >> 8 & 3) {
	case 0:
		break;
	case 1:
		vcpu.cr4 |= CR4_PAE;
		for (int i = 0; i < 4; i++)
			vcpu.pdpte[i] = (cr3 >> i & 1) | ((cr3 >> (8 * i)) & 0xf) << PAGE_SHIFT;
		break;
	default:
		vcpu.cr4 |= CR4_PAE;
		vcpu.efer |= EFER_LME | EFER_LMA;
		break;
	}
}

static void error_check(uint32_t error, unsigned access)
{
	check(error & WALK_FAULT);
	check(!(error & ~(WALK_FAULT | PF_P | PF_W | PF_U | PF_RSVD | PF_I)));
	check(!!(error & PF_W) == !!(access & WALK_WRITE));
	check(!!(error & PF_U) == !!(access & WALK_USER));
	check(!(error & PF_I) || (access & WALK_EXEC));
	check(!(error & PF_RSVD) || (error & PF_P));
}

static void marks_check(unsigned access)
{
	bool wide = vcpu.cr4 & CR4_PAE;

	for (size_t i = 0; i < TABLES / 8; i++) {
		uint64_t changed = before[i] ^ tables[i];
		uint64_t allowed = 0x60 | (wide ? 0 : 0x60ull << 32);

		check(!(changed & ~allowed) && !(changed & before[i]));
		check(!(changed & 0x4000000040) || (access & WALK_WRITE));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct walk probe, walk, again;
	unsigned access;
	uint32_t error;
	gva_t addr;

	if (!ready && ram_init(RAM))
		abort();
	ready = true;
	if (size <= HEADER)
		return 0;
	modes_set(data);
	access = data[0] & (WALK_WRITE | WALK_USER | WALK_IMPLICIT);
	if (data[0] & 0x80)
		access = WALK_EXEC | (data[0] & WALK_USER);
	memcpy(&addr.v, data + 8, sizeof(addr.v));
	addr.v = (uint64_t)((int64_t)(addr.v << 16) >> 16);
	for (size_t at = 0; at < TABLES; at += size - HEADER)
		memcpy((uint8_t *)tables + at, data + HEADER, min_u64(size - HEADER, TABLES - at));
	memcpy(before, tables, TABLES);

	error = walk_translate(&vcpu, addr, access | WALK_PROBE, &probe);
	check(!memcmp(before, tables, TABLES));
	check(walk_translate(&vcpu, addr, access, &walk) == error);
	if (error) {
		error_check(error, access);
		check(!memcmp(before, tables, TABLES));
		return 0;
	}
	marks_check(access);
	check(same_walk(&probe, &walk));
	check(walk.dirty || !(access & WALK_WRITE));
	check((walk.gpa.v ^ addr.v) % walk.page_size == 0);
	check(walk.leaf_gpa < RAM);

	/* A table that maps itself may have changed what it says by its own A bit, but not where
	 * the walk goes: A and D are no part of addresses or permissions. */
	memcpy(before, tables, TABLES);
	check(walk_translate(&vcpu, addr, access, &again) == 0);
	check(same_walk(&walk, &again));
	check(!memcmp(before, tables, TABLES));
	return 0;
}
