// SPDX-License-Identifier: MIT
/*
 * Jump to every byte of the hypervisor's stub and its trampolines, with plain,
 * chosen and random registers: among them the arguments of a mapping call that
 * would open guest RAM, so that any `syscall` there that obeyed would show.
 */
#include "bystander.h"

#define LOOT 0x5a0000000000ul	/* where a successful breach would appear */

static void registers_for(struct hostile_registers *r, unsigned variant)
{
	uint64_t *word = (uint64_t *)r;

	memset(r, 0, sizeof(*r));
	for (int i = 0; i < 16; i++)
		word[i] = variant == 2 ? hostile_random() : 0;
	r->flags = 0x202;
	r->rsp = (uintptr_t)__builtin_frame_address(0) - 8192;
	if (variant == 1) {	/* mmap(LOOT, 4096, RWX, SHARED|FIXED, guest RAM, 0) */
		r->rax = SYS_mmap;
		r->rdi = LOOT;
		r->rsi = 4096;
		r->rdx = 7;
		r->r10 = 0x11;
		r->r8 = STUB_FD_RAM;
		r->r9 = 0;
	}
	if (variant == 2)
		r->rsp = STUB_AREA + (hostile_random() & 0x1fff8);
	if (variant == 3) {	/* a mapping call on the stub itself */
		r->rax = SYS_mprotect;
		r->rdi = STUB_TEXT;
		r->rsi = 4096;
		r->rdx = 7;
		r->rsp = 1;
	}
}

static void jump_to(uintptr_t target, unsigned variant)
{
	struct hostile_registers r;

	if (!sigsetjmp(hostile_resume, 1)) {
		registers_for(&r, variant);
		r.rip = target;
		hostile_jump(&r);
	}
	if (hostile_readable(LOOT))
		attempts->breaches++;
}

static void text(unsigned long i)
{
	jump_to(STUB_TEXT + i / 4, i % 4);
}

static void others(unsigned long i)
{
	/* Trampolines, constants, area, table: every byte of a few, then steps. */
	static const struct { uintptr_t at; unsigned long size; } ranges[] = {
		{ STUB_TRAMPOLINES, 2048 }, { STUB_CONST, 256 }, { STUB_AREA, 512 }, { STUB_TABLE, 256 },
	};

	for (size_t n = 0; n < sizeof(ranges) / sizeof(ranges[0]); n++) {
		if (i < ranges[n].size) {
			jump_to(ranges[n].at + i, 1);
			return;
		}
		i -= ranges[n].size;
	}
}

int main(void)
{
	bystander_start();
	hostile_attempts(STUB_TEXT_SIZE * 4, text, 20);
	hostile_attempts(2048 + 256 + 512 + 256, others, 6);
	return bystander_verdict();
}
