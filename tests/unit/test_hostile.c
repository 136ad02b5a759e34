// SPDX-License-Identifier: MIT
/*
 * Hostile guest programs against their own world: whatever they do, the world
 * lives, says only what a program could have made happen, maps nothing it was
 * not told to, and stands still when it must.
 */
#include "worlds.h"

#include "base/hostcall.h"

extern const uint8_t stub_start[], stub_end[], gate_mmap[], gate_mprotect[], gate_munmap[],
	gate_prove_fast[], gate_prove_chore[], gate_prove_signal[], gate_prove_ready[],
	gate_altstack[], gate_wait_fast[], gate_wait_signal[], gate_wake_fast[], gate_wake_signal[],
	gate_yield_fast[], gate_yield_signal[];

#define SECRET		0x700000ul	/* a page of RAM that no world maps */
#define TEXT_(x)	#x
#define TEXT(x)		TEXT_(x)
#define AREA(field)	TEXT(AREA_##field) "(%rdi)"
#define AREA_RDI	"mov $" TEXT(STUB_BASE) " + 0x10000, %rdi\n"
#define AT(label)	(STUB_TEXT + (uint64_t)((label) - stub_start))

/* Jump where RBX says, with flags from R15. */
SNIPPET(jump, "lea -64(%rsp), %rsp; push %r15; popf; lea 72(%rsp), %rsp; mov %r14, %rsp; jmp *%rbx");
SNIPPET(alive, "movq %rbx, %xmm5; mov %rbx, %rdx; inc %rdx; mov $39, %eax; syscall");

/* One stay, ended by a kick if nothing else does. */
static void run_bounded(struct world *w)
{
	vcpu->fast.kick = 0;
	timer_kick(1);
	run(w);
	vcpu->fast.kick = 0;
	ck_assert_int_ne(last.reason, WORLD_EXIT_DIED);
}

/* A stay that ends by itself, on a host that may be busy. */
static void run_through(struct world *w)
{
	for (unsigned i = 0; i < 100; i++) {
		run_bounded(w);
		if (last.reason != WORLD_EXIT_INTERRUPTED)
			break;
	}
}

/* The world still works, its memory is what it should be. */
static void check_health(struct world *w)
{
	static uint64_t value = 1;

	ck_assert_msg(w->started, "the world is dead");
	world_clear(w);
	LOAD(w, alive);
	value += 2;
	vcpu->regs[REG_RBX] = value;
	run_through(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_SYSCALL);
	ck_assert_uint_eq(vcpu->regs[REG_RAX], 39);
	ck_assert_uint_eq(vcpu->regs[REG_RDX], value + 1);
	world_fpu_fetch(vcpu);
	ck_assert_mem_eq(vcpu->xsave + 160 + 5 * 16, &value, 8);
	ck_assert_uint_eq(*(const uint64_t *)ram_pointer(GPA(SECRET), 8), 0x5ec2e7);
}

static struct world *up(void)
{
	machine_up(1);
	*(uint64_t *)ram_writable(GPA(SECRET), 8) = 0x5ec2e7;
	return world_get(0);
}

START_TEST(jump_to_every_byte)
{
	static const uint64_t flags[] = { 0x202, 0x302 /* TF */, 0x40602 /* AC, DF */ };
	const uint64_t stacks[] = { STACK, 0, STUB_AREA + AREA_STACK + AREA_STACK_SIZE,
				    STUB_AREA + AREA_STACK + 0x100, STUB_CONST, 1 };
	struct world *w = up();
	unsigned trial = 0;

	for (uint64_t at = STUB_TEXT + (uint64_t)_i * 0x100;
	     at < STUB_TEXT + ((uint64_t)_i + 1) * 0x100; at++) {
		trial++;
		LOAD(w, jump);
		for (unsigned i = 0; i < REG_COUNT; i++)
			vcpu->regs[i] = at * (i + 1);
		vcpu->regs[REG_RSP] = STACK;
		vcpu->regs[REG_RBX] = at;
		vcpu->regs[REG_R15] = flags[trial % array_size(flags)];
		vcpu->regs[REG_R14] = stacks[trial % array_size(stacks)];
		vcpu->regs[REG_RDI] = trial % 3 ? DATA : 62;
		run_bounded(w);
		check_health(w);
	}
	worlds_exit();
}
END_TEST

/* Every system call, from every gate: only what the gate is for is executed. */
START_TEST(every_call_from_every_gate)
{
	const uint8_t *gates[] = { gate_mmap, gate_mprotect, gate_munmap, gate_prove_fast,
				   gate_prove_chore, gate_prove_signal, gate_prove_ready,
				   gate_altstack, gate_wait_fast, gate_wait_signal, gate_wake_fast,
				   gate_wake_signal, gate_yield_fast, gate_yield_signal };
	struct world *w = up();

	for (unsigned nr = 0; nr < 470; nr += 3) {
		const uint8_t *gate = gates[_i];

		LOAD(w, jump);
		vcpu->regs[REG_RAX] = nr;
		vcpu->regs[REG_RBX] = AT(gate) - 2;
		vcpu->regs[REG_RDI] = DATA;
		vcpu->regs[REG_RSI] = PAGE_SIZE;
		vcpu->regs[REG_RDX] = 7;
		vcpu->regs[REG_R10] = 0x11;
		vcpu->regs[REG_R8] = STUB_FD_RAM;
		vcpu->regs[REG_R15] = 0x202;
		vcpu->regs[REG_R14] = STACK;
		run_bounded(w);
		if (nr % 50 == 0)
			check_health(w);
	}
	check_health(w);
	worlds_exit();
}
END_TEST

/* Map the secret page by the stub's own instruction, without the cookie. */
START_TEST(forged_requests)
{
	static const uint64_t guesses[] = { 0, ~0ul, 0x1234567887654321ul };
	struct world *w = up();

	for (unsigned i = 0; i < array_size(guesses); i++) {
		LOAD(w, jump);
		vcpu->regs[REG_RAX] = SYS_mmap;
		vcpu->regs[REG_RBX] = AT(gate_mmap) - 2;
		vcpu->regs[REG_RDI] = 0x10000000;
		vcpu->regs[REG_RSI] = PAGE_SIZE;
		vcpu->regs[REG_RDX] = 3 | (guesses[i] & 0xffffffff00000000ul);
		vcpu->regs[REG_R10] = 0x11;
		vcpu->regs[REG_R8] = STUB_FD_RAM | guesses[i] << 32;
		vcpu->regs[REG_R9] = SECRET;
		vcpu->regs[REG_R15] = 0x202;
		vcpu->regs[REG_R14] = STACK;
		run_through(w);
		/* For the guest nothing is there. */
		ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
		ck_assert_int_eq(last.vector, VEC_PF);
		ck_assert_uint_eq(last.address, AT(gate_mmap) - 2);
		ck_assert_uint_eq(vcpu->rip, AT(gate_mmap) - 2);
		check_health(w);
	}
	worlds_exit();
}
END_TEST

/* Through the stub's own loop, with requests and a cookie of one's own in the area. */
SNIPPET(batch_forger,
	AREA_RDI
	"movl $1, " AREA(COUNT) "\n"
	"movq $0x77, " AREA(COOKIE) "\n"
	"movl $3, " AREA(COMMAND) "\n"		/* RUN, BATCH */
	"movl $1, " AREA(TURN) "\n"
	"movq $9, 0x1000(%rdi)\n"		/* mmap: address, length, protection, descriptor, offset */
	"movq $0x10000000, 0x1008(%rdi)\n"
	"movq $4096, 0x1010(%rdi)\n"
	"movq $3, 0x1018(%rdi)\n"
	"movq $3, 0x1020(%rdi)\n"
	"movq $0x700000, 0x1028(%rdi)\n"
	"jmp *%rbx");

START_TEST(forged_batch)
{
	struct world *w = up();

	for (uint64_t at = AT(stub_start) + 0x80; at < AT(stub_end); at += 1) {
		LOAD(w, batch_forger);
		vcpu->regs[REG_RBX] = at;
		run_bounded(w);
	}
	check_health(w);
	LOAD(w, batch_forger);		/* what it wanted is not there */
	memcpy(ram_writable(GPA(CODE), 16), "\x48\x8b\x07\x0f\x05", 5);	/* mov (%rdi), %rax */
	vcpu->regs[REG_RDI] = 0x10000000;
	run_bounded(w);
	ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
	worlds_exit();
}
END_TEST

/* Fill the whole control area, then fault, call, spin, or run on over the stub. */
SNIPPET(fill_ud, "mov %rbx, %rax; rep stosq; ud2");
SNIPPET(fill_syscall, "mov %rbx, %rax; rep stosq; mov $0x6fffe0018100, %rsp; syscall");
SNIPPET(fill_spin, "mov %rbx, %rax; rep stosq; 1: jmp 1b");
SNIPPET(fill_fast, "mov %rbx, %rax; rep stosq; mov $0x6fffe0000000, %rcx; jmp *%rcx");

START_TEST(write_every_writable_page)
{
	static const uint64_t patterns[] = { 0, 1, ~0ul, 0x6fffe0018000, 0x0000000100000001,
					     0x0000000300000003, 0x8000000000000000 };
	const struct { const uint8_t *begin, *end; } codes[] = {
		{ fill_ud_begin, fill_ud_end }, { fill_syscall_begin, fill_syscall_end },
		{ fill_spin_begin, fill_spin_end }, { fill_fast_begin, fill_fast_end },
	};
	struct world *w = up();

	for (unsigned p = 0; p < array_size(patterns); p++)
		for (unsigned c = 0; c < array_size(codes); c++) {
			snippet_load(w, codes[c].begin, codes[c].end);
			vcpu->regs[REG_RBX] = patterns[p];
			vcpu->regs[REG_RDI] = STUB_AREA;
			vcpu->regs[REG_RCX] = STUB_AREA_SIZE / 8;
			run_bounded(w);
			check_health(w);
		}
	/* The rest of the stub cannot be written. */
	const uint64_t fixed[] = { STUB_TEXT, STUB_CONST, STUB_TRAMPOLINES, STUB_TABLE };

	for (unsigned i = 0; i < array_size(fixed); i++) {
		LOAD(w, fill_ud);
		vcpu->regs[REG_RDI] = fixed[i];
		vcpu->regs[REG_RCX] = 1;
		run_through(w);
		ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
		ck_assert_int_eq(last.vector, VEC_PF);
		ck_assert_uint_eq(last.address, fixed[i]);
	}
	check_health(w);
	worlds_exit();
}
END_TEST

SNIPPET(stack_ud, "mov %rbx, %rsp; ud2");

START_TEST(stack_anywhere)
{
	struct world *w = up();
	const uint64_t odd[] = { 0, 1, 7, ~0ul, 0x800000000000, STUB_TEXT, STUB_TABLE, STUB_CONST,
				 STUB_END, STUB_AREA, 0x7ffffffff000, STACK + 3 };

	for (unsigned i = 0; i < array_size(odd); i++) {
		LOAD(w, stack_ud);
		vcpu->regs[REG_RBX] = odd[i];
		run_through(w);
		ck_assert_int_eq(last.vector, VEC_UD);
		ck_assert_uint_eq(vcpu->regs[REG_RSP], odd[i]);
	}
	for (uint64_t sp = STUB_AREA + AREA_STACK - 64; sp <= STUB_AREA + STUB_AREA_SIZE + 64;
	     sp += 8 * 37) {
		LOAD(w, stack_ud);
		vcpu->regs[REG_RBX] = sp;
		run_through(w);
		ck_assert_int_eq(last.reason, WORLD_EXIT_FAULT);
		ck_assert_int_eq(last.vector, VEC_UD);
		ck_assert_uint_eq(vcpu->regs[REG_RSP], sp);
	}
	check_health(w);
	worlds_exit();
}
END_TEST

/* Calls that would change the process: all are the program's own. */
SNIPPET(own_call, "mov %rbx, %rax; syscall");

START_TEST(no_call_is_executed)
{
	struct world *w = up();

	for (unsigned nr = 0; nr < 470; nr++) {
		LOAD(w, own_call);
		vcpu->regs[REG_RBX] = nr;
		vcpu->regs[REG_RDI] = STUB_AREA;
		run_through(w);
		ck_assert_msg(last.reason == WORLD_EXIT_SYSCALL, "call %u: exit %d, vector %d",
			      nr, last.reason, last.vector);
		ck_assert_uint_eq(vcpu->regs[REG_RAX], nr);
		ck_assert_uint_eq(vcpu->rip, CODE + 5);
	}
	check_health(w);
	worlds_exit();
}
END_TEST

/*
 * Give the baton back without stopping, and go on: count in memory, copy any
 * cookie that is seen, and give the baton back whenever it is taken.
 */
SNIPPET(runs_on,
	AREA_RDI
	"mov $0x600000, %esi\n"
	"1: mov " AREA(COOKIE) ", %rax\n"
	"test %rax, %rax\n"
	"jz 2f\n"
	"mov %rax, 8(%rsi)\n"
	"2: incq (%rsi)\n"
	"movl $0, " AREA(TURN) "\n"
	"movl $1, " AREA(MODE) "\n"		/* MODE_SIGNAL */
	"mov " AREA(KICK_SEQ) ", %eax\n"
	"mov %eax, " AREA(KICK_ACK) "\n"	/* acknowledge kicks */
	"jmp 1b");

START_TEST(running_on)
{
	struct world *w = up();
	const volatile uint64_t *data = ram_pointer(GPA(DATA), 16);

	for (unsigned i = 0; i < 30; i++) {
		uint64_t then;

		LOAD(w, runs_on);
		run_bounded(w);
		if (i & 1)
			request(w, WORLD_UNMAP, DATA, PAGE_SIZE, 0, 0);
		if (i & 2)
			ck_assert_int_eq(world_sync(w), 0);
		world_quiesce();
		then = data[0];
		usleep(500);
		ck_assert_uint_eq(data[0], then);
		ck_assert_uint_eq(data[1], 0);
		if (i % 10 == 9)
			check_health(w);
	}
	ck_assert_uint_gt(data[0], 0);
	worlds_exit();
}
END_TEST

/* State that XRSTOR in the kernel world would refuse. */
SNIPPET(bad_xsave,
	AREA_RDI
	"mov $-1, %rax\n"
	"mov $0x1d000/8, %ecx\n"
	"add $" TEXT(AREA_XSAVE) ", %rdi\n"
	"rep stosq\n"
	AREA_RDI
	"movl $1, " AREA(REASON) "\n"		/* REASON_FAST */
	"movl $0, " AREA(TURN) "\n"
	"1: jmp 1b");

START_TEST(malformed_simd_state)
{
	struct world *w = up();

	for (unsigned i = 0; i < 5; i++) {
		LOAD(w, bad_xsave);
		run_bounded(w);
		world_fpu_fetch(vcpu);
		__asm__ volatile("xrstor64 %0" : : "m"(vcpu->xsave), "a"(-1), "d"(-1)
				 : "memory");
		check_health(w);
	}
	worlds_exit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tc = tcase_create("hostile");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, jump_to_every_byte, 0, STUB_TEXT_SIZE / 0x100);
	tcase_add_loop_test(tc, every_call_from_every_gate, 0, 14);
	tcase_add_test(tc, forged_requests);
	tcase_add_test(tc, forged_batch);
	tcase_add_test(tc, write_every_writable_page);
	tcase_add_test(tc, stack_anywhere);
	tcase_add_test(tc, no_call_is_executed);
	tcase_add_test(tc, running_on);
	tcase_add_test(tc, malformed_simd_state);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
