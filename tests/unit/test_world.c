// SPDX-License-Identifier: MIT
/*
 * User worlds: real processes that run small pieces of machine code.
 */
#include "worlds.h"

#define ck_reason(r) ck_assert_int_eq(last.reason, WORLD_EXIT_##r)
#define ck_fault(v, e) do {					\
	ck_reason(FAULT);					\
	ck_assert_int_eq(last.vector, v);			\
	ck_assert_int_eq(last.error, e);			\
} while (0)

SNIPPET(syscalls, "1: inc %rbx; mov $39, %eax; .byte 0x90; syscall; jmp 1b");

START_TEST(syscall_by_signal)
{
	struct world *w;

	machine_up(2);
	w = world_get(0);
	LOAD(w, syscalls);
	for (unsigned i = 0; i < REG_COUNT; i++)
		if (i != REG_RSP)
			vcpu->regs[i] = 0x1111111111111111ul * i;
	vcpu->regs[REG_RBX] = 0;
	vcpu->regs[REG_RSP] = 0x123456789abcul;		/* nothing is there: it must not matter */
	vcpu->rflags |= RFLAGS_CF | RFLAGS_DF;
	for (unsigned i = 1; i < 100; i++) {
		run(w);
		ck_reason(SYSCALL);
		ck_assert(last.trapped);
		ck_assert_uint_eq(vcpu->regs[REG_RAX], 39);
		ck_assert_uint_eq(vcpu->regs[REG_RBX], i);
		ck_assert_uint_eq(vcpu->rip, CODE + 11);
		ck_assert_uint_eq(vcpu->regs[REG_RCX], CODE + 11);
		ck_assert_uint_eq(vcpu->regs[REG_R11], vcpu->rflags);
		ck_assert(vcpu->rflags & RFLAGS_DF);
		ck_assert_uint_eq(vcpu->regs[REG_R15], 0x1111111111111111ul * 15);
		ck_assert_uint_eq(vcpu->regs[REG_RSP], 0x123456789abcul);
	}
	worlds_exit();
}
END_TEST

SNIPPET(fault_read, "movabs $0x12345678, %rdi; mov (%rdi), %eax; nop");
SNIPPET(fault_write, "mov $0x400000, %edi; mov %eax, (%rdi); nop");
SNIPPET(fault_upper, "mov $-0x1000, %rdi; mov (%rdi), %eax; nop");
SNIPPET(fault_noncanonical, "movabs $0x8000000000000000, %rdi; mov (%rdi), %eax; nop");
SNIPPET(fault_stack, "movabs $0x8000000000000000, %rsp; push %rax; nop");
SNIPPET(fault_exec, "mov $0x600000, %edi; jmp *%rdi");
SNIPPET(fault_de, "xor %ecx, %ecx; div %ecx");
SNIPPET(fault_ud, "ud2");
SNIPPET(fault_hlt, "hlt");
SNIPPET(fault_int, "int $0x21");
SNIPPET(fault_bp, "int3; nop");
SNIPPET(fault_int80, "int $0x80; nop");
SNIPPET(fault_ac, "pushf; orl $0x40000, (%rsp); popf; mov 1(%rsp), %eax; nop");
SNIPPET(fault_xm, "movl $0x1d80, -4(%rsp); ldmxcsr -4(%rsp); xorps %xmm0, %xmm0; "
		  "movss %xmm0, %xmm1; mov $1, %eax; cvtsi2ss %eax, %xmm1; divss %xmm0, %xmm1");
SNIPPET(fault_mf, "movw $0x340, -2(%rsp); fldcw -2(%rsp); fldz; fld1; fdivp; fwait");
SNIPPET(single_step, "nop; nop; ud2");

START_TEST(faults)
{
	struct world *w;

	machine_up(2);
	w = world_get(1);
	LOAD(w, fault_read);
	run(w);
	ck_fault(VEC_PF, PF_U);
	ck_assert_uint_eq(last.address, 0x12345678);
	ck_assert_uint_eq(vcpu->rip, CODE + 10);
	LOAD(w, fault_write);
	run(w);
	ck_fault(VEC_PF, PF_U | PF_W | PF_P);
	ck_assert_uint_eq(last.address, 0x400000);
	LOAD(w, fault_upper);
	run(w);
	ck_fault(VEC_PF, PF_U | PF_P);
	ck_assert_uint_eq(last.address, -0x1000ul);
	LOAD(w, fault_noncanonical);
	run(w);
	ck_fault(VEC_GP, 0);
	LOAD(w, fault_stack);
	run(w);
	ck_fault(VEC_SS, 0);
	LOAD(w, fault_exec);
	run(w);
	ck_fault(VEC_PF, PF_U | PF_I | PF_P);
	ck_assert_uint_eq(vcpu->rip, DATA);
	LOAD(w, fault_de);
	run(w);
	ck_fault(VEC_DE, 0);
	LOAD(w, fault_ud);
	run(w);
	ck_fault(VEC_UD, 0);
	ck_assert_uint_eq(vcpu->rip, CODE);
	LOAD(w, fault_hlt);
	run(w);
	ck_fault(VEC_GP, 0);
	LOAD(w, fault_int);
	run(w);
	ck_fault(VEC_GP, 0x21 * 8 + 2);
	LOAD(w, fault_bp);
	run(w);
	ck_fault(VEC_BP, 0);
	ck_assert_uint_eq(vcpu->rip, CODE + 1);
	LOAD(w, fault_int80);
	run(w);
	if (last.reason == WORLD_EXIT_INT) {
		ck_assert_int_eq(last.vector, 0x80);
		ck_assert_uint_eq(vcpu->rip, CODE + 2);
	} else {		/* a host without 32-bit calls */
		ck_fault(VEC_GP, 0x80 * 8 + 2);
	}
	LOAD(w, fault_ac);
	run(w);
	ck_fault(VEC_AC, 0);
	ck_assert(vcpu->rflags & RFLAGS_AC);
	LOAD(w, fault_xm);
	run(w);
	ck_fault(VEC_XM, 0);
	LOAD(w, fault_mf);
	run(w);
	ck_fault(VEC_MF, 0);
	LOAD(w, single_step);
	vcpu->rflags |= RFLAGS_TF;
	run(w);
	ck_fault(VEC_DB, 0);
	ck_assert_uint_eq(vcpu->rip, CODE + 1);
	run(w);
	ck_fault(VEC_DB, 0);
	ck_assert_uint_eq(vcpu->rip, CODE + 2);
	vcpu->rip = -0x600000ul;		/* kernel half: canonical, not accessible */
	run(w);
	ck_assert_int_eq(last.vector, VEC_PF);
	ck_assert_uint_eq(vcpu->rip, -0x600000ul);
	vcpu->rip = 0x800000000000ul;
	run(w);
	ck_fault(VEC_GP, 0);
	worlds_exit();
}
END_TEST

SNIPPET(vsyscall, "mov $0xffffffffff600000, %rax; call *%rax; nop");

START_TEST(vsyscall_is_a_page_fault)
{
	struct world *w;

	machine_up(1);
	w = world_get(0);
	LOAD(w, vsyscall);
	run(w);
	ck_reason(FAULT);
	ck_assert_int_eq(last.vector, VEC_PF);
	ck_assert_uint_eq(last.address, 0xffffffffff600000ul);
	ck_assert_uint_eq(vcpu->rip, 0xffffffffff600000ul);
	ck_assert_uint_eq(vcpu->regs[REG_RSP], STACK - 8);
	ck_assert_uint_eq(*(uint64_t *)ram_pointer(GPA(DATA_PAGE + STACK - 8 - DATA), 8), CODE + 9);
	ck_assert(last.error & PF_I);
	worlds_exit();
}
END_TEST

SNIPPET(simd_set, "movabs $0x1122334455667788, %rax; movq %rax, %xmm7; "
		  "vbroadcastsd %xmm7, %ymm9; fld1; syscall; "
		  "vextractf128 $1, %ymm9, %xmm3; movq %xmm3, %rbx; movq %xmm7, %rdx; syscall");
SNIPPET(simd_get, "vextractf128 $1, %ymm9, %xmm3; movq %xmm3, %rbx; movq %xmm7, %rdx; syscall");

START_TEST(simd_follows_the_vcpu)
{
	const uint64_t value = 0x1122334455667788ul;
	struct world *w, *other;

	machine_up(2);
	w = world_get(0);
	other = world_get(1);
	LOAD(w, simd_set);
	run(w);
	ck_reason(SYSCALL);
	ck_assert_int_eq(vcpu->fpu_place, FPU_IN_USER_WORLD);
	run(w);			/* stays where it is */
	ck_reason(SYSCALL);
	ck_assert_uint_eq(vcpu->regs[REG_RBX], value);
	ck_assert_uint_eq(vcpu->regs[REG_RDX], value);
	world_fpu_fetch(vcpu);
	ck_assert_int_eq(vcpu->fpu_place, FPU_IN_MEMORY);
	ck_assert_mem_eq(vcpu->xsave + 160 + 7 * 16, &value, 8);
	vcpu->xsave[160 + 7 * 16] = 0x99;
	LOAD(other, simd_get);		/* marks it in memory, zeroed */
	run(other);
	ck_assert_uint_eq(vcpu->regs[REG_RBX], 0);
	ck_assert_uint_eq(vcpu->regs[REG_RDX], 0);
	LOAD(w, simd_set);
	run(w);
	request(other, WORLD_MAP, CODE, PAGE_SIZE, CODE_PAGE, WORLD_PROT_R | WORLD_PROT_X);
	run(other);		/* moves from w to other */
	ck_assert_uint_eq(vcpu->regs[REG_RBX], value);
	ck_assert_uint_eq(vcpu->regs[REG_RDX], value);
	worlds_exit();
}
END_TEST

SNIPPET(bases, "rdfsbase %rax; rdgsbase %rbx; mov $0x1000, %ecx; wrfsbase %rcx; syscall");

START_TEST(segment_bases)
{
	struct world *w;

	machine_up(1);
	w = world_get(0);
	LOAD(w, bases);
	vcpu->seg[SEG_FS].base = 0x7fff12345678ul;
	vcpu->fast.gs_base[0] = 0xffff888000000000ul;
	run(w);
	ck_assert_uint_eq(vcpu->regs[REG_RAX], 0x7fff12345678ul);
	ck_assert_uint_eq(vcpu->regs[REG_RBX], 0xffff888000000000ul);
	ck_assert_uint_eq(vcpu->seg[SEG_FS].base, 0x1000);
	ck_assert_uint_eq(vcpu->fast.gs_base[0], 0xffff888000000000ul);
	worlds_exit();
}
END_TEST

SNIPPET(compat, ".code32; mov $20, %eax; push %eax; mov %gs:8, %ebx; int $0x80; .code64");

START_TEST(compatibility_mode)
{
	struct world *w;

	machine_up(1);
	w = world_get(0);
	LOAD(w, compat);
	vcpu->seg[SEG_CS].selector = 0x23;
	vcpu->seg[SEG_CS].attr ^= SEG_ATTR_L | SEG_ATTR_DB;
	vcpu->fast.gs_base[0] = DATA;
	*(uint32_t *)ram_writable(GPA(DATA_PAGE + 8), 4) = 0xabcd;
	for (unsigned i = 0; i < 3; i++) {
		vcpu->rip = CODE;
		run(w);
		ck_assert_uint_eq(vcpu->regs[REG_RAX], 20);
		ck_assert_uint_eq(vcpu->regs[REG_RBX], 0xabcd);
		if (last.reason == WORLD_EXIT_INT) {
			ck_assert_int_eq(last.vector, 0x80);
			ck_assert_uint_eq(vcpu->rip, CODE + 15);
		} else {
			ck_fault(VEC_GP, 0x402);
		}
	}
	ck_assert_uint_eq(vcpu->regs[REG_RSP], STACK - 12);
	worlds_exit();
}
END_TEST

SNIPPET(touch, "mov (%rdi), %rax; mov %rax, (%rsi); syscall");

START_TEST(requests)
{
	struct world *w;
	uint64_t calls;

	machine_up(1);
	w = world_get(0);
	LOAD(w, touch);
	ck_assert_int_eq(world_sync(w), 0);
	*(uint64_t *)ram_writable(GPA(0x300000), 8) = 77;
	calls = world_stats.requests;
	for (unsigned i = 0; i < 1000; i++)		/* continue each other: one map call */
		request(w, WORLD_MAP, 0x10000000 + i * PAGE_SIZE, PAGE_SIZE,
			0x300000 + i * PAGE_SIZE, WORLD_PROT_R);
	vcpu->regs[REG_RDI] = 0x10000000;
	vcpu->regs[REG_RSI] = DATA;
	run(w);
	ck_reason(SYSCALL);
	ck_assert_uint_eq(vcpu->regs[REG_RAX], 77);
	ck_assert_uint_eq(world_stats.requests - calls, 1);
	/* Downwards, too. */
	for (unsigned i = 100; i--; )
		request(w, WORLD_MAP, 0x20000000 + i * PAGE_SIZE, PAGE_SIZE,
			0x300000 + i * PAGE_SIZE, WORLD_PROT_R);
	ck_assert_int_eq(world_sync(w), 0);
	ck_assert_uint_eq(world_stats.requests - calls, 2);
	/* Undone before it is done; neighbours in any order. */
	calls = world_stats.requests;
	request(w, WORLD_MAP, 0x20000000, PAGE_SIZE, 0x300000, WORLD_PROT_R);
	request(w, WORLD_UNMAP, 0x20001000, PAGE_SIZE, 0, 0);
	request(w, WORLD_PROTECT, 0x20001000, PAGE_SIZE, 0, WORLD_PROT_R);
	request(w, WORLD_MAP, 0x20001000, PAGE_SIZE, 0x310000, WORLD_PROT_R | WORLD_PROT_W);
	request(w, WORLD_UNMAP, 0x20000000, PAGE_SIZE, 0, 0);
	request(w, WORLD_UNMAP, 0x20005000, PAGE_SIZE, 0, 0);
	request(w, WORLD_UNMAP, 0x20003000, PAGE_SIZE, 0, 0);
	request(w, WORLD_UNMAP, 0x20004000, PAGE_SIZE, 0, 0);
	request(w, WORLD_UNMAP, 0x20002000, PAGE_SIZE, 0, 0);
	ck_assert_int_eq(world_sync(w), 0);
	ck_assert_uint_eq(world_stats.requests - calls, 3);
	vcpu->rip = CODE;
	vcpu->regs[REG_RDI] = vcpu->regs[REG_RSI] = 0x20001000;
	run(w);
	ck_reason(SYSCALL);
	for (unsigned i = 0; i < 6; i++) {
		if (i == 1)
			continue;
		vcpu->rip = CODE;
		vcpu->regs[REG_RDI] = 0x20000000 + i * PAGE_SIZE;
		run(w);
		ck_fault(VEC_PF, PF_U);
	}
	vcpu->regs[REG_RDI] = 0x10000000;
	calls = world_stats.requests;
	/* More than fit the queue. */
	for (unsigned i = 0; i < 1000; i++)
		request(w, WORLD_MAP, 0x30000000 + i * 2 * PAGE_SIZE, PAGE_SIZE, 0x300000,
			WORLD_PROT_R | WORLD_PROT_W);
	vcpu->rip = CODE;
	vcpu->regs[REG_RSI] = 0x30000000 + 1998 * PAGE_SIZE;
	run(w);
	ck_reason(SYSCALL);
	request(w, WORLD_PROTECT, 0x30000000 + 1998 * PAGE_SIZE, PAGE_SIZE, 0, WORLD_PROT_R);
	vcpu->rip = CODE;
	run(w);
	ck_fault(VEC_PF, PF_U | PF_W | PF_P);
	request(w, WORLD_UNMAP, 0x30000000 + 1998 * PAGE_SIZE, PAGE_SIZE, 0, 0);
	run(w);
	ck_fault(VEC_PF, PF_U | PF_W);
	/* Refused ones. */
	request(w, WORLD_MAP, STUB_AREA, PAGE_SIZE, 0, WORLD_PROT_R | WORLD_PROT_W);
	ck_assert_int_ne(world_sync(w), 0);
	request(w, WORLD_UNMAP, STUB_TABLE, PAGE_SIZE, 0, 0);
	ck_assert_int_ne(world_sync(w), 0);
	request(w, WORLD_MAP, DATA, PAGE_SIZE, 0, WORLD_PROT_R | WORLD_PROT_W | WORLD_PROT_X);
	ck_assert_int_ne(world_sync(w), 0);
	request(w, WORLD_MAP, 0, PAGE_SIZE, 0, WORLD_PROT_R);	/* below mmap_min_addr */
	if (world_sync(w) == 0)
		request(w, WORLD_UNMAP, 0, PAGE_SIZE, 0, 0);
	ck_assert_int_eq(world_sync(w), 0);
	/* Two huge mappings at once and nothing left after clearing. */
	world_clear(w);
	vcpu->rip = CODE;
	run(w);
	ck_fault(VEC_PF, PF_U | PF_I);
	worlds_exit();
}
END_TEST

SNIPPET(spin, "1: inc %rbx; jmp 1b");

START_TEST(kick_interrupts)
{
	struct world *w;
	uint64_t before;

	machine_up(1);
	w = world_get(0);
	LOAD(w, spin);
	vcpu->fast.kick = 1;
	run(w);
	ck_reason(INTERRUPTED);
	ck_assert_uint_eq(vcpu->regs[REG_RBX], 0);
	for (unsigned i = 0; i < 20; i++) {
		before = vcpu->regs[REG_RBX];
		vcpu->fast.kick = 0;
		/* From a signal handler of this process, as in life. */
		timer_kick(3);
		run(w);
		ck_reason(INTERRUPTED);
		ck_assert_uint_ge(vcpu->regs[REG_RBX], before);	/* a busy host may not get there */
		ck_assert(vcpu->rip == CODE || vcpu->rip == CODE + 3);
	}
	ck_assert_uint_gt(vcpu->regs[REG_RBX], 0);
	worlds_exit();
}
END_TEST

START_TEST(death_ends_the_machine)
{
	struct world *w;

	machine_up(2);
	w = world_get(0);
	LOAD(w, spin);
	kill_soon(w->pid, 20);
	run(w);
	ck_reason(DIED);
	ck_assert_int_eq(machine.stop, MACHINE_WORLD_DIED);
	worlds_exit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("world");
	TCase *tc = tcase_create("world");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, syscall_by_signal);
	tcase_add_test(tc, faults);
	tcase_add_test(tc, vsyscall_is_a_page_fault);
	tcase_add_test(tc, simd_follows_the_vcpu);
	tcase_add_test(tc, segment_bases);
	tcase_add_test(tc, compatibility_mode);
	tcase_add_test(tc, requests);
	tcase_add_test(tc, kick_interrupts);
	tcase_add_test(tc, death_ends_the_machine);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
