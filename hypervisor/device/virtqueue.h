/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues, the device's side (virtio 1.2, 2.7), with indirect descriptors
 * and event indices.
 *
 * All of a queue lies in guest memory and is written by a possibly hostile guest
 * while we read: each value is read once and checked.  What cannot be (a loop, an
 * address outside RAM, a read-only part behind a writable one ...) makes the
 * queue broken: nothing more is taken from it, the device asks for a reset
 * (DEVICE_NEEDS_RESET, 2.1.2).  Knows no transport and no device.
 */
#ifndef RING3_DEVICE_VIRTQUEUE_H
#define RING3_DEVICE_VIRTQUEUE_H

#include <sys/uio.h>

#include "base/types.h"

#define VIRTQUEUE_SIZE_MAX	1024u	/* descriptors; chains have at most as many parts */

struct virtqueue {
	/* Set by the transport before virtqueue_start(). */
	uint16_t size;			/* power of two, <= size_max */
	uint16_t size_max;
	gpa_t desc, avail, used;
	bool enabled;
	uint16_t vector;		/* MSI-X; 0xffff: none */
	/* virtqueue.c's: */
	bool event_idx, indirect, broken;
	bool closing;			/* virtio_reset_queue(): nothing is taken or shown any more */
	bool quiet;			/* the guest was asked not to notify */
	uint16_t last_avail, used_index, signalled_used;
	const struct virtqueue_desc *host_desc;		/* where they are in the DMA view */
	const struct virtqueue_avail *host_avail;
	struct virtqueue_used *host_used;
};

/* A chain of descriptors as host memory (the DMA view of RAM). */
struct virtqueue_chain {
	uint16_t head;
	unsigned out, in;		/* iovecs that the device reads; that it writes, behind them */
	uint64_t out_bytes, in_bytes;
	unsigned max;			/* room in iov, set by the caller */
	struct iovec *iov;
};

/* Addresses were set and features negotiated: check alignment, size and range.  false: refused.
 * The other functions want a queue that was started; they do nothing on one that is not
 * enabled (but virtqueue_empty(), which must not be asked then). */
bool virtqueue_start(struct virtqueue *q, bool event_idx, bool indirect);
void virtqueue_reset(struct virtqueue *q);

/*
 * Take the next chain.  false: there is none, or the queue is broken now (q->broken).
 * Contiguous descriptors that follow each other in memory are merged into one iovec; a chain
 * that needs more than `max` of them breaks the queue.  At most `size` chains are ever taken and
 * not pushed yet.
 */
bool virtqueue_take(struct virtqueue *q, struct virtqueue_chain *chain);
/* Put back the chains taken last, undoing `n` virtqueue_take(). */
void virtqueue_untake(struct virtqueue *q, unsigned n);
bool virtqueue_empty(struct virtqueue *q);

/*
 * The chain is done; `written` bytes were written to its in part, in order from its start (code
 * pages among it are dropped here).  Visible to the guest after virtqueue_publish().
 */
void virtqueue_push(struct virtqueue *q, const struct virtqueue_chain *chain, uint32_t written);
/* Show pushed chains; true: the guest wants an interrupt for them (2.7.7, 2.7.10). */
bool virtqueue_publish(struct virtqueue *q);
/* May the driver not have seen what was published while used_index was `index`?  For interrupts
 * that were put off; true where it cannot be told (no event indices). */
bool virtqueue_unseen_at(const struct virtqueue *q, uint16_t index);
static inline bool virtqueue_unseen(const struct virtqueue *q)
{
	return virtqueue_unseen_at(q, q->used_index);
}

/* Ask the guest (not) to notify about new chains: while we look anyway.  true from enable: more
 * have come meanwhile, look again. */
void virtqueue_disable_notify(struct virtqueue *q);
bool virtqueue_enable_notify(struct virtqueue *q);

#endif
