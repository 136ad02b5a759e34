/* SPDX-License-Identifier: MIT */
/*
 * Which suspicious bytes of a page are instructions: recursive traversal from
 * known instruction boundaries, and where that does not reach, agreement of
 * linear decodings (docs/decisions/0003-scan.md says what is guaranteed).
 *
 * Knows bytes and offsets only: neither guest addresses nor images.
 */
#ifndef RING3_PATCH_ANALYZE_H
#define RING3_PATCH_ANALYZE_H

#include "base/types.h"

#define ANALYSIS_BYTES	(PAGE_SIZE / 8)

struct analysis {		/* bit per byte of the page */
	uint8_t start[ANALYSIS_BYTES];	/* an instruction starts here */
	uint8_t inside[ANALYSIS_BYTES];	/* further byte of one that was reached */
	uint8_t trap[ANALYSIS_BYTES];	/* start of one that must not be executed directly */
	uint16_t traps;			/* how many */
	bool wide;			/* 64-bit code */
};

static inline bool analysis_bit(const uint8_t *map, unsigned i)
{
	return map[i / 8] >> (i % 8) & 1;
}

void analysis_clear(struct analysis *a, bool wide);
/*
 * A page with what is mapped around it.  `around` helps linear decoding into step
 * and completes an instruction that runs over the end; it is evidence, not part
 * of the page.
 */
#define ANALYSIS_BEFORE	64
#define ANALYSIS_AFTER	16
struct analysis_page {
	uint8_t window[ANALYSIS_BEFORE + PAGE_SIZE + ANALYSIS_AFTER];
	unsigned before, after;		/* how many bytes of either are known */
};

/* Learn what is reached from the instruction at `offset`. */
void analysis_reach(struct analysis *a, const struct analysis_page *p, unsigned offset);

/*
 * Is every suspicious byte accounted for?  May add traps.  insist: the page is
 * used a lot; take a sensitive instruction that nothing has reached yet for one
 * if all around it looks like code, too.
 */
bool analysis_settled(struct analysis *a, const struct analysis_page *p, bool insist);
/* Does an instruction start at `offset`, as far as decoding around it shows? */
bool analysis_boundary(const struct analysis *a, const struct analysis_page *p, unsigned offset);

#endif
