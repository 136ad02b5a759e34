/* SPDX-License-Identifier: MIT */
/*
 * The three Zydis decoders (16, 32 and 64 bit).  Owns nothing else: what an
 * instruction means is for emulate/ and translate/ to say.  Zydis is built
 * with -mgeneral-regs-only and without libc, so decoding is allowed inside the
 * jail and while the guest's SIMD registers are live.
 *
 * decode_init() is idempotent; decoding before it initializes by itself.
 */
#include "decode/decode.h"

#include <cpuid.h>
#include <errno.h>

static ZydisDecoder decoders[3];
static bool initialized;

void decode_init(void)
{
	static const struct {
		ZydisMachineMode machine;
		ZydisStackWidth stack;
	} modes[3] = {
		[DECODE_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[DECODE_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[DECODE_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};

	unsigned a, b = 0, c, d;
	bool amd;

	if (initialized)
		return;
	__cpuid(0, a, b, c, d);
	amd = b == signature_AMD_ebx || b == 0x6f677948;	/* "Hygo" */
	for (unsigned i = 0; i < array_size(modes); i++) {
		ZydisDecoderInit(&decoders[i], modes[i].machine, modes[i].stack);
		/* Without CET and MPX their encodings are NOPs, as on the CPU shown. */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
		/* 66-prefixed near branches in 64-bit mode. */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_AMD_BRANCHES, amd);
	}
	initialized = true;
}

static int decode_error(ZyanStatus status)
{
	/* Too long is the same with nowhere to get the rest: #GP, which who has 15 bytes knows. */
	return status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG
		? -ENODATA : -EINVAL;
}

/*
 * Zydis 4.0 takes R13D for a base where 32-bit addressing with REX.B has none
 * (ModRM.mod 0, SIB.base 5), and drops the displacement.
 */
static void fix_missing_base(struct insn *insn)
{
	if (likely(insn->zy.address_width != 32 || !(insn->zy.attributes & ZYDIS_ATTRIB_HAS_SIB) ||
		   insn->zy.raw.modrm.mod || insn->zy.raw.sib.base != 5))
		return;
	for (unsigned i = 0; i < insn->zy.operand_count_visible; i++) {
		ZydisDecodedOperandMem *mem = &insn->ops[i].mem;

		if (insn->ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    mem->base != ZYDIS_REGISTER_R13D)
			continue;
		mem->base = ZYDIS_REGISTER_NONE;
		mem->disp.has_displacement = ZYAN_TRUE;
		mem->disp.value = insn->zy.raw.disp.value;
	}
}

int decode_insn(enum decode_mode mode, const uint8_t *bytes, size_t len, struct insn *out)
{
	ZydisDecoderContext context;
	ZyanStatus status;

	if (unlikely(!initialized))
		decode_init();
	if (len > INSN_MAX)
		len = INSN_MAX;
	status = ZydisDecoderDecodeInstruction(&decoders[mode], &context, bytes, len, &out->zy);
	if (!ZYAN_SUCCESS(status)) {
		/* Fifteen bytes and still incomplete: too long, #GP on hardware; the caller
		 * that has 15 bytes sees -ENODATA and knows. */
		return decode_error(status);
	}
	status = ZydisDecoderDecodeOperands(&decoders[mode], &context, &out->zy, out->ops,
					    out->zy.operand_count);
	if (!ZYAN_SUCCESS(status))
		return decode_error(status);
	fix_missing_base(out);
	for (unsigned i = 0; i < out->zy.length; i++)
		out->bytes[i] = bytes[i];
	return 0;
}

int decode_insn_brief(enum decode_mode mode, const uint8_t *bytes, size_t len, struct insn *out)
{
	ZyanStatus status;

	if (unlikely(!initialized))
		decode_init();
	if (len > INSN_MAX)
		len = INSN_MAX;
	status = ZydisDecoderDecodeInstruction(&decoders[mode], NULL, bytes, len, &out->zy);
	if (!ZYAN_SUCCESS(status))
		return decode_error(status);
	for (unsigned i = 0; i < out->zy.length; i++)
		out->bytes[i] = bytes[i];
	return 0;
}
