// SPDX-License-Identifier: MIT
/*
 * The life of a block request: checked, held back by the limits, handed to the
 * file (block_file.c) or done at once (null), reported.
 *
 * Every request that was submitted ends in block_finish(), once, from io_poll().
 * Flushes are never held back: they are about what is done already.
 */
#include "hostio/block.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "hostio/block_disk.h"
#include "hostio/io_stats.h"

#define DRAIN_WAIT_NS	1000000000u

uint64_t block_size(const struct block *b)
{
	return b->size;
}

bool block_readonly(const struct block *b)
{
	return b->readonly;
}

bool block_can_discard(const struct block *b)
{
	return b->can_discard;
}

unsigned block_physical_size(const struct block *b)
{
	return b->physical;
}

bool block_limited(const struct block *b)
{
	return block_limit_any(&b->limit);
}

void block_set_alarm(struct block *b, void (*arm)(void *timer, uint64_t deadline_ns), void *timer)
{
	b->alarm_arm = arm;
	b->alarm_timer = timer;
}

void block_queue_init(struct block_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

void block_queue_add(struct block_queue *q, struct block_request *r)
{
	r->next = NULL;
	*q->end = r;
	q->end = &r->next;
}

struct block_request *block_queue_take(struct block_queue *q)
{
	struct block_request *r = q->first;

	q->first = r->next;
	if (!q->first)
		q->end = &q->first;
	return r;
}

void block_finish(struct block_request *r, int error)
{
	r->block->in_flight--;
	switch (r->op) {
	case BLOCK_READ:
		io_stats.reads++;
		io_stats.block_bytes += r->length;
		break;
	case BLOCK_WRITE:
		io_stats.writes++;
		io_stats.block_bytes += r->length;
		break;
	default:
		io_stats.others++;
		break;
	}
	r->done(r, error);
}

static void request_finished(struct io_request *io, long result)
{
	block_finish(container_of(io, struct block_request, io), (int)result);
}

/* Its end without the host. */
static void finish_later(struct block_request *r, int error)
{
	r->io.done = request_finished;
	io_complete_later(&r->io, error);
}

static int request_check(const struct block *b, const struct block_request *r)
{
	if (r->op == BLOCK_FLUSH)
		return 0;
	if (r->offset > b->size || r->length > b->size - r->offset ||
	    (r->offset | r->length) % BLOCK_SECTOR)
		return -EINVAL;
	if (r->op == BLOCK_READ || r->op == BLOCK_WRITE) {
		uint64_t sum = 0;

		if (!r->iov_count || r->iov_count > IO_IOV_MAX)
			return -EINVAL;
		for (unsigned i = 0; i < r->iov_count; i++)
			sum += r->iov[i].iov_len;
		if (!sum || sum != r->length)
			return -EINVAL;
	}
	if (r->op != BLOCK_READ && b->readonly)
		return -EROFS;
	return r->op == BLOCK_DISCARD && !b->can_discard ? -EOPNOTSUPP : 0;
}

/* ---- limits ---- */

static bool is_limited(const struct block *b, const struct block_request *r)
{
	return block_limit_any(&b->limit) && r->op != BLOCK_FLUSH;
}

/* Bytes that are moved; discarding and zeroing are requests, but hardly bytes. */
static uint64_t request_bytes(const struct block_request *r)
{
	return r->op == BLOCK_READ || r->op == BLOCK_WRITE ? r->length : 0;
}

static void request_start(struct block_request *r)
{
	if (r->block->null)
		finish_later(r, 0);
	else
		block_file_start(r);
}

static void delay(struct block *b, struct block_request *r)
{
	bool first = !b->delayed.first;

	bug_on(!b->alarm_arm);
	block_queue_add(&b->delayed, r);
	if (first)
		b->alarm_arm(b->alarm_timer, block_limit_next(&b->limit));
}

void block_alarm_expired(struct block *b)
{
	uint64_t now = clock_ns();

	while (b->delayed.first && block_limit_next(&b->limit) <= now) {
		struct block_request *r = block_queue_take(&b->delayed);

		block_limit_charge(&b->limit, now, request_bytes(r));
		request_start(r);
	}
	if (b->delayed.first)
		b->alarm_arm(b->alarm_timer, block_limit_next(&b->limit));
	io_flush();
}

/* ---- */

void block_submit(struct block *b, struct block_request *r)
{
	int error = request_check(b, r);

	r->block = b;
	r->completed = 0;
	r->bounce = NULL;
	r->writer = false;
	r->merges = false;
	b->in_flight++;
	if (error || (r->op != BLOCK_FLUSH && !r->length)) {
		finish_later(r, error);
		return;
	}
	if (is_limited(b, r)) {
		uint64_t now = clock_ns();

		if (b->delayed.first || block_limit_next(&b->limit) > now) {
			delay(b, r);
			return;
		}
		block_limit_charge(&b->limit, now, request_bytes(r));
	}
	request_start(r);
}

void block_drain(struct block *b)
{
	while (b->delayed.first)
		finish_later(block_queue_take(&b->delayed), -ECANCELED);
	while (b->in_flight) {
		io_flush();
		if (!io_poll())
			io_wait(DRAIN_WAIT_NS, NULL, 0);
	}
}
