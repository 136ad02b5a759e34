/* SPDX-License-Identifier: MIT */
/*
 * The interpreter, on guest page tables that map the test's pages for user code.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "diff.h"
#include "emulate/emulate.h"
#include "machine/cpuid.h"
#include "memory/ram.h"

#define P	1ul
#define W	2ul
#define U	4ul
#define NX	(1ul << 63)

#define PML4	0x1000ul
#define PDPT	0x2000ul
#define PD	0x3000ul
#define TABLES	0x4000ul	/* page tables, one for each of the four areas */
#define PAGES	0x10000ul

static struct vcpu vcpu;
static uint64_t code_gpa, data_gpa, const_gpa, stack_gpa;

static uint8_t *host(uint64_t gpa)
{
	return (uint8_t *)(LAYOUT_RAM + gpa);
}

static uint64_t area_map(unsigned index, uint64_t addr, uint64_t size, uint64_t flags)
{
	static uint64_t next = PAGES;
	uint64_t table = TABLES + index * PAGE_SIZE, gpa = next;

	((uint64_t *)host(PD))[(addr >> 21) & 511] = table | P | W | U;
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++)
		((uint64_t *)host(table))[((addr >> 12) & 511) + i] = (gpa + i * PAGE_SIZE) | flags;
	next += size + PAGE_SIZE;	/* neighbours in the guest are no neighbours in RAM */
	return gpa;
}

unsigned long emulate_aborts;

static bool foreign_fault(uint64_t *rip, uint8_t vector)
{
	if (!emulate_native_fault(rip, vector))
		return false;
	emulate_aborts += vector != VEC_XM;
	return true;
}

static bool emulate_prepare(void)
{
	const char *missing;

	if (arena_init() || clock_init() || ram_init(16 * MIB) || cpuid_init(&missing))
		return false;
	*(uint64_t *)host(PML4) = PDPT | P | W | U;
	((uint64_t *)host(PDPT))[DIFF_CODE >> 30] = PD | P | W | U;
	code_gpa = area_map(0, DIFF_CODE, DIFF_PAGE, P | W | U);
	data_gpa = area_map(1, DIFF_DATA, DIFF_DATA_SIZE, P | W | U | NX);
	const_gpa = area_map(2, DIFF_CONST, DIFF_PAGE, P | U | NX);
	diff_foreign_fault = foreign_fault;
	stack_gpa = area_map(3, DIFF_STACK, DIFF_PAGE, P | W | U | NX);
	return true;
}

static void state_load(const struct diff_case *c)
{
	struct vcpu_segment flat = { .selector = 0x2b, .limit = 0xffffffff,
		.attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DPL | SEG_ATTR_DB | SEG_ATTR_G | 3 };

	memset(&vcpu, 0, offsetof(struct vcpu, xsave));
	vcpu.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP;
	vcpu.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | CR4_UMIP |
		   CR4_SMEP | CR4_SMAP;
	vcpu.cr3 = PML4;
	vcpu.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	vcpu.xcr0 = diff_xfeatures();
	vcpu.cpl = 3;
	vcpu.seg[SEG_SS] = flat;
	vcpu.seg[SEG_CS] = flat;
	vcpu.seg[SEG_CS].selector = 0x33;
	vcpu.seg[SEG_CS].attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DPL | SEG_ATTR_L | 11;
	if (c->compat) {
		vcpu.seg[SEG_CS].selector = 0x23;
		vcpu.seg[SEG_CS].attr = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DPL | SEG_ATTR_DB |
					SEG_ATTR_G | 11;
		vcpu.seg[SEG_DS] = vcpu.seg[SEG_ES] = flat;
	}
	vcpu.gdtr.limit = 0;
	memcpy(vcpu.regs, c->regs, sizeof(vcpu.regs));
	vcpu.rip = DIFF_CODE + c->offset;
	vcpu.rflags = c->rflags;
	memcpy(vcpu.xsave, c->xsave, DIFF_XSAVE_SIZE);
	vcpu.fpu_place = FPU_IN_MEMORY;
}

static void emulate_run(const struct diff_case *c, struct diff_outcome *out)
{
	enum emulate_result result;

	memset(host(code_gpa), 0xcc, DIFF_PAGE);
	memcpy(host(code_gpa) + c->offset, c->code, c->length);
	memcpy(host(data_gpa), c->memory->data, DIFF_DATA_SIZE);
	memcpy(host(stack_gpa), c->memory->stack, DIFF_PAGE);
	memcpy(host(const_gpa), c->constants, DIFF_PAGE);
	state_load(c);
	/* A REP stays on its instruction; so does a jump to itself, which the INT3s end. */
	for (unsigned i = 0; i < 100000; i++) {
		result = emulate_step(&vcpu);
		if (result != EMULATE_OK || vcpu.rip != DIFF_CODE + c->offset)
			break;
	}
	/* A branch out of the code page: the fault at its target is the outcome. */
	if (result == EMULATE_OK && (vcpu.rip & ~(DIFF_PAGE - 1)) != DIFF_CODE)
		result = emulate_step(&vcpu);
	memset(out, 0, offsetof(struct diff_outcome, memory));
	out->unsupported = result == EMULATE_UNKNOWN;
	out->fault = result == EMULATE_EXCEPTION;
	out->vector = vcpu.exception.vector;
	out->error = vcpu.exception.has_error ? vcpu.exception.error : 0;
	out->address = vcpu.exception.cr2;
	out->rip = vcpu.rip;
	out->rflags = vcpu.rflags;
	memcpy(out->regs, vcpu.regs, sizeof(out->regs));
	memcpy(out->memory.data, host(data_gpa), DIFF_DATA_SIZE);
	memcpy(out->memory.stack, host(stack_gpa), DIFF_PAGE);
	memcpy(out->xsave, vcpu.xsave, DIFF_XSAVE_SIZE);
}

const struct diff_executor diff_emulate = { "emulate", emulate_prepare, emulate_run };
