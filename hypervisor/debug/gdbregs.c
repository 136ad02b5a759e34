// SPDX-License-Identifier: MIT
/*
 * The register table; see gdbregs.h.  One row describes a register to gdb and
 * says where it lies in struct vcpu, so that the two cannot disagree.
 *
 * The first 57 rows are in the order that gdb's i386:x86-64 architecture
 * expects.  Offsets into the FXSAVE image: SDM vol. 1, table 10-2.
 */
#include "debug/gdbregs.h"

#include <string.h>

#include "base/log.h"
#include "debug/gdb.h"
#include "emulate/system.h"

#define MSR_EFER		0xc0000080
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102

/* Components marked absent in the XSAVE header would be initialized, not loaded. */
#define XSAVE_STATE_BV		512
#define XSAVE_X87		1
#define XSAVE_SSE		2

enum access_rule {
	RULE_PLAIN,		/* the field as it is */
	RULE_FIXED,		/* a write is accepted if it changes nothing */
	RULE_FPU,		/* in vcpu->xsave, once that is current */
	RULE_FPU_TAG,		/* the abridged tag word, shown in full */
	RULE_CR0, RULE_CR3, RULE_CR4, RULE_CR8,
	RULE_MSR_EFER, RULE_MSR_FS, RULE_MSR_GS, RULE_MSR_KERNEL_GS,
};

struct reg {
	const char *name, *type;
	uint8_t bytes;		/* as gdb sees it */
	uint8_t stored;		/* in struct vcpu; the rest is zero */
	uint8_t rule;
	uint32_t offset;	/* in struct vcpu */
};

#define AT(field)	offsetof(struct vcpu, field)
#define GENERAL(n, r, t)	{ n, t, 8, 8, RULE_PLAIN, AT(regs[r]) }
#define SELECTOR(n, s)		{ n, "int32", 4, 2, RULE_FIXED, AT(seg[s].selector) }
#define X87(n, i)		{ n, "i387_ext", 10, 10, RULE_FPU, AT(xsave) + 32 + 16 * (i) }
#define X87_CONTROL(n, at, size) { n, "int", 4, size, RULE_FPU, AT(xsave) + (at) }
#define XMM(n, i)		{ n, "vec128", 16, 16, RULE_FPU, AT(xsave) + 160 + 16 * (i) }

static const struct reg core_regs[] = {
	GENERAL("rax", REG_RAX, "int64"), GENERAL("rbx", REG_RBX, "int64"),
	GENERAL("rcx", REG_RCX, "int64"), GENERAL("rdx", REG_RDX, "int64"),
	GENERAL("rsi", REG_RSI, "int64"), GENERAL("rdi", REG_RDI, "int64"),
	GENERAL("rbp", REG_RBP, "data_ptr"), GENERAL("rsp", REG_RSP, "data_ptr"),
	GENERAL("r8", REG_R8, "int64"), GENERAL("r9", REG_R9, "int64"),
	GENERAL("r10", REG_R10, "int64"), GENERAL("r11", REG_R11, "int64"),
	GENERAL("r12", REG_R12, "int64"), GENERAL("r13", REG_R13, "int64"),
	GENERAL("r14", REG_R14, "int64"), GENERAL("r15", REG_R15, "int64"),
	{ "rip", "code_ptr", 8, 8, RULE_PLAIN, AT(rip) },
	{ "eflags", "eflags_t", 4, 4, RULE_PLAIN, AT(rflags) },
	SELECTOR("cs", SEG_CS), SELECTOR("ss", SEG_SS), SELECTOR("ds", SEG_DS),
	SELECTOR("es", SEG_ES), SELECTOR("fs", SEG_FS), SELECTOR("gs", SEG_GS),
	X87("st0", 0), X87("st1", 1), X87("st2", 2), X87("st3", 3),
	X87("st4", 4), X87("st5", 5), X87("st6", 6), X87("st7", 7),
	X87_CONTROL("fctrl", 0, 2), X87_CONTROL("fstat", 2, 2),
	{ "ftag", "int", 4, 1, RULE_FPU_TAG, AT(xsave) + 4 },
	X87_CONTROL("fiseg", 12, 2), X87_CONTROL("fioff", 8, 4),
	X87_CONTROL("foseg", 20, 2), X87_CONTROL("fooff", 16, 4), X87_CONTROL("fop", 6, 2),
};

static const struct reg sse_regs[] = {
	XMM("xmm0", 0), XMM("xmm1", 1), XMM("xmm2", 2), XMM("xmm3", 3),
	XMM("xmm4", 4), XMM("xmm5", 5), XMM("xmm6", 6), XMM("xmm7", 7),
	XMM("xmm8", 8), XMM("xmm9", 9), XMM("xmm10", 10), XMM("xmm11", 11),
	XMM("xmm12", 12), XMM("xmm13", 13), XMM("xmm14", 14), XMM("xmm15", 15),
	{ "mxcsr", "mxcsr_t", 4, 4, RULE_FPU, AT(xsave) + 24 },
};

static const struct reg segment_regs[] = {
	{ "fs_base", "int64", 8, 8, RULE_MSR_FS, AT(seg[SEG_FS].base) },
	{ "gs_base", "int64", 8, 8, RULE_MSR_GS, AT(fast.gs_base[0]) },
};

static const struct reg system_regs[] = {
	{ "k_gs_base", "int64", 8, 8, RULE_MSR_KERNEL_GS, AT(fast.gs_base[1]) },
	{ "cr0", "cr0_t", 8, 8, RULE_CR0, AT(cr0) },
	{ "cr2", "data_ptr", 8, 8, RULE_PLAIN, AT(cr2) },
	{ "cr3", "int64", 8, 8, RULE_CR3, AT(cr3) },
	{ "cr4", "cr4_t", 8, 8, RULE_CR4, AT(cr4) },
	{ "cr8", "int64", 8, 8, RULE_CR8, AT(cr8) },
	{ "efer", "efer_t", 8, 8, RULE_MSR_EFER, AT(efer) },
	{ "gdt", "data_ptr", 8, 8, RULE_FIXED, AT(gdtr.base) },
	{ "idt", "data_ptr", 8, 8, RULE_FIXED, AT(idtr.base) },
	{ "lstar", "code_ptr", 8, 8, RULE_FIXED, AT(lstar) },
};

#define FIELD(n, bit)	"<field name=\"" n "\" start=\"" #bit "\" end=\"" #bit "\"/>"

static const char core_types[] =
	"<flags id=\"eflags_t\" size=\"4\">"
	FIELD("CF", 0) FIELD("", 1) FIELD("PF", 2) FIELD("AF", 4) FIELD("ZF", 6) FIELD("SF", 7)
	FIELD("TF", 8) FIELD("IF", 9) FIELD("DF", 10) FIELD("OF", 11) FIELD("NT", 14)
	FIELD("RF", 16) FIELD("VM", 17) FIELD("AC", 18) FIELD("VIF", 19) FIELD("VIP", 20)
	FIELD("ID", 21) "</flags>";

static const char sse_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
	"<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
	"<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
	"<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
	"<flags id=\"mxcsr_t\" size=\"4\">"
	FIELD("IE", 0) FIELD("DE", 1) FIELD("ZE", 2) FIELD("OE", 3) FIELD("UE", 4) FIELD("PE", 5)
	FIELD("DAZ", 6) FIELD("IM", 7) FIELD("DM", 8) FIELD("ZM", 9) FIELD("OM", 10)
	FIELD("UM", 11) FIELD("PM", 12) FIELD("FZ", 15) "</flags>";

static const char system_types[] =
	"<flags id=\"cr0_t\" size=\"8\">"
	FIELD("PE", 0) FIELD("MP", 1) FIELD("EM", 2) FIELD("TS", 3) FIELD("ET", 4) FIELD("NE", 5)
	FIELD("WP", 16) FIELD("AM", 18) FIELD("NW", 29) FIELD("CD", 30) FIELD("PG", 31) "</flags>"
	"<flags id=\"cr4_t\" size=\"8\">"
	FIELD("VME", 0) FIELD("PVI", 1) FIELD("TSD", 2) FIELD("DE", 3) FIELD("PSE", 4)
	FIELD("PAE", 5) FIELD("MCE", 6) FIELD("PGE", 7) FIELD("PCE", 8) FIELD("OSFXSR", 9)
	FIELD("OSXMMEXCPT", 10) FIELD("UMIP", 11) FIELD("LA57", 12) FIELD("FSGSBASE", 16)
	FIELD("PCIDE", 17) FIELD("OSXSAVE", 18) FIELD("SMEP", 20) FIELD("SMAP", 21) "</flags>"
	"<flags id=\"efer_t\" size=\"8\">"
	FIELD("SCE", 0) FIELD("LME", 8) FIELD("LMA", 10) FIELD("NXE", 11) "</flags>";

static const struct feature {
	const char *name, *types;
	const struct reg *regs;
	unsigned count;
} features[] = {
	{ "org.gnu.gdb.i386.core", core_types, core_regs, array_size(core_regs) },
	{ "org.gnu.gdb.i386.sse", sse_types, sse_regs, array_size(sse_regs) },
	{ "org.gnu.gdb.i386.segments", "", segment_regs, array_size(segment_regs) },
	{ "org.ring3.system", system_types, system_regs, array_size(system_regs) },
};

static const struct reg *reg_find(unsigned nr)
{
	for (unsigned i = 0; i < array_size(features); i++) {
		if (nr < features[i].count)
			return &features[i].regs[nr];
		nr -= features[i].count;
	}
	return NULL;
}

unsigned gdb_register_general(void)
{
	return array_size(core_regs) + array_size(sse_regs) + array_size(segment_regs);
}

unsigned gdb_register_count(void)
{
	return gdb_register_general() + array_size(system_regs);
}

unsigned gdb_register_bytes(unsigned nr)
{
	const struct reg *reg = reg_find(nr);

	return reg ? reg->bytes : 0;
}

static bool fpu_in_memory(struct vcpu *vcpu)
{
	if (vcpu->fpu_place != FPU_IN_MEMORY && gdb_fpu_fetch)
		gdb_fpu_fetch(vcpu);
	return vcpu->fpu_place == FPU_IN_MEMORY;
}

/*
 * FXSAVE keeps one bit per physical register, "not empty"; gdb wants two bits
 * each.  Valid, zero and special are not told apart: gdb shows them alike.
 */
static uint16_t tag_word(uint8_t abridged)
{
	uint16_t tags = 0;

	for (unsigned i = 0; i < 8; i++)
		if (!(abridged & (1u << i)))
			tags |= (uint16_t)(3u << (2 * i));
	return tags;
}

static uint8_t tag_abridged(uint16_t tags)
{
	uint8_t abridged = 0;

	for (unsigned i = 0; i < 8; i++)
		if ((tags >> (2 * i) & 3) != 3)
			abridged |= (uint8_t)(1u << i);
	return abridged;
}

bool gdb_register_read(struct vcpu *vcpu, unsigned nr, uint8_t *value)
{
	const struct reg *reg = reg_find(nr);
	const uint8_t *field;

	if (!reg)
		return false;
	if ((reg->rule == RULE_FPU || reg->rule == RULE_FPU_TAG) && !fpu_in_memory(vcpu))
		return false;
	field = (const uint8_t *)vcpu + reg->offset;
	memset(value, 0, reg->bytes);
	if (reg->rule == RULE_FPU_TAG) {
		uint16_t tags = tag_word(*field);

		memcpy(value, &tags, sizeof(tags));
	} else if (reg->rule == RULE_CR8) {
		uint64_t cr8;

		if (!system_read_cr(vcpu, 8, &cr8))
			return false;
		memcpy(value, &cr8, sizeof(cr8));
	} else {
		memcpy(value, field, reg->stored);
	}
	return true;
}

static bool system_register_write(struct vcpu *vcpu, enum access_rule rule, uint64_t value)
{
	switch (rule) {
	case RULE_CR0:
		return system_write_cr0(vcpu, value);
	case RULE_CR3:
		return system_write_cr3(vcpu, value);
	case RULE_CR4:
		return system_write_cr4(vcpu, value);
	case RULE_CR8:
		return system_write_cr8(vcpu, value);
	case RULE_MSR_EFER:
		return system_write_msr(vcpu, MSR_EFER, value);
	case RULE_MSR_FS:
		return system_write_msr(vcpu, MSR_FS_BASE, value);
	case RULE_MSR_GS:
		return system_write_msr(vcpu, MSR_GS_BASE, value);
	case RULE_MSR_KERNEL_GS:
		return system_write_msr(vcpu, MSR_KERNEL_GS_BASE, value);
	default:
		return false;
	}
}

bool gdb_register_write(struct vcpu *vcpu, unsigned nr, const uint8_t *value)
{
	const struct reg *reg = reg_find(nr);
	struct vcpu_exception before = vcpu->exception;
	uint8_t *field, present[GDB_REGISTER_MAX];
	uint16_t tags;
	uint64_t word;
	bool done;

	if (!reg || !gdb_register_read(vcpu, nr, present))
		return false;
	if (!memcmp(present, value, reg->bytes))
		return true;
	field = (uint8_t *)vcpu + reg->offset;
	switch ((enum access_rule)reg->rule) {
	case RULE_PLAIN:
		memcpy(field, value, reg->stored);
		vcpu->rflags |= RFLAGS_FIXED;
		return true;
	case RULE_FPU:
		memcpy(field, value, reg->stored);
		vcpu->xsave[XSAVE_STATE_BV] |= XSAVE_X87 | XSAVE_SSE;
		return true;
	case RULE_FPU_TAG:
		memcpy(&tags, value, sizeof(tags));
		*field = tag_abridged(tags);
		vcpu->xsave[XSAVE_STATE_BV] |= XSAVE_X87;
		return true;
	case RULE_FIXED:
		return false;
	default:
		memcpy(&word, value, sizeof(word));
		done = system_register_write(vcpu, reg->rule, word);
		vcpu->exception = before;	/* a refused write faults nobody */
		return done;
	}
}

/* A window onto text that is produced piece by piece and never stored whole. */
struct window {
	uint64_t skip;
	char *buf;
	size_t size, used;
};

static void window_put(struct window *w, const char *text)
{
	size_t length = strlen(text), skip = min_u64(w->skip, length);

	w->skip -= skip;
	length = min_u64(length - skip, w->size - w->used);
	memcpy(w->buf + w->used, text + skip, length);
	w->used += length;
}

size_t gdb_target_xml(uint64_t offset, char *buf, size_t size)
{
	struct window w = { .skip = offset, .buf = buf, .size = size };
	char line[128];
	unsigned nr = 0;

	window_put(&w, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
		       "<target version=\"1.0\"><architecture>i386:x86-64</architecture>\n");
	for (unsigned i = 0; i < array_size(features); i++) {
		format_string(line, sizeof(line), "<feature name=\"%s\">\n", features[i].name);
		window_put(&w, line);
		window_put(&w, features[i].types);
		for (unsigned j = 0; j < features[i].count; j++, nr++) {
			const struct reg *reg = &features[i].regs[j];

			format_string(line, sizeof(line),
				      "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>\n",
				      reg->name, reg->bytes * 8u, reg->type, nr);
			window_put(&w, line);
		}
		window_put(&w, "</feature>\n");
	}
	window_put(&w, "</target>\n");
	return w.used;
}
