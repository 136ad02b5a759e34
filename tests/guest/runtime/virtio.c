// SPDX-License-Identifier: MIT
#include "virtio.h"

#include "page.h"

#define VENDOR		0x1af4
#define STATUS_READY	0x0f	/* acknowledge, driver, driver ok, features ok */

enum common {	/* virtio 1.2, 4.1.4.3 */
	FEATURE_SELECT = 0x00, FEATURE = 0x04, DRIVER_FEATURE_SELECT = 0x08, DRIVER_FEATURE = 0x0c,
	NUM_QUEUES = 0x12, STATUS = 0x14, QUEUE_SELECT = 0x16, QUEUE_SIZE = 0x18, QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e, QUEUE_DESC = 0x20, QUEUE_AVAIL = 0x28, QUEUE_USED = 0x30,
};

#define REG(v, type, offset)	(*(volatile type *)((v)->common + (offset)))

static volatile uint8_t *structure(struct virtio_device *v, uint8_t type, unsigned *where)
{
	unsigned c = pci_read(v->at, 0x34, 1) & 0xfc;

	for (unsigned n = 0; c && n < 48; c = pci_read(v->at, c + 1, 1) & 0xfc, n++) {
		uint64_t base;
		uint32_t size;
		volatile void *map;

		if (pci_read(v->at, c, 1) != 9 || pci_read(v->at, c + 3, 1) != type)
			continue;
		if (!pci_bar(v->at, pci_read(v->at, c + 4, 1), &base, &size, &map) || !map)
			return NULL;
		*where = c;
		return (volatile uint8_t *)map + pci_read(v->at, c + 8, 4);
	}
	return NULL;
}

bool virtio_find(unsigned n, struct virtio_device *v)
{
	unsigned c = 0, seen = 0;

	for (unsigned i = 0; pci_find(VENDOR, 0xffff, i, &v->at); i++) {
		uint32_t device = pci_read(v->at, 2, 2);

		if (device < 0x1040 || device >= 0x1080 || seen++ != n)
			continue;
		v->type = (uint16_t)(device - 0x1040);
		pci_enable(v->at);
		v->common = structure(v, 1, &c);
		v->isr = structure(v, 3, &c);
		v->config = structure(v, 4, &c);
		v->notify = structure(v, 2, &c);
		v->notify_multiplier = pci_read(v->at, c + 16, 4);
		return v->common && v->isr && v->notify;
	}
	return false;
}

uint8_t virtio_status(struct virtio_device *v)
{
	return REG(v, uint8_t, STATUS);
}

void virtio_reset(struct virtio_device *v)
{
	REG(v, uint8_t, STATUS) = 0;
	for (unsigned i = 0; REG(v, uint8_t, STATUS) && i < 1000000; i++)
		cpu_pause();
}

static void queue_start(struct virtio_device *v, unsigned q)
{
	struct virtio_queue *vq = &v->queue[q];

	if (!vq->desc_pa) {
		vq->desc_pa = page_alloc();
		vq->avail_pa = page_alloc();
		vq->used_pa = page_alloc();
	}
	vq->desc = phys_to_virt(vq->desc_pa);
	vq->avail = phys_to_virt(vq->avail_pa);
	vq->used = phys_to_virt(vq->used_pa);
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		((volatile uint64_t *)vq->desc)[i] = ((volatile uint64_t *)vq->avail)[i] =
			((volatile uint64_t *)vq->used)[i] = 0;
	REG(v, uint16_t, QUEUE_SELECT) = (uint16_t)q;
	vq->size = REG(v, uint16_t, QUEUE_SIZE);
	if (vq->size > VIRTIO_ENTRIES)
		vq->size = VIRTIO_ENTRIES;
	REG(v, uint16_t, QUEUE_SIZE) = vq->size;
	for (unsigned half = 0; half < 2; half++) {
		REG(v, uint32_t, QUEUE_DESC + half * 4) = (uint32_t)(vq->desc_pa >> half * 32);
		REG(v, uint32_t, QUEUE_AVAIL + half * 4) = (uint32_t)(vq->avail_pa >> half * 32);
		REG(v, uint32_t, QUEUE_USED + half * 4) = (uint32_t)(vq->used_pa >> half * 32);
	}
	vq->doorbell = (volatile uint16_t *)(v->notify + REG(v, uint16_t, QUEUE_NOTIFY_OFF) *
					     v->notify_multiplier);
	REG(v, uint16_t, QUEUE_ENABLE) = 1;
}

bool virtio_start(struct virtio_device *v, uint64_t features)
{
	virtio_reset(v);
	REG(v, uint8_t, STATUS) = 1;
	REG(v, uint8_t, STATUS) = 3;
	v->features = 0;
	for (unsigned half = 0; half < 2; half++) {
		REG(v, uint32_t, FEATURE_SELECT) = half;
		v->features |= (uint64_t)REG(v, uint32_t, FEATURE) << half * 32;
	}
	v->features &= features;
	for (unsigned half = 0; half < 2; half++) {
		REG(v, uint32_t, DRIVER_FEATURE_SELECT) = half;
		REG(v, uint32_t, DRIVER_FEATURE) = (uint32_t)(v->features >> half * 32);
	}
	REG(v, uint8_t, STATUS) = 0x0b;
	if (!(REG(v, uint8_t, STATUS) & 8))
		return false;
	v->queues = REG(v, uint16_t, NUM_QUEUES);
	if (v->queues > 4)
		v->queues = 4;
	for (unsigned q = 0; q < v->queues; q++)
		queue_start(v, q);
	REG(v, uint8_t, STATUS) = STATUS_READY;
	return virtio_status(v) == STATUS_READY;
}

void virtio_kick(struct virtio_device *v, unsigned q)
{
	*v->queue[q].doorbell = (uint16_t)q;
}
