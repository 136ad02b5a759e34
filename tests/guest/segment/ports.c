// SPDX-License-Identifier: MIT
/*
 * I/O instructions at CPL3: allowed by IOPL 3 or by the TSS bitmap, of every width and both
 * kinds of operand, refused with #GP(0) else, also where the bitmap ends; CLI and STI by IOPL.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

user_program(u_in8, "mov %edi, %edx; in %dx, %al; int $0x80");
user_program(u_in16, "mov %edi, %edx; in %dx, %ax; int $0x80");
user_program(u_in32, "mov %edi, %edx; in %dx, %eax; int $0x80");
user_program(u_in_imm, "in $0x61, %al; int $0x80");
user_program(u_out8, "mov %edi, %edx; mov %esi, %eax; out %al, %dx; int $0x80");
user_program(u_ins, "mov %edi, %edx; mov %rsi, %rdi; mov $4, %ecx; rep insb; int $0x80");
user_program(u_cli, "cli; pushf; pop %rax; sti; pushf; pop %rbx; cli; int $0x80");
user_program(u_popf, "pushf; pop %rax; or $0x3200, %rax; push %rax; popf; pushf; pop %rbx; int $0x80");

static int run(const char *code, uint64_t a, uint64_t b, unsigned iopl)
{
	user_prepare(user_address(code));
	user_frame.rdi = a;
	user_frame.rsi = b;
	user_frame.rflags = 2 | (uint64_t)iopl << 12;
	return user_enter();
}

void test_main(void)
{
	user_init();
	tss.io_map = sizeof(tss);		/* none */
	expect_equal(run(u_in8, 0x61, 0, 0), GP);
	expect_equal(run(u_in8, 0x61, 0, 2), GP);
	expect_equal(run(u_in8, 0x61, 0, 3), 0x80, "IOPL 3");
	expect_equal(run(u_in16, 0x61, 0, 3), 0x80);
	expect_equal(run(u_in32, 0x80, 0, 3), 0x80);
	expect_equal(run(u_in_imm, 0, 0, 3), 0x80);
	expect_equal(run(u_out8, 0x80, 1, 3), 0x80);

	memset(tss.io_bitmap, 0xff, sizeof(tss.io_bitmap));
	tss.io_map = (uint16_t)((uint8_t *)tss.io_bitmap - (uint8_t *)&tss);
	expect_equal(run(u_in8, 0x61, 0, 0), GP, "denied by the bitmap");
	tss.io_bitmap[0x61 / 8] &= (uint8_t)~(1u << (0x61 % 8));
	expect_equal(run(u_in8, 0x61, 0, 0), 0x80, "allowed by the bitmap");
	expect_equal(run(u_in_imm, 0, 0, 0), 0x80);
	expect_equal(run(u_in16, 0x61, 0, 0), GP, "both bytes must be allowed");
	expect_equal(trap_last.error, 0);
	expect_equal(run(u_in8, 0x62, 0, 0), GP);
	tss.io_bitmap[0x62 / 8] &= (uint8_t)~(1u << (0x62 % 8));
	expect_equal(run(u_in16, 0x61, 0, 0), 0x80);
	expect_equal(run(u_in32, 0x61, 0, 0), GP);
	expect_equal(run(u_ins, 0x61, USER_DATA, 0), 0x80);
	expect_equal(user_frame.rdi, USER_DATA + 4);
	expect_equal(run(u_ins, 0x63, USER_DATA, 0), GP);
	/* A bitmap cut off by the TSS limit. */
	tss.io_map = sizeof(tss) - 4;
	expect_equal(run(u_in8, 0x61, 0, 0), GP, "beyond the TSS limit");
	tss.io_map = sizeof(tss);

	/* The values: the same port from both levels. */
	out8(0x42 + 1, 0xb0);
	tss.io_map = (uint16_t)((uint8_t *)tss.io_bitmap - (uint8_t *)&tss);
	tss.io_bitmap[0x71 / 8] = 0;
	out8(0x70, 0x0d);
	expect_equal(run(u_in8, 0x71, 0, 0), 0x80);
	expect_equal(user_frame.rax & 0xff, in8(0x71));

	expect_equal(run(u_cli, 0, 0, 0), GP);
	expect_equal(run(u_cli, 0, 0, 3), 0x80, "IOPL 3");
	expect(!(user_frame.rax & FLAG_IF) && (user_frame.rbx & FLAG_IF), "CLI and STI act");
	expect_equal(run(u_popf, 0, 0, 0), 0x80);
	expect(!(user_frame.rbx & (FLAG_IF | FLAG_IOPL)), "POPF at CPL3 changes neither: %lx", user_frame.rbx);
	expect_equal(run(u_popf, 0, 0, 3), 0x80);
	expect_equal(user_frame.rbx & (FLAG_IF | FLAG_IOPL), FLAG_IF | FLAG_IOPL, "POPF with IOPL 3");
}
