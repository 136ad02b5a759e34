// SPDX-License-Identifier: MIT
/*
 * Page analysis.  See analyze.h; the reasoning is in docs/decisions/0003-scan.md.
 */
#include "patch/analyze.h"

#include <string.h>

#include "decode/decode.h"
#include "patch/scan.h"

#define PENDING_MAX	256	/* branch targets waiting; more are forgotten, which is safe */
#define SWEEP_NEAR	16	/* a linear decoding starts at least so far before the byte, */
#define SWEEP_FAR	ANALYSIS_BEFORE	/* and at most so far */
#define SWEEP_STREAMS	8	/* and so many must decode */
#define LIKELY_BEFORE	32	/* looks_like_code(): how far around */
#define LIKELY_AFTER	48
#define NOT_AGREED	INT32_MIN

static void set(uint8_t *map, unsigned i)
{
	map[i / 8] |= (uint8_t)(1u << (i % 8));
}

static const uint8_t *page_bytes(const struct analysis_page *p)
{
	return p->window + ANALYSIS_BEFORE;
}

static const uint8_t *page_tail(const struct analysis_page *p)
{
	return p->after ? page_bytes(p) + PAGE_SIZE : NULL;
}

/* offset: from the page's start, negative in what precedes it. */
static int decode_at(const struct analysis *a, const struct analysis_page *p, int offset,
		     struct insn *insn)
{
	return decode_insn_brief(a->wide ? DECODE_64 : DECODE_32, page_bytes(p) + offset,
				 min_u64((uint64_t)((int)(PAGE_SIZE + p->after) - offset), INSN_MAX),
				 insn);
}

static void trap_set(struct analysis *a, unsigned offset)
{
	if (analysis_bit(a->trap, offset))
		return;
	set(a->trap, offset);
	a->traps++;
}

void analysis_clear(struct analysis *a, bool wide)
{
	memset(a, 0, sizeof(*a));
	a->wide = wide;
}

/* Where a direct branch goes, as an offset; anything outside the page: PAGE_SIZE. */
static unsigned branch_target(const struct insn *insn, unsigned offset)
{
	int64_t target;

	if (!insn->zy.raw.imm[0].is_relative)
		return PAGE_SIZE;
	target = (int64_t)offset + insn->zy.length + insn->zy.raw.imm[0].value.s;
	return target >= 0 && target < (int64_t)PAGE_SIZE ? (unsigned)target : PAGE_SIZE;
}

static bool falls_through(const struct insn *insn)
{
	switch (insn->zy.meta.category) {
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return false;
	default:
		break;
	}
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_INT3:
		return false;
	default:
		return true;
	}
}

/*
 * An instruction that runs over the page's end: whether it is sensitive is not
 * known, so it gets a trap if the scan suspects it.
 */
static void reach_last(struct analysis *a, const struct analysis_page *p, unsigned offset)
{
	int at;

	for (unsigned i = offset + 1; i < PAGE_SIZE; i++)
		set(a->inside, i);
	at = scan_next(page_bytes(p), page_tail(p), offset, a->wide);
	if (at >= 0)
		trap_set(a, offset);
}

void analysis_reach(struct analysis *a, const struct analysis_page *p, unsigned offset)
{
	uint16_t pending[PENDING_MAX];
	unsigned count = 1;
	struct insn insn;

	pending[0] = (uint16_t)offset;
	while (count) {
		unsigned at = pending[--count];

		while (at < PAGE_SIZE && !analysis_bit(a->start, at)) {
			int err = decode_at(a, p, (int)at, &insn);
			unsigned target;

			set(a->start, at);
			if (err) {
				if (PAGE_SIZE - at < INSN_MAX)
					reach_last(a, p, at);
				break;
			}
			for (unsigned i = 1; i < insn.zy.length && at + i < PAGE_SIZE; i++)
				set(a->inside, at + i);
			if (scan_sensitive(&insn, a->wide))
				trap_set(a, at);
			target = branch_target(&insn, at);
			if (target < PAGE_SIZE && !analysis_bit(a->start, target) &&
			    count < PENDING_MAX)
				pending[count++] = (uint16_t)target;
			if (!falls_through(&insn))
				break;
			at += insn.zy.length;
		}
	}
}

/*
 * Decode linearly from `from` until an instruction covers `at`: its start, or
 * NOT_AGREED when the bytes do not decode.  x86 code synchronizes: streams from
 * different starts soon fall onto the same boundaries.
 */
static int sweep(const struct analysis *a, const struct analysis_page *p, int from, int at,
		 struct insn *insn)
{
	while (from <= at) {
		if (decode_at(a, p, from, insn))
			return NOT_AGREED;
		if (from + insn->zy.length > at)
			return from;
		from += insn->zy.length;
	}
	return NOT_AGREED;
}

/*
 * What is said of a byte pair when it is wrongly taken for harmless?  SLDT, STR,
 * VERR, VERW are not used by programs, but 0f 00 is frequent as a displacement
 * or a constant: for them a majority is enough.
 */
static unsigned agree_of(const struct analysis_page *p, int at, unsigned streams)
{
	const uint8_t *bytes = page_bytes(p) + at;

	if (bytes[0] == 0x0f && at + 1 < (int)(PAGE_SIZE + p->after) && bytes[1] == 0x00)
		return streams / 2 + 1;
	return streams - streams / 8;
}

/* The boundary at or before `at` on which linear decodings agree, or NOT_AGREED. */
static int sweep_agreed(const struct analysis *a, const struct analysis_page *p, int at,
			struct insn *insn)
{
	unsigned votes[INSN_MAX] = { 0 };
	unsigned streams = 0, best = 0;

	for (int back = SWEEP_NEAR; back <= SWEEP_FAR && at - back >= -(int)p->before; back++) {
		int start = sweep(a, p, at - back, at, insn);

		if (start == NOT_AGREED)
			continue;
		streams++;
		votes[at - start]++;
	}
	for (unsigned i = 1; i < INSN_MAX; i++)
		if (votes[i] > votes[best])
			best = i;
	if (streams < SWEEP_STREAMS || votes[best] < agree_of(p, at, streams))
		return NOT_AGREED;
	if (decode_at(a, p, at - (int)best, insn))
		return NOT_AGREED;
	return at - (int)best;
}

/* Instructions that compilers do not write, but that strings, tables and zeros decode to. */
static bool unlikely_code(const struct insn *insn)
{
	switch (insn->zy.meta.category) {
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_SEGOP:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_DECIMAL:
		return insn->zy.mnemonic != ZYDIS_MNEMONIC_RDTSC &&
		       insn->zy.mnemonic != ZYDIS_MNEMONIC_INT3 && !scan_sensitive(insn, true);
	default:
		break;
	}
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_ENTER: case ZYDIS_MNEMONIC_XLAT: case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_CMC:
	case ZYDIS_MNEMONIC_STC: case ZYDIS_MNEMONIC_CLC: case ZYDIS_MNEMONIC_LAHF:
	case ZYDIS_MNEMONIC_SAHF: case ZYDIS_MNEMONIC_STD: case ZYDIS_MNEMONIC_FWAIT:
		return true;
	case ZYDIS_MNEMONIC_ADD:	/* 00 00: add [rax], al */
		return insn->zy.opcode == 0 && insn->zy.length == 2;
	default:
		return insn->zy.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	}
}

/* Decoding from `from` falls onto `at`, and all on the way is likely code. */
static bool likely_until(const struct analysis *a, const struct analysis_page *p, int from, int at)
{
	struct insn insn;

	while (from < at) {
		if (decode_at(a, p, from, &insn) || unlikely_code(&insn))
			return false;
		from += insn.zy.length;
	}
	return from == at;
}

/* Nothing but likely code from a good way before `at` to its function's end or a good way on? */
static bool looks_like_code(const struct analysis *a, const struct analysis_page *p, int at)
{
	bool before = false;
	struct insn insn;
	int from = at;

	for (int back = LIKELY_BEFORE; back <= SWEEP_FAR && !before; back++)
		before = at - back >= -(int)p->before && likely_until(a, p, at - back, at);
	if (!before)
		return false;
	while (from < at + LIKELY_AFTER && from < (int)PAGE_SIZE) {
		if (decode_at(a, p, from, &insn))
			return from + INSN_MAX > (int)(PAGE_SIZE + p->after);
		if (unlikely_code(&insn))
			return false;
		if (from > at && !falls_through(&insn))
			return true;
		from += insn.zy.length;
	}
	return true;
}

static bool suspicion_settled(struct analysis *a, const struct analysis_page *p, unsigned at,
			      bool insist)
{
	struct insn insn;
	int start;

	if (analysis_bit(a->start, at) || analysis_bit(a->inside, at))
		return true;
	start = sweep_agreed(a, p, (int)at, &insn);
	if (start != NOT_AGREED && !scan_sensitive(&insn, a->wide))
		return true;
	/* One that looks like an instruction waits until it is reached, but not for ever. */
	if (!insist)
		return false;
	if (start >= 0 && looks_like_code(a, p, start)) {
		trap_set(a, (unsigned)start);
		return true;
	}
	/* Data, then; only where it could be CPUID is that not good enough. */
	return start != NOT_AGREED || page_bytes(p)[at + 1] != 0xa2;
}

bool analysis_settled(struct analysis *a, const struct analysis_page *p, bool insist)
{
	int at = scan_next(page_bytes(p), page_tail(p), 0, a->wide);

	while (at >= 0) {
		if (!suspicion_settled(a, p, (unsigned)at, insist))
			return false;
		at = scan_next(page_bytes(p), page_tail(p), (unsigned)at + 1, a->wide);
	}
	return true;
}

bool analysis_boundary(const struct analysis *a, const struct analysis_page *p, unsigned offset)
{
	struct insn insn;

	if (analysis_bit(a->start, offset))
		return !analysis_bit(a->inside, offset);
	return !analysis_bit(a->inside, offset) &&
	       sweep_agreed(a, p, (int)offset, &insn) == (int)offset;
}
