// SPDX-License-Identifier: MIT
/*
 * Patched images: what worlds execute instead of a page, and that it does the
 * same as the page.
 */
#include "worlds.h"

static struct world *w;
static enum world_source source;
static uint64_t offset;

static const uint8_t *image(void)
{
	ck_assert_int_eq(source, WORLD_PATCHED);
	return (const uint8_t *)(LAYOUT_PATCH + offset);
}

static bool ask(uint64_t rip)
{
	return patch_image(vcpu, GVA(rip), GPA(CODE_PAGE), &source, &offset);
}

/* As the vTLB does. */
static void map_image(void)
{
	struct world_request r = { .gva = CODE, .length = PAGE_SIZE, .offset = offset,
				   .op = WORLD_MAP, .prot = WORLD_PROT_R | WORLD_PROT_X,
				   .source = (uint8_t)source };

	world_request(w, &r);
}

static void up(const uint8_t *begin, const uint8_t *end)
{
	machine_up(1);
	w = world_get(0);
	memset(ram_writable(GPA(CODE_PAGE), PAGE_SIZE), 0xcc, PAGE_SIZE);
	snippet_load(w, begin, end);
}
#define UP(name) up(name##_begin, name##_end)

SNIPPET(clean, "mov $1, %eax; rdtsc; syscall");
SNIPPET(immediate, "1: mov $0xa20f, %eax; and $0xf00, %ecx; add $15, %edx; syscall; jmp 1b");
SNIPPET(sensitive, "xor %eax, %eax; cpuid; mov %eax, %ebx; rdtscp; f3_c7_f8: .byte 0xf3, 0x0f, 0xc7, 0xf8; syscall");

START_TEST(clean_page_is_mapped_itself)
{
	UP(clean);
	ck_assert(ask(CODE));
	ck_assert_int_eq(source, WORLD_RAM);
	ck_assert_uint_eq(offset, CODE_PAGE);
	ck_assert(patch_clean(vcpu, GVA(CODE), GPA(CODE_PAGE)));
	worlds_exit();
}
END_TEST

START_TEST(immediates_are_harmless)
{
	UP(immediate);
	ck_assert(ask(CODE));
	ck_assert_int_eq(source, WORLD_RAM);
	worlds_exit();
}
END_TEST

START_TEST(traps_on_sensitive_instructions)
{
	static const unsigned at[] = { 2, 6, 9 };

	UP(sensitive);
	ck_assert(ask(CODE));
	for (unsigned i = 0; i < array_size(at); i++)
		ck_assert_uint_eq(image()[at[i]], 0x06);
	ck_assert_uint_eq(image()[0], 0x31);
	map_image();
	for (unsigned i = 0; i < array_size(at); i++) {
		run(w);
		ck_assert_int_eq(last.reason, WORLD_EXIT_PATCH);
		ck_assert_uint_eq(vcpu->rip, CODE + at[i]);
		vcpu->rip += i == 0 ? 2 : i == 1 ? 3 : 4;	/* "interpreted" */
	}
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_SYSCALL);
	worlds_exit();
}
END_TEST

/* An invalid opcode of the guest's own is no trap of ours. */
SNIPPET(invalid, ".byte 0x06; nop; ud2");
START_TEST(own_invalid_opcode)
{
	UP(invalid);
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
	ck_assert_int_eq(last.vector, VEC_UD);
	vcpu->rip = CODE + 2;
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
	worlds_exit();
}
END_TEST

/* Behind an indirect jump, a cpuid that nothing reaches yet: not mapped until it is reached. */
SNIPPET(unreached, "nop; jmp *%rax; .zero 200, 0x90; cpuid; ret");
START_TEST(unreached_instruction_waits)
{
	UP(unreached);
	ck_assert(!ask(CODE));
	ck_assert(!ask(CODE + 1));
	ck_assert(ask(CODE + 3));
	ck_assert_uint_eq(image()[203], 0x06);
	worlds_exit();
}
END_TEST

SNIPPET(compat32, ".code32; push %es; mov $20, %eax; syscall; nop; sysenter; .code64");
START_TEST(compatibility_code)
{
	UP(compat32);
	vcpu->seg[SEG_CS].attr ^= SEG_ATTR_L | SEG_ATTR_DB;
	vcpu->seg[SEG_CS].selector = 0x23;
	ck_assert(ask(CODE));
	ck_assert_uint_eq(image()[0], 0x06);	/* push %es, as it is */
	ck_assert_uint_eq(image()[6], 0xf4);
	ck_assert_uint_eq(image()[9], 0xf4);
	map_image();
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_PATCH);
	ck_assert_uint_eq(vcpu->rip, CODE + 6);
	vcpu->rip = CODE + 9;
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_PATCH);
	/* The same page as 64-bit code: another analysis. */
	vcpu->seg[SEG_CS].attr ^= SEG_ATTR_L | SEG_ATTR_DB;
	ck_assert(ask(CODE + 1));
	worlds_exit();
}
END_TEST

SNIPPET(calls, "1: mov $39, %eax; syscall; inc %rbx; mov $40, %eax; nop; syscall; jmp 1b");

static void make_hot(void)
{
	bool patched = false;

	ck_assert(ask(CODE));
	for (unsigned i = 0; i < 40 && !patched; i++) {
		run(w);
		ck_assert_int_eq(last.reason, WORLD_EXIT_SYSCALL);
		ck_assert(last.trapped);
		patched = patch_syscall_site(vcpu, GVA(vcpu->rip), GPA(CODE_PAGE), &source,
					     &offset);
	}
	ck_assert(patched);
	ck_assert_uint_eq(vcpu->rip, CODE + 7);	/* the other has no patchable shape */
	map_image();
}

START_TEST(hot_sites_get_trampolines)
{
	uint64_t rbx;

	UP(calls);
	make_hot();
	ck_assert_uint_eq(image()[0], 0xff);
	ck_assert_uint_eq(image()[5], 0x06);
	ck_assert_uint_eq(image()[6], 0x00);
	/* The guest's own page is as it was. */
	ck_assert_mem_eq(ram_pointer(GPA(CODE_PAGE), 7), calls_begin, 7);
	vcpu->rflags |= RFLAGS_CF | RFLAGS_DF | RFLAGS_OF;
	for (unsigned i = 0; i < 20; i++) {
		run(w);		/* the one by signal */
		ck_assert(last.trapped);
		ck_assert_uint_eq(vcpu->regs[REG_RAX], 40);
		rbx = vcpu->regs[REG_RBX];
		vcpu->regs[REG_RSP] = 0x1000 + i;	/* the stack is not touched */
		run(w);		/* the one by trampoline */
		ck_assert_int_eq(last.reason, WORLD_EXIT_SYSCALL);
		ck_assert(!last.trapped);
		ck_assert_uint_eq(vcpu->regs[REG_RAX], 39);
		ck_assert_uint_eq(vcpu->regs[REG_RBX], rbx);
		ck_assert_uint_eq(vcpu->rip, CODE + 7);
		ck_assert_uint_eq(vcpu->regs[REG_RCX], CODE + 7);
		ck_assert_uint_eq(vcpu->regs[REG_R11], vcpu->rflags);
		ck_assert_uint_eq(vcpu->regs[REG_RSP], 0x1000 + i);
		ck_assert(vcpu->rflags & RFLAGS_DF);
	}
	worlds_exit();
}
END_TEST

START_TEST(jump_into_a_patched_site)
{
	UP(calls);
	make_hot();
	vcpu->rip = CODE + 5;		/* as a restarted call does */
	vcpu->regs[REG_RAX] = 123;
	run(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_PATCH);
	ck_assert_uint_eq(vcpu->rip, CODE + 5);
	ck_assert_uint_eq(vcpu->regs[REG_RAX], 123);
	worlds_exit();
}
END_TEST

START_TEST(single_step_over_a_patched_site)
{
	UP(calls);
	make_hot();
	vcpu->rip = CODE;
	vcpu->rflags |= RFLAGS_TF;
	run(w);
	/* The jump was stepped over, not the instruction it stands for: that is left to the
	 * interpreter, nothing of it done. */
	ck_assert_int_eq(last.reason, WORLD_EXIT_PATCH);
	ck_assert_uint_eq(vcpu->rip, CODE);
	worlds_exit();
}
END_TEST

/* A trampoline knows where it returns to, so the same page elsewhere gets a view of its own. */
START_TEST(two_addresses)
{
	uint64_t first;

	UP(calls);
	make_hot();
	first = offset;
	ck_assert(ask(CODE));
	ck_assert_uint_eq(offset, first);
	ck_assert(ask(CODE + 0x100000));
	ck_assert_uint_ne(offset, first);
	ck_assert_uint_eq(image()[0], 0xff);	/* known to be hot */
	patch_drop(GPA(CODE_PAGE));
	ck_assert(ask(CODE));
	ck_assert_int_eq(source, WORLD_RAM);
	worlds_exit();
}
END_TEST

static unsigned flushes;

static void on_flush(void)
{
	flushes++;
}

/* More addresses than there are trampolines: everything starts afresh, and works. */
START_TEST(trampolines_run_out)
{
	UP(calls);
	patch_flush = on_flush;
	make_hot();
	for (uint64_t i = 1; i < STUB_SITES + 10; i++)
		if (!ask(CODE + i * PAGE_SIZE))
			ck_assert_uint_ge(i, STUB_SITES - 1);
	ck_assert_uint_eq(flushes, 1);
	ck_assert(ask(CODE));
	ck_assert_int_eq(source, WORLD_RAM);
	map_image();
	vcpu->rip = CODE;
	make_hot();
	vcpu->rip = CODE;
	run(w);
	ck_assert(!last.trapped);
	worlds_exit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("patch");
	TCase *tc = tcase_create("patch");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, clean_page_is_mapped_itself);
	tcase_add_test(tc, immediates_are_harmless);
	tcase_add_test(tc, traps_on_sensitive_instructions);
	tcase_add_test(tc, own_invalid_opcode);
	tcase_add_test(tc, unreached_instruction_waits);
	tcase_add_test(tc, compatibility_code);
	tcase_add_test(tc, hot_sites_get_trampolines);
	tcase_add_test(tc, jump_into_a_patched_site);
	tcase_add_test(tc, single_step_over_a_patched_site);
	tcase_add_test(tc, two_addresses);
	tcase_add_test(tc, trampolines_run_out);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
