/* SPDX-License-Identifier: MIT */
/*
 * A virtio device without its transport (virtio 1.2, chapter 2): type, features,
 * status, configuration space, queues.
 *
 * Devices (virtio_blk.c, virtio_net.c, virtio_rng.c) fill in struct virtio_ops; a
 * transport (virtio_pci.c, or ring3's hypercalls) carries registers, kicks and
 * interrupts.  virtio.c is what transports have in common: status and feature
 * negotiation rules, queue set-up, reset.
 */
#ifndef RING3_DEVICE_VIRTIO_H
#define RING3_DEVICE_VIRTIO_H

#include "device/virtqueue.h"

#define VIRTIO_QUEUES_MAX	16u

/* Feature bits of ring and transport (chapter 6), offered by all. */
#define VIRTIO_F_INDIRECT_DESC	28
#define VIRTIO_F_EVENT_IDX	29
#define VIRTIO_F_VERSION_1	32
#define VIRTIO_F_RING_RESET	40	/* offered by transports that have it, if ops->queue_reset is there */

struct virtio;

struct virtio_ops {
	uint16_t type;			/* virtio 1.2, chapter 5: 1 net, 2 block, 4 entropy */
	const char *name;
	/* The guest kicked queue q: take chains, queue I/O, io_flush() at the end. */
	void (*notify)(struct virtio *v, unsigned q);
	/* DRIVER_OK was set: v->features is final.  NULL: nothing to do. */
	void (*start)(struct virtio *v);
	/* Reset: on return no I/O of the device touches guest memory any more. */
	void (*reset)(struct virtio *v);
	/* The same for one queue, from which nothing is taken, and to which nothing is shown, any more; it
	 * may be enabled again.  NULL: single queues cannot be reset. */
	void (*queue_reset)(struct virtio *v, unsigned q);
	/* Device configuration space; offset + size <= config_size, size 1, 2, 4, 8. */
	unsigned config_size;
	uint64_t (*config_read)(struct virtio *v, unsigned offset, unsigned size);
	void (*config_write)(struct virtio *v, unsigned offset, unsigned size, uint64_t value);
	/* May the driver accept these features?  NULL: any subset of what was offered. */
	bool (*check_features)(struct virtio *v, uint64_t features);
};

/* How a device reaches its driver. */
struct virtio_transport {
	void (*interrupt)(struct virtio *v, unsigned q);	/* used buffers in queue q */
	void (*config_changed)(struct virtio *v);
};

struct virtio {
	const struct virtio_ops *ops;
	const struct virtio_transport *transport;
	void *transport_data;
	uint64_t offered;		/* device features; virtio.c adds those of the ring */
	uint64_t features;		/* accepted */
	uint8_t status;
	bool suspended;			/* the transport's: no access to guest memory now (bus mastering) */
	bool blamed;			/* virtio_break() spoke already */
	bool config_stale;		/* changed since the driver read any of it */
	uint8_t config_generation;
	unsigned queue_count;
	struct virtqueue queue[VIRTIO_QUEUES_MAX];
};

/* Fill in, with VERSION_1, INDIRECT_DESC and EVENT_IDX offered too.  queue_sizes: size_max each. */
void virtio_init(struct virtio *v, const struct virtio_ops *ops, uint64_t features,
		 unsigned queue_count, uint16_t queue_size);

/* ---- for transports ---- */
/* Register semantics of 2.1, 2.2: status writes with their rules (0 resets; FEATURES_OK is refused
 * by not being set), features only before FEATURES_OK. */
void virtio_write_status(struct virtio *v, uint8_t status);
void virtio_set_features(struct virtio *v, uint64_t features);
/* Device configuration space, any offset and size; beyond its end: 0, nothing. */
uint64_t virtio_config_read(struct virtio *v, unsigned offset, unsigned size);
void virtio_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value);
/* Enable a queue whose addresses are set; false: refused, the device needs a reset. */
bool virtio_enable_queue(struct virtio *v, unsigned q);
/* 2.6.1; q is enabled, RING_RESET accepted.  None of its buffers is in use afterwards. */
void virtio_reset_queue(struct virtio *v, unsigned q);
void virtio_kick(struct virtio *v, unsigned q);	/* ignored unless running and enabled */
/* No longer suspended: show what was used meanwhile, look at what the guest made available. */
void virtio_resume(struct virtio *v);

/* ---- for devices ---- */
static inline bool virtio_has(const struct virtio *v, unsigned bit)
{
	return v->features >> bit & 1;
}
/* Publish what was pushed to queue q and interrupt the driver if it wants that.  Found the queue
 * broken while taking: this stops the device (and so does the end of ops->notify). */
void virtio_complete(struct virtio *v, unsigned q);
/* The guest broke the rules: stop the device until it is reset; said once. */
void virtio_break(struct virtio *v, const char *why);
bool virtio_running(const struct virtio *v);	/* DRIVER_OK, not broken, not suspended */
void virtio_config_changed(struct virtio *v);	/* new generation, interrupt */

/* virtio_pci.c: a PCI function for it, modern only (4.1).  0 or -errno. */
int virtio_pci_add(struct virtio *v);

#endif
