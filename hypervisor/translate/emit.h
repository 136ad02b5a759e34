/* SPDX-License-Identifier: MIT */
/*
 * Writing host instructions: the few forms that the translator composes.
 * None of them changes the flags.
 */
#ifndef RING3_TRANSLATE_EMIT_H
#define RING3_TRANSLATE_EMIT_H

#include <string.h>

#include "base/types.h"
#include "machine/vcpu.h"

struct emitter {
	uint8_t *p;
};

static inline void emit8(struct emitter *e, uint8_t b) { *e->p++ = b; }

static inline void emit32(struct emitter *e, uint32_t v)
{
	memcpy(e->p, &v, 4);
	e->p += 4;
}

static inline void emit64(struct emitter *e, uint64_t v)
{
	memcpy(e->p, &v, 8);
	e->p += 8;
}

static inline void emit_bytes(struct emitter *e, const uint8_t *bytes, size_t n)
{
	memcpy(e->p, bytes, n);
	e->p += n;
}

/* wrgsbase rcx */
static inline void emit_wrgsbase_rcx(struct emitter *e)
{
	emit_bytes(e, (const uint8_t[]){ 0xf3, 0x48, 0x0f, 0xae, 0xd9 }, 5);
}

/* ModRM and SIB for [disp32], absolute. */
static inline void emit_abs(struct emitter *e, unsigned reg, uint32_t addr)
{
	emit8(e, (uint8_t)(((reg & 7) << 3) | 4));
	emit8(e, 0x25);
	emit32(e, addr);
}

/* mov [addr], r64 */
static inline void emit_store(struct emitter *e, unsigned reg, uint32_t addr)
{
	emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0)));
	emit8(e, 0x89);
	emit_abs(e, reg, addr);
}

/* mov r64, [addr] */
static inline void emit_load(struct emitter *e, unsigned reg, uint32_t addr)
{
	emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0)));
	emit8(e, 0x8b);
	emit_abs(e, reg, addr);
}

/* mov qword [addr], imm32 sign-extended */
static inline void emit_store_imm(struct emitter *e, uint32_t addr, int32_t value)
{
	emit8(e, 0x48);
	emit8(e, 0xc7);
	emit_abs(e, 0, addr);
	emit32(e, (uint32_t)value);
}

/* mov dword [addr], imm32 */
static inline void emit_store_imm32(struct emitter *e, uint32_t addr, uint32_t value)
{
	emit8(e, 0xc7);
	emit_abs(e, 0, addr);
	emit32(e, value);
}

/* mov r64, imm, in the shortest form */
static inline void emit_imm(struct emitter *e, unsigned reg, uint64_t value)
{
	if (value <= UINT32_MAX) {
		if (reg >= 8)
			emit8(e, 0x41);
		emit8(e, (uint8_t)(0xb8 | (reg & 7)));
		emit32(e, (uint32_t)value);
	} else if ((uint64_t)(int64_t)(int32_t)value == value) {
		emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 1 : 0)));
		emit8(e, 0xc7);
		emit8(e, (uint8_t)(0xc0 | (reg & 7)));
		emit32(e, (uint32_t)value);
	} else {
		emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 1 : 0)));
		emit8(e, (uint8_t)(0xb8 | (reg & 7)));
		emit64(e, value);
	}
}

/* lea dst, [base + index]; index is not RSP, base may be any */
static inline void emit_lea_sum(struct emitter *e, unsigned dst, unsigned base, unsigned index)
{
	emit8(e, (uint8_t)(0x48 | (dst >= 8 ? 4 : 0) | (index >= 8 ? 2 : 0) | (base >= 8 ? 1 : 0)));
	emit8(e, 0x8d);
	emit8(e, (uint8_t)(0x44 | ((dst & 7) << 3)));	/* disp8: base may be RBP, R13 */
	emit8(e, (uint8_t)(((index & 7) << 3) | (base & 7)));
	emit8(e, 0);
}

/* mov r64, r64 */
static inline void emit_move(struct emitter *e, unsigned dst, unsigned src)
{
	emit8(e, (uint8_t)(0x48 | (src >= 8 ? 4 : 0) | (dst >= 8 ? 1 : 0)));
	emit8(e, 0x89);
	emit8(e, (uint8_t)(0xc0 | ((src & 7) << 3) | (dst & 7)));
}

/* push r64 / pop r64 */
static inline void emit_push(struct emitter *e, unsigned reg)
{
	if (reg >= 8)
		emit8(e, 0x41);
	emit8(e, (uint8_t)(0x50 | (reg & 7)));
}

static inline void emit_pop(struct emitter *e, unsigned reg)
{
	if (reg >= 8)
		emit8(e, 0x41);
	emit8(e, (uint8_t)(0x58 | (reg & 7)));
}

/* mov r64, [rsp] / mov [rsp], r64 */
static inline void emit_load_top(struct emitter *e, unsigned reg)
{
	emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0)));
	emit8(e, 0x8b);
	emit8(e, (uint8_t)(0x04 | ((reg & 7) << 3)));
	emit8(e, 0x24);
}

static inline void emit_store_top(struct emitter *e, unsigned reg)
{
	emit8(e, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0)));
	emit8(e, 0x89);
	emit8(e, (uint8_t)(0x04 | ((reg & 7) << 3)));
	emit8(e, 0x24);
}

/* jmp rel32 to a host address below 4 GiB; returns the address of the rel32 */
static inline uint32_t emit_jump(struct emitter *e, uint64_t target)
{
	uint32_t field;

	emit8(e, 0xe9);
	field = (uint32_t)(uintptr_t)e->p;
	emit32(e, (uint32_t)(target - (field + 4)));
	return field;
}

static inline bool fits_sext32(uint64_t v)
{
	return (uint64_t)(int64_t)(int32_t)v == v;
}

/* Addresses of vCPU fields as [disp32]. */
#define VCPU_ADDR(field)	((uint32_t)(LAYOUT_VCPU + offsetof(struct vcpu, field)))
#define SPILL_ADDR(reg)		((uint32_t)(LAYOUT_VCPU + offsetof(struct vcpu, fast.spill) + 8 * (reg)))

#endif
