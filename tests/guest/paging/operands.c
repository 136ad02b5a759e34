// SPDX-License-Identifier: MIT
/*
 * Kernel code reaching user pages with every shape of operand: the kernel's own half and the user
 * half through one and the same instruction, alternating, so that an engine that specializes
 * sites by half is right both ways; faults on the way leave every register as it was.
 */
#include "runtime.h"
#include "test.h"
#include "user.h"

static uint64_t kva;		/* kernel view, kernel half */
static uint64_t uva;		/* same page in the user half */

#define BOTH(at) for (uint64_t pass = 0, at = kva; pass < 6; pass++, at = pass & 1 ? uva : kva)

static void moves(void)
{
	volatile uint64_t *const k = (void *)kva;

	BOTH(at) {
		uint64_t v, i = pass;

		k[0] = 0x1122334455667788ul + pass;
		__asm__ volatile("mov (%1), %0" : "=r"(v) : "r"(at));
		expect_equal(v, k[0]);
		__asm__ volatile("movzbl 1(%1), %k0" : "=r"(v) : "r"(at));
		expect_equal(v, 0x77);
		__asm__ volatile("movsbq 3(%1), %0" : "=r"(v) : "r"(at));
		expect_equal(v, 0x55);
		__asm__ volatile("mov %1, 8(%0)" :: "r"(at), "r"(~i) : "memory");
		expect_equal(k[1], ~i);
		__asm__ volatile("movq $-7, (%0,%1,8)" :: "r"(at), "r"(2ul) : "memory");
		expect_equal(k[2], -7);
		__asm__ volatile("add %1, (%0)" :: "r"(at), "r"(5ul) : "memory", "cc");
		expect_equal(k[0], 0x112233445566778dul + pass);
		__asm__ volatile("add (%1), %0" : "+r"(i) : "r"(at) : "cc");
		expect_equal(i, k[0] + pass);
		__asm__ volatile("lock xadd %0, (%1)" : "+r"(i) : "r"(at) : "memory", "cc");
		expect_equal(k[0], i * 2 + pass);
		__asm__ volatile("xchg %0, 8(%1)" : "+r"(i) : "r"(at) : "memory");
		expect_equal(i, ~pass);
		v = k[2];
		__asm__ volatile("lock cmpxchg %2, 16(%1)" : "+a"(v) : "r"(at), "r"(99ul) : "memory", "cc");
		expect_equal(k[2], 99);
		__asm__ volatile("lock cmpxchg %2, 16(%1)" : "+a"(v) : "r"(at), "r"(98ul) : "memory", "cc");
		expect_equal(v, 99, "failed cmpxchg loads");
		__asm__ volatile("notq (%0); negq (%0); incq (%0); decb (%0); shlq $3, (%0)"
				 :: "r"(at + 16) : "memory", "cc");
		expect_equal(k[2], ((100ul + 1) - 1) * 8, "100 = -~99");
		__asm__ volatile("btsq $9, (%0); btrq $5, (%0)" :: "r"(at + 16) : "memory", "cc");
		expect_equal(k[2], 0x300);
		__asm__ volatile("sete 3(%0); mov (%0), %1" : : "r"(at), "r"(v) : "memory");
	}
}

static void stack_operands(void)
{
	volatile uint64_t *const k = (void *)kva;
	static uint64_t target_hits;

	target_hits = 0;

	BOTH(at) {
		uint64_t v;

		k[0] = 0xabc0 + pass;
		__asm__ volatile("push (%1); pop %0" : "=r"(v) : "r"(at) : "memory");
		expect_equal(v, 0xabc0 + pass);
		__asm__ volatile("push %0; pop 8(%1)" :: "r"(pass + 7), "r"(at) : "memory");
		expect_equal(k[1], pass + 7);
		__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, 16(%0); jmp 2f;"
				 "1: incq %1; ret; 2: call *16(%0); jmp 3f; 3:"
				 :: "r"(at), "m"(target_hits) : "rax", "memory", "cc");
		__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, 24(%0); jmp *24(%0); ud2; 1:"
				 :: "r"(at) : "rax", "memory", "cc");
		/* A stack in the other half. */
		__asm__ volatile("mov %%rsp, %%rbx; lea 2048(%1), %%rsp; push $77; push %1; call 1f; jmp 2f;"
				 "1: ret; 2: pop %%rax; pop %0; mov %%rbx, %%rsp"
				 : "=&r"(v) : "r"(at) : "rax", "rbx", "memory", "cc");
		expect_equal(v, 77);
		expect_equal(k[2048 / 8 - 2], at);
	}
	expect_equal(target_hits, 6);
}

static void strings(void)
{
	uint8_t *const k = (void *)kva;
	static uint8_t buf[256];

	BOTH(at) {
		uint64_t di = at + 512, si = (uint64_t)buf, cx = 200;

		for (unsigned i = 0; i < 256; i++)
			buf[i] = (uint8_t)(i * 3 + pass);
		__asm__ volatile("rep movsb" : "+D"(di), "+S"(si), "+c"(cx) :: "memory");
		expect_equal(memcmp(k + 512, buf, 200), 0, "rep movsb to %lx", at);
		expect(di == at + 712 && si == (uint64_t)buf + 200 && cx == 0);
		memset(buf, 0, sizeof(buf));
		di = (uint64_t)buf, si = at + 512, cx = 25;
		__asm__ volatile("rep movsq" : "+D"(di), "+S"(si), "+c"(cx) :: "memory");
		expect_equal(memcmp(k + 512, buf, 200), 0, "rep movsq from %lx", at);
		di = at + 1024, cx = 16;
		__asm__ volatile("rep stosl" : "+D"(di), "+c"(cx) : "a"(0x01020304) : "memory");
		expect_equal(*(uint32_t *)(k + 1084), 0x01020304);
		expect_equal(di, at + 1088);
		k[1050] = 0xee;
		di = at + 1024, cx = 64;
		__asm__ volatile("repne scasb" : "+D"(di), "+c"(cx) : "a"(0xee) : "memory", "cc");
		expect_equal(di, at + 1051);
		di = at + 512, si = (uint64_t)buf, cx = 100;
		buf[50] ^= 1;
		__asm__ volatile("repe cmpsb" : "+D"(di), "+S"(si), "+c"(cx) :: "memory", "cc");
		expect_equal(cx, 49);
		__asm__ volatile("lodsq" : "+S"(di), "=a"(cx) :: "memory");
	}
}

static void simd(void)
{
	volatile uint64_t *const k = (void *)kva;

	BOTH(at) {
		k[0] = pass, k[1] = ~pass;
		__asm__ volatile("movdqu (%0), %%xmm0; movdqa %%xmm0, 32(%0); movq %%xmm0, 48(%0);"
				 "movups 1(%0), %%xmm1; movups %%xmm1, 65(%0); paddq (%0), %%xmm0;"
				 "movaps %%xmm0, 96(%0); movnti %0, 112(%0); fxsave 256(%0)"
				 :: "r"(at) : "memory");
		expect(k[4] == pass && k[5] == ~pass && k[6] == pass);
		expect(k[12] == 2 * pass && k[13] == 2 * ~pass && k[14] == at);
		__asm__ volatile("fildll (%0); fistpll 128(%0); cmpxchg16b (%0)"
				 :: "r"(at), "a"(pass), "d"(~pass), "b"(5ul), "c"(6ul) : "memory", "cc");
		expect(k[16] == pass && k[0] == 5 && k[1] == 6);
	}
}

static void faults(void)
{
	for (unsigned pass = 0; pass < 4; pass++) {
		uint64_t at = pass & 1 ? uva + 0x5000 : TEST_BASE + 0x5000, v = 5;

		expect_equal(TRY("add (%1), %0", : "+r"(v) : "r"(at) : "memory", "cc"), PF);
		expect(v == 5 && trap_last.cr2 == at);
		expect_equal(TRY("xadd %0, (%1)", : "+r"(v) : "r"(at) : "memory", "cc"), PF);
		expect_equal(v, 5);
		expect_equal(TRY("push (%0)", :: "r"(at) : "memory"), PF);
		expect_equal(TRY_IN("mov %%rsp, %0", "pop (%1)", "sub %%rsp, %0",
				    : "=&r"(v) : "r"(at) : "memory", "cc"), PF);
		expect_equal(v, 0, "RSP after a faulting POP");
		expect_equal(TRY_IN("mov %%rsp, %0", "call *(%1)", "sub %%rsp, %0",
				    : "=&r"(v) : "r"(at) : "memory", "cc"), PF);
		expect_equal(v, 0, "RSP after a faulting CALL");
		expect_equal(trap_last.cr2, at);
	}
}

void test_main(void)
{
	uint64_t pa = page_alloc();

	uva = USER_FREE;
	kva = TEST_BASE;
	page_map(uva, pa, PTE_P | PTE_W | PTE_U);
	page_map(kva, pa, PTE_P | PTE_W);
	moves();
	stack_operands();
	strings();
	simd();
	faults();
	if (cpu_has_smap()) {
		cr4_write(cr4_read() | CR4_SMAP);
		cpu_stac();
		moves();
		stack_operands();
		strings();
		simd();
		cpu_clac();
		expect_equal(try_read((void *)uva), PF, "SMAP");
		expect_equal(trap_last.error, PF_P);
	}
}
