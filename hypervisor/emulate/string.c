/* SPDX-License-Identifier: MIT */
/*
 * String instructions.  A REP runs in chunks: within one source page and one
 * destination page the host's own REP does the work, elsewhere one element
 * after the other.  A step of MOVS does several chunks, for the kernel's copies
 * to and from user memory come here.  Registers are exact after every element, so a fault, or a
 * return with work remaining (RIP unchanged), restarts where it stopped.
 */
#include "emulate/alu.h"
#include "emulate/data.h"

#define SLOW_ELEMENTS	64	/* per step, where no host pointer exists */
#define MOVS_CHUNKS	32	/* per step: some microseconds, then interrupts have their turn */

/* One run of a string instruction. */
struct string {
	unsigned size, width;	/* element, address size */
	int64_t step;
	uint64_t left;		/* elements that may be done in this step */
	bool rep;
};

static bool string_begin(struct vcpu *vcpu, const struct op *op, struct string *s)
{
	s->size = op->size;
	s->width = op->address_size;
	s->step = vcpu->rflags & RFLAGS_DF ? -(int64_t)op->size : (int64_t)op->size;
	s->rep = op->prefixes & (OP_REPE | OP_REPNE);
	s->left = s->rep ? reg_get(vcpu, REG_RCX, s->width) : 1;
	/* Traps come after each element. */
	if (s->rep && unlikely((vcpu->rflags & RFLAGS_TF) || access_observe) && s->left > 1)
		s->left = 1;
	return s->left;
}

/* The work of this step is done: go on to the next instruction, or stay. */
static enum emulate_result string_end(struct vcpu *vcpu, const struct op *op, const struct string *s)
{
	if (s->rep && reg_get(vcpu, REG_RCX, s->width))
		return EMULATE_OK;
	return op_done(vcpu, op);
}

static void string_advance(struct vcpu *vcpu, const struct string *s, unsigned reg, uint64_t n)
{
	reg_add(vcpu, reg, s->width, (uint64_t)s->step * n);
}

static void string_count(struct vcpu *vcpu, const struct string *s, uint64_t n)
{
	if (s->rep)
		reg_add(vcpu, REG_RCX, s->width, -n);
}

static bool string_address(struct vcpu *vcpu, const struct string *s, unsigned seg, unsigned reg,
			   bool write, gva_t *addr)
{
	return mem_linear(vcpu, seg, reg_get(vcpu, reg, s->width), s->size, write, addr);
}

/*
 * Elements from addr that lie in its page, in the direction of DF=0, and do not
 * wrap the index register or leave the segment.  0: use the slow path.
 */
static uint64_t string_span(struct vcpu *vcpu, const struct string *s, unsigned seg, unsigned reg,
			    gva_t addr, bool write, void **host, bool *fault)
{
	uint64_t n = (PAGE_SIZE - (addr.v & ~PAGE_MASK)) / s->size;
	uint64_t offset = reg_get(vcpu, reg, s->width);
	gva_t end;

	*fault = false;
	n = min_u64(n, s->left);
	if (s->step < 0 || n < 2)
		return 0;
	if (s->width < 8 && offset + n * s->size > size_mask(s->width))
		return 0;
	if (!vcpu_64bit_code(vcpu) &&
	    (!mem_linear(vcpu, seg, offset, (unsigned)(n * s->size), write, &end) ||
	     end.v != addr.v)) {
		vcpu->exception.valid = false;
		return 0;
	}
	if (!mem_span(vcpu, addr, write, host)) {
		*fault = true;
		return 0;
	}
	return *host ? n : 0;
}

static void host_movs(void *to, const void *from, uint64_t n, unsigned size)
{
	switch (size) {
	case 1: asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
	case 2: asm volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
	case 4: asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
	default: asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
	}
}

static void host_stos(void *to, uint64_t value, uint64_t n, unsigned size)
{
	switch (size) {
	case 1: asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
	case 2: asm volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
	case 4: asm volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
	default: asm volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
	}
}

/* What lies in one page here and in one there.  *moved: elements; 0: use the slow path. */
static bool movs_chunk(struct vcpu *vcpu, const struct op *op, struct string *s, uint64_t *moved)
{
	void *from, *to = NULL;
	gva_t source, target = GVA(0);
	uint64_t n, m;
	bool fault;

	*moved = 0;
	/* The source's faults come first. */
	if (!string_address(vcpu, s, op->seg, REG_RSI, false, &source))
		return false;
	n = string_span(vcpu, s, op->seg, REG_RSI, source, false, &from, &fault);
	if (fault || (n && !string_address(vcpu, s, SEG_ES, REG_RDI, true, &target)))
		return false;
	m = n ? string_span(vcpu, s, SEG_ES, REG_RDI, target, true, &to, &fault) : 0;
	if (fault)
		return false;
	n = min_u64(n, m);
	if (n) {
		host_movs(to, from, n, s->size);
		string_advance(vcpu, s, REG_RSI, n);
		string_advance(vcpu, s, REG_RDI, n);
		string_count(vcpu, s, n);
		s->left -= n;
		*moved = n;
	}
	return true;
}

enum emulate_result op_movs(struct vcpu *vcpu, const struct op *op)
{
	struct string s;
	gva_t source, target;
	uint64_t n, moved, value;
	unsigned chunks = 0;

	if (!string_begin(vcpu, op, &s))
		return op_done(vcpu, op);
	do {
		if (!movs_chunk(vcpu, op, &s, &moved))
			return EMULATE_EXCEPTION;
	} while (moved && s.left && ++chunks < MOVS_CHUNKS);
	if (chunks || moved)
		return string_end(vcpu, op, &s);
	for (n = min_u64(s.left, SLOW_ELEMENTS); n; n--) {
		if (!string_address(vcpu, &s, op->seg, REG_RSI, false, &source) ||
		    !mem_load(vcpu, source, s.size, &value) ||
		    !string_address(vcpu, &s, SEG_ES, REG_RDI, true, &target) ||
		    !mem_store(vcpu, target, s.size, value))
			return EMULATE_EXCEPTION;
		string_advance(vcpu, &s, REG_RSI, 1);
		string_advance(vcpu, &s, REG_RDI, 1);
		string_count(vcpu, &s, 1);
	}
	return string_end(vcpu, op, &s);
}

enum emulate_result op_stos(struct vcpu *vcpu, const struct op *op)
{
	struct string s;
	gva_t target;
	uint64_t n;
	bool fault;
	void *to;

	if (!string_begin(vcpu, op, &s))
		return op_done(vcpu, op);
	if (!string_address(vcpu, &s, SEG_ES, REG_RDI, true, &target))
		return EMULATE_EXCEPTION;
	n = string_span(vcpu, &s, SEG_ES, REG_RDI, target, true, &to, &fault);
	if (fault)
		return EMULATE_EXCEPTION;
	if (n) {
		host_stos(to, vcpu->regs[REG_RAX], n, s.size);
		string_advance(vcpu, &s, REG_RDI, n);
		string_count(vcpu, &s, n);
		return string_end(vcpu, op, &s);
	}
	for (n = min_u64(s.left, SLOW_ELEMENTS); n; n--) {
		if (!string_address(vcpu, &s, SEG_ES, REG_RDI, true, &target) ||
		    !mem_store(vcpu, target, s.size, vcpu->regs[REG_RAX]))
			return EMULATE_EXCEPTION;
		string_advance(vcpu, &s, REG_RDI, 1);
		string_count(vcpu, &s, 1);
	}
	return string_end(vcpu, op, &s);
}

enum emulate_result op_lods(struct vcpu *vcpu, const struct op *op)
{
	struct string s;
	gva_t source;
	uint64_t value;

	if (!string_begin(vcpu, op, &s))
		return op_done(vcpu, op);
	for (uint64_t n = min_u64(s.left, SLOW_ELEMENTS); n; n--) {
		if (!string_address(vcpu, &s, op->seg, REG_RSI, false, &source) ||
		    !mem_load(vcpu, source, s.size, &value))
			return EMULATE_EXCEPTION;
		reg_set(vcpu, REG_RAX, s.size, value);
		string_advance(vcpu, &s, REG_RSI, 1);
		string_count(vcpu, &s, 1);
	}
	return string_end(vcpu, op, &s);
}

/* After a comparison: does REPE or REPNE end here? */
static bool string_stops(const struct op *op, uint64_t rflags)
{
	bool equal = rflags & RFLAGS_ZF;

	if (op->prefixes & OP_REPE)
		return !equal;
	if (op->prefixes & OP_REPNE)
		return equal;
	return true;
}

static void string_compare(struct vcpu *vcpu, unsigned size, uint64_t a, uint64_t b)
{
	alu_call_fresh(alu_cmp[size_index(size)], &a, &b, 0, &vcpu->rflags);
}

static uint64_t host_load(const void *p, unsigned size)
{
	switch (size) {
	case 1: return *(const volatile uint8_t *)p;
	case 2: return *(const volatile uint16_t *)p;
	case 4: return *(const volatile uint32_t *)p;
	default: return *(const volatile uint64_t *)p;
	}
}

/* Index of the first element at which the comparison ends the REP, or n - 1. */
static uint64_t string_search(const struct op *op, const uint8_t *a, const uint8_t *b, uint64_t n,
			      unsigned size, uint64_t fixed)
{
	bool until_equal = op->prefixes & OP_REPNE;
	uint64_t i;

	for (i = 0; i + 1 < n; i++) {
		uint64_t x = a ? host_load(a + i * size, size) : fixed & size_mask(size);

		if ((x == host_load(b + i * size, size)) == until_equal)
			break;
	}
	return i;
}

/* CMPS compares [rSI] with [rDI]; SCAS (op->cc set by the rules) the accumulator with [rDI]. */
static enum emulate_result string_scan(struct vcpu *vcpu, const struct op *op, bool cmps)
{
	uint64_t n, m, a = vcpu->regs[REG_RAX], b;
	void *first = NULL, *second = NULL;
	struct string s;
	gva_t source = GVA(0), target = GVA(0);
	bool fault = false;

	if (!string_begin(vcpu, op, &s))
		return op_done(vcpu, op);
	/* The source's faults come first. */
	n = s.left;
	if (cmps) {
		if (!string_address(vcpu, &s, op->seg, REG_RSI, false, &source))
			return EMULATE_EXCEPTION;
		n = string_span(vcpu, &s, op->seg, REG_RSI, source, false, &first, &fault);
		if (fault)
			return EMULATE_EXCEPTION;
	}
	if (n && !string_address(vcpu, &s, SEG_ES, REG_RDI, false, &target))
		return EMULATE_EXCEPTION;
	m = n ? string_span(vcpu, &s, SEG_ES, REG_RDI, target, false, &second, &fault) : 0;
	if (n && fault)
		return EMULATE_EXCEPTION;
	n = min_u64(n, m);
	if (n) {
		n = string_search(op, first, second, n, s.size, a);
		if (cmps)
			a = host_load((uint8_t *)first + n * s.size, s.size);
		b = host_load((uint8_t *)second + n * s.size, s.size);
		if (cmps)
			string_advance(vcpu, &s, REG_RSI, n + 1);
		string_advance(vcpu, &s, REG_RDI, n + 1);
		string_count(vcpu, &s, n + 1);
		string_compare(vcpu, s.size, a, b);
		if (string_stops(op, vcpu->rflags))
			return op_done(vcpu, op);
		return string_end(vcpu, op, &s);
	}
	for (n = min_u64(s.left, SLOW_ELEMENTS); n; n--) {
		if (cmps && (!string_address(vcpu, &s, op->seg, REG_RSI, false, &source) ||
			     !mem_load(vcpu, source, s.size, &a)))
			return EMULATE_EXCEPTION;
		if (!string_address(vcpu, &s, SEG_ES, REG_RDI, false, &target) ||
		    !mem_load(vcpu, target, s.size, &b))
			return EMULATE_EXCEPTION;
		if (cmps)
			string_advance(vcpu, &s, REG_RSI, 1);
		string_advance(vcpu, &s, REG_RDI, 1);
		string_count(vcpu, &s, 1);
		string_compare(vcpu, s.size, a, b);
		if (string_stops(op, vcpu->rflags))
			return op_done(vcpu, op);
	}
	return string_end(vcpu, op, &s);
}

enum emulate_result op_cmps(struct vcpu *vcpu, const struct op *op)
{
	return string_scan(vcpu, op, true);
}

enum emulate_result op_scas(struct vcpu *vcpu, const struct op *op)
{
	return string_scan(vcpu, op, false);
}
