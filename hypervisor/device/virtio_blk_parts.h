/* SPDX-License-Identifier: MIT */
/* virtio-blk as its files share it; nobody else includes this. */
#ifndef RING3_DEVICE_VIRTIO_BLK_PARTS_H
#define RING3_DEVICE_VIRTIO_BLK_PARTS_H

#include <linux/virtio_blk.h>

#include "device/virtio.h"
#include "hostio/block.h"
#include "machine/timer.h"

#define BLK_QUEUE_SIZE	256u
#define BLK_RANGES	16u		/* of a discard or write-zeroes request */
#define BLK_RANGE_MAX	(1u << 22)	/* sectors; 2 GiB */

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

/* Is it worth to wait for more?  Yes while it lately was; else it is tried now and then. */
struct blk_pace {
	unsigned credit, pause;
};

struct blk {
	struct virtio v;
	struct block *block;
	struct io_batch batch;
	struct blk_request *free;	/* as many requests as chains can be taken */
	unsigned in_flight;		/* requests taken */
	unsigned untold;		/* requests done since the last interrupt */
	/* Bits: queues ... */
	uint32_t pushed;		/* with chains that are not published */
	uint32_t owed;			/* whose interrupt is put off */
	uint32_t quiet;			/* whose driver was asked not to kick */
	struct timer late;		/* ends both */
	struct blk_pace telling, asking;
	uint8_t writeback;		/* as the driver wrote it, or BLK_WCE_UNSET */
	char serial[VIRTIO_BLK_ID_BYTES];
};

/* virtio_blk.c: does the driver know of a write-back cache (5.2.5, 5.2.6.2)? */
bool blk_writeback(const struct blk *blk);

/* virtio_blk_request.c: answer r, whose chain is taken and has room for a status.  It comes back to
 * blk->free, its queue marked in blk->pushed; maybe at once. */
void blk_request_begin(struct blk_request *r);
void blk_request_free(struct blk_request *r);

#endif
