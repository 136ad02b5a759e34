// SPDX-License-Identifier: MIT
/*
 * A kernel that reads, writes and jumps everywhere: unmapped addresses over the whole range are
 * page faults or #GP like any other, the hole at 0xffff800000000000 (where a hypervisor may live)
 * included; then the same with pages that the kernel maps there itself, which must either work or
 * end the machine with a reason.  case=0: outside the hole (must succeed), case=1: pages mapped in
 * the hole, case=2: the hole, nothing mapped.
 */
#include "page.h"
#include "random.h"
#include "runtime.h"
#include "test.h"
#include "trap.h"

#define HOLE		0xffff800000010000ul
#define HOLE_SIZE	(8ul << 40)

static bool mapped(uint64_t at)
{
	/* The image and the direct map; in the low variant they are one. */
	return at - GUEST_BASE < 1ul << 30 || at - DIRECT_BASE < 4ul << 30;
}

static void touch(uint64_t at)
{
	bool canonical = (uint64_t)((int64_t)(at << 16) >> 16) == at;
	int want = canonical ? PF : GP, got;

	if (mapped(at))
		return;
	got = try_read((void *)at);
	if (got != want || (want == PF && (trap_last.cr2 != at || trap_last.error != 0)))
		expect(false, "read of %lx: vector %d error %lx cr2 %lx", at, got, trap_last.error, trap_last.cr2);
	got = try_write((void *)at);
	if (got != want || (want == PF && (trap_last.cr2 != at || trap_last.error != PF_W)))
		expect(false, "write to %lx: vector %d error %lx cr2 %lx", at, got, trap_last.error, trap_last.cr2);
	got = try_execute((void *)at);
	if (got != want || (want == PF && (trap_last.cr2 != at || trap_last.error != PF_I)))
		expect(false, "jump to %lx: vector %d error %lx cr2 %lx", at, got, trap_last.error, trap_last.cr2);
}

static void own(uint64_t at)
{
	uint64_t pa = page_alloc();
	volatile uint64_t *p = (uint64_t *)at;

	page_map(at, pa, PTE_P | PTE_W);
	*(uint8_t *)phys_to_virt(pa) = 0xc3;
	p[1] = at;
	expect_equal(p[1], at, "own page at %lx", at);
	expect_equal(*(uint64_t *)phys_to_virt(pa + 8), at, "own page at %lx", at);
	expect_equal(try_execute((void *)at), TRAP_NONE, "code at %lx", at);
	page_map(at, 0, 0);
	cpu_invlpg(at);
	touch(at);
}

static void in_hole(void (*act)(uint64_t))
{
	/* Host addresses below 8 TiB correspond to these: engine, state, caches, RAM. */
	for (uint64_t o = 0; o < 0x80000000ul; o += 0x1000000 - 0x1000)
		act(HOLE + o);
	for (uint64_t o = 0x10000000; o < 0x10400000; o += 0x7000)
		act(HOLE + o);
	for (uint64_t o = 0x58000000; o < 0x5b000000; o += 0x3d000)
		act(HOLE + o);
	for (uint64_t tib = 0; tib < 9; tib++)
		for (int64_t d = -3; d < 6; d++)
			act(HOLE + (tib << 40) + (uint64_t)(d * 0x1000));
	act(HOLE - 0x10000);
	act(HOLE - 0x1000);
}

static void elsewhere(uint64_t at)
{
	if (at - HOLE >= HOLE_SIZE)
		touch(at);
}

void test_main(void)
{
	switch (test_option("case", 0)) {
	case 0:
		for (unsigned i = 0; i < 2000; i++) {
			elsewhere(random());
			elsewhere(random() | 0xffff800000000000ul);
			elsewhere(random() & 0x00007ffffffffffful);
		}
		break;
	case 1:
		in_hole(own);
		break;
	default:
		in_hole(touch);
	}
	expect_equal(TRY("ud2", ::: "memory"), UD, "still sane");
}
