// SPDX-License-Identifier: MIT
/*
 * A program at CPL3 that loads FS and GS with a selector of the guest's GDT reads that selector
 * back, in 64-bit and in compatibility mode, as 32-bit thread libraries do.
 */
#include "test.h"
#include "user.h"

user_program(u_load, "mov %edi, %fs; mov %edi, %gs; nop; mov %fs, %eax; mov %gs, %ebx; int $0x80");
user_program32(u32_load, "mov %edi, %fs; mov %edi, %gs; nop; mov %fs, %eax; mov %gs, %ebx; mov %gs:0, %ecx; int $0x80");

void test_main(void)
{
	unsigned selector = (GDT_FREE + 4) * 8 | 3;

	user_init();
	*(uint32_t *)user_data = 0x600dcafe;
	gdt[GDT_FREE + 4] = 0x00cff3000000ffff | (USER_DATA & 0xffffff) << 16 | (USER_DATA >> 24) << 56;
	expect_equal(user_run(u_load, selector, 0, 0), 0x80);
	expect_equal((uint32_t)user_frame.rax, selector, "FS in 64-bit mode");
	expect_equal((uint32_t)user_frame.rbx, selector, "GS in 64-bit mode");
	user_prepare(user_address(u32_load));
	user_frame.cs = USER_CS32;
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" :: "r"(USER_DS));
	user_frame.rdi = selector;
	expect_equal(user_enter(), 0x80);
	expect_equal((uint32_t)user_frame.rcx, 0x600dcafe, "GS-relative in compatibility mode");
	expect_equal((uint32_t)user_frame.rax, selector, "FS in compatibility mode");
	expect_equal((uint32_t)user_frame.rbx, selector, "GS in compatibility mode");
}
