/* SPDX-License-Identifier: MIT */
/*
 * A small virtio driver, for tests of devices that include this once: it takes the
 * transport's place, lays out queues in guest RAM and plays the guest's side of them.
 * main() calls driver_ram() first.
 */
#ifndef RING3_TESTS_VIRTIO_DRIVER_H
#define RING3_TESTS_VIRTIO_DRIVER_H

#include <string.h>

#include "base/arena.h"
#include "device/virtio.h"
#include "memory/ram.h"

#define DRIVER_RAM	(16 * MIB)
#define DRIVER_HEAP	(1 * MIB)

#define S_ACKNOWLEDGE	1
#define S_DRIVER	2
#define S_DRIVER_OK	4
#define S_FEATURES_OK	8
#define S_NEEDS_RESET	64

#define D_NEXT		1
#define D_WRITE		2
#define D_INDIRECT	4

#define BIT(n)		(1ull << (n))

struct driver_desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct driver_part { uint64_t addr; uint32_t len; bool in; };

struct driver_queue {
	uint16_t size, available, seen, next;
	uint64_t desc, avail, used;	/* guest-physical */
};

static struct virtio *dev;
static unsigned irqs[VIRTIO_QUEUES_MAX], config_irqs;
static struct driver_queue dq[VIRTIO_QUEUES_MAX];
static uint64_t heap;

static void driver_interrupt(struct virtio *v, unsigned q)
{
	(void)v;
	irqs[q]++;
}

static void driver_config_changed(struct virtio *v)
{
	(void)v;
	config_irqs++;
}

static const struct virtio_transport driver_transport = {
	.interrupt = driver_interrupt,
	.config_changed = driver_config_changed,
};

int virtio_pci_add(struct virtio *v)
{
	v->transport = &driver_transport;
	dev = v;
	return 0;
}

static inline int driver_ram(void)
{
	return arena_init() || ram_init(DRIVER_RAM) ? -1 : 0;
}

static inline void *guest(uint64_t gpa)
{
	return (void *)(LAYOUT_RAM + gpa);
}

static inline uint64_t guest_alloc(uint64_t size)
{
	uint64_t at = heap;

	heap += (size + 63) & ~63ul;
	if (heap > DRIVER_RAM)
		abort();
	memset(guest(at), 0, size);
	return at;
}

/* Reset, and offer of the driver; did the device take it? */
static inline bool driver_negotiate(uint64_t features)
{
	heap = DRIVER_HEAP;
	virtio_write_status(dev, 0);
	memset(dq, 0, sizeof(dq));
	virtio_write_status(dev, S_ACKNOWLEDGE);
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER);
	virtio_set_features(dev, features | BIT(VIRTIO_F_VERSION_1));
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	return dev->status & S_FEATURES_OK;
}

static inline void driver_queue_setup(unsigned q, uint16_t size)
{
	struct driver_queue *d = &dq[q];

	d->size = size;
	d->desc = guest_alloc(16ul * size);
	d->avail = guest_alloc(6 + 2ul * size);
	d->used = guest_alloc(6 + 8ul * size);
	dev->queue[q].size = size;
	dev->queue[q].desc = GPA(d->desc);
	dev->queue[q].avail = GPA(d->avail);
	dev->queue[q].used = GPA(d->used);
	virtio_enable_queue(dev, q);
}

static inline void driver_ok(void)
{
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

/* All of it, with queues of `size`. */
static inline bool driver_start(uint64_t features, uint16_t size)
{
	if (!driver_negotiate(features))
		return false;
	for (unsigned q = 0; q < dev->queue_count; q++)
		driver_queue_setup(q, size);
	driver_ok();
	return true;
}

static inline struct driver_desc *driver_desc(unsigned q, unsigned i)
{
	return (struct driver_desc *)guest(dq[q].desc) + i;
}

static inline void driver_make_available(unsigned q, uint16_t head)
{
	uint16_t *avail = guest(dq[q].avail);

	avail[2 + dq[q].available % dq[q].size] = head;
	avail[1] = ++dq[q].available;
}

/* One chain; its head. */
static inline uint16_t driver_offer(unsigned q, const struct driver_part *parts, unsigned n)
{
	struct driver_queue *d = &dq[q];
	uint16_t head = d->next;

	for (unsigned i = 0; i < n; i++) {
		uint16_t at = d->next, next = (uint16_t)((at + 1) % d->size);

		*driver_desc(q, at) = (struct driver_desc){
			parts[i].addr, parts[i].len,
			(uint16_t)((parts[i].in ? D_WRITE : 0) | (i + 1 < n ? D_NEXT : 0)), next,
		};
		d->next = next;
	}
	driver_make_available(q, head);
	return head;
}

static inline uint16_t driver_offer_in(unsigned q, uint64_t addr, uint32_t len)
{
	return driver_offer(q, &(struct driver_part){ addr, len, true }, 1);
}

static inline uint16_t driver_offer_out(unsigned q, uint64_t addr, uint32_t len)
{
	return driver_offer(q, &(struct driver_part){ addr, len, false }, 1);
}

static inline void driver_kick(unsigned q)
{
	virtio_kick(dev, q);
}

/* The next used element, if there is one. */
static inline bool driver_used(unsigned q, uint32_t *id, uint32_t *len)
{
	const uint16_t *index = guest(dq[q].used + 2);
	const uint32_t *ring = guest(dq[q].used + 4);

	if (*index == dq[q].seen)
		return false;
	*id = ring[dq[q].seen % dq[q].size * 2];
	*len = ring[dq[q].seen % dq[q].size * 2 + 1];
	dq[q].seen++;
	return true;
}

static inline unsigned driver_used_count(unsigned q)
{
	return (uint16_t)(*(const uint16_t *)guest(dq[q].used + 2) - dq[q].seen);
}

#endif
