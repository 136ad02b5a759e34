// SPDX-License-Identifier: MIT
/*
 * Faults and signals of 32-bit programs, with siginfo, trap and error code;
 * instructions that exist only there; threads with TLS in GS; a local
 * descriptor table; AVX state through signals.
 */
#include <asm/ldt.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fault32.h"

static _Thread_local int local = 3;
static volatile int thread_wrong;

static void *with_local(void *argument)
{
	int mine = (int)(intptr_t)argument;

	local = mine;
	for (int i = 0; i < 500; i++) {
		local++;
		if (i % 10 == 0)
			sched_yield();
		if (local != mine + i + 1)
			thread_wrong = 1;
	}
	return NULL;
}

static void legacy(void)
{
	unsigned a = 0x19, result;

	__asm__ volatile("mov $0x09, %%al; add $0x08, %%al; daa" : "=a"(a) : "0"(0) : "cc");
	expect_equal(a & 0xff, 0x17, "daa");
	__asm__ volatile("mov $0x0907, %%ax; aad" : "=a"(a) : : "cc");
	expect_equal(a & 0xffff, 97, "aad");
	__asm__ volatile("pusha; mov $5, %%eax; popa" : "=a"(a) : "0"(77) : "memory");
	expect_equal(a, 77, "pusha and popa");
	__asm__ volatile("clc; .byte 0xd6" : "=a"(result) : "0"(0x55) : "cc");
	expect_equal(result & 0xff, 0, "salc");
	int bounds[2] = { 1, 5 };
	__asm__ volatile("bound %0, %1" : : "r"(3), "m"(bounds[0]));
	expect(true, "bound holds");
	FAULT("bound exceeded", __asm__ volatile("bound %0, %1" : : "r"(9), "m"(bounds[0])));
	FAULT("into", __asm__ volatile("mov $0x7fffffff, %%eax; inc %%eax; into" : : : "eax", "cc"));
	FAULT("les wrong selector", {
		static struct {
			uint32_t offset;
			uint16_t selector;
		} __attribute__((packed)) far = { 0, 0xfff8 };
		__asm__ volatile("les %0, %%eax" : : "m"(far) : "eax");
	});
}

int main(void)
{
	char *area = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t[12];

	fault_catch();
	munmap(area + 4096, 4096);
	base = (uintptr_t)area;
	FAULT("write read-only", *(volatile char *)(area + 5) = 1);
	FAULT("read unmapped", (void)*(volatile char *)(area + 4096 + 9));
	FAULT("execute no-execute", ((void (*)(void))(void *)area)());
	base = 0xfffff000;
	FAULT("read at the top", (void)*(volatile char *)(base + 16));
	base = 0;
	FAULT("divide by zero", __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx"
						 :
						 :
						 : "eax", "ecx", "edx", "cc"));
	FAULT("ud2", __asm__ volatile("ud2"));
	FAULT("int3", __asm__ volatile("int3"));
	FAULT("hlt", __asm__ volatile("hlt"));
	FAULT("cli", __asm__ volatile("cli"));
	FAULT("int 0x81", __asm__ volatile("int $0x81"));
	FAULT("in", __asm__ volatile("inb $0x60, %%al" : : : "eax"));
	legacy();
	volatile int seen = 0;
	for (volatile int i = 0; i < 1000; i++) {
		if (!sigsetjmp(resume, 1))
			(void)*(volatile char *)(uintptr_t)(i * 4);
		else
			seen++;
	}
	expect_equal(seen, 1000, "a thousand faults");
	for (long i = 0; i < 12; i++)
		pthread_create(&t[i], NULL, with_local, (void *)(i * 1000));
	for (int i = 0; i < 12; i++)
		pthread_join(t[i], NULL);
	expect(!thread_wrong && local == 3, "threads with local storage");
	static uint32_t data[2] = { 0xaaaa5555, 0x12345678 };
	struct user_desc d = { .entry_number = 1,
			       .base_addr = (unsigned)(uintptr_t)data,
			       .limit = 7,
			       .seg_32bit = 1,
			       .useable = 1 };
	if (!syscall(SYS_modify_ldt, 1, &d, sizeof(d))) {
		uint32_t value;
		__asm__ volatile("mov %1, %%fs; mov %%fs:4, %0" : "=r"(value) : "r"(1 << 3 | 7));
		expect(value == 0x12345678, "local descriptor table");
	}
	/* Sixteen-bit addressing and operands. */
	uint32_t r;
	__asm__ volatile("mov $0x12345678, %%eax; mov $0x9abc, %%ax; movzwl %%ax, %0" : "=r"(r) : : "eax");
	expect_equal(r, 0x9abc, "16-bit operands");
	return check_result();
}
