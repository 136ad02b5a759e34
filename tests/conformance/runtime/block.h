/* SPDX-License-Identifier: MIT */
/*
 * A virtio device by hypercalls, with one queue, as small as cases need it: from reset to DRIVER_OK,
 * and block requests of one sector.
 */
#ifndef CONFORMANCE_BLOCK_H
#define CONFORMANCE_BLOCK_H

#include "case.h"
#include "page.h"
#include "time.h"
#include "virtio.h"

#define VERSION_1	(1ul << 32)
#define RING_RESET	(1ul << 40)
#define STATUS_ACK	1u
#define STATUS_DRIVER	2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES	8u

struct block {
	uint64_t setup_pa, data_pa;
	struct ring3_queue *setup;
	volatile struct virtq_desc *desc;
	volatile struct virtq_avail *avail;
	volatile struct virtq_used *used;
	uint8_t *data;			/* 512 bytes */
};

static inline void block_memory(struct block *b, uint32_t event)
{
	uint64_t desc = page_alloc(), avail = page_alloc(), used = page_alloc();

	b->setup_pa = page_alloc();
	b->data_pa = page_alloc();
	b->setup = phys_to_virt(b->setup_pa);
	*b->setup = (struct ring3_queue){ .size = sizeof(*b->setup), .entries = VIRTIO_ENTRIES,
					  .event = event, .desc = desc, .avail = avail, .used = used };
	b->desc = phys_to_virt(desc);
	b->avail = phys_to_virt(avail);
	b->used = phys_to_virt(used);
	b->data = (uint8_t *)phys_to_virt(b->data_pa) + 512;
}

/* Rings as they are before the first use. */
static inline void block_clear(struct block *b)
{
	memset((void *)b->desc, 0, PAGE_SIZE);
	memset((void *)b->avail, 0, PAGE_SIZE);
	memset((void *)b->used, 0, PAGE_SIZE);
}

/* Up to FEATURES_OK; false: refused. */
static inline bool device_begin(uint64_t device, uint64_t features)
{
	return CALL(DEVICE_STATUS, device, 0) == 0 &&
	       CALL(DEVICE_STATUS, device, STATUS_ACK | STATUS_DRIVER) == 3 &&
	       CALL(DEVICE_FEATURES, device, features) == 0 &&
	       CALL(DEVICE_STATUS, device, STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES) == 11;
}

static inline bool block_start(struct block *b, uint64_t features)
{
	block_clear(b);
	return device_begin(0, features) && CALL(QUEUE_SETUP, 0, 0, b->setup_pa) == 0 &&
	       CALL(DEVICE_STATUS, 0, 15) == 15;
}

/* Offers a request of one sector; type 0: read, 1: write.  Not kicked. */
static inline void block_offer(struct block *b, uint32_t type, uint64_t sector)
{
	uint64_t *header = phys_to_virt(b->data_pa);

	header[0] = type;
	header[1] = sector;
	b->data[512] = 0xff;
	b->desc[0] = (struct virtq_desc){ b->data_pa, 16, VIRTQ_NEXT, 1 };
	b->desc[1] = (struct virtq_desc){ b->data_pa + 512, 512, VIRTQ_NEXT | (type ? 0 : VIRTQ_WRITE), 2 };
	b->desc[2] = (struct virtq_desc){ b->data_pa + 1024, 1, VIRTQ_WRITE, 0 };
	b->avail->ring[b->avail->idx % VIRTIO_ENTRIES] = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	b->avail->idx = (uint16_t)(b->avail->idx + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Used within five seconds, with status 0? */
static inline bool block_done(struct block *b, uint16_t before)
{
	for (unsigned i = 0; i < 50000 && b->used->idx == before; i++)
		time_delay_us(100);
	return b->used->idx == (uint16_t)(before + 1) && b->data[512] == 0;
}

static inline bool block_request(struct block *b, uint32_t type, uint64_t sector)
{
	uint16_t before = b->used->idx;

	block_offer(b, type, sector);
	return CALL(QUEUE_KICK, 0, 0) == 0 && block_done(b, before);
}

#endif
