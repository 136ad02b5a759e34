/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Split virtqueues (virtio 1.2, 2.7), the driver's side, on memory that is guest-physical as
 * it is: no mapping, no IOMMU.  Feature INDIRECT_DESC is required for chains of more than one
 * part; EVENT_IDX is used if it is there.
 *
 * A chain takes one descriptor, the slot: of its only part, or of a table.  Two ways to use
 * one ring, not to be mixed:
 *
 *	slots	The driver numbers its requests itself (blk-mq tags) and has the tables.
 *		pvring_put(), pvring_kick(); pvring_next().  Putting and taking need no
 *		common lock: each side is to be serialised by itself only.
 *	chains	pvring_add(), pvring_kick(); pvring_get() gives back the token.  Slots and tables
 *		are the ring's.  Add and get need one lock.
 *
 * Whatever the device writes into the ring, only slots that it has are ever taken back, each
 * once; else the ring is broken, which is said once, and nothing comes out of it any more.
 */
#ifndef RING3_PVRING_H
#define RING3_PVRING_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/types.h>
#include <uapi/linux/virtio_ring.h>
#include <asm/barrier.h>

#include "pvbus.h"

/* The features that rings know; pvbus.c accepts them for all drivers. */
#define PVRING_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

/* A part of a chain: memory of the kernel's direct map, by its physical address. */
struct pvring_part {
	phys_addr_t addr;
	u32 length;
};

struct pvring {
	/* Who puts: */
	struct vring_desc *desc;
	struct vring_avail *avail;
	__virtio16 *avail_event;	/* written by the device */
	u8 *busy;			/* of each slot: the device has it */
	u16 mask;			/* entries - 1 */
	u16 added;			/* available index with what is not yet published */
	u16 published;
	bool event_index;
	bool broken;

	/* Who takes: */
	struct vring_used *used ____cacheline_aligned_in_smp;
	__virtio16 *used_event;
	u16 taken;			/* used index up to which all is taken */

	/* Chains: */
	void **token;			/* of each slot; NULL: free */
	u16 *free;			/* stack of slots */
	unsigned int free_count;
	unsigned int parts;		/* of a table */
	struct vring_desc *tables;	/* parts of each slot */

	/* pvring.c's: */
	struct pv_device *dev;
	unsigned int index;
	unsigned int entries;
	int event;			/* or -1: no interrupts */
	int irq;
	const char *name;
	void *data;
	void *memory;
};

struct pvring_config {
	unsigned int index;		/* of the queue */
	unsigned int entries;		/* wanted; fewer if the device has; rounded down to 2^n */
	unsigned int parts;		/* chains: of the longest; slots: 0 */
	bool chains;			/* the ring has slots and tables of its own */
	irq_handler_t handler;		/* buffers were used; hard interrupt; NULL: never told */
	const char *name;		/* in /proc/interrupts; lives as long as the ring */
	void *data;			/* of the handler */
};

/*
 * Memory and event of a ring.  The device knows of it only after pvring_enable(), so this can be
 * at any time.  A ring or ERR_PTR.
 */
struct pvring *pvring_create(struct pv_device *dev, const struct pvring_config *config);

/* After the device was reset (pv_device_reset()).  NULL: nothing. */
void pvring_destroy(struct pvring *ring);

/*
 * Empties the ring and hands it to the device: between FEATURES_OK and pv_device_start(), also
 * again after a reset.  Chains that were in flight are forgotten: pvring_detach() first.
 * 0 or -errno.
 */
int pvring_enable(struct pvring *ring);

/* Wait until no handler runs and keep it from running, and the opposite.  May sleep. */
void pvring_irq_disable(struct pvring *ring);
void pvring_irq_enable(struct pvring *ring);

/* The hypercall of a kick, tried again a few times if it fails.  0, or -errno: not told. */
int pvring_notify(struct pvring *ring);

/* Marks the ring broken, says why, once.  -EIO */
int pvring_break(struct pvring *ring, const char *why);

/* ---- both ways ---- */

/* Shows the device what was put; true: it wants a kick. */
static inline bool pvring_publish(struct pvring *ring)
{
	u16 old = ring->published, new = ring->added;

	if (old == new)
		return false;
	/* Descriptors before index. */
	virt_store_release(&ring->avail->idx, cpu_to_pv16(new));
	ring->published = new;
	/* Index before event; the device does it the other way round (2.7.13.4.1). */
	virt_mb();
	if (likely(ring->event_index))
		return vring_need_event(pv_to_cpu16(READ_ONCE(*ring->avail_event)), new, old);
	return !(READ_ONCE(ring->used->flags) & cpu_to_pv16(VRING_USED_F_NO_NOTIFY));
}

/* The same, and the kick.  0, or -errno: it failed; call pvring_notify() some time. */
static inline int pvring_kick(struct pvring *ring)
{
	return pvring_publish(ring) ? pvring_notify(ring) : 0;
}

static inline bool pvring_pending(const struct pvring *ring)
{
	return pv_to_cpu16(READ_ONCE(ring->used->idx)) != ring->taken && !ring->broken;
}

/* Interrupts are not wanted for now.  (With event indices there is none after one, anyway.) */
static inline void pvring_disarm(struct pvring *ring)
{
	if (!ring->event_index)
		WRITE_ONCE(ring->avail->flags, cpu_to_pv16(VRING_AVAIL_F_NO_INTERRUPT));
}

static inline bool __pvring_rearm(struct pvring *ring, u16 ahead)
{
	u16 used;

	if (likely(ring->event_index))
		WRITE_ONCE(*ring->used_event, cpu_to_pv16((u16)(ring->taken + ahead)));
	else
		WRITE_ONCE(ring->avail->flags, 0);
	/* Event before index; the device does it the other way round (2.7.7.1). */
	virt_mb();
	used = pv_to_cpu16(READ_ONCE(ring->used->idx));
	return (u16)(used - ring->taken) <= ahead || ring->broken;
}

/* Interrupts are wanted again.  false: buffers were used before, look now. */
static inline bool pvring_rearm(struct pvring *ring)
{
	return __pvring_rearm(ring, 0);
}

/* The same, but wanted only once three quarters of what the device has are done. */
static inline bool pvring_rearm_late(struct pvring *ring)
{
	u16 flying = ring->published - ring->taken;

	return __pvring_rearm(ring, ring->event_index ? flying * 3 / 4 : 0);
}

/*
 * The next slot that the device is done with, and how many bytes it says it has written.
 * -EAGAIN: none; -EIO: broken.
 */
static inline int pvring_next(struct pvring *ring, u32 *written)
{
	const struct vring_used_elem *elem;
	u32 slot;

	/* Index before element. */
	if (pv_to_cpu16(virt_load_acquire(&ring->used->idx)) == ring->taken)
		return -EAGAIN;
	if (unlikely(ring->broken))
		return -EIO;
	elem = &ring->used->ring[ring->taken & ring->mask];
	slot = pv_to_cpu32(READ_ONCE(elem->id));
	*written = pv_to_cpu32(READ_ONCE(elem->len));
	if (unlikely(slot > ring->mask || !ring->busy[slot]))
		return pvring_break(ring, "used a buffer that it does not have");
	ring->busy[slot] = 0;
	ring->taken++;
	return slot;
}

/* ---- slots ---- */

static inline void pvring_desc_set(struct vring_desc *desc, phys_addr_t addr, u32 length, u16 flags,
				   u16 next)
{
	desc->addr = cpu_to_pv64(addr);
	desc->len = cpu_to_pv32(length);
	desc->flags = cpu_to_pv16(flags);
	desc->next = cpu_to_pv16(next);
}

/* Make a slot available: length bytes at addr; flags: VRING_DESC_F_INDIRECT or _WRITE, or 0. */
static inline void pvring_put(struct pvring *ring, unsigned int slot, phys_addr_t addr, u32 length,
			      u16 flags)
{
	pvring_desc_set(&ring->desc[slot], addr, length, flags, 0);
	ring->busy[slot] = 1;
	ring->avail->ring[ring->added++ & ring->mask] = cpu_to_pv16(slot);
}

/* ---- chains ---- */

/* So many chains can be added now. */
static inline unsigned int pvring_room(const struct pvring *ring)
{
	return ring->free_count;
}

/*
 * Adds a chain: out parts that the device reads, then in parts that it writes.  token: not NULL.
 * 0, -ENOSPC: no room; -EINVAL: more parts than the ring was created for; -EIO: broken.
 */
int pvring_add(struct pvring *ring, const struct pvring_part *parts, unsigned int out,
	       unsigned int in, void *token);

/* The next chain that is done: its token, and the bytes written.  NULL: none, or broken. */
void *pvring_get(struct pvring *ring, u32 *written);

/* After a reset: tokens of what the device had, one at a call; NULL: no more. */
void *pvring_detach(struct pvring *ring);

#endif
