// SPDX-License-Identifier: MIT
/*
 * Kicks at every moment: each stay is kicked after a random time while the guest
 * program makes system calls through a trampoline and by signal.  Nothing
 * may be lost or done twice: the program counts in a register and in a SIMD
 * register, we count exits.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "worlds.h"

#define SECONDS	3

SNIPPET(counting,
	"1: inc %rbx\n"
	"paddq %xmm1, %xmm0\n"
	"movq %xmm0, %rdx\n"
	"imul $0x9e3779b1, %ebx, %ecx\n"	/* some time */
	"shr $19, %ecx\n"
	"2: dec %ecx\n"
	"jns 2b\n"
	"mov $39, %eax\n"
	"syscall\n"		/* gets patched */
	"inc %rbx\n"
	"paddq %xmm1, %xmm0\n"
	"movq %xmm0, %rdx\n"
	"mov $1, %eax; nop\n"
	"syscall\n"		/* stays as it is */
	"jmp 1b");

/* Spinning, as with two CPUs; and as with one. */
static const struct baton_tuning settings[] = {
	{ .spin_ns = 30000 },
	{ .kernel_yields = 1, .world_yields = 1 },
	{ .spin_ns = 1000, .kernel_yields = 100 },
};
static uint64_t kicks, fast, in_stub;
static volatile uint64_t *beat;		/* stays begun, for the storm */

/* Some time within a call's way through the stub and back. */
static void kick_at_random(const struct baton_tuning *base)
{
	static uint32_t random = 12345;
	struct baton_tuning t = *base;

	random = random * 1664525 + 1013904223;
	t.kick_after = 1 + (random >> (12 + random % 13));
	baton_tune(&t);
}

static void patch_first(struct world *w)
{
	struct world_request r = { .gva = CODE, .length = PAGE_SIZE, .op = WORLD_MAP,
				   .prot = WORLD_PROT_R | WORLD_PROT_X };
	enum world_source source;
	bool patched = false;

	ck_assert(patch_image(vcpu, GVA(CODE), GPA(CODE_PAGE), &source, &r.offset));
	for (unsigned i = 0; i < 20 && !patched; i++) {
		run(w);
		patched = patch_syscall_site(vcpu, GVA(vcpu->rip), GPA(CODE_PAGE), &source,
					     &r.offset);
	}
	ck_assert(patched);
	ck_assert_int_eq(source, WORLD_PATCHED);
	r.source = (uint8_t)source;
	world_request(w, &r);
	vcpu->rip = CODE;
}

static void stress(struct world *w, const struct baton_tuning *base, uint64_t *counts)
{
	uint64_t deadline = clock_ns() + SECONDS * 1000000000ul, count = 0;

	while (clock_ns() < deadline) {
		kick_at_random(base);
		if (beat)
			++*beat;
		run(w);
		counts[last.reason]++;
		if (last.reason == WORLD_EXIT_INTERRUPTED)
			in_stub += w->area->reason == REASON_UNCHANGED ||
				   world_reserved(w->frame->rip, 1);
		switch (last.reason) {
		case WORLD_EXIT_INTERRUPTED:
			kicks++;
			break;
		case WORLD_EXIT_PATCH:
			/* Resumed between MOV and SYSCALL: interpret it. */
			ck_assert_uint_eq(vcpu->regs[REG_RAX], 39);
			vcpu->rip += 2;
			/* fall through */
		case WORLD_EXIT_SYSCALL:
			count++;
			fast += last.reason == WORLD_EXIT_SYSCALL && !last.trapped;
			ck_assert_uint_eq(vcpu->regs[REG_RBX], count);
			ck_assert_uint_eq(vcpu->regs[REG_RDX], count);
			ck_assert_uint_eq(vcpu->regs[REG_RAX], count & 1 ? 39 : 1);
			ck_assert_uint_eq(vcpu->regs[REG_R12], 0x1212);
			ck_assert_uint_eq(vcpu->regs[REG_RSP], STACK);
			if (count % 7 == 0)
				world_fpu_fetch(vcpu);
			if (count % 11 == 0)
				world_quiesce();
			if (count % 13 == 0)
				request(w, WORLD_MAP, DATA + 0x100000, PAGE_SIZE, 0x300000,
					WORLD_PROT_R);
			if (count % 17 == 0)
				ck_assert_int_eq(world_sync(w), 0);
			break;
		default:
			ck_abort_msg("exit %d vector %d at %lx", last.reason, last.vector, vcpu->rip);
		}
	}
}

/* A world that counts, with a patched site, its registers at the start. */
static struct world *counting_up(void)
{
	struct world *w;
	uint64_t one = 1;

	machine_up(1);
	w = world_get(0);
	LOAD(w, counting);
	patch_first(w);
	LOAD(w, counting);
	patch_drop(GPA(CODE_PAGE));	/* LOAD wrote the page */
	vcpu->fpu_place = FPU_IN_MEMORY;
	vcpu->regs[REG_RDX] = 0;
	patch_first(w);
	vcpu->fpu_place = FPU_IN_MEMORY;
	memset(vcpu->xsave + 160, 0, 32);
	memcpy(vcpu->xsave + 176, &one, 8);
	vcpu->xsave[512] = 3;
	vcpu->regs[REG_RBX] = 0;
	vcpu->regs[REG_R12] = 0x1212;
	return w;
}

START_TEST(nothing_is_lost)
{
	uint64_t counts[8] = { 0 };
	struct world *w = counting_up();

	stress(w, &settings[_i], counts);
	ck_assert_uint_gt(counts[WORLD_EXIT_SYSCALL], 100);
	ck_assert_uint_gt(kicks, 10);	/* few on a busy host */
	ck_assert_uint_gt(fast, 100);
	printf("%lu calls (%lu fast), %lu kicks, %lu of them in the stub, %lu between MOV and "
	       "SYSCALL\n", counts[WORLD_EXIT_SYSCALL], fast, kicks, in_stub,
	       counts[WORLD_EXIT_PATCH]);
	worlds_exit();
}
END_TEST

/* Kicks that nobody asked for, also on top of each other: sent by another process. */
START_TEST(storm)
{
	uint64_t counts[8] = { 0 };
	struct world *w = counting_up();
	int pid;

	beat = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();

	if (!pid) {
		uint64_t seen = 0;

		prctl(PR_SET_PDEATHSIG, 9);
		/* Up to three for each stay: they queue where the world has no CPU. */
		for (uint32_t random = 1;; random = random * 1664525 + 1013904223) {
			while (*beat == seen)
				__builtin_ia32_pause();
			seen = *beat;
			for (unsigned i = random >> 20; i; i--)
				__builtin_ia32_pause();
			for (unsigned i = random >> 30; i; i--)
				kill(w->pid, STUB_KICK_SIGNAL);
		}
	}
	stress(w, &settings[_i], counts);
	kill(pid, 9);
	printf("%lu calls (%lu fast) in a storm, %lu kicks\n", counts[WORLD_EXIT_SYSCALL], fast, kicks);
	worlds_exit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kick");
	TCase *tc = tcase_create("kick");

	tcase_set_timeout(tc, 25);
	tcase_add_loop_test(tc, nothing_is_lost, 0, (int)array_size(settings));
	tcase_add_loop_test(tc, storm, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
