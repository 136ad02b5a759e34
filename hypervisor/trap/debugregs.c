// SPDX-License-Identifier: MIT
/*
 * The guest's debug registers (SDM vol. 3, 17.2), for the interpreter only: no
 * host process can have the guest's breakpoints, so while any is enabled nothing
 * else runs.  Programs and kernels enable them for moments.
 *
 * An execution breakpoint is a fault before the instruction, which RFLAGS.RF
 * lets pass once.  A data breakpoint is a trap behind the instruction;
 * memory/access.c reports what is touched.  I/O breakpoints are not known.
 */
#include "trap/debugregs.h"

#include "memory/access.h"

enum { TYPE_EXECUTE, TYPE_WRITE, TYPE_IO, TYPE_ACCESS };

static uint64_t touched;		/* DR6.B0..3 of this instruction */
static const struct vcpu *watched;

static unsigned type_of(const struct vcpu *vcpu, unsigned n)
{
	return vcpu->dr7 >> (16 + n * 4) & 3;
}

static bool enabled(const struct vcpu *vcpu, unsigned n)
{
	return vcpu->dr7 >> (n * 2) & 3;
}

static uint64_t length_of(const struct vcpu *vcpu, unsigned n)
{
	static const uint8_t lengths[] = { 1, 2, 8, 4 };

	return lengths[vcpu->dr7 >> (18 + n * 4) & 3];
}

static void observe(uint64_t addr, unsigned len, bool write)
{
	for (unsigned n = 0; n < 4; n++) {
		unsigned type = type_of(watched, n);
		uint64_t length = length_of(watched, n), first = watched->dr[n] & ~(length - 1);

		if (enabled(watched, n) && (type == TYPE_ACCESS || (type == TYPE_WRITE && write)) &&
		    (addr - first < length || first - addr < len))
			touched |= 1ul << n;
	}
}

bool debugregs_before(struct vcpu *vcpu)
{
	uint64_t rip = vcpu->rip + (vcpu_64bit_code(vcpu) ? 0 : vcpu->seg[SEG_CS].base), hits = 0;

	for (unsigned n = 0; n < 4; n++)
		if (enabled(vcpu, n) && type_of(vcpu, n) == TYPE_EXECUTE && vcpu->dr[n] == rip)
			hits |= 1ul << n;
	if (hits && !(vcpu->rflags & RFLAGS_RF)) {
		vcpu_raise(vcpu, VEC_DB);
		vcpu->exception.dr6 = hits;
		return true;
	}
	touched = 0;
	watched = vcpu;
	access_observe = observe;
	return false;
}

void debugregs_behind(struct vcpu *vcpu)
{
	access_observe = NULL;
	/* Another exception goes first; its handler's return repeats the instruction. */
	if (!touched || (vcpu->exception.valid && vcpu->exception.vector != VEC_DB))
		return;
	if (!vcpu->exception.valid)
		vcpu_raise(vcpu, VEC_DB);
	vcpu->exception.dr6 |= touched;
}
