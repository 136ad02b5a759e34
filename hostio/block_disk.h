/* SPDX-License-Identifier: MIT */
/* A disk as the files of the block back-end share it; nobody else includes this. */
#ifndef RING3_HOSTIO_BLOCK_DISK_H
#define RING3_HOSTIO_BLOCK_DISK_H

#include "hostio/block.h"
#include "hostio/block_limit.h"

struct block_queue {
	struct block_request *first, **end;
};

struct block {
	const char *name;		/* for messages */
	int file;			/* of io_add_file() */
	bool null, readonly;
	bool can_discard, can_zero_range;
	uint64_t offset, size;		/* the window, bytes of the file */
	/* What the host's reads and writes must be multiples of (1: anything), both powers of two:
	 * addresses of memory; offsets in the file and lengths.  The window is one of the latter. */
	unsigned memory_align, data_align;
	unsigned allocate_align;	/* fallocate's ranges */
	unsigned physical;

	unsigned in_flight;		/* submitted, done() not called */
	struct block_queue delayed;	/* by the limit */
	struct block_limit limit;
	void (*alarm_arm)(void *timer, uint64_t deadline_ns);
	void *alarm_timer;

	/* block_file.c's: a write of less than data_align reads and writes back what lies around
	 * it, and so must be alone among the writes. */
	unsigned writers;
	bool merging;
	struct block_queue held;	/* writes that wait for that, in order */
	/* The host's page cache lost data that a failed flush was about: no later one may claim
	 * that it is stored.  0, or that error. */
	bool cached;
	int flush_error;
	uint64_t said[4][3];		/* errors, bit by errno: reading, writing, flushing, other */
};

void block_queue_init(struct block_queue *q);
void block_queue_add(struct block_queue *q, struct block_request *r);
struct block_request *block_queue_take(struct block_queue *q);	/* not empty */

/* block_file.c: r is valid and admitted. */
void block_file_start(struct block_request *r);
/* Start-up, memory that all disks share. */
void block_file_init(void);

/* block.c: the end of r, from a callback of io_poll(). */
void block_finish(struct block_request *r, int error);

#endif
