// SPDX-License-Identifier: MIT
/*
 * virtio-blk (virtio 1.2, 5.2): requests from the queues to the block back-end and
 * back, without copying: the iovecs of a chain are what the host reads and writes.
 *
 * Header, data and status may be cut into descriptors in any way (2.7.4): the
 * header is the first 16 readable bytes, the status the last writable one, the data
 * what is left.  All chains of a kick go to the host together, and all
 * completions of one io_poll() come back with one interrupt.
 *
 * A request that can be answered is: IOERR where the driver broke the rules or the
 * host failed, UNSUPP what the device does not know.  One without a status byte
 * cannot, and breaks the device.  Writes of a driver that knows of no write-back
 * cache, or has turned it off, are flushed before they are reported (5.2.6.2).
 */
#include "device/virtio_blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "memory/ram.h"

#define BLK_QUEUE_SIZE	256u
#define BLK_HEADER	16u
#define BLK_QUEUES	1u		/* one CPU has no use for more */
#define BLK_RANGES	16u		/* of a discard or write-zeroes request */
#define BLK_RANGE_MAX	(1u << 22)	/* sectors; 2 GiB */
#define BLK_CONFIG_SIZE	60u		/* to the end of unused1: what follows is not offered */
#define BLK_WCE_UNSET	0xff

#define FEATURE(name)	(1UL << VIRTIO_BLK_F_##name)
#define OFFERED		(FEATURE(SEG_MAX) | FEATURE(BLK_SIZE) | FEATURE(TOPOLOGY) | FEATURE(FLUSH) | \
			 FEATURE(CONFIG_WCE) | FEATURE(MQ))

struct blk_request {
	struct virtqueue_chain chain;
	struct block_request io;
	struct blk *blk;
	struct blk_request *next;	/* free */
	unsigned queue;
	uint32_t type;
	uint8_t *status;
	uint64_t data_in;		/* writable bytes before the status */
	unsigned range, ranges;
	struct virtio_blk_discard_write_zeroes ranges_copy[BLK_RANGES];
	struct iovec *iov;		/* BLK_QUEUE_SIZE: the longest chain */
};

struct blk {
	struct virtio v;
	struct block *block;
	struct io_batch batch;
	struct blk_request *free;	/* as many requests as chains can be taken */
	uint32_t to_complete;		/* bits: queues with chains pushed and not published */
	uint8_t writeback;		/* as the driver wrote it, or BLK_WCE_UNSET */
	char serial[VIRTIO_BLK_ID_BYTES];
};

_Static_assert(offsetof(struct virtio_blk_config, unused1) + 3 == BLK_CONFIG_SIZE, "virtio 1.2, 5.2.4");

static struct blk *blk_of(struct virtio *v)
{
	return container_of(v, struct blk, v);
}

/* Does the driver know of a write-back cache (5.2.5, 5.2.6.2)? */
static bool blk_writeback(const struct blk *blk)
{
	if (blk->writeback != BLK_WCE_UNSET)
		return blk->writeback;
	return virtio_has(&blk->v, VIRTIO_BLK_F_FLUSH);
}

/* ---- completing ---- */

static void request_free(struct blk_request *r)
{
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
		blk->to_complete |= 1u << r->queue;
	}
	request_free(r);
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
static void request_begin(struct blk_request *r)
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

/* ---- queues ---- */

/* false: nothing more now. */
static bool request_take(struct blk *blk, unsigned q)
{
	struct blk_request *r = blk->free;

	if (unlikely(!r))
		return false;
	r->chain.iov = r->iov;
	r->chain.max = BLK_QUEUE_SIZE;
	if (!virtqueue_take(&blk->v.queue[q], &r->chain))
		return false;
	if (unlikely(!r->chain.in_bytes)) {
		virtio_break(&blk->v, "made a block request that has no room for its status");
		return false;
	}
	blk->free = r->next;
	r->queue = q;
	request_begin(r);
	return true;
}

static void queues_complete(struct blk *blk)
{
	for (unsigned q = 0; blk->to_complete; q++) {
		if (!(blk->to_complete >> q & 1))
			continue;
		blk->to_complete &= ~(1u << q);
		virtio_complete(&blk->v, q);
	}
}

static void blk_notify(struct virtio *v, unsigned q)
{
	struct blk *blk = blk_of(v);

	do {
		virtqueue_disable_notify(&v->queue[q]);
		while (request_take(blk, q))
			;
	} while (virtio_running(v) && virtqueue_enable_notify(&v->queue[q]) && blk->free);
	io_flush();
	queues_complete(blk);
}

static void blk_batch_end(struct io_batch *batch)
{
	queues_complete(container_of(batch, struct blk, batch));
}

static void blk_reset(struct virtio *v)
{
	struct blk *blk = blk_of(v);

	block_drain(blk->block);
	blk->to_complete = 0;
	blk->writeback = BLK_WCE_UNSET;
}

/* ---- configuration ---- */

static uint8_t log2_of(unsigned value)
{
	return (uint8_t)(31 - __builtin_clz(value));
}

static struct virtio_blk_config blk_config(const struct blk *blk)
{
	unsigned physical = block_physical_size(blk->block) / BLOCK_SECTOR;
	struct virtio_blk_config c = {
		.capacity = block_size(blk->block) / BLOCK_SECTOR,
		.seg_max = BLK_QUEUE_SIZE - 2,
		.blk_size = BLOCK_SECTOR,
		.physical_block_exp = log2_of(physical),
		.min_io_size = (uint16_t)physical,
		.wce = blk_writeback(blk),
		.num_queues = (uint16_t)blk->v.queue_count,
	};

	if (blk->v.offered & FEATURE(DISCARD)) {
		c.max_discard_sectors = BLK_RANGE_MAX;
		c.max_discard_seg = BLK_RANGES;
		c.discard_sector_alignment = physical;
	}
	if (blk->v.offered & FEATURE(WRITE_ZEROES)) {
		c.max_write_zeroes_sectors = BLK_RANGE_MAX;
		c.max_write_zeroes_seg = BLK_RANGES;
		c.write_zeroes_may_unmap = block_can_discard(blk->block);
	}
	return c;
}

static uint64_t blk_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	struct virtio_blk_config c = blk_config(blk_of(v));
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)&c + offset, size);
	return value;
}

/* Only `writeback` can be written, and only by drivers that accepted it (5.2.6.1). */
static void blk_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	unsigned at = offsetof(struct virtio_blk_config, wce);

	if (offset <= at && at < offset + size && virtio_has(v, VIRTIO_BLK_F_CONFIG_WCE))
		blk_of(v)->writeback = value >> (at - offset) * 8 & 1;
}

static const struct virtio_ops blk_ops = {
	.type = 2,
	.name = "virtio-blk",
	.notify = blk_notify,
	.reset = blk_reset,
	.config_size = BLK_CONFIG_SIZE,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
};

static uint64_t blk_features(const struct block *b)
{
	if (block_readonly(b))
		return OFFERED | FEATURE(RO);
	return OFFERED | FEATURE(WRITE_ZEROES) | (block_can_discard(b) ? FEATURE(DISCARD) : 0);
}

static void serial_set(struct blk *blk, const char *serial)
{
	static unsigned count;
	char own[VIRTIO_BLK_ID_BYTES + 1];

	format_string(own, sizeof(own), "ring3-virtio-%u", count++);
	if (!serial)
		serial = own;
	for (unsigned i = 0; i < sizeof(blk->serial) && serial[i]; i++)
		blk->serial[i] = serial[i];
}

struct virtio *virtio_blk_create(const struct machine_disk *config, struct block *b, unsigned queues)
{
	struct blk *blk = arena_alloc(sizeof(*blk), 64);
	unsigned requests = queues * BLK_QUEUE_SIZE;
	struct blk_request *r = arena_alloc(requests * sizeof(*r), 64);
	struct iovec *iov = arena_alloc(requests * BLK_QUEUE_SIZE * sizeof(*iov), PAGE_SIZE);

	blk->block = b;
	blk->writeback = BLK_WCE_UNSET;
	serial_set(blk, config->serial);
	/* Downwards: the first ones are used most, and the others hardly ever touched. */
	for (unsigned i = requests; i--;) {
		r[i].blk = blk;
		r[i].iov = iov + i * BLK_QUEUE_SIZE;
		request_free(&r[i]);
	}
	blk->batch.end = blk_batch_end;
	io_batch_add(&blk->batch);
	virtio_init(&blk->v, &blk_ops, blk_features(b), queues, BLK_QUEUE_SIZE);
	return &blk->v;
}

int virtio_blk_add(const struct machine_disk *config, struct block *b)
{
	return virtio_pci_add(virtio_blk_create(config, b, BLK_QUEUES));
}
