/* SPDX-License-Identifier: MIT */
/*
 * FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XSAVEC, XRSTOR: between vcpu->xsave, always
 * in the standard format with the host's offsets, and the guest's image in the
 * standard or the compacted format (SDM vol. 1, chapter 13).
 *
 * A component whose bit in the header's XSTATE_BV is clear has its initial
 * value, whatever its bytes are.
 */
#include <cpuid.h>
#include <string.h>

#include "emulate/data.h"
#include "emulate/native.h"

#define X87		(1ull << 0)
#define SSE		(1ull << 1)
#define AVX		(1ull << 2)
#define HEADER		512
#define EXTENDED	576
#define COMPACTED	(1ull << 63)
#define MXCSR_INIT	0x1f80u
#define COMPONENTS	8		/* up to AVX-512's last */
#define IMAGE_MAX	4096

static struct component {
	unsigned offset, size;
	bool align;
} components[COMPONENTS];

static uint8_t image[IMAGE_MAX] __attribute__((aligned(64)));

static void components_read(void)
{
	unsigned a, b, c, d;

	if (components[2].size || !(fpu_features() & AVX))
		return;
	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (!(fpu_features() >> i & 1))
			continue;
		__cpuid_count(13, i, a, b, c, d);
		components[i] = (struct component){ .offset = b, .size = a, .align = c & 2 };
	}
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, 8);
	return value;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, 4);
	return value;
}

static uint64_t state_bv(const struct vcpu *vcpu)
{
	return load64(vcpu->xsave + HEADER);
}

static void state_set_bv(struct vcpu *vcpu, uint64_t bv)
{
	memcpy(vcpu->xsave + HEADER, &bv, 8);
}

/* x87 part of the legacy region. */
static void x87_store(const struct vcpu *vcpu, uint8_t *to)
{
	if (state_bv(vcpu) & X87) {
		memcpy(to, vcpu->xsave, 24);
		memcpy(to + 32, vcpu->xsave + 32, 128);
		return;
	}
	memset(to, 0, 24);
	to[0] = 0x7f;
	to[1] = 0x03;
	memset(to + 32, 0, 128);
}

static void mxcsr_store(const struct vcpu *vcpu, uint8_t *to)
{
	uint32_t mask = fpu_mxcsr_mask();

	memcpy(to + 24, vcpu->xsave + 24, 4);
	memcpy(to + 28, &mask, 4);
}

static void xmm_store(const struct vcpu *vcpu, uint8_t *to)
{
	if (state_bv(vcpu) & SSE)
		memcpy(to + 160, vcpu->xsave + 160, 256);
	else
		memset(to + 160, 0, 256);
}

static bool mxcsr_valid(const uint8_t *from)
{
	return !(load32(from + 24) & ~fpu_mxcsr_mask());
}

static enum emulate_result fx_address(struct vcpu *vcpu, const struct op *op, bool write,
				      unsigned align, unsigned len, gva_t *addr)
{
	if (!op_linear(vcpu, op, len, write, addr))
		return EMULATE_EXCEPTION;
	if (addr->v & (align - 1))
		return raise_gp(vcpu, 0);
	return EMULATE_OK;
}

enum emulate_result op_fxsave(struct vcpu *vcpu, const struct op *op)
{
	bool wide = op->mnemonic == ZYDIS_MNEMONIC_FXSAVE64;
	gva_t addr;

	if (vcpu->cr0 & (CR0_EM | CR0_TS)) {
		vcpu_raise(vcpu, VEC_NM);
		return EMULATE_EXCEPTION;
	}
	if (fx_address(vcpu, op, true, 16, 512, &addr))
		return EMULATE_EXCEPTION;
	fpu_to_memory(vcpu);
	x87_store(vcpu, image);
	mxcsr_store(vcpu, image);
	xmm_store(vcpu, image);
	if (!wide) {	/* 32-bit pointers with selectors, which are not kept */
		memset(image + 12, 0, 4);
		memset(image + 20, 0, 4);
	}
	if (!mem_write(vcpu, addr, image, op->mode == DECODE_64 ? 416 : 288))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

enum emulate_result op_fxrstor(struct vcpu *vcpu, const struct op *op)
{
	gva_t addr;

	if (vcpu->cr0 & (CR0_EM | CR0_TS)) {
		vcpu_raise(vcpu, VEC_NM);
		return EMULATE_EXCEPTION;
	}
	if (fx_address(vcpu, op, false, 16, 512, &addr) || !mem_read(vcpu, addr, image, 512))
		return EMULATE_EXCEPTION;
	if (!mxcsr_valid(image))
		return raise_gp(vcpu, 0);
	fpu_to_memory(vcpu);
	if (!(state_bv(vcpu) & SSE))
		memset(vcpu->xsave + 160, 0, 256);
	memcpy(vcpu->xsave, image, 28);
	memcpy(vcpu->xsave + 32, image + 32, 128);
	memcpy(vcpu->xsave + 160, image + 160, op->mode == DECODE_64 ? 256 : 128);
	state_set_bv(vcpu, state_bv(vcpu) | X87 | SSE);
	return op_done(vcpu, op);
}

/* Checks common to the XSAVE family; *rfbm is what is asked for and enabled. */
static bool xsave_begin(struct vcpu *vcpu, const struct op *op, bool write, uint64_t *rfbm,
			gva_t *addr)
{
	if (!(vcpu->cr4 & CR4_OSXSAVE)) {
		vcpu_raise(vcpu, VEC_UD);
		return false;
	}
	if (vcpu->cr0 & CR0_TS) {
		vcpu_raise(vcpu, VEC_NM);
		return false;
	}
	components_read();
	*rfbm = ((uint32_t)vcpu->regs[REG_RAX] | vcpu->regs[REG_RDX] << 32) & vcpu->xcr0 &
		fpu_features();
	return fx_address(vcpu, op, write, 64, EXTENDED, addr) == EMULATE_OK;
}

/* End of the standard image with these components. */
static unsigned standard_size(uint64_t features)
{
	unsigned end = EXTENDED;

	for (unsigned i = 2; i < COMPONENTS; i++) {
		if ((features >> i & 1) && components[i].offset + components[i].size > end)
			end = components[i].offset + components[i].size;
	}
	return end;
}

/* Offset of component nr in a compacted image; nr = COMPONENTS: its size. */
static unsigned compact_offset(uint64_t xcomp_bv, unsigned nr)
{
	unsigned offset = EXTENDED;

	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (!(xcomp_bv >> i & 1)) {
			if (i == nr)
				break;
			continue;
		}
		if (components[i].align)
			offset = (unsigned)align_up(offset, 64);
		if (i == nr)
			break;
		offset += components[i].size;
	}
	return offset;
}

static void header_store(uint64_t bv, uint64_t xcomp_bv)
{
	memcpy(image + HEADER, &bv, 8);
	memcpy(image + HEADER + 8, &xcomp_bv, 8);
}

enum emulate_result op_xsave(struct vcpu *vcpu, const struct op *op)
{
	bool compact = op->mnemonic == ZYDIS_MNEMONIC_XSAVEC || op->mnemonic == ZYDIS_MNEMONIC_XSAVEC64;
	bool all = op->mnemonic == ZYDIS_MNEMONIC_XSAVE || op->mnemonic == ZYDIS_MNEMONIC_XSAVE64;
	uint64_t rfbm, in_use, store;
	unsigned size;
	gva_t addr;

	if (!xsave_begin(vcpu, op, true, &rfbm, &addr))
		return EMULATE_EXCEPTION;
	fpu_to_memory(vcpu);
	in_use = state_bv(vcpu);
	if (compact && load32(vcpu->xsave + 24) != MXCSR_INIT)
		in_use |= SSE;
	store = all ? rfbm : rfbm & in_use;
	size = compact ? compact_offset(rfbm, COMPONENTS) : standard_size(rfbm);
	/* What is not stored is written back as it was read. */
	if (!mem_probe_write(vcpu, addr, size) || !mem_read(vcpu, addr, image, size))
		return EMULATE_EXCEPTION;
	if (store & X87)
		x87_store(vcpu, image);
	if (compact ? store & SSE : rfbm & (SSE | AVX))
		mxcsr_store(vcpu, image);
	if (store & SSE)
		xmm_store(vcpu, image);
	for (unsigned i = 2; i < COMPONENTS; i++) {
		unsigned at = compact ? compact_offset(rfbm, i) : components[i].offset;

		if (!(store >> i & 1))
			continue;
		if (in_use >> i & 1)
			memcpy(image + at, vcpu->xsave + components[i].offset, components[i].size);
		else
			memset(image + at, 0, components[i].size);
	}
	if (compact) {
		header_store(rfbm & in_use, rfbm | COMPACTED);
	} else {
		uint64_t bv = load64(image + HEADER);

		header_store((bv & ~rfbm) | (in_use & rfbm), load64(image + HEADER + 8));
	}
	if (!mem_write(vcpu, addr, image, size))
		return EMULATE_EXCEPTION;
	return op_done(vcpu, op);
}

static bool header_valid(const struct vcpu *vcpu, uint64_t bv, uint64_t xcomp_bv)
{
	uint64_t layout = xcomp_bv & ~COMPACTED;

	for (unsigned i = 16; i < 64; i += 8) {
		/* The standard format looks at the first eight reserved bytes only. */
		if (load64(image + HEADER + i) && (i < 24 || (xcomp_bv & COMPACTED)))
			return false;
	}
	if (bv & ~vcpu->xcr0)
		return false;
	if (!(xcomp_bv & COMPACTED))
		return !xcomp_bv;
	return !(layout & ~vcpu->xcr0) && !(bv & ~layout);
}

enum emulate_result op_xrstor(struct vcpu *vcpu, const struct op *op)
{
	uint64_t rfbm, bv, xcomp_bv, old;
	uint32_t mxcsr = MXCSR_INIT;
	bool compact, load_mxcsr;
	unsigned size;
	gva_t addr;

	if (!xsave_begin(vcpu, op, false, &rfbm, &addr) || !mem_read(vcpu, addr, image, EXTENDED))
		return EMULATE_EXCEPTION;
	bv = load64(image + HEADER);
	xcomp_bv = load64(image + HEADER + 8);
	compact = xcomp_bv & COMPACTED;
	if (!header_valid(vcpu, bv, xcomp_bv))
		return raise_gp(vcpu, 0);
	load_mxcsr = compact ? (rfbm & SSE) && (bv & SSE) : rfbm & (SSE | AVX);
	if (load_mxcsr) {
		if (!mxcsr_valid(image))
			return raise_gp(vcpu, 0);
		mxcsr = load32(image + 24);
	}
	size = compact ? compact_offset(xcomp_bv, COMPONENTS) : standard_size(rfbm & bv);
	if (size > EXTENDED &&
	    !mem_read(vcpu, GVA(addr.v + EXTENDED), image + EXTENDED, size - EXTENDED))
		return EMULATE_EXCEPTION;

	fpu_to_memory(vcpu);
	old = state_bv(vcpu);
	if (rfbm & bv & X87) {
		memcpy(vcpu->xsave, image, 24);
		memcpy(vcpu->xsave + 32, image + 32, 128);
	}
	if (compact ? rfbm & SSE : rfbm & (SSE | AVX))
		memcpy(vcpu->xsave + 24, &mxcsr, 4);
	if (rfbm & bv & SSE)
		memcpy(vcpu->xsave + 160, image + 160, 256);
	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (rfbm & bv & (1ull << i))
			memcpy(vcpu->xsave + components[i].offset,
			       image + (compact ? compact_offset(xcomp_bv, i) : components[i].offset),
			       components[i].size);
	}
	state_set_bv(vcpu, (old & ~rfbm) | (bv & rfbm));
	return op_done(vcpu, op);
}

/* Give every component its bytes, so that registers can be addressed singly. */
static void materialize(struct vcpu *vcpu)
{
	uint64_t missing = fpu_features() & ~state_bv(vcpu) & ~X87;

	if (likely(!missing))
		return;
	components_read();
	if (missing & SSE)
		memset(vcpu->xsave + 160, 0, 256);
	for (unsigned i = 2; i < COMPONENTS; i++) {
		if (missing >> i & 1)
			memset(vcpu->xsave + components[i].offset, 0, components[i].size);
	}
	state_set_bv(vcpu, state_bv(vcpu) | missing);
}

/* The pieces of a vector register: 16 bytes, the next 16, the upper 32; NULL: not on this host. */
static void vector_pieces(struct vcpu *vcpu, unsigned reg, uint8_t *pieces[3])
{
	uint64_t features = fpu_features();

	components_read();
	materialize(vcpu);
	if (reg >= 16) {
		uint8_t *p = vcpu->xsave + components[7].offset + 64 * (reg - 16);

		pieces[0] = p;
		pieces[1] = p + 16;
		pieces[2] = p + 32;
		return;
	}
	pieces[0] = vcpu->xsave + 160 + 16 * reg;
	pieces[1] = features & AVX ? vcpu->xsave + components[2].offset + 16 * reg : NULL;
	pieces[2] = features >> 6 & 1 ? vcpu->xsave + components[6].offset + 32 * reg : NULL;
}

static const unsigned piece_start[4] = { 0, 16, 32, 64 };

void fpu_vector_read(struct vcpu *vcpu, unsigned reg, uint8_t value[64])
{
	uint8_t *pieces[3];

	memset(value, 0, 64);
	vector_pieces(vcpu, reg, pieces);
	for (unsigned i = 0; i < 3; i++) {
		if (pieces[i])
			memcpy(value + piece_start[i], pieces[i], piece_start[i + 1] - piece_start[i]);
	}
}

void fpu_vector_write(struct vcpu *vcpu, unsigned reg, const uint8_t value[64], unsigned size)
{
	uint8_t image64[64] = { 0 }, *pieces[3];

	memcpy(image64, value, size);
	vector_pieces(vcpu, reg, pieces);
	for (unsigned i = 0; i < 3; i++) {
		if (pieces[i])
			memcpy(pieces[i], image64 + piece_start[i], piece_start[i + 1] - piece_start[i]);
	}
}

uint64_t fpu_mask_read(struct vcpu *vcpu, unsigned reg)
{
	materialize(vcpu);
	components_read();
	return load64(vcpu->xsave + components[5].offset + 8 * reg);
}

void fpu_mask_write(struct vcpu *vcpu, unsigned reg, uint64_t value)
{
	materialize(vcpu);
	components_read();
	memcpy(vcpu->xsave + components[5].offset + 8 * reg, &value, 8);
}
