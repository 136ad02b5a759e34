// SPDX-License-Identifier: MIT
/*
 * Random bytes as a user program, many times, a timer ending those that loop: whatever they do,
 * the kernel gets an exception, a system call or an interrupt with CPL3 selectors, its own memory
 * is untouched, and well-behaved programs run as before.
 */
#include "random.h"
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "user.h"

user_program(u_alive, "movq %rdi, %xmm0; movq %xmm0, %rax; cld; push %rax; pop %rbx; int $0x80");

static bool tick(struct trap_frame *f)
{
	lapic_eoi();
	return !(f->cs & 3);		/* at CPL3: end the program */
}

static uint32_t guard[1024];

void test_main(void)
{
	uint64_t runs = test_option("runs", 3000), code = page_alloc_aligned(4 * PAGE_SIZE, PAGE_SIZE);
	uint64_t counts[257] = { 0 };

	random_seed = test_option("seed", 1) * 0x9e3779b97f4a7c15ul;
	user_init();
	lapic_enable();
	trap_handler[0x50] = tick;
	trap_set_dpl(BP, 3);
	for (unsigned i = 0; i < 1024; i++)
		guard[i] = i * 2654435761u;
	for (uint64_t o = 0; o < 4 * PAGE_SIZE; o += PAGE_SIZE)
		page_map(USER_FREE + o, code + o, PTE_P | PTE_W | PTE_U);
	for (uint64_t n = 0; n < runs; n++) {
		uint64_t *p = phys_to_virt(code);

		for (unsigned i = 0; i < 64; i++)
			p[i] = random();
		user_prepare(USER_FREE + (random() & 63));
		user_frame.rflags |= FLAG_IF;
		uint64_t *r = (uint64_t *)&user_frame;

		for (unsigned i = 0; i < 15; i++)
			r[i] = (random() & 3) ? USER_FREE + (random() & 0x3fff) : random();
		user_frame.rsp = USER_FREE + 0x2000 + (random() & 0xfff);
		lapic_timer_in(0x50, time_tsc_khz() / 2);
		int got = user_enter();

		lapic_timer_stop();
		/* One may wait already. */
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
		counts[got & 0x1ff]++;
		expect((user_frame.cs & 3) == 3 || got == TRAP_SYSCALL, "run %lu: vector %d CS %lx", n, got, user_frame.cs);
		/* Flags a program may not set. */
		expect(!(user_frame.rflags & FLAG_IOPL), "run %lu: RFLAGS %lx", n, user_frame.rflags);
		expect(user_frame.rflags & FLAG_IF, "run %lu: RFLAGS %lx", n, user_frame.rflags);
		if (n % 16 == 0) {
			user_map_into(cr3_read());
			expect_equal(user_run(u_alive, n, 0, 0), 0x80, "after run %lu", n);
			expect(user_frame.rax == n && user_frame.rbx == n, "after run %lu: %lx", n, user_frame.rax);
		}
		__asm__ volatile("fninit; ldmxcsr %0" :: "m"((uint32_t){ 0x1f80 }));
		dr7_write(0x400);
		dr6_write(0xffff0ff0);
	}
	for (unsigned i = 0; i < 1024; i++)
		if (guard[i] != i * 2654435761u) {
			expect(false, "kernel memory changed at %u", i);
			break;
		}
	for (unsigned i = 0; i < 257; i++)
		if (counts[i])
			print("%u:%lu ", i, counts[i]);
	print("\n");
	expect(counts[PF] > 0 && counts[UD] + counts[GP] > 0);
}
