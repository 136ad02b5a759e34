// SPDX-License-Identifier: MIT
/*
 * The guest's state in words; see dump.h.
 *
 * The page walk here is its own on purpose: it shows entries, present or not,
 * where memory/walk.c answers whether an access is allowed.
 */
#include "debug/dump.h"

#include "base/log.h"
#include "debug/trace.h"
#include "decode/decode.h"
#include "memory/access.h"
#include "memory/ram.h"

#define DUMP_RECORDS	64
#define BACKTRACE_MAX	24

static struct vcpu *known_vcpu;

static const char *mode_name(const struct vcpu *v)
{
	if (vcpu_long_mode(v))
		return vcpu_64bit_code(v) ? "64-bit" : "compatibility";
	if (!(v->cr0 & CR0_PE))
		return "real";
	if (v->rflags & RFLAGS_VM)
		return "virtual-8086";
	return v->seg[SEG_CS].attr & SEG_ATTR_DB ? "32-bit protected" : "16-bit protected";
}

static gva_t code_address(const struct vcpu *v)
{
	if (vcpu_64bit_code(v))
		return GVA(v->rip);
	return GVA((uint32_t)(v->seg[SEG_CS].base + v->rip));
}

void dump_registers(struct report *report, struct vcpu *v)
{
	static const char names[REG_COUNT][4] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	static const char segments[SEG_COUNT][4] = {
		"es ", "cs ", "ss ", "ds ", "fs ", "gs ", "ldt", "tr ",
	};

	report_line(report, "rip %016lx  rflags %08lx  cpl %u  %s mode%s%s%s", v->rip, v->rflags,
		    v->cpl, mode_name(v), v->halted ? ", halted" : "",
		    v->interrupt_shadow ? ", interrupt shadow" : "",
		    v->nmi_blocked ? ", NMI blocked" : "");
	for (unsigned i = 0; i < REG_COUNT; i += 4)
		report_line(report, "%s %016lx  %s %016lx  %s %016lx  %s %016lx",
			    names[i], v->regs[i], names[i + 1], v->regs[i + 1],
			    names[i + 2], v->regs[i + 2], names[i + 3], v->regs[i + 3]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		report_line(report, "%s %04x  base %016lx  limit %08x  attr %04x%s", segments[i],
			    v->seg[i].selector,
			    i == SEG_GS ? v->fast.gs_base[0] : v->seg[i].base, v->seg[i].limit,
			    v->seg[i].attr, v->seg[i].attr & SEG_ATTR_P ? "" : "  unusable");
	report_line(report, "gdt %016lx %04x  idt %016lx %04x  kernel gs base %016lx",
		    v->gdtr.base, v->gdtr.limit, v->idtr.base, v->idtr.limit, v->fast.gs_base[1]);
	report_line(report, "cr0 %08lx  cr2 %016lx  cr3 %016lx  cr4 %08lx  cr8 %lx  efer %lx",
		    v->cr0, v->cr2, v->cr3, v->cr4, v->cr8, v->efer);
	report_line(report, "dr0 %lx  dr1 %lx  dr2 %lx  dr3 %lx  dr6 %lx  dr7 %lx  xcr0 %lx",
		    v->dr[0], v->dr[1], v->dr[2], v->dr[3], v->dr6, v->dr7, v->xcr0);
	report_line(report, "star %lx  lstar %lx  cstar %lx  sfmask %lx",
		    v->star, v->lstar, v->cstar, v->sfmask);
	report_line(report, "delta %lx  kick %u  if_adjust %lx  fpu in %s", v->fast.delta,
		    v->fast.kick, v->fast.if_adjust,
		    v->fpu_place == FPU_IN_MEMORY ? "memory" :
		    v->fpu_place == FPU_IN_KERNEL_WORLD ? "the kernel world" : "a user world");
	if (v->exception.valid)
		report_line(report, "exception to deliver: vector %u  error %x  cr2 %lx",
			    v->exception.vector, v->exception.error, v->exception.cr2);
}

void dump_code(struct report *report, struct vcpu *v, gva_t at, unsigned instructions)
{
	enum decode_mode mode = vcpu_64bit_code(v) ? DECODE_64 :
				(v->seg[SEG_CS].attr & SEG_ATTR_DB) ? DECODE_32 : DECODE_16;
	ZydisFormatter formatter;

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	while (instructions--) {
		uint8_t bytes[INSN_MAX];
		char hex[2 * INSN_MAX + 1], text[96];
		struct insn insn;
		size_t got = access_debug_read(v, at, bytes, sizeof(bytes));
		unsigned length;

		if (!got) {
			report_line(report, "%016lx  cannot be read", at.v);
			return;
		}
		if (decode_insn(mode, bytes, got, &insn)) {
			length = 1;
			format_string(text, sizeof(text), "(bad)");
		} else {
			length = insn.zy.length;
			ZydisFormatterFormatInstruction(&formatter, &insn.zy, insn.ops,
							insn.zy.operand_count_visible, text,
							sizeof(text), at.v, NULL);
		}
		for (unsigned i = 0; i < length; i++)
			format_string(hex + 2 * i, 3, "%02x", bytes[i]);
		report_line(report, "%016lx  %s  %s", at.v, hex, text);
		at.v += length;
	}
}

void dump_stack(struct report *report, struct vcpu *v)
{
	uint64_t rsp = v->regs[REG_RSP];

	if (!vcpu_long_mode(v))
		rsp = (uint32_t)(rsp + v->seg[SEG_SS].base);
	for (unsigned row = 0; row < 8; row++, rsp += 32) {
		uint64_t words[4] = { 0 };
		size_t got = access_debug_read(v, GVA(rsp), words, sizeof(words));

		if (got < sizeof(words)) {
			report_line(report, "%016lx: cannot be read", rsp + got);
			return;
		}
		report_line(report, "%016lx: %016lx %016lx %016lx %016lx", rsp, words[0], words[1],
			    words[2], words[3]);
	}
}

/* One level: read and show the entry.  false: the walk ends here. */
static bool walk_entry(struct report *report, const char *level, gpa_t table, unsigned index,
		       unsigned size, uint64_t *entry)
{
	gpa_t at = GPA(table.v + (uint64_t)index * size);

	*entry = 0;
	if (!ram_read(at, entry, size)) {
		report_line(report, "  %s[%u] at gpa %lx: not in RAM", level, index, at.v);
		return false;
	}
	report_line(report, "  %s[%u] at gpa %lx: %016lx%s%s%s%s%s%s%s%s", level, index, at.v, *entry,
		    *entry & 1 ? " P" : " absent", *entry & 2 ? " W" : "", *entry & 4 ? " U" : "",
		    *entry & 0x20 ? " A" : "", *entry & 0x40 ? " D" : "",
		    *entry & 0x80 ? " PS" : "", *entry & 0x100 ? " G" : "",
		    *entry >> 63 ? " NX" : "");
	return *entry & 1;
}

static void walk_leaf(struct report *report, uint64_t entry, uint64_t page_size, gva_t addr)
{
	uint64_t base = entry & CR3_ADDR_MASK & ~(page_size - 1);
	uint64_t gpa = base | (addr.v & (page_size - 1));

	report_line(report, "  -> gpa %lx, page of %lu KiB%s", gpa, page_size / KIB,
		    ram_contains(GPA(gpa), 1) ? "" : ", not RAM");
}

static void walk_32bit(struct report *report, struct vcpu *v, gva_t addr)
{
	uint64_t entry;

	if (!walk_entry(report, "pd", GPA(v->cr3 & 0xfffff000), (addr.v >> 22) & 0x3ff, 4, &entry))
		return;
	if ((entry & 0x80) && (v->cr4 & CR4_PSE)) {
		walk_leaf(report, entry & 0xffc00000, 4 * MIB, addr);
		return;
	}
	if (walk_entry(report, "pt", GPA(entry & 0xfffff000), (addr.v >> 12) & 0x3ff, 4, &entry))
		walk_leaf(report, entry & 0xfffff000, PAGE_SIZE, addr);
}

void dump_walk(struct report *report, struct vcpu *v, gva_t addr)
{
	static const char *const levels[] = { "pt", "pd", "pdpt", "pml4" };
	gpa_t table = GPA(v->cr3 & CR3_ADDR_MASK);
	uint64_t entry;
	int level = 3;

	report_line(report, "walk of %016lx:", addr.v);
	if (!(v->cr0 & CR0_PG)) {
		report_line(report, "  paging is off");
		return;
	}
	if (!(v->cr4 & CR4_PAE)) {
		walk_32bit(report, v, addr);
		return;
	}
	if (!vcpu_long_mode(v)) {
		entry = v->pdpte[(addr.v >> 30) & 3];
		report_line(report, "  pdpte[%lu] (loaded with cr3): %016lx", (addr.v >> 30) & 3,
			    entry);
		if (!(entry & 1))
			return;
		table = GPA(entry & CR3_ADDR_MASK);
		level = 1;
	} else if (!gva_canonical(addr)) {
		report_line(report, "  not canonical");
		return;
	}
	for (; level >= 0; level--) {
		unsigned index = (unsigned)(addr.v >> (12 + 9 * level)) & 0x1ff;

		if (!walk_entry(report, levels[level], table, index, 8, &entry))
			return;
		if (level == 0 || ((entry & 0x80) && level < 3)) {
			walk_leaf(report, entry, PAGE_SIZE << (9 * level), addr);
			return;
		}
		table = GPA(entry & CR3_ADDR_MASK);
	}
}

static void dump_vcpu(struct report *report, struct vcpu *v)
{
	gva_t code = code_address(v);

	dump_registers(report, v);
	report_line(report, "code at rip:");
	dump_code(report, v, code, 6);
	report_line(report, "stack:");
	dump_stack(report, v);
	dump_walk(report, v, code);
	if (v->cr2 != code.v)
		dump_walk(report, v, GVA(v->cr2));
}

void debug_dump_vcpu(struct vcpu *vcpu)
{
	dump_vcpu(&report_to_stderr, vcpu);
}

void debug_dump_all(struct vcpu *vcpu, const char *why)
{
	static bool dumping;

	if (dumping)	/* a fault within the dump itself: what was said must do */
		return;
	dumping = true;
	log_error("%s; the last exits and the guest's state follow", why);
	trace_dump(DUMP_RECORDS);
	if (vcpu)
		debug_dump_vcpu(vcpu);
	dumping = false;
}

void debug_dump_engine(uint64_t rip, uint64_t rbp)
{
	report_line(&report_to_stderr, "engine: at %lx, called from (addr2line -e ring3):", rip);
	for (unsigned depth = 0; depth < BACKTRACE_MAX; depth++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		/* Only what surely can be read: the engine's stacks. */
		if (rbp % 8 || rbp < LAYOUT_STACK || rbp > LAYOUT_STACK + LAYOUT_STACK_SIZE - 16)
			break;
		report_line(&report_to_stderr, "  %lx", frame[1]);
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static void bug_dump(void)
{
	debug_dump_engine((uint64_t)(uintptr_t)__builtin_return_address(0),
			  (uint64_t)(uintptr_t)__builtin_frame_address(0));
	debug_dump_all(known_vcpu, "this is a bug in ring3");
}

void debug_init(struct vcpu *vcpu)
{
	known_vcpu = vcpu;
	bug_hook = bug_dump;
}
