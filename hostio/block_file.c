// SPDX-License-Identifier: MIT
/*
 * Block requests on an open file or block device: what of them is asked of the
 * host next.
 *
 * A request advances by pieces, one in flight at a time, each worked out anew from
 * `completed`: a short transfer needs no special path.  A piece is one of
 *
 *  - the caller's iovecs as they are, where the host takes them;
 *  - a bounce buffer that stands for a region of the file, where O_DIRECT would
 *    refuse their alignment.  A write whose ends lie inside blocks of the host reads
 *    the region first (merges);
 *  - fallocate();
 *  - zeroes, where fallocate() cannot make them.
 *
 * Merging writes would undo what another write puts into the same block
 * meanwhile, so a request that merges runs while no other write does; those
 * that come after it wait in order.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "hostio/block_disk.h"
#include "hostio/block_error.h"

#define BOUNCES		16u
#define BOUNCE_SIZE	(128 * KIB)
#define ZERO_SIZE	(64 * KIB)
#define ZERO_PARTS	16u

enum phase { PHASE_DIRECT, PHASE_BOUNCE, PHASE_MERGE_READ };
/* How zeroes are made, the best first. */
enum how { HOW_PUNCH, HOW_ZERO_RANGE, HOW_WRITE };

static struct {
	void *free[BOUNCES];
	unsigned count;
	struct block_queue waiting;
} bounces;
static struct iovec zeroes[ZERO_PARTS];		/* all of them the same memory */

static void piece_done(struct io_request *io, long result);
static void piece_next(struct block_request *r);

void block_file_init(void)
{
	uint8_t *memory;

	if (zeroes[0].iov_base)
		return;
	memory = arena_alloc(BOUNCES * BOUNCE_SIZE + ZERO_SIZE, PAGE_SIZE);
	for (unsigned i = 0; i < ZERO_PARTS; i++)
		zeroes[i] = (struct iovec){ memory, ZERO_SIZE };
	for (unsigned i = 0; i < BOUNCES; i++)
		bounces.free[i] = memory + ZERO_SIZE + i * BOUNCE_SIZE;
	bounces.count = BOUNCES;
	block_queue_init(&bounces.waiting);
}

static uint64_t remaining(const struct block_request *r)
{
	return r->length - r->completed;
}

/* In the file. */
static uint64_t position(const struct block_request *r)
{
	return r->block->offset + r->offset + r->completed;
}

static bool aligned(uint64_t value, uint64_t to)
{
	return !(value & (to - 1));
}

/* ---- bounce buffers ---- */

static void bounce_put(struct block_request *r)
{
	if (!r->bounce)
		return;
	bounces.free[bounces.count++] = r->bounce;
	r->bounce = NULL;
	if (bounces.waiting.first)
		piece_next(block_queue_take(&bounces.waiting));
}

/* Between the caller's iovecs, from `completed` on, and the buffer. */
static void bounce_copy(struct block_request *r, uint64_t length)
{
	uint8_t *buffer = (uint8_t *)r->bounce + (position(r) - r->region);
	uint64_t skip = r->completed;

	if (r->op == BLOCK_WRITE_ZEROES) {
		memset(buffer, 0, length);
		return;
	}
	for (unsigned i = 0; length; i++) {
		uint64_t n = r->iov[i].iov_len;
		uint8_t *memory = r->iov[i].iov_base;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = min_u64(n - skip, length);
		if (r->op == BLOCK_READ)
			memcpy(memory + skip, buffer, n);
		else
			memcpy(buffer, memory + skip, n);
		buffer += n;
		length -= n;
		skip = 0;
	}
}

static void transfer(struct block_request *r, enum io_op op, uint64_t offset, const struct iovec *iov,
		     unsigned count)
{
	r->io.op = op;
	r->io.file = r->block->file;
	r->io.offset = offset;
	r->io.iov = iov;
	r->io.iov_count = count;
	r->io.done = piece_done;
	io_queue(&r->io);
}

static void bounce_transfer(struct block_request *r)
{
	bool reading = r->op == BLOCK_READ || r->phase == PHASE_MERGE_READ;

	r->part = (struct iovec){ (uint8_t *)r->bounce + r->filled, r->region_length - r->filled };
	transfer(r, reading ? IO_READ : IO_WRITE, r->region + r->filled, &r->part, 1);
}

static void bounce_piece(struct block_request *r)
{
	unsigned align = r->block->data_align;
	uint64_t from = position(r), end;

	if (!bounces.count) {
		block_queue_add(&bounces.waiting, r);
		return;
	}
	r->bounce = bounces.free[--bounces.count];
	r->region = align_down(from, align);
	end = min_u64(align_up(from + remaining(r), align), r->region + BOUNCE_SIZE);
	r->region_length = end - r->region;
	r->piece = min_u64(end - from, remaining(r));
	r->filled = 0;
	r->phase = PHASE_BOUNCE;
	if (r->op != BLOCK_READ) {
		if (r->piece != r->region_length)
			r->phase = PHASE_MERGE_READ;
		else
			bounce_copy(r, r->piece);
	}
	bounce_transfer(r);
}

/* ---- pieces ---- */

static bool host_takes(const struct block *b, uint64_t offset, const struct iovec *iov, unsigned count)
{
	uint64_t lengths = offset, addresses = 0;

	for (unsigned i = 0; i < count; i++) {
		lengths |= iov[i].iov_len;
		addresses |= (uint64_t)iov[i].iov_base;
	}
	return aligned(lengths, b->data_align) && aligned(addresses, b->memory_align);
}

/* Some of the memory that is `at` in the file: as it is, or bounced. */
static void memory_piece(struct block_request *r, const struct iovec *iov, unsigned count, uint64_t bytes)
{
	if (!host_takes(r->block, position(r), iov, count)) {
		bounce_piece(r);
		return;
	}
	r->phase = PHASE_DIRECT;
	r->piece = bytes;
	transfer(r, r->op == BLOCK_READ ? IO_READ : IO_WRITE, position(r), iov, count);
}

static void data_piece(struct block_request *r)
{
	uint64_t skip = r->completed;
	unsigned i = 0;

	while (skip >= r->iov[i].iov_len)
		skip -= r->iov[i++].iov_len;
	if (!skip) {
		memory_piece(r, r->iov + i, r->iov_count - i, remaining(r));
		return;
	}
	r->part = (struct iovec){ (uint8_t *)r->iov[i].iov_base + skip, r->iov[i].iov_len - skip };
	memory_piece(r, &r->part, 1, r->part.iov_len);
}

static void allocate_piece(struct block_request *r, int mode, uint64_t from, uint64_t length)
{
	r->phase = PHASE_DIRECT;
	r->piece = remaining(r);
	r->io.op = IO_ALLOCATE;
	r->io.file = r->block->file;
	r->io.mode = mode | FALLOC_FL_KEEP_SIZE;
	r->io.offset = from;
	r->io.length = length;
	r->io.done = piece_done;
	io_queue(&r->io);
}

/* Only whole blocks of the host: the rest stays as it is, as a discard may leave it. */
static void discard_piece(struct block_request *r)
{
	unsigned align = r->block->allocate_align;
	uint64_t from = align_up(position(r), align), to = align_down(position(r) + r->length, align);

	if (from < to) {
		allocate_piece(r, FALLOC_FL_PUNCH_HOLE, from, to - from);
		return;
	}
	r->phase = PHASE_DIRECT;
	r->piece = r->length;
	r->io.op = IO_ALLOCATE;
	r->io.done = piece_done;
	io_complete_later(&r->io, 0);
}

static void zero_piece(struct block_request *r)
{
	const struct block *b = r->block;
	uint64_t parts = min_u64(remaining(r) / ZERO_SIZE, ZERO_PARTS);

	if (r->how == HOW_ZERO_RANGE && !b->can_zero_range)
		r->how = HOW_WRITE;
	if (!aligned(position(r) | remaining(r), b->allocate_align))
		r->how = HOW_WRITE;
	if (r->how != HOW_WRITE) {
		allocate_piece(r, r->how == HOW_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE,
			       position(r), remaining(r));
	} else if (parts) {
		memory_piece(r, zeroes, (unsigned)parts, parts * ZERO_SIZE);
	} else {
		r->part = (struct iovec){ zeroes[0].iov_base, remaining(r) };
		memory_piece(r, &r->part, 1, remaining(r));
	}
}

static void piece_next(struct block_request *r)
{
	switch (r->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		data_piece(r);
		break;
	case BLOCK_FLUSH:
		r->io.op = IO_SYNC;
		r->io.file = r->block->file;
		r->io.done = piece_done;
		io_queue(&r->io);
		break;
	case BLOCK_DISCARD:
		discard_piece(r);
		break;
	case BLOCK_WRITE_ZEROES:
		zero_piece(r);
		break;
	}
}

/* ---- writes among each other ---- */

static bool may_write(const struct block *b, const struct block_request *r)
{
	return r->merges ? !b->writers : !b->merging;
}

static void writer_begin(struct block_request *r)
{
	r->writer = true;
	r->block->writers++;
	r->block->merging |= r->merges;
	piece_next(r);
}

static void writer_end(struct block_request *r)
{
	struct block *b = r->block;

	if (!r->writer)
		return;
	r->writer = false;
	b->writers--;
	if (r->merges)
		b->merging = false;
	while (b->held.first && may_write(b, b->held.first))
		writer_begin(block_queue_take(&b->held));
}

void block_file_start(struct block_request *r)
{
	struct block *b = r->block;

	if (r->op == BLOCK_READ || r->op == BLOCK_FLUSH) {
		piece_next(r);
		return;
	}
	r->how = r->unmap && b->can_discard ? HOW_PUNCH : HOW_ZERO_RANGE;
	r->merges = r->op != BLOCK_DISCARD && !aligned(r->offset | r->length, b->data_align);
	if (b->held.first || !may_write(b, r))
		block_queue_add(&b->held, r);
	else
		writer_begin(r);
}

/* ---- completions ---- */

static void finish(struct block_request *r, int error)
{
	bounce_put(r);
	writer_end(r);
	block_finish(r, error);
}

/* fallocate() does not know how to: another way, if zeroes are wanted. */
static bool other_way(struct block_request *r, long result)
{
	if (r->op != BLOCK_WRITE_ZEROES || r->io.op != IO_ALLOCATE ||
	    (result != -EOPNOTSUPP && result != -EINVAL && result != -ENOSYS))
		return false;
	if (r->how == HOW_ZERO_RANGE && result != -EINVAL)
		r->block->can_zero_range = false;
	r->how++;
	return true;
}

/* Of what was transferred, only whole blocks count: the host goes on from there.  0: no progress. */
static uint64_t progress(const struct block_request *r, uint64_t result, uint64_t wanted)
{
	return result >= wanted ? wanted : align_down(result, r->block->data_align);
}

/* The buffer is full, or written.  false: there is more to do with it. */
static bool bounce_done(struct block_request *r)
{
	if (r->filled < r->region_length) {
		bounce_transfer(r);
		return false;
	}
	if (r->phase == PHASE_MERGE_READ) {
		bounce_copy(r, r->piece);
		r->phase = PHASE_BOUNCE;
		r->filled = 0;
		bounce_transfer(r);
		return false;
	}
	if (r->op == BLOCK_READ)
		bounce_copy(r, r->piece);
	r->completed += r->piece;
	bounce_put(r);
	return true;
}

static void piece_done(struct io_request *io, long result)
{
	struct block_request *r = container_of(io, struct block_request, io);
	uint64_t done;

	if (result == -EINTR || result == -EAGAIN || other_way(r, result)) {
		if (r->bounce)
			bounce_transfer(r);
		else
			piece_next(r);
		return;
	}
	if (result < 0) {
		if (io->op == IO_SYNC && r->block->cached)
			r->block->flush_error = (int)result;
		finish(r, block_error_say(r, (int)result));
		return;
	}
	if (io->op == IO_SYNC && r->block->flush_error) {
		finish(r, r->block->flush_error);
		return;
	}
	if (io->op == IO_SYNC || io->op == IO_ALLOCATE) {
		finish(r, 0);
		return;
	}
	done = progress(r, (uint64_t)result, r->bounce ? r->region_length - r->filled : r->piece);
	if (!done) {
		finish(r, block_error_say(r, io->op == IO_READ ? -ENODATA : -EIO));
		return;
	}
	if (r->bounce) {
		r->filled += done;
		if (!bounce_done(r))
			return;
	} else {
		r->completed += done;
	}
	if (remaining(r))
		piece_next(r);
	else
		finish(r, 0);
}
