/* SPDX-License-Identifier: MIT */
/*
 * Limits of rate: requests per second and bytes per second, each a token bucket
 * that holds what BLOCK_LIMIT_BURST_NS yield.
 *
 * A request starts while both buckets have something in them and may overdraw
 * them: large requests pass whole, and what follows waits longer.  Knows neither
 * requests nor clocks: times are the caller's, in ns.
 */
#ifndef RING3_HOSTIO_BLOCK_LIMIT_H
#define RING3_HOSTIO_BLOCK_LIMIT_H

#include "base/types.h"

#define BLOCK_LIMIT_BURST_NS	50000000u

struct block_limit {
	uint64_t iops, bps;		/* per second; 0: none */
	uint64_t ops_until, bytes_until;	/* when the buckets would be full again */
};

static inline bool block_limit_any(const struct block_limit *l)
{
	return l->iops || l->bps;
}

/* The earliest time at which a request may start; in the past: now. */
uint64_t block_limit_next(const struct block_limit *l);
/* It starts now. */
void block_limit_charge(struct block_limit *l, uint64_t now, uint64_t bytes);

#endif
