/* SPDX-License-Identifier: MIT */
/*
 * Instruction decoding; the only includer of Zydis.
 */
#ifndef RING3_DECODE_DECODE_H
#define RING3_DECODE_DECODE_H

#include <Zydis/Zydis.h>

#include "base/types.h"

#define INSN_MAX	15

enum decode_mode { DECODE_16, DECODE_32, DECODE_64 };

struct insn {
	ZydisDecodedInstruction zy;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t bytes[INSN_MAX];	/* the instruction's own bytes, zy.length of them */
};

void decode_init(void);
/* Decode one instruction from up to `len` bytes.  0; -EINVAL: #UD; -ENODATA: needs more bytes. */
int decode_insn(enum decode_mode mode, const uint8_t *bytes, size_t len, struct insn *out);
/* The same without operands (length, mnemonic, raw fields): several times faster. */
int decode_insn_brief(enum decode_mode mode, const uint8_t *bytes, size_t len, struct insn *out);

#endif
