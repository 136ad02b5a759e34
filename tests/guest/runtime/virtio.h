/* SPDX-License-Identifier: MIT */
/*
 * A virtio device over PCI (modern), as small as tests of its device side need it.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include "pci.h"

#define VIRTIO_ENTRIES	64u
#define VIRTQ_NEXT	1u
#define VIRTQ_WRITE	2u
#define VIRTQ_INDIRECT	4u

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct virtq_avail {
	uint16_t flags, idx, ring[VIRTIO_ENTRIES], used_event;
};

struct virtq_used {
	uint16_t flags, idx;
	struct { uint32_t id, len; } ring[VIRTIO_ENTRIES];
	uint16_t avail_event;
};

/* One page each, by gPA and as memory. */
struct virtio_queue {
	uint64_t desc_pa, avail_pa, used_pa;
	volatile struct virtq_desc *desc;
	volatile struct virtq_avail *avail;
	volatile struct virtq_used *used;
	volatile uint16_t *doorbell;
	uint16_t size;
};

struct virtio_device {
	struct pci_place at;
	uint16_t type;
	volatile uint8_t *common, *notify, *isr, *config;
	uint32_t notify_multiplier;
	unsigned queues;
	struct virtio_queue queue[4];
	uint64_t features;
};

/* The n-th virtio device, its registers found by the capabilities.  false: there is none. */
bool virtio_find(unsigned n, struct virtio_device *v);
void virtio_reset(struct virtio_device *v);
/* From reset to DRIVER_OK with these features of those offered, and queues of fresh memory.
 * false: the device refused. */
bool virtio_start(struct virtio_device *v, uint64_t features);
void virtio_kick(struct virtio_device *v, unsigned q);
uint8_t virtio_status(struct virtio_device *v);

#endif
