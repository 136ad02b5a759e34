// SPDX-License-Identifier: MIT
/*
 * Hypercalls are the kernel's: at CPL3, in 64-bit and in compatibility code, each number is -EPERM,
 * those that do not exist included; nothing else of the program changes, and no memory.
 */
#include "case.h"
#include "page.h"
#include "random.h"
#include "user.h"

CASE_NEEDS(0, 0);

user_program(user_vmcall, "vmcall\n\tud2");
user_program(user_vmmcall, "vmmcall\n\tud2");
user_program32(user_vmcall32, "vmcall\n\tud2");
user_program32(user_vmmcall32, "vmmcall\n\tud2");

static void refused(uint64_t number, bool bits64)
{
	const char *program = case_vmmcall() ? bits64 ? user_vmmcall : user_vmmcall32 :
			      bits64 ? user_vmcall : user_vmcall32;
	uint64_t pa = virt_to_phys(user_data);
	struct trap_frame before;

	user_prepare(user_address(program));
	user_frame.cs = bits64 ? USER_CS : USER_CS32;
	user_frame.rax = number;
	user_frame.rdi = pa;
	user_frame.rsi = user_frame.rdx = 8;
	user_frame.rbx = 0x1234;
	user_frame.rcx = 0x4567;
	user_frame.rbp = 0x89ab;
	if (bits64) {
		user_frame.r8 = 8;
		user_frame.r10 = user_frame.r9 = pa;
		user_frame.r11 = user_frame.r12 = user_frame.r13 = user_frame.r15 = ~pa;
	}
	before = user_frame;
	if (!expect_equal(user_enter(), UD, "call %lx", number))
		return;
	if (bits64)
		expect_equal(user_frame.rax, (uint64_t)HYPERCALL_EPERM, "call %lx", number);
	else
		expect_equal((uint32_t)user_frame.rax, (uint32_t)HYPERCALL_EPERM, "call %lx", number);
	expect_equal(user_frame.rdi, before.rdi);
	expect_equal(user_frame.rsi, before.rsi);
	expect_equal(user_frame.rdx, before.rdx);
	expect_equal(user_frame.rbx, before.rbx);
	expect_equal(user_frame.rcx, before.rcx);
	expect_equal(user_frame.rbp, before.rbp);
	expect_equal(user_frame.rsp, before.rsp);
	expect_equal(user_frame.rflags & ~FLAG_RF, before.rflags);
	if (bits64) {
		expect_equal(user_frame.r8, before.r8);
		expect_equal(user_frame.r9, before.r9);
		expect_equal(user_frame.r10, before.r10);
		expect_equal(user_frame.r11, before.r11);
		expect_equal(user_frame.r12, before.r12);
		expect_equal(user_frame.r13, before.r13);
		expect_equal(user_frame.r15, before.r15);
	}
}

static void all(void)
{
	for (uint64_t n = 0; n < CASE_CALLS; n++) {
		refused(n, true);
		refused(n, false);
	}
	for (unsigned i = 0; i < 100; i++)
		refused(random(), true);
}

void test_main(void)
{
	user_init();
	case_find();
	all();
	case_begin();
	all();
	for (unsigned i = 0; i < USER_DATA_PAGES * PAGE_SIZE; i++)
		if (!expect_equal(user_data[i], 0, "byte %u", i))
			break;
}
