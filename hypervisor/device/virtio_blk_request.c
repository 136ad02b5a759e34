// SPDX-License-Identifier: MIT
/*
 * Requests of virtio-blk (virtio 1.2, 5.2.6): understood, checked, handed to the block
 * back-end, answered.
 *
 * Header, data and status may be cut into descriptors in any way (2.7.4): the
 * header is the first 16 readable bytes, the status the last writable one, the data
 * what is left; its iovecs are what the host reads and writes.
 *
 * A request that can be answered is: IOERR where the driver broke the rules or the
 * host failed, UNSUPP what the device does not know.  Writes of a driver that
 * knows of no write-back cache, or has turned it off, are flushed before they are
 * reported (5.2.6.2).  Guest memory is read once, into copies.
 */
#include <errno.h>
#include <string.h>

#include "device/virtio_blk_parts.h"
#include "memory/ram.h"

#define BLK_HEADER	16u

/* ---- completing ---- */

void blk_request_free(struct blk_request *r)
{
	r->blk->in_flight--;
	r->next = r->blk->free;
	r->blk->free = r;
}

/* `data`: bytes of the data part that are known to be written, from its start. */
static void request_end(struct blk_request *r, uint8_t status, uint64_t data)
{
	struct blk *blk = r->blk;

	if (likely(blk->v.status)) {		/* 0: being reset, nobody waits for it */
		*r->status = status;
		ram_dma_pointer_written(r->status, 1);
		virtqueue_push(&blk->v.queue[r->queue], &r->chain,
			       (uint32_t)(data == r->data_in ? data + 1 : data));
		blk->pushed |= 1u << r->queue;
		blk->untold++;
	}
	blk_request_free(r);
}

static void request_fail(struct blk_request *r, int error)
{
	/* The host may have written some of it. */
	for (unsigned i = r->chain.out; i < r->chain.out + r->chain.in; i++)
		ram_dma_pointer_written(r->chain.iov[i].iov_base, r->chain.iov[i].iov_len);
	request_end(r, error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR, 0);
}

static void read_done(struct block_request *io, int error)
{
	struct blk_request *r = container_of(io, struct blk_request, io);

	if (unlikely(error))
		request_fail(r, error);
	else
		request_end(r, VIRTIO_BLK_S_OK, r->data_in);
}

/* What was written is stable, or may stay volatile. */
static void stable_done(struct block_request *io, int error)
{
	struct blk_request *r = container_of(io, struct blk_request, io);

	if (unlikely(error))
		request_fail(r, error);
	else
		request_end(r, VIRTIO_BLK_S_OK, 0);
}

static void write_done(struct block_request *io, int error)
{
	struct blk_request *r = container_of(io, struct blk_request, io);

	if (likely(!error) && unlikely(!blk_writeback(r->blk)) && r->blk->v.status) {
		io->op = BLOCK_FLUSH;
		io->done = stable_done;
		block_submit(r->blk->block, io);
		return;
	}
	stable_done(io, error);
}

/* ---- requests ---- */

static void request_submit(struct blk_request *r, enum block_op op,
			   void (*done)(struct block_request *io, int error))
{
	r->io.op = op;
	r->io.done = done;
	block_submit(r->blk->block, &r->io);
}

/* The data part: `iov`, of `bytes`. */
static void data_begin(struct blk_request *r, uint64_t sector, struct iovec *iov, unsigned count,
		       uint64_t bytes)
{
	bool in = r->type == VIRTIO_BLK_T_IN;
	uint64_t size = block_size(r->blk->block);

	if (sector > size / BLOCK_SECTOR || (!in && block_readonly(r->blk->block))) {
		request_fail(r, -EINVAL);
		return;
	}
	if (!bytes) {
		request_end(r, VIRTIO_BLK_S_OK, 0);
		return;
	}
	r->io.iov = iov;
	r->io.iov_count = count;
	r->io.offset = sector * BLOCK_SECTOR;
	r->io.length = bytes;
	request_submit(r, in ? BLOCK_READ : BLOCK_WRITE, in ? read_done : write_done);
}

static void ranges_next(struct block_request *io, int error)
{
	struct blk_request *r = container_of(io, struct blk_request, io);
	const struct virtio_blk_discard_write_zeroes *range;

	if (error || r->range == r->ranges) {
		write_done(io, error);
		return;
	}
	range = &r->ranges_copy[r->range++];
	io->unmap = range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	io->offset = range->sector * BLOCK_SECTOR;
	io->length = (uint64_t)range->num_sectors * BLOCK_SECTOR;
	request_submit(r, r->type == VIRTIO_BLK_T_DISCARD ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES, ranges_next);
}

/* 5.2.6.2: what the flags forbid is UNSUPP; what is beyond the disk or the limits, an error. */
static int ranges_check(const struct blk_request *r)
{
	uint32_t known = r->type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	uint64_t sectors = block_size(r->blk->block) / BLOCK_SECTOR;
	int error = 0;

	for (unsigned i = 0; i < r->ranges; i++) {
		const struct virtio_blk_discard_write_zeroes *range = &r->ranges_copy[i];

		if (range->flags & ~known)
			return -EOPNOTSUPP;
		if (range->num_sectors > BLK_RANGE_MAX || range->sector > sectors ||
		    range->num_sectors > sectors - range->sector)
			error = -EINVAL;
	}
	return error;
}

static void ranges_begin(struct blk_request *r, const struct iovec *iov, unsigned count, uint64_t bytes)
{
	unsigned feature = r->type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
	uint8_t *copy = (uint8_t *)r->ranges_copy;
	int error;

	if (block_readonly(r->blk->block)) {
		request_fail(r, -EROFS);
		return;
	}
	if (!(r->blk->v.offered >> feature & 1)) {
		request_fail(r, -EOPNOTSUPP);
		return;
	}
	if (!bytes || bytes % sizeof(r->ranges_copy[0]) || bytes > sizeof(r->ranges_copy)) {
		request_fail(r, -EINVAL);
		return;
	}
	for (unsigned i = 0; i < count; copy += iov[i++].iov_len)
		memcpy(copy, iov[i].iov_base, iov[i].iov_len);
	r->range = 0;
	r->ranges = (unsigned)(bytes / sizeof(r->ranges_copy[0]));
	error = ranges_check(r);
	if (error)
		request_fail(r, error);
	else
		ranges_next(&r->io, 0);
}

static void id_begin(struct blk_request *r)
{
	const char *id = r->blk->serial;
	uint64_t left = min_u64(sizeof(r->blk->serial), r->data_in), done = left;

	for (unsigned i = r->chain.out; left; i++) {
		uint64_t n = min_u64(left, r->chain.iov[i].iov_len);

		memcpy(r->chain.iov[i].iov_base, id, n);
		id += n;
		left -= n;
	}
	request_end(r, VIRTIO_BLK_S_OK, done);
}

/* Take n bytes off the front of the readable part; the iovecs that are left. */
static struct iovec *header_take(struct virtqueue_chain *chain, void *header, size_t n)
{
	struct iovec *iov = chain->iov;
	uint8_t *to = header;

	while (n) {
		size_t part = min_u64(n, iov->iov_len);

		memcpy(to, iov->iov_base, part);
		to += part;
		n -= part;
		if (part == iov->iov_len) {
			iov++;
		} else {
			iov->iov_base = (uint8_t *)iov->iov_base + part;
			iov->iov_len -= part;
		}
	}
	return iov;
}

/* The chain has a status byte. */
void blk_request_begin(struct blk_request *r)
{
	struct virtqueue_chain *chain = &r->chain;
	struct iovec *in = chain->iov + chain->out, *last = in + chain->in - 1, *out;
	struct virtio_blk_outhdr header;
	unsigned out_count, in_count;

	last->iov_len--;
	r->status = (uint8_t *)last->iov_base + last->iov_len;
	r->data_in = chain->in_bytes - 1;
	in_count = chain->in - !last->iov_len;
	if (chain->out_bytes < BLK_HEADER) {
		request_fail(r, -EINVAL);
		return;
	}
	out = header_take(chain, &header, BLK_HEADER);
	out_count = (unsigned)(in - out);
	r->type = header.type;
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		data_begin(r, header.sector, in, in_count, r->data_in);
		break;
	case VIRTIO_BLK_T_OUT:
		data_begin(r, header.sector, out, out_count, chain->out_bytes - BLK_HEADER);
		break;
	case VIRTIO_BLK_T_FLUSH:
		request_submit(r, BLOCK_FLUSH, stable_done);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		ranges_begin(r, out, out_count, chain->out_bytes - BLK_HEADER);
		break;
	case VIRTIO_BLK_T_GET_ID:
		id_begin(r);
		break;
	default:
		request_fail(r, -EOPNOTSUPP);
	}
}
