// SPDX-License-Identifier: MIT
/*
 * Hardware breakpoints: execution (a fault before, RF passes it once), data writes and accesses
 * of every length (a trap behind), at CPL0 and CPL3 and by string instructions; DR6 says which;
 * DR7.GD guards the registers; DR4 and DR5 alias or are undefined by CR4.DE; disabled ones rest.
 */
#include "test.h"
#include "user.h"

static volatile uint64_t cell[4] __attribute__((aligned(64)));
static volatile unsigned hits;
static volatile uint64_t hit_rip, hit_dr6, hit_flags;

static bool hit(struct trap_frame *f)
{
	hits++;
	hit_rip = f->rip;
	hit_dr6 = dr6_read();
	hit_flags = f->rflags;
	dr6_write(0xffff0ff0);
	if (hit_dr6 & 1 && !(dr7_read() >> 16 & 3))
		f->rflags |= FLAG_RF;
	return true;
}

static void arm(unsigned n, uint64_t address, unsigned type, unsigned length)
{
	switch (n) {
	case 0: dr0_write(address); break;
	case 1: dr1_write(address); break;
	case 2: dr2_write(address); break;
	default: dr3_write(address); break;
	}
	dr7_write(0x400 | 1ul << (n * 2) |
		  (uint64_t)(type | (length == 8 ? 2 : length - 1) << 2) << (16 + n * 4));
	hits = 0;
}

static __attribute__((noinline)) uint64_t target(uint64_t x)
{
	__asm__ volatile("" ::: "memory");
	return x + 1;
}

user_program(u_target, "nop; u_here: inc %rax; syscall");
user_program(u_write, "mov %rax, (%rdi); nop; syscall");

static void execution(void)
{
	arm(0, (uint64_t)target, 0, 1);
	for (unsigned i = 1; i < 6; i++) {
		expect_equal(target(i), i + 1);
		expect_equal(hits, i, "once a call");
		expect_equal(hit_rip, target);
		expect_equal(hit_dr6 & 0xf, 1);
	}
	expect(!(hit_flags & FLAG_RF), "RF in the frame of an instruction breakpoint fault is clear until set");
	dr7_write(0x400);
	hits = 0;
	(void)target(1);
	expect_equal(hits, 0, "disabled");

	extern char u_here[];

	arm(0, user_address(u_here), 0, 1);
	expect_equal(user_run(u_target, 0, 0, 0), TRAP_SYSCALL);
	expect_equal(hits, 1, "CPL3");
	expect_equal(user_frame.rax, 1);
	expect_equal(hit_rip, user_address(u_here));
	dr7_write(0x400);
}

static void data(void)
{
	volatile uint8_t *p = (uint8_t *)cell;

	arm(1, (uint64_t)cell, 1, 8);		/* writes, eight bytes */
	cell[0] = 1;
	__asm__ volatile("" ::: "memory");
	expect_equal(hits, 1, "write");
	expect_equal(hit_dr6 & 0xf, 2);
	p[7] = 1;
	expect_equal(hits, 2, "its last byte");
	p[8] = 1;
	expect_equal(hits, 2, "beside");
	(void)p[0];
	expect_equal(hits, 2, "a read");
	uint64_t at;

	__asm__ volatile("lea 1f(%%rip), %0; movq $5, (%1); 1: nop; nop" : "=&r"(at) : "r"(cell) : "memory");
	expect_equal(hit_rip, at, "a trap: RIP behind the store");
	expect_equal(cell[0], 5, "which has happened");

	arm(2, (uint64_t)cell + 8, 3, 4);	/* accesses, four bytes */
	(void)p[8];
	expect_equal(hits, 1, "read");
	expect_equal(hit_dr6 & 0xf, 4);
	p[11] = 2;
	expect_equal(hits, 2, "write");
	p[12] = 2;
	expect_equal(hits, 2, "beside");
	__asm__ volatile("push (%0); pop %%rax" :: "r"(cell + 1) : "rax", "memory");
	expect_equal(hits, 3, "push of it");
	__asm__ volatile("rep movsb" :: "D"(cell), "S"(cell + 1), "c"(8ul) : "memory");
	expect(hits >= 4, "string instruction: %u", hits);

	user_init();
	arm(3, USER_DATA + 16, 1, 4);
	expect_equal(user_run(u_write, USER_DATA + 16, 0, 0), TRAP_SYSCALL);
	expect_equal(hits, 1, "CPL3 write");
	expect_equal(hit_dr6 & 0xf, 8);
	expect_equal(hit_rip, user_address(u_write) + 3);
	dr7_write(0x400);
	hits = 0;
	cell[0] = 1;
	__asm__ volatile("" ::: "memory");
	expect_equal(hits, 0, "disabled");
}

static void registers(void)
{
	uint64_t v;

	dr6_write(0);
	expect_but_tcg("keeps what is written", (dr6_read() & 0xffff0ff0) == 0xffff0ff0, "DR6 fixed bits: %lx", dr6_read());
	dr7_write(0);
	expect(dr7_read() & 0x400, "DR7 bit 10");
	expect_but_tcg("does not check", TRY("mov %0, %%dr7", :: "r"(1ul << 40) : "memory") == GP, "upper half");
	cr4_write(cr4_read() | CR4_DE);
	expect_equal(TRY("mov %%db4, %0", : "=r"(v) :: "memory"), UD, "DR4 with CR4.DE");
	cr4_write(cr4_read() & ~CR4_DE);
	dr6_write(0xffff0ff1);
	expect_equal(TRY("mov %%db4, %0", : "=r"(v) :: "memory"), TRAP_NONE, "DR4 without");
	expect_equal(v, dr6_read());
	dr6_write(0xffff0ff0);
	if (!test_on_tcg()) {	/* no general detect */
		dr7_write(0x400 | 1u << 13);
		hits = 0;
		v = dr6_read();
		expect_equal(hits, 1, "general detect");
		expect(hit_dr6 & (1u << 13), "DR6.BD: %lx", hit_dr6);
	}
	dr7_write(0x400);
}

static bool detect(struct trap_frame *f)
{
	/* DR7.GD is cleared on entry, so that the handler can look. */
	hits++;
	hit_dr6 = dr6_read();
	f->rip = f->rip;
	dr6_write(0xffff0ff0);
	return true;
}

void test_main(void)
{
	user_init();
	trap_handler[DB] = hit;
	execution();
	data();
	trap_handler[DB] = detect;
	registers();
}
