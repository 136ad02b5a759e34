// SPDX-License-Identifier: MIT
/*
 * Random values to control, debug and model-specific registers and to I/O ports: each is taken or
 * refused with an exception, nothing else.  what=0: MSRs, 1: ports, 2: CR4, XCR0 and debug
 * registers, 3: CR0 and EFER and CR3 (which may end the machine).
 */
#include "page.h"
#include "random.h"
#include "test.h"
#include "trap.h"

static bool dismiss(struct trap_frame *f)
{
	(void)f;
	return true;
}

static void msrs(void)
{
	static const uint32_t ranges[][2] = {
		{ 0, 0x1200 }, { 0xc0000080, 0xc0000110 }, { 0xc0010000, 0xc0010300 },
		{ 0x40000000, 0x40000110 },
		{ 0x4b564d00, 0x4b564d10 },
	};
	uint64_t readable = 0, v;

	for (unsigned r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++)
		for (uint32_t m = ranges[r][0]; m < ranges[r][1]; m++) {
			int got = try_msr_read(m, &v);

			expect(got == TRAP_NONE || got == GP, "RDMSR %x: %d", m, got);
			readable += got == TRAP_NONE;
			/* Not those that this kernel cannot live without. */
			if (m == MSR_EFER || m == MSR_GS_BASE || m == MSR_FS_BASE || m == MSR_APIC_BASE ||
			    m == MSR_TSC || (m >= 0x200 && m <= 0x2ff) || m == 0xc0010015)
				continue;
			for (unsigned i = 0; i < 4; i++) {
				int w = try_msr_write(m, i == 0 ? v : i == 1 ? random() & 0xff : random());

				expect(w == TRAP_NONE || w == GP, "WRMSR %x: %d", m, w);
			}
			if (got == TRAP_NONE)
				(void)try_msr_write(m, v);
		}
	print("%lu readable\n", readable);
	expect(readable > 20 && readable < 6000);
}

static bool dangerous(uint16_t port)
{
	return (port >= 0xf0 && port <= 0xf7) || (port >= 0x3f8 && port <= 0x3ff) || port == 0x64 ||
	       port == 0x92 || (port >= 0xcf8 && port <= 0xcff) || (port >= 0x500 && port < 0x700) ||
	       port == 0xb2 || port == 0xb3 || (port >= 0xb000 && port < 0xb100);
}

static void ports(void)
{
	for (uint32_t p = 0; p < 0x10000; p++) {
		if (dangerous((uint16_t)p))
			continue;
		(void)in8((uint16_t)p);
		if (p % 5 == 0) {
			(void)in16((uint16_t)p);
			(void)in32((uint16_t)p);
		}
		out8((uint16_t)p, (uint8_t)random());
		if (p % 7 == 0 && !dangerous((uint16_t)(p + 3))) {
			out16((uint16_t)p, (uint16_t)random());
			out32((uint16_t)p, (uint32_t)random());
		}
	}
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t p = (uint16_t)(random() % (i & 1 ? 0x100 : 0x400));

		if (dangerous(p) || dangerous((uint16_t)(p + 3)))
			continue;
		if (random() & 1)
			out8(p, (uint8_t)random());
		else if (random() & 1)
			out32(p, (uint32_t)random());
		else
			(void)in16(p);
	}
}

static void controls(void)
{
	uint64_t cr4 = cr4_read(), refused = 0;
	bool guarded = !test_on_tcg();		/* hangs on reserved bits of CR4 */

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t v = random() & random() & 0x3ffffff;

		v = (v | CR4_PAE | CR4_OSFXSR) & ~(1ul << 12);
		if (guarded)
			refused += TRY("mov %0, %%cr4", :: "r"(v) : "memory") != TRAP_NONE;
		cr4_write(cr4);
		v = random() & 0xff;
		(void)TRY("mov %0, %%dr0", :: "r"(random()) : "memory");
		(void)TRY("mov %0, %%dr1", :: "r"(random()) : "memory");
		(void)TRY("mov %0, %%dr6", :: "r"(random()) : "memory");
		if (guarded)
			(void)TRY("mov %0, %%dr7", :: "r"(random() & 0xffff0000) : "memory");
		cr4_write(cr4 | CR4_OSXSAVE);
		(void)TRY("xsetbv", :: "c"(0), "a"((uint32_t)v), "d"(0) : "memory");
		(void)TRY("mov %0, %%cr8", :: "r"(random() & 0x1f) : "memory");
		cr8_write(0);
	}
	dr7_write(0x400);
	cr4_write(cr4);
	print("%lu refused\n", refused);
}

static void fatal(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		switch (random() % 3) {
		case 0:
			(void)TRY("mov %0, %%cr0", :: "r"(random() & 0xe005003f) : "memory");
			break;
		case 1:
			(void)try_msr_write(MSR_EFER, random() & 0xfff);
			break;
		default:
			(void)TRY("mov %0, %%cr3", :: "r"(random() & 0xfffffffff) : "memory");
			break;
		}
	}
}

void test_main(void)
{
	static void (*const what[])(void) = { msrs, ports, controls, fatal };

	random_seed = test_option("seed", 1) * 0x9e3779b97f4a7c15ul;
	for (unsigned v = 0x20; v < 0x100; v++)
		trap_handler[v] = dismiss;
	trap_handler[DB] = dismiss;
	trap_handler[NMI] = dismiss;
	what[test_option("what", 0) & 3]();
	expect_equal(TRY("ud2", ::: "memory"), UD, "still sane");
}
