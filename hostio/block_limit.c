// SPDX-License-Identifier: MIT
/*
 * Token buckets, kept as the time at which they will be full: tokens come with
 * time alone, so nothing has to run for them, and an empty bucket is one that will be
 * full only BURST from now.
 */
#include "hostio/block_limit.h"

#define NS_PER_S	1000000000u
#define BYTES_MAX	(8 * GIB)	/* times NS_PER_S is below 2^64 */

static uint64_t empty_until(uint64_t full)
{
	return full > BLOCK_LIMIT_BURST_NS ? full - BLOCK_LIMIT_BURST_NS : 0;
}

uint64_t block_limit_next(const struct block_limit *l)
{
	return max_u64(empty_until(l->ops_until), empty_until(l->bytes_until));
}

void block_limit_charge(struct block_limit *l, uint64_t now, uint64_t bytes)
{
	if (l->iops)
		l->ops_until = max_u64(l->ops_until, now) + NS_PER_S / l->iops;
	if (l->bps)
		l->bytes_until = max_u64(l->bytes_until, now) + min_u64(bytes, BYTES_MAX) * NS_PER_S / l->bps;
}
