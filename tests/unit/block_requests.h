/* SPDX-License-Identifier: MIT */
/*
 * Requests to the block back-end, for tests that include this once: each notes that it is done,
 * once, and with which error.
 */
#ifndef RING3_TESTS_BLOCK_REQUESTS_H
#define RING3_TESTS_BLOCK_REQUESTS_H

#include "suite.h"

#include "hostio/block.h"

struct request {
	struct block_request r;
	struct iovec iov[64];
	int error;
	bool done;
};

static void done(struct block_request *r, int error)
{
	struct request *q = container_of(r, struct request, r);

	ck_assert(!q->done);
	q->done = true;
	q->error = error;
}

/* The pieces are the caller's: q->iov, q->r.iov_count. */
static inline void submit(struct block *b, struct request *q, enum block_op op, uint64_t offset,
			  uint64_t length)
{
	q->r.op = op;
	q->r.offset = offset;
	q->r.length = length;
	q->r.iov = q->iov;
	q->r.done = done;
	q->done = false;
	block_submit(b, &q->r);
	ck_assert(!q->done);		/* never inside */
}

#endif
