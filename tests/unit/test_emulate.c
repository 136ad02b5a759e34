// SPDX-License-Identifier: MIT
/*
 * What the differential test does not reach: the XSAVE family against the
 * host's, instruction fetch across pages, privilege of system instructions,
 * and operands that are not RAM.
 */
#include "suite.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "emulate/emulate.h"
#include "machine/bus.h"
#include "machine/cpuid.h"
#include "memory/access.h"
#include "memory/ram.h"

#define TABLES	0x4000u		/* identity map of 2 MiB in 4 KiB pages, and MMIO */
#define CODE	0x10000u
#define STACK	0x20000u
#define DATA	0x30000u
#define MMIO	0xfe000000ul	/* mapped at 0x1ff000 */

static struct vcpu vcpu;
static uint8_t *const ram = (uint8_t *)LAYOUT_RAM;
static uint64_t features;

static uint64_t *pte(uint64_t addr)
{
	return (uint64_t *)(ram + TABLES + 0x3000) + (addr >> 12);
}

static void segment(enum vcpu_seg seg, unsigned selector, unsigned attr)
{
	vcpu.seg[seg] = (struct vcpu_segment){ .selector = (uint16_t)selector,
		.attr = (uint16_t)attr, .limit = 0xffffffff };
}

static void setup(unsigned cpl)
{
	memset(ram, 0, 0x40000);
	vcpu_reset(&vcpu);
	*(uint64_t *)(ram + TABLES) = (TABLES + 0x1000) | 7;
	*(uint64_t *)(ram + TABLES + 0x1000) = (TABLES + 0x2000) | 7;
	*(uint64_t *)(ram + TABLES + 0x2000) = (TABLES + 0x3000) | 7;
	for (uint64_t a = 0; a < 0x200000; a += PAGE_SIZE)
		*pte(a) = a | 7;
	*pte(0x1ff000) = MMIO | 7;
	vcpu.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET;
	vcpu.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
	vcpu.cr3 = TABLES;
	vcpu.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	vcpu.xcr0 = features;
	vcpu.cpl = (uint8_t)cpl;
	segment(SEG_CS, cpl ? 0x33 : 0x10, 0xa09b | cpl << 5);
	segment(SEG_SS, cpl ? 0x2b : 0x18, 0xc093 | cpl << 5);
	vcpu.rip = CODE;
	vcpu.regs[REG_RSP] = STACK;
	vcpu.rflags = RFLAGS_FIXED;
	access_flush(&vcpu);
}

static enum emulate_result run_bytes(const char *bytes, unsigned n)
{
	memcpy(ram + CODE, bytes, n);
	vcpu.rip = CODE;
	return emulate_step(&vcpu);
}
#define run(bytes) run_bytes(bytes, sizeof(bytes) - 1)

/* A state with every component in use, and random contents. */
static void state_fill(uint64_t bv)
{
	uint32_t mxcsr = 0x1fa2;

	for (unsigned i = 0; i < sizeof(vcpu.xsave); i++)
		vcpu.xsave[i] = (uint8_t)rand();
	memset(vcpu.xsave, 0, 32);
	vcpu.xsave[0] = 0x7f;
	vcpu.xsave[1] = 0x03;
	vcpu.xsave[4] = 0xff;
	memcpy(vcpu.xsave + 24, &mxcsr, 4);
	for (unsigned i = 0; i < 8; i++)
		memset(vcpu.xsave + 32 + 16 * i + 10, 0, 6);
	memset(vcpu.xsave + 416, 0, 160);
	memcpy(vcpu.xsave + 512, &bv, 8);
	vcpu.fpu_place = FPU_IN_MEMORY;
}

enum kind { XSAVE, XSAVEOPT, XSAVEC, FXSAVE };

/* The host does the same to the same state, into `to`. */
static void host_save(enum kind kind, uint8_t *to, uint32_t rfbm)
{
	uint32_t all = (uint32_t)features;

#define SAVE(insn)								\
	__asm__ volatile("xrstor64 %[s]\n\tmov %[r], %%eax\n\t" insn " (%[t])\n\t"	\
			 "fninit\n\tldmxcsr %[m]"				\
			 : : [s] "m"(vcpu.xsave), "a"(all), "d"(0), [r] "r"(rfbm),	\
			   [t] "r"(to), [m] "m"((uint32_t){ 0x1f80 }) : "memory",	\
			   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7")
	switch (kind) {
	case XSAVE: SAVE("xsave64"); break;
	case XSAVEOPT: SAVE("xsaveopt64"); break;
	case XSAVEC: SAVE("xsavec64"); break;
	case FXSAVE: SAVE("fxsave64"); break;
	}
}

static void compare_save(enum kind kind, const char *bytes, unsigned n, uint64_t bv, uint32_t rfbm)
{
	static uint8_t host[4096] __attribute__((aligned(64)));

	setup(0);
	state_fill(bv);
	memset(host, kind == XSAVEC || kind == FXSAVE ? 0x5a : 0, sizeof(host));
	memset(ram + DATA, kind == XSAVEC || kind == FXSAVE ? 0x5a : 0, sizeof(host));
	host_save(kind, host, rfbm);
	vcpu.regs[REG_RBX] = DATA;
	vcpu.regs[REG_RAX] = rfbm;
	vcpu.regs[REG_RDX] = 0;
	ck_assert_int_eq(run_bytes(bytes, n), EMULATE_OK);
	for (unsigned i = 0; i < sizeof(host); i++) {
		/* Which components count as in use is the CPU's affair where they have initial
		 * values; last instruction and operand are not kept by all CPUs. */
		if (i >= 6 && i < 24)
			continue;
		ck_assert_msg(host[i] == ram[DATA + i], "byte %x: %02x, host %02x (bv %lx rfbm %x)", i,
			      ram[DATA + i], host[i], bv, rfbm);
	}
}

START_TEST(save_as_the_host_does)
{
	for (uint32_t rfbm = 1; rfbm <= features; rfbm = rfbm << 1 | 1) {
		compare_save(XSAVE, "\x48\x0f\xae\x23", 4, features, rfbm);
		compare_save(XSAVEOPT, "\x48\x0f\xae\x33", 4, features, rfbm);
		compare_save(XSAVEC, "\x48\x0f\xc7\x23", 4, features, rfbm & (uint32_t)features);
	}
	compare_save(XSAVEC, "\x48\x0f\xc7\x23", 4, features, (uint32_t)features & ~2u);
	compare_save(XSAVE, "\x48\x0f\xae\x23", 4, 3, (uint32_t)features);
	compare_save(FXSAVE, "\x48\x0f\xae\x03", 4, features, 0);
}
END_TEST

START_TEST(restore_what_was_saved)
{
	static const struct {
		const char *save;
		uint64_t bv;
	} cases[] = {
		{ "\x48\x0f\xae\x23", 0xe7 }, { "\x48\x0f\xc7\x23", 0xe7 }, { "\x48\x0f\xc7\x23", 0x7 },
		{ "\x48\x0f\xae\x23", 0x3 },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		static uint8_t before[VCPU_XSAVE_SIZE];

		setup(0);
		state_fill(cases[i].bv & features);
		memcpy(before, vcpu.xsave, sizeof(before));
		vcpu.regs[REG_RBX] = DATA;
		vcpu.regs[REG_RAX] = features;
		ck_assert_int_eq(run_bytes(cases[i].save, 4), EMULATE_OK);
		state_fill(features);
		ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_OK);	/* xrstor64 [rbx] */
		ck_assert(!memcmp(before + 512, vcpu.xsave + 512, 8));
		ck_assert(!memcmp(before + 24, vcpu.xsave + 24, 4));
		ck_assert(!memcmp(before + 32, vcpu.xsave + 32, 384));
		for (unsigned n = 2; n < 8; n++) {
			unsigned a, b, c, d;

			__cpuid_count(13, n, a, b, c, d);
			if (cases[i].bv & features & (1u << n))
				ck_assert(!memcmp(before + b, vcpu.xsave + b, a));
		}
	}
}
END_TEST

START_TEST(bad_images_are_refused)
{
	setup(0);
	state_fill(features);
	vcpu.regs[REG_RBX] = DATA;
	vcpu.regs[REG_RAX] = features;
	ck_assert_int_eq(run("\x48\x0f\xae\x23"), EMULATE_OK);
	ram[DATA + 512 + 7] = 0x40;			/* a component that does not exist */
	ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
	ram[DATA + 512 + 7] = 0;
	ram[DATA + 27] = 0x80;				/* reserved bit of MXCSR */
	ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_EXCEPTION);
	ram[DATA + 27] = 0;
	vcpu.regs[REG_RBX] = DATA + 8;			/* alignment */
	ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_EXCEPTION);
	vcpu.regs[REG_RBX] = DATA;
	vcpu.cr0 |= CR0_TS;
	ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_NM);
	vcpu.cr0 &= ~(uint64_t)CR0_TS;
	vcpu.cr4 &= ~(uint64_t)CR4_OSXSAVE;
	ck_assert_int_eq(run("\x48\x0f\xae\x2b"), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_UD);
}
END_TEST

START_TEST(fetch_across_pages)
{
	static const char mov[] = "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11";

	for (unsigned split = 1; split < 10; split++) {
		setup(3);
		memcpy(ram + CODE + PAGE_SIZE - split, mov, 10);
		vcpu.rip = CODE + PAGE_SIZE - split;
		ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
		ck_assert_uint_eq(vcpu.regs[REG_RAX], 0x1122334455667788);
		/* The second page may not be executed: its first byte faults. */
		setup(3);
		memcpy(ram + CODE + PAGE_SIZE - split, mov, 10);
		*pte(CODE + PAGE_SIZE) |= 1ul << 63;
		vcpu.rip = CODE + PAGE_SIZE - split;
		ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
		ck_assert_uint_eq(vcpu.exception.vector, VEC_PF);
		ck_assert_uint_eq(vcpu.exception.cr2, CODE + PAGE_SIZE);
		ck_assert_uint_eq(vcpu.exception.error, PF_P | PF_U | PF_I);
	}
	/* An instruction that ends at the page's end does not look at the next. */
	setup(3);
	memcpy(ram + CODE + PAGE_SIZE - 10, mov, 10);
	*pte(CODE + PAGE_SIZE) = 0;
	vcpu.rip = CODE + PAGE_SIZE - 10;
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_OK);
}
END_TEST

START_TEST(changed_code_is_seen)
{
	setup(0);
	ck_assert_int_eq(run("\xb8\x01\x00\x00\x00"), EMULATE_OK);
	ck_assert_uint_eq(vcpu.regs[REG_RAX], 1);
	ck_assert_int_eq(run("\xb8\x02\x00\x00\x00"), EMULATE_OK);
	ck_assert_uint_eq(vcpu.regs[REG_RAX], 2);
	ck_assert_int_eq(run("\xbb\x02\x00\x00\x00"), EMULATE_OK);
	ck_assert_uint_eq(vcpu.regs[REG_RBX], 2);
}
END_TEST

START_TEST(too_long_is_gp)
{
	setup(0);
	memset(ram + CODE, 0x66, 32);
	vcpu.rip = CODE;
	ck_assert_int_eq(emulate_step(&vcpu), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_GP);
}
END_TEST

START_TEST(system_instructions_are_privileged)
{
	static const char *const list[] = {
		"\xf4", "\x0f\x01\x10", "\x0f\x01\x18", "\x0f\x00\xd0", "\x0f\x00\xd8", "\x0f\x06",
		"\x0f\x20\xc0", "\x0f\x22\xd8", "\x0f\x21\xc0", "\x0f\x30", "\x0f\x32", "\x0f\x08",
		"\x0f\x09", "\x0f\x01\x38", "\x0f\x01\xf8", "\x0f\x01\xf0", "\xfa", "\xfb",
	};

	for (unsigned i = 0; i < array_size(list); i++) {
		setup(3);
		vcpu.regs[REG_RAX] = DATA;
		ck_assert_int_eq(run_bytes(list[i], 3), EMULATE_EXCEPTION);
		ck_assert_msg(vcpu.exception.vector == VEC_GP, "case %u: vector %u", i,
			      vcpu.exception.vector);
		ck_assert_uint_eq(vcpu.rip, CODE);
	}
	/* UMIP */
	setup(3);
	vcpu.regs[REG_RAX] = DATA;
	ck_assert_int_eq(run("\x0f\x01\x00"), EMULATE_OK);
	vcpu.cr4 |= CR4_UMIP;
	ck_assert_int_eq(run("\x0f\x01\x00"), EMULATE_EXCEPTION);
	/* MONITOR, MWAIT, VMCALL: not on this machine. */
	setup(0);
	ck_assert_int_eq(run("\x0f\x01\xc8"), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_UD);
	ck_assert_int_eq(run("\x0f\x01\xc1"), EMULATE_EXCEPTION);
	ck_assert_uint_eq(vcpu.exception.vector, VEC_UD);
}
END_TEST

static uint64_t device_register;
static unsigned device_reads, device_writes;

static uint64_t device_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)size;
	device_reads++;
	return device_register + offset;
}

static void device_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	device_writes++;
	device_register = value;
}

START_TEST(device_memory_is_accessed_once)
{
	static const struct bus_ops ops = { .read = device_read, .write = device_write };

	ck_assert_int_eq(bus_add_mmio(GPA(MMIO), PAGE_SIZE, &ops, &vcpu, "test"), 0);
	setup(0);
	vcpu.regs[REG_RBX] = 0x1ff010;
	vcpu.regs[REG_RAX] = 0x12345678;
	ck_assert_int_eq(run("\x89\x03"), EMULATE_OK);		/* mov [rbx], eax */
	ck_assert_uint_eq(device_register, 0x12345678);
	ck_assert_uint_eq(device_writes, 1);
	ck_assert_uint_eq(device_reads, 0);
	ck_assert_int_eq(run("\xf0\x81\x0b\x00\x00\x00\x80"), EMULATE_OK);	/* lock or [rbx], */
	ck_assert_uint_eq(device_reads, 1);
	ck_assert_uint_eq(device_writes, 2);
	ck_assert_uint_eq(device_register, (0x12345678 + 0x10) | 0x80000000);
	vcpu.regs[REG_RCX] = 3;
	vcpu.regs[REG_RDI] = 0x1ff000;
	ck_assert_int_eq(run("\xf3\xab"), EMULATE_OK);		/* rep stosd */
	ck_assert_uint_eq(device_writes, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulate");
	TCase *tc = tcase_create("emulate");
	const char *missing;
	unsigned low, high;

	if (arena_init() || clock_init() || ram_init(4 * MIB) || cpuid_init(&missing))
		return EXIT_FAILURE;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	features = low & 0xe7;
	tcase_add_test(tc, save_as_the_host_does);
	tcase_add_test(tc, restore_what_was_saved);
	tcase_add_test(tc, bad_images_are_refused);
	tcase_add_test(tc, fetch_across_pages);
	tcase_add_test(tc, changed_code_is_seen);
	tcase_add_test(tc, too_long_is_gp);
	tcase_add_test(tc, system_instructions_are_privileged);
	tcase_add_test(tc, device_memory_is_accessed_once);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
