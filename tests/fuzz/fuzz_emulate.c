// SPDX-License-Identifier: MIT
/*
 * Fuzzes the interpreter: arbitrary bytes as code, descriptor tables, page
 * tables and state, in every mode.  Properties:
 *
 *  - no host fault, except where emulate_native_fault() takes it;
 *  - an exception that is reported is one the vCPU can have (vector below 32,
 *    RIP unchanged but for the single-step trap);
 *  - CPL agrees with the mode after every step; RFLAGS has its fixed bit and
 *    never the reserved ones.
 *
 * Input: 16 bytes of modes and registers' seed, then code; the rest of the
 * input is spread over the first pages of RAM, where the tables are.
 */
#include <stdlib.h>
#include <string.h>

#include "native_signal.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "emulate/deliver.h"
#include "emulate/emulate.h"
#include "machine/cpuid.h"
#include "memory/access.h"
#include "memory/ram.h"

#define RAM		(2 * MIB)
#define CODE		0x8000ul
#define STEPS		200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct vcpu vcpu;
static uint8_t *const ram = (uint8_t *)LAYOUT_RAM;

#define check(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *missing;

	(void)argc;
	(void)argv;
	check(!arena_init() && !clock_init() && !ram_init(RAM) && !cpuid_init(&missing));
	log_set_level(LOG_ERROR);
	vcpu_reset(&vcpu);
	emulate_init(&vcpu);
	native_signal_init(emulate_native_fault);
	return 0;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void segment_set(enum vcpu_seg seg, uint16_t selector, unsigned attr, uint64_t base)
{
	vcpu.seg[seg] = (struct vcpu_segment){ .selector = selector, .attr = (uint16_t)attr,
					       .limit = attr & SEG_ATTR_G ? 0xffffffff : 0xffff,
					       .base = base };
}

/* Identity map of the first 2 MiB for everybody, long mode or PAE or 32-bit. */
static void tables_set(void)
{
	uint64_t *pml4 = (uint64_t *)(ram + 0x1000), *pdpt = (uint64_t *)(ram + 0x2000),
		 *pd = (uint64_t *)(ram + 0x3000);

	memset(pml4, 0, 3 * PAGE_SIZE);
	pml4[0] = pml4[511] = 0x2007;
	pdpt[0] = pdpt[511] = 0x3007;
	pd[0] = pd[511] = 0x87;
}

static void state_set(const uint8_t *d)
{
	unsigned mode = d[0] % 5, cpl = d[1] & 1 ? 3 : 0, attr;
	uint64_t seed = 0x9e3779b97f4a7c15ul ^ (d[4] | (uint64_t)d[5] << 8);
	uint16_t rpl = (uint16_t)cpl;

	vcpu_reset(&vcpu);
	access_flush(&vcpu);
	for (unsigned i = 0; i < REG_COUNT; i++)
		vcpu.regs[i] = next_random(&seed) >> (d[6] & 1 ? 44 : next_random(&seed) % 64);
	vcpu.regs[REG_RSP] = 0x10000;
	vcpu.rflags = RFLAGS_FIXED | ((d[2] | d[3] << 8) & (RFLAGS_ARITH | RFLAGS_TF | RFLAGS_IF |
							    RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT));
	vcpu.rip = CODE;
	vcpu.xcr0 = d[7] & 1 ? cpuid_model.xcr0_mask : 1;
	vcpu.gdtr = (struct vcpu_table){ 0x4000, (uint16_t)(d[8] * 16) };
	vcpu.idtr = (struct vcpu_table){ 0x5000, (uint16_t)(d[9] * 16) };
	attr = SEG_ATTR_P | SEG_ATTR_S | cpl << 5;
	if (mode == 0) {
		for (unsigned i = SEG_ES; i <= SEG_GS; i++)
			segment_set((enum vcpu_seg)i, 0, 0x93, 0);
		vcpu.idtr = (struct vcpu_table){ 0, 0x3ff };
		vcpu.cr0 = CR0_ET | (d[7] & 2 ? CR0_EM : 0);
		vcpu.cpl = 0;
		return;
	}
	vcpu.cr0 = CR0_PE | CR0_ET | CR0_NE | (d[7] & 4 ? CR0_TS : 0) | (d[7] & 8 ? CR0_AM : 0) |
		   (d[7] & 16 ? CR0_WP : 0);
	vcpu.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (d[7] & 1 ? CR4_OSXSAVE : 0) |
		   CR4_FSGSBASE;
	vcpu.cpl = (uint8_t)cpl;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		segment_set((enum vcpu_seg)i, 0x10 | rpl, attr | 3 | SEG_ATTR_G | SEG_ATTR_DB, 0);
	segment_set(SEG_TR, 0x20, SEG_ATTR_P | 11, 0x6000);
	segment_set(SEG_LDTR, 0x28, SEG_ATTR_P | 2, 0x4800);
	switch (mode) {
	case 1:
		segment_set(SEG_CS, 8 | rpl, attr | 11, 0);
		break;
	case 2:
		segment_set(SEG_CS, 8 | rpl, attr | 11 | SEG_ATTR_DB | SEG_ATTR_G, 0);
		break;
	default:
		vcpu.cr0 |= CR0_PG;
		vcpu.cr3 = 0x1000;
		vcpu.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
		segment_set(SEG_CS, 8 | rpl,
			    attr | 11 | SEG_ATTR_G | (mode == 3 ? SEG_ATTR_L : SEG_ATTR_DB), 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 20)
		return 0;
	/* Tables and data: the input over and over. */
	for (uint64_t at = 0; at < 0x20000; at += size)
		memcpy(ram + at, data, min_u64(size, 0x20000 - at));
	tables_set();
	state_set(data);
	memcpy(ram + CODE, data + 16, min_u64(size - 16, 0x4000));
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t rip = vcpu.rip;
		bool stepping = vcpu.rflags & RFLAGS_TF;
		enum emulate_result result = emulate_step(&vcpu);

		check((vcpu.rflags & RFLAGS_FIXED) && !(vcpu.rflags & 0xffffffffffc08028ul));
		check(vcpu.cpl <= 3 && ((vcpu.cr0 & CR0_PE) || vcpu.cpl == 0));
		if (result == EMULATE_UNKNOWN)
			break;
		if (result == EMULATE_EXCEPTION) {
			check(vcpu.exception.valid && vcpu.exception.vector < 32);
			check(vcpu.rip == rip || (stepping && vcpu.exception.vector == VEC_DB));
			if (!deliver_exception(&vcpu))
				break;
		} else if (result == EMULATE_HALT) {
			if (!deliver_interrupt(&vcpu, data[10] | 32))
				break;
		}
	}
	return 0;
}
