/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks of ring3, as the driver's files share it: pvblk.c is the life of a disk (found, in trouble,
 * asleep, gone), pvblk_request.c the way of a request, pvblk_disk.c what a disk says of itself.
 */
#ifndef RING3_PVBLK_H
#define RING3_PVBLK_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_blk.h>

#include "pvring.h"

#define PVBLK_SEGMENTS	126u	/* most parts of a request's data: its table fills 2 KiB */
#define PVBLK_RANGES	16u	/* most ranges of a discard */
#define PVBLK_TRIES	4u	/* of a request, where the device had to be reset */

/* The table of a request.  Header and status stand first, whatever lies between them. */
enum {
	PVBLK_HEADER,
	PVBLK_STATUS,
	PVBLK_DATA,
	PVBLK_TABLE = PVBLK_DATA + PVBLK_SEGMENTS,
};

/* What the device gets of a request: behind struct request, physically contiguous as that. */
struct pvblk_request {
	struct virtio_blk_outhdr header;
	u64 table_addr;			/* physical */
	u8 status;			/* VIRTIO_BLK_S_*, or PVBLK_S_NONE */
	u8 tries;			/* times that it was given to a device which lost it */
	u8 timeouts;
	struct vring_desc table[];	/* of PVBLK_DATA and as many as the disk's segments */
};

#define PVBLK_S_NONE	0xff		/* the device has not said anything */

struct pvblk_queue {
	struct pvring *ring;
	struct pvblk *blk;
	struct blk_mq_hw_ctx *hctx;
	spinlock_t lock;		/* of who puts */
	char name[24];
} ____cacheline_aligned_in_smp;

struct pvblk {
	struct pv_device *dev;		/* may be used while `running`, under `life` */
	struct gendisk *disk;
	struct blk_mq_tag_set tags;
	struct virtio_blk_config config;	/* as it was at probe(), capacity aside */
	unsigned int segments, ranges;
	int number;			/* of the disk: pvba is 0 */
	int cache;			/* written to wce by somebody: 0, 1; -1: nobody */
	bool dead;			/* requests fail at once */
	struct mutex life;
	bool running;			/* the device is started, or being repaired */
	unsigned long trouble;		/* bit 0: repair it */
	struct work_struct work;
	unsigned int queue_count;
	unsigned int read_queues;	/* the last so many of them */
	struct pvblk_queue *queues;
};

/* pvblk.c: something is wrong with the device; any context. */
void pvblk_trouble(struct pvblk *blk, const char *what, int error);

/* pvblk_request.c */
extern const struct blk_mq_ops pvblk_mq_ops;
irqreturn_t pvblk_interrupt(int irq, void *queue);
/* Bytes of struct pvblk_request for so many segments. */
unsigned int pvblk_request_size(unsigned int segments);
/* Take what is done; by the queue's interrupt, or with that disabled and `life` held. */
void pvblk_take(struct pvblk_queue *queue);
/* Everything in flight, after a reset: is tried again, or fails. */
void pvblk_cancel(struct pvblk *blk, bool again);

/* pvblk_disk.c */
extern const struct block_device_operations pvblk_fops;
extern const struct attribute_group *pvblk_groups[];
/* Reads the configuration: segments, ranges.  0 or -errno. */
int pvblk_config_read(struct pvblk *blk);
/* Size of the disk, limits of its queue.  0 or -errno: they make no sense. */
int pvblk_limits_set(struct pvblk *blk);
/* pvba, ... pvbz, pvbaa, ... */
void pvblk_name(int number, char *name, size_t size);
/* The size may have changed. */
void pvblk_capacity_update(struct pvblk *blk);
/* After a reset: the cache is as somebody had set it.  0 or -errno. */
int pvblk_cache_restore(struct pvblk *blk);
void pvblk_free(struct pvblk *blk);

#endif
