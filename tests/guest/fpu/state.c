// SPDX-License-Identifier: MIT
/*
 * x87, SSE and AVX registers belong to whoever set them: they survive exceptions, SYSCALL, CPL
 * changes, address-space changes and interrupts as long as nobody writes them; the kernel's use
 * is seen by the user and the user's by the kernel; CR0.TS makes the next use #NM, which a lazy
 * kernel answers with FXSAVE and FXRSTOR.
 */
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "user.h"

user_program(u_set,
	"movq %rdi, %xmm0; movq %rsi, %xmm15; pshufd $0x44, %xmm0, %xmm7; fninit; fld1; fldpi; syscall");
user_program(u_get, "movq %xmm0, %rax; movq %xmm15, %rbx; fstpl -8(%rsp); mov -8(%rsp), %rdx; syscall");
user_program(u_set_avx, "vmovq %rdi, %xmm3; vinsertf128 $1, %xmm3, %ymm3, %ymm3; syscall");
user_program(u_get_avx, "vextractf128 $1, %ymm3, %xmm4; vmovq %xmm4, %rax; syscall");
user_program(u_spin, "movq %rdi, %xmm5; 1: movq %xmm5, %rax; cmp %rdi, %rax; jne 2f; dec %rsi; jnz 1b; 2: syscall");
user_program(u_mxcsr, "ldmxcsr (%rdi); fldcw 4(%rdi); stmxcsr 8(%rdi); fnstcw 12(%rdi); syscall");

static uint64_t root[2];

static uint64_t kernel_get(void)
{
	uint64_t v;

	__asm__ volatile("movq %%xmm0, %0" : "=r"(v));
	return v;
}

static void crossing(void)
{
	for (uint64_t i = 1; i < 50; i++) {
		uint64_t a = i * 0x0101010101010101ul, b = ~a;

		expect_equal(user_run(u_set, a, b, 0), TRAP_SYSCALL);
		expect_equal(kernel_get(), a, "kernel sees the user's");
		if (i % 3 == 0)
			expect_equal(TRY("ud2", ::: "memory"), UD);
		if (i % 5 == 0)
			cr3_write(root[i & 1]);
		if (i % 7 == 0) {
			a += 3;
			__asm__ volatile("movq %0, %%xmm0" :: "r"(a));
		}
		expect_equal(user_run(u_get, 0, 0, 0), TRAP_SYSCALL);
		expect_equal(user_frame.rax, a, "XMM0, round %lu", i);
		expect_equal(user_frame.rbx, b, "XMM15, round %lu", i);
		expect_equal(user_frame.rdx, 0x400921fb54442d18ul, "pi on the x87 stack, round %lu", i);
	}
}

static uint8_t area[2][512] __attribute__((aligned(16)));
static unsigned owner, loaded, lazy_faults;

static bool lazy(struct trap_frame *f)
{
	(void)f;
	__asm__ volatile("clts" ::: "memory");
	if (loaded != owner) {
		__asm__ volatile("fxsave %0" : "=m"(area[loaded]));
		__asm__ volatile("fxrstor %0" :: "m"(area[owner]));
		loaded = owner;
	}
	lazy_faults++;
	return true;
}

static void lazy_switching(void)
{
	__asm__ volatile("fninit; fxsave %0; fxsave %1" : "=m"(area[0]), "=m"(area[1]));
	trap_handler[NM] = lazy;
	uint64_t first = kernel_get();

	lazy_faults = 0;
	for (uint64_t i = 1; i < 40; i++) {
		owner = i & 1;
		cr3_write(root[owner]);
		cr0_write(cr0_read() | CR0_TS);
		expect_equal(user_run(u_set, 1000 * owner + i, 7, 0), TRAP_SYSCALL);
		owner ^= 1;
		cr3_write(root[owner]);
		cr0_write(cr0_read() | CR0_TS);
		expect_equal(user_run(u_get, 0, 0, 0), TRAP_SYSCALL);
		expect_equal(user_frame.rax, i == 1 ? first : 1000 * owner + i - 1, "task %u round %lu", owner, i);
	}
	expect_equal(lazy_faults, 2 * 39);
	__asm__ volatile("clts" ::: "memory");
	trap_handler[NM] = NULL;
}

static bool tick(struct trap_frame *f)
{
	(void)f;
	/* A handler that uses SIMD registers and puts them back, as kernel_fpu_begin() would. */
	__asm__ volatile("fxsave %0; pxor %%xmm5, %%xmm5; pcmpeqb %%xmm0, %%xmm0; fninit; fxrstor %0"
			 : "+m"(area[0]));
	lapic_eoi();
	lapic_timer_in(0x50, time_tsc_khz() / 10);
	return true;
}

static void interrupted(void)
{
	lapic_enable();
	trap_handler[0x50] = tick;
	lapic_timer_in(0x50, time_tsc_khz() / 10);
	user_prepare(user_address(u_spin));
	user_frame.rdi = 0x5a5a5a5a12345678ul;
	user_frame.rsi = test_option("spins", 3000000);
	user_frame.rflags |= FLAG_IF;
	expect_equal(user_enter(), TRAP_SYSCALL);
	expect_equal(user_frame.rsi, 0, "XMM5 changed under interrupts");
	lapic_timer_stop();
}

static void avx(void)
{
	if (!cpu_has_avx()) {
		print("no AVX\n");
		return;
	}
	cr4_write(cr4_read() | CR4_OSXSAVE);
	__asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
	for (uint64_t i = 1; i < 20; i++) {
		expect_equal(user_run(u_set_avx, i * 77, 0, 0), TRAP_SYSCALL);
		cr3_write(root[i & 1]);
		expect_equal(TRY("ud2", ::: "memory"), UD);
		expect_equal(user_run(u_get_avx, 0, 0, 0), TRAP_SYSCALL);
		expect_equal(user_frame.rax, i * 77, "high half of YMM3");
	}
	cr4_write(cr4_read() & ~CR4_OSXSAVE);
}

void test_main(void)
{
	uint32_t *data;

	user_init();
	for (unsigned i = 0; i < 2; i++) {
		root[i] = page_root_new();
		user_map_into(root[i]);
	}
	crossing();
	lazy_switching();
	interrupted();
	data = (uint32_t *)user_data;
	data[0] = 0x1f80 | 0x6000;
	data[1] = 0x0f7f;
	expect_equal(user_run(u_mxcsr, USER_DATA, 0, 0), TRAP_SYSCALL);
	expect_equal(data[2], 0x7f80);
	expect_equal((uint16_t)data[3], 0x0f7f);
	uint32_t mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	expect_equal(mxcsr, 0x7f80, "kernel sees MXCSR");
	avx();
}
