// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings: their memory, their event, and all that is not done for each request.  What is,
 * stands in pvring.h as inline functions: on ring3 calls and returns are what costs.
 *
 * The three parts of a ring lie behind each other: up to 128 entries share one page.  Memory and
 * event live as long as the ring, across resets of the device; pvring_enable() starts it anew.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/ring3.h>

#include "pvring.h"

#define PVRING_KICKS	4u	/* tries of a kick */

/* Where each part lies in the memory of a ring (2.7: alignments 16, 2, 4). */
struct layout {
	size_t avail, used, total;
};

static struct layout ring_layout(size_t entries)
{
	struct layout l = { .avail = sizeof(struct vring_desc) * entries };

	l.used = ALIGN(l.avail + sizeof(__virtio16) * (3 + entries), VRING_USED_ALIGN_SIZE);
	l.total = l.used + sizeof(struct vring_used_elem) * entries + sizeof(__virtio16) * 3;
	return l;
}

static size_t tables_size(const struct pvring *ring)
{
	return sizeof(struct vring_desc) * ring->parts * ring->entries;
}

static int memory_get(struct pvring *ring, bool chains)
{
	struct layout l = ring_layout(ring->entries);

	ring->memory = alloc_pages_exact(l.total, GFP_KERNEL | __GFP_ZERO);
	ring->busy = kcalloc(ring->entries, sizeof(*ring->busy), GFP_KERNEL);
	if (!ring->memory || !ring->busy)
		return -ENOMEM;
	ring->desc = ring->memory;
	ring->avail = ring->memory + l.avail;
	ring->used = ring->memory + l.used;
	ring->used_event = &ring->avail->ring[ring->entries];
	ring->avail_event = (__virtio16 *)&ring->used->ring[ring->entries];
	if (!chains)
		return 0;
	ring->token = kcalloc(ring->entries, sizeof(*ring->token), GFP_KERNEL);
	ring->free = kcalloc(ring->entries, sizeof(*ring->free), GFP_KERNEL);
	if (!ring->token || !ring->free)
		return -ENOMEM;
	if (ring->parts > 1) {
		ring->tables = alloc_pages_exact(tables_size(ring), GFP_KERNEL | __GFP_ZERO);
		if (!ring->tables)
			return -ENOMEM;
	}
	return 0;
}

static void memory_put(struct pvring *ring)
{
	if (ring->tables)
		free_pages_exact(ring->tables, tables_size(ring));
	if (ring->memory)
		free_pages_exact(ring->memory, ring_layout(ring->entries).total);
	kfree(ring->free);
	kfree(ring->token);
	kfree(ring->busy);
}

static int event_get(struct pvring *ring, irq_handler_t handler)
{
	int error;

	ring->event = -1;
	if (!handler)
		return 0;
	error = ring3_event_alloc();
	if (error < 0)
		return error;
	ring->irq = ring3_event_irq(error);
	if (ring->irq < 0) {
		ring3_event_free(error);
		return ring->irq;
	}
	ring->event = error;
	error = request_irq(ring->irq, handler, 0, ring->name, ring->data);
	if (error) {
		ring3_event_free(ring->event);
		ring->event = -1;
	}
	return error;
}

/* Before pvring_enable(): nothing is in it. */
static void ring_clear(struct pvring *ring)
{
	memset(ring->memory, 0, ring_layout(ring->entries).total);
	memset(ring->busy, 0, ring->entries);
	ring->added = 0;
	ring->published = 0;
	ring->taken = 0;
	ring->broken = false;
	ring->event_index = pv_has(ring->dev, VIRTIO_RING_F_EVENT_IDX);
	ring->free_count = 0;
	for (unsigned int slot = ring->entries; ring->token && slot--;) {
		ring->token[slot] = NULL;
		ring->free[ring->free_count++] = slot;
	}
}

struct pvring *pvring_create(struct pv_device *dev, const struct pvring_config *config)
{
	struct pvring *ring;
	int error;

	if (config->index >= dev->queues || !config->entries || !dev->queue_size)
		return ERR_PTR(-EINVAL);
	if (config->parts > 1 && !pv_has(dev, VIRTIO_RING_F_INDIRECT_DESC)) {
		dev_err(&dev->dev, "has no indirect descriptors\n");
		return ERR_PTR(-EOPNOTSUPP);
	}
	ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->dev = dev;
	ring->index = config->index;
	ring->entries = rounddown_pow_of_two(min3(config->entries, dev->queue_size, 32768u));
	ring->mask = ring->entries - 1;
	ring->parts = max(config->parts, 1u);
	ring->name = config->name;
	ring->data = config->data;
	error = memory_get(ring, config->chains);
	if (!error) {
		ring_clear(ring);	/* a handler may look, though there is nothing */
		error = event_get(ring, config->handler);
	}
	if (!error)
		return ring;
	memory_put(ring);
	kfree(ring);
	return ERR_PTR(error);
}
EXPORT_SYMBOL_GPL(pvring_create);

void pvring_destroy(struct pvring *ring)
{
	if (!ring)
		return;
	if (ring->event >= 0) {
		free_irq(ring->irq, ring->data);
		ring3_event_free(ring->event);
	}
	memory_put(ring);
	kfree(ring);
}
EXPORT_SYMBOL_GPL(pvring_destroy);

int pvring_enable(struct pvring *ring)
{
	struct ring3_queue setup = {
		.size = sizeof(setup),
		.entries = ring->entries,
		.event = ring->event >= 0 ? (u32)ring->event : RING3_EVENT_NONE,
		.desc = virt_to_phys(ring->desc),
		.avail = virt_to_phys(ring->avail),
		.used = virt_to_phys(ring->used),
	};
	int error;

	ring_clear(ring);
	error = pv_queue_setup(ring->dev, ring->index, &setup);
	if (error)
		dev_err(&ring->dev->dev, "refuses queue %u (%d)\n", ring->index, error);
	return error;
}
EXPORT_SYMBOL_GPL(pvring_enable);

void pvring_irq_disable(struct pvring *ring)
{
	if (ring->event >= 0)
		disable_irq(ring->irq);
}
EXPORT_SYMBOL_GPL(pvring_irq_disable);

void pvring_irq_enable(struct pvring *ring)
{
	if (ring->event >= 0)
		enable_irq(ring->irq);
}
EXPORT_SYMBOL_GPL(pvring_irq_enable);

int pvring_notify(struct pvring *ring)
{
	int error;

	for (unsigned int tries = 0; tries < PVRING_KICKS; tries++) {
		error = ring3_call2(RING3_CALL_QUEUE_KICK, ring->dev->index, ring->index);
		if (likely(!error))
			return 0;
	}
	if (error == -ENODEV)
		pv_device_lost(ring->dev);
	return error;
}
EXPORT_SYMBOL_GPL(pvring_notify);

int pvring_break(struct pvring *ring, const char *why)
{
	if (!ring->broken)
		dev_err(&ring->dev->dev, "queue %u: the device %s\n", ring->index, why);
	ring->broken = true;
	return -EIO;
}
EXPORT_SYMBOL_GPL(pvring_break);

/* ---- chains ---- */

static void table_fill(struct vring_desc *table, const struct pvring_part *parts, unsigned int out,
		       unsigned int total)
{
	for (unsigned int i = 0; i < total; i++) {
		u16 flags = i < out ? 0 : VRING_DESC_F_WRITE;

		if (i + 1 < total)
			flags |= VRING_DESC_F_NEXT;
		pvring_desc_set(&table[i], parts[i].addr, parts[i].length, flags, i + 1);
	}
}

int pvring_add(struct pvring *ring, const struct pvring_part *parts, unsigned int out,
	       unsigned int in, void *token)
{
	unsigned int total = out + in, slot;
	struct vring_desc *table;

	if (unlikely(ring->broken))
		return -EIO;
	if (unlikely(!ring->free_count))
		return -ENOSPC;
	if (unlikely(!total || total > ring->parts))
		return -EINVAL;
	slot = ring->free[--ring->free_count];
	ring->token[slot] = token;
	if (total == 1) {
		pvring_put(ring, slot, parts->addr, parts->length, in ? VRING_DESC_F_WRITE : 0);
		return 0;
	}
	table = &ring->tables[slot * ring->parts];
	table_fill(table, parts, out, total);
	pvring_put(ring, slot, virt_to_phys(table), total * sizeof(*table), VRING_DESC_F_INDIRECT);
	return 0;
}
EXPORT_SYMBOL_GPL(pvring_add);

static void *slot_free(struct pvring *ring, unsigned int slot)
{
	void *token = ring->token[slot];

	ring->token[slot] = NULL;
	ring->free[ring->free_count++] = slot;
	return token;
}

void *pvring_get(struct pvring *ring, u32 *written)
{
	int slot = pvring_next(ring, written);

	return slot >= 0 ? slot_free(ring, slot) : NULL;
}
EXPORT_SYMBOL_GPL(pvring_get);

void *pvring_detach(struct pvring *ring)
{
	for (unsigned int slot = 0; slot < ring->entries; slot++) {
		if (ring->busy[slot]) {
			ring->busy[slot] = 0;
			return slot_free(ring, slot);
		}
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(pvring_detach);
