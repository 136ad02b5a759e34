/* SPDX-License-Identifier: MIT */
/*
 * Block back-end: an image file, a block device of the host or a window of one;
 * or nothing at all (null), for measuring a front-end alone.
 *
 * Keeps from its users: alignment of O_DIRECT (bounce buffers), short reads and
 * writes, windows, limits of rate, which errors were said already.  The null disk
 * stores nothing and leaves the memory of reads as it is.
 *
 * Durability: BLOCK_FLUSH is done when everything that was done before it was
 * queued is on the host's storage (fdatasync), with cache=none too.
 */
#ifndef RING3_HOSTIO_BLOCK_H
#define RING3_HOSTIO_BLOCK_H

#include "hostio/config.h"
#include "hostio/io.h"

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES };

#define BLOCK_SECTOR	512u

struct block_request {
	/* Set by the caller, who keeps it and the iovecs until done(). */
	enum block_op op;
	bool unmap;			/* WRITE_ZEROES: may deallocate */
	unsigned iov_count;		/* READ, WRITE: 1 .. IO_IOV_MAX; iovecs of any length and
					 * alignment, whose sum is a multiple of 512, not 0 */
	const struct iovec *iov;
	uint64_t offset;		/* bytes in the window, multiple of 512 */
	uint64_t length;		/* bytes; READ, WRITE: the sum of the iovecs */
	/* error: 0; -EINVAL outside the window; -EROFS; -EOPNOTSUPP; -EIO, -ENOSPC ...: the host's,
	 * said; parts may have been transferred then */
	void (*done)(struct block_request *r, int error);
	/* The back-end's: the state of a request that goes to the host in pieces. */
	struct io_request io;
	struct block *block;
	struct block_request *next;	/* in the queue where it waits */
	uint64_t completed;		/* bytes, by earlier pieces */
	uint64_t piece;			/* bytes of it that the piece in flight is about */
	struct iovec part;		/* a piece that is one iovec, not of the caller's */
	void *bounce;			/* its buffer while it has one, standing for file bytes */
	uint64_t region, region_length;	/* from `region` on, of which the first `filled` bytes */
	uint64_t filled;		/* were transferred */
	uint8_t phase, how;
	bool writer, merges;
};

/*
 * Start-up, before io_start().  NULL after one sentence (log_error) that names the file and says
 * what to do.  Locks the file (OFD lock of the window: shared when read-only), so that two
 * machines do not write one disk.
 */
struct block *block_open(const struct block_config *config);

uint64_t block_size(const struct block *b);		/* bytes, multiple of 512 */
bool block_readonly(const struct block *b);
bool block_can_discard(const struct block *b);		/* the file system does; else -EOPNOTSUPP */
/* What the host prefers: bytes a request should be a multiple of (512 or 4096). */
unsigned block_physical_size(const struct block *b);

/* done() follows later, from io_poll(); never inside.  Call io_flush() after a batch.
 * Requests in flight at the same time are done in any order. */
void block_submit(struct block *b, struct block_request *r);
/* Wait until none of b's requests is in flight: all done() were called.  Those that a limit held
 * back are not started any more: -ECANCELED. */
void block_drain(struct block *b);

/*
 * Limits of rate need to be woken.  Where block_limited(), set before the first request:
 * arm(timer, ns) makes block_alarm_expired(b) be called at clock_ns() `ns`, once; arming again
 * moves it.  TIMER's meaning is the caller's.
 */
bool block_limited(const struct block *b);
void block_set_alarm(struct block *b, void (*arm)(void *timer, uint64_t deadline_ns), void *timer);
void block_alarm_expired(struct block *b);

#endif
