/* SPDX-License-Identifier: MIT */
/*
 * A little machine for tests of user worlds: 16 MiB of RAM, worlds, and snippets
 * of guest code, written as assembly between labels, that run at CODE.
 */
#ifndef RING3_TESTS_WORLDS_H
#define RING3_TESTS_WORLDS_H

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "machine/machine.h"
#include "memory/ram.h"
#include "patch/patch.h"
#include "world/area.h"
#include "world/baton.h"
#include "world/site.h"
#include "world/world.h"

#define CODE		0x400000ul	/* guest address of the code page */
#define CODE_PAGE	CODE		/* where it is in RAM, by the guest's tables too */
#define DATA		0x600000ul
#define DATA_PAGE	DATA		/* 16 pages */
#define STACK		(DATA + 0x8000)

/* A snippet: guest code between two labels. */
#define SNIPPET(name, code)							\
	extern const uint8_t name##_begin[], name##_end[];			\
	__asm__(".pushsection .rodata\n" #name "_begin:\n" code "\n" #name "_end:\n.popsection\n")

static struct vcpu *vcpu;
static struct world_exit last;

static inline void request(struct world *w, enum world_op op, uint64_t gva, uint64_t length,
			   uint64_t offset, unsigned prot)
{
	struct world_request r = { .op = (uint8_t)op, .gva = gva, .length = length,
				   .offset = offset, .prot = (uint8_t)prot, .source = WORLD_RAM };

	world_request(w, &r);
}

static inline void machine_up(unsigned count)
{
	ck_assert_int_eq(clock_init(), 0);
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(16 * MIB), 0);
	ck_assert_int_eq(patch_init(), 0);
	ck_assert_int_eq(worlds_init(count), 0);
	vcpu = arena_alloc(sizeof(*vcpu), 4096);
}

/* Page tables that map all of RAM where it is. */
static inline void tables_write(void)
{
	uint64_t *tables = ram_writable(GPA(0x1000), 3 * PAGE_SIZE);

	tables[0] = 0x2007;
	tables[512] = 0x3007;
	for (unsigned i = 0; i < 8; i++)
		tables[1024 + i] = i * 2 * MIB | 0xe7;
	vcpu->cr3 = 0x1000;
	vcpu->cr4 = CR4_PAE;
}

/* Code and data mapped, the vCPU as a 64-bit program's at CODE. */
static inline void snippet_load(struct world *w, const uint8_t *begin, const uint8_t *end)
{
	memcpy(ram_writable(GPA(CODE_PAGE), PAGE_SIZE), begin, (size_t)(end - begin));
	request(w, WORLD_MAP, CODE, PAGE_SIZE, CODE_PAGE, WORLD_PROT_R | WORLD_PROT_X);
	request(w, WORLD_MAP, DATA, 16 * PAGE_SIZE, DATA_PAGE, WORLD_PROT_R | WORLD_PROT_W);
	memset(vcpu, 0, offsetof(struct vcpu, fpu_place));
	vcpu->cpl = 3;
	vcpu->cr0 = CR0_PE | CR0_PG | CR0_AM;
	tables_write();
	vcpu->efer = EFER_LMA | EFER_LME | EFER_SCE;
	vcpu->seg[SEG_CS] = (struct vcpu_segment){ .selector = 0x33, .limit = 0xffffffff,
		.attr = SEG_ATTR_L | SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | 0xb };
	vcpu->rip = CODE;
	vcpu->rflags = RFLAGS_FIXED | RFLAGS_IF;
	vcpu->regs[REG_RSP] = STACK;
	vcpu->fpu_place = FPU_IN_MEMORY;
	memset(vcpu->xsave, 0, sizeof(vcpu->xsave));
	vcpu->xsave[0] = 0x7f;		/* FCW */
	vcpu->xsave[1] = 0x03;
	vcpu->xsave[24] = 0x80;		/* MXCSR */
	vcpu->xsave[25] = 0x1f;
}

#define LOAD(w, name) snippet_load(w, name##_begin, name##_end)

static inline void run(struct world *w)
{
	world_run(w, vcpu, &last);
}

/*
 * vcpu->fast.kick gets set by a signal handler after `ms` milliseconds.  libc's
 * signal headers clash with machine/vcpu.h, hence by hand.
 */
static void on_alarm(int sig)
{
	(void)sig;
	vcpu->fast.kick = 1;
}

extern void (*signal(int sig, void (*handler)(int)))(int);
extern int kill(int pid, int sig);

static inline void timer_kick(unsigned ms)
{
	struct { long is, iu, vs, vu; } timer = { 0, 0, 0, ms * 1000l };

	signal(14 /* SIGALRM */, on_alarm);
	syscall(SYS_setitimer, 0, &timer, NULL);
}

static inline void kill_soon(int pid, unsigned ms)
{
	if (fork() == 0) {
		usleep(ms * 1000);
		kill(pid, 9);
		_exit(0);
	}
}

#endif
