/* SPDX-License-Identifier: MIT */
/*
 * Counters of the back-ends, for --stats: what devices asked for, and how many calls
 * of the host it took.  The vCPU's thread counts.  debug/stats.c shows them, and may
 * put them on shared pages, which is why they are alone on theirs.
 */
#ifndef RING3_HOSTIO_IO_STATS_H
#define RING3_HOSTIO_IO_STATS_H

#include "base/types.h"

struct io_stats {
	uint64_t calls;				/* of the host, by the vCPU's thread, for I/O */
	uint64_t reads, writes, others;		/* requests of disks that are done, failed ones too */
	uint64_t block_bytes;
	uint64_t frames_sent, frames_received;	/* of networks */
	uint64_t frame_bytes;			/* without the virtio header */
} __attribute__((aligned(PAGE_SIZE)));

extern struct io_stats io_stats;

#endif
