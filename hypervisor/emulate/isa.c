/* SPDX-License-Identifier: MIT */
/*
 * A table from Zydis's instruction sets to CPUID bits.  A set that is not in
 * the table does not exist for the guest (#UD): new sets must be added here
 * knowingly, because native.c would run them.
 */
#include "emulate/isa.h"

#include "emulate/system.h"

enum { EAX, EBX, ECX, EDX };

/* Words read from CPUID. */
enum isa_word { W1C, W1D, W7B, W7C, W7D, W71A, W81C, W81D, WD1A, ISA_WORDS };

static const struct {
	uint32_t leaf, subleaf;
	uint8_t reg;
} words[ISA_WORDS] = {
	[W1C] = { 1, 0, ECX }, [W1D] = { 1, 0, EDX },
	[W7B] = { 7, 0, EBX }, [W7C] = { 7, 0, ECX }, [W7D] = { 7, 0, EDX },
	[W71A] = { 7, 1, EAX }, [W81C] = { 0x80000001, 0, ECX },
	[W81D] = { 0x80000001, 0, EDX }, [WD1A] = { 13, 1, EAX },
};

#define ALWAYS		1
#define BIT_OF(w, b)	(2 + (w) * 32 + (b))
#define S(name, w, b)	[ZYDIS_ISA_SET_##name] = BIT_OF(w, b)
#define A(name)		[ZYDIS_ISA_SET_##name] = ALWAYS
#define VL(name, w, b)	S(name##_128, w, b), S(name##_256, w, b), S(name##_512, w, b)

static const uint16_t sets[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
	A(I86), A(I186), A(I286PROTECTED), A(I286REAL), A(I386), A(I486), A(I486REAL),
	A(PENTIUMREAL), A(PPRO), A(LONGMODE), A(AMD), A(PAUSE), A(FAT_NOP), A(PREFETCH_NOP),
	A(SSE_PREFETCH), A(RDPMC), A(PREFETCHWT1),
	/* Judged by their handlers, which need more than this. */
	A(RDTSCP), A(RDPID), A(INVPCID),
	S(LAHF, W81C, 0), S(CMOV, W1D, 15), S(FCMOV, W1D, 15), S(X87, W1D, 0),
	S(PENTIUMMMX, W1D, 23), S(FXSAVE, W1D, 24), S(FXSAVE64, W1D, 24),
	S(SSE, W1D, 25), S(SSEMXCSR, W1D, 25), S(SSE2, W1D, 26), S(SSE2MMX, W1D, 26),
	S(SSE3, W1C, 0), S(SSE3X87, W1C, 0), S(SSSE3, W1C, 9), S(SSSE3MMX, W1C, 9),
	S(SSE4, W1C, 19), S(SSE42, W1C, 20), S(SSE4A, W81C, 6), S(AES, W1C, 25),
	S(PCLMULQDQ, W1C, 1), S(POPCNT, W1C, 23), S(MOVBE, W1C, 22), S(CMPXCHG16B, W1C, 13),
	S(CLFSH, W1D, 19), S(RDRAND, W1C, 30), S(RDSEED, W7B, 18), S(XSAVE, W1C, 26),
	S(XSAVEOPT, WD1A, 0), S(XSAVEC, WD1A, 1), S(AVX, W1C, 28), S(AVXAES, W1C, 25),
	S(F16C, W1C, 29), S(FMA, W1C, 12), S(AVX2, W7B, 5), S(AVX2GATHER, W7B, 5),
	S(BMI1, W7B, 3), S(BMI2, W7B, 8), S(LZCNT, W81C, 5), S(ADOX_ADCX, W7B, 19),
	S(SHA, W7B, 29), S(GFNI, W7C, 8), S(AVX_GFNI, W7C, 8), S(VAES, W7C, 9),
	S(VPCLMULQDQ, W7C, 10), S(AVX_VNNI, W71A, 4), S(CLFLUSHOPT, W7B, 23), S(CLWB, W7B, 24),
	S(RDWRFSGS, W7B, 0), S(SMAP, W7B, 20), S(SERIALIZE, W7D, 14),

	VL(AVX512F, W7B, 16), S(AVX512F_128N, W7B, 16), S(AVX512F_KOP, W7B, 16),
	S(AVX512F_SCALAR, W7B, 16),
	VL(AVX512BW, W7B, 30), S(AVX512BW_128N, W7B, 30), S(AVX512BW_KOP, W7B, 30),
	VL(AVX512DQ, W7B, 17), S(AVX512DQ_128N, W7B, 17), S(AVX512DQ_KOP, W7B, 17),
	S(AVX512DQ_SCALAR, W7B, 17), VL(AVX512CD, W7B, 28), VL(AVX512_IFMA, W7B, 21),
	VL(AVX512_VBMI, W7C, 1), VL(AVX512_VBMI2, W7C, 6), VL(AVX512_VNNI, W7C, 11),
	VL(AVX512_BITALG, W7C, 12), VL(AVX512_VPOPCNTDQ, W7C, 14), VL(AVX512_BF16, W71A, 5),
	VL(AVX512_FP16, W7D, 23), S(AVX512_FP16_128N, W7D, 23), S(AVX512_FP16_SCALAR, W7D, 23),
	VL(AVX512_VP2INTERSECT, W7D, 8), VL(AVX512_GFNI, W7C, 8), VL(AVX512_VAES, W7C, 9),
	VL(AVX512_VPCLMULQDQ, W7C, 10),
};

static uint32_t features[ISA_WORDS];
static bool known;

void isa_init(struct vcpu *vcpu)
{
	if (known)
		return;
	for (unsigned i = 0; i < ISA_WORDS; i++) {
		uint32_t out[4];

		system_cpuid(vcpu, words[i].leaf, words[i].subleaf, out);
		features[i] = out[words[i].reg];
	}
	known = true;
}

bool isa_present(ZydisISASet set)
{
	unsigned code = sets[set];

	if (code <= ALWAYS)
		return code;
	code -= 2;
	return features[code / 32] >> (code % 32) & 1;
}
