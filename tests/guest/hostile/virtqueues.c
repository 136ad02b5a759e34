// SPDX-License-Identifier: MIT
/*
 * Virtio devices whose queues hold nonsense: descriptors that loop, point beyond RAM, into other
 * devices, at the rings themselves; chains and indirect tables of every shape; indices that jump.
 * A device may stop (and say so in its status), but it writes only where descriptors let it, the
 * machine lives, and after a reset the device works.
 */
#include "page.h"
#include "random.h"
#include "sandbox.h"
#include "test.h"
#include "time.h"
#include "virtio.h"

#define ROUNDS		300u
#define SANDBOX		(1ul << 20)	/* RAM that descriptors may name */
#define NEEDS_RESET	0x40

static uint64_t sandbox;

static uint64_t address(const struct virtio_queue *q)
{
	switch (random() % 16) {
	case 0: return random();
	case 1: return 0xfee00000 + random() % 4096;	/* the local APIC */
	case 2: return 0xc0000000 + random() % 65536;	/* somebody's BAR */
	case 3: return (uint64_t)0 - random() % 65536;
	case 4: return (1ul << 32) + random() % (1ul << 36);
	case 5: return q->desc_pa + random() % 1024;
	default: return sandbox + random() % SANDBOX;
	}
}

static uint32_t length(uint64_t at)
{
	uint64_t room = at - sandbox < SANDBOX ? sandbox + SANDBOX - at : 4096;

	switch (random() % 8) {
	case 0: return 0;
	case 1: return at - sandbox < SANDBOX ? (uint32_t)room : (uint32_t)random();
	case 2: return 16 < room ? 16 : 1;
	default: return (uint32_t)(random() % (room < 4096 ? room : 4096));
	}
}

/* Headers of requests and of frames, so that devices get further than the first look. */
static void sandbox_fill(void)
{
	uint32_t *p = phys_to_virt(sandbox);

	for (unsigned i = 0; i < SANDBOX / 4; i++)
		p[i] = random() % 3 ? (uint32_t)(random() % 16) : (uint32_t)random();
}

static void descriptor(volatile struct virtq_desc *d, const struct virtio_queue *q)
{
	d->addr = address(q);
	d->len = length(d->addr);
	d->flags = (uint16_t)(random() % 4 ? random() % 4 : random() % 8);
	if (random() % 64 == 0)
		d->flags = (uint16_t)random();
	d->next = (uint16_t)(random() % 8 ? random() % q->size : random());
	if (d->flags & VIRTQ_INDIRECT) {
		d->len = 16 * (uint32_t)(1 + random() % 40);
		d->addr = sandbox + (random() % (SANDBOX - 4096) & ~15ul);
		for (unsigned i = 0; i < d->len / 16 && random() % 4; i++) {
			struct virtq_desc *in = (struct virtq_desc *)phys_to_virt(d->addr) + i;

			in->addr = address(q);
			in->len = length(in->addr);
			in->flags = (uint16_t)(random() % 8 ? random() % 4 : random());
			in->next = (uint16_t)(random() % 4 ? i + 1 : random() % 64);
		}
	}
}

static void abuse(struct virtio_device *v)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct virtio_queue *q;
		unsigned n;

		if (virtio_status(v) & NEEDS_RESET || round % 32 == 0) {
			if (!expect(virtio_start(v, random() % 2 ? ~0ul : 1ul << 32), "starts after a reset"))
				return;
			sandbox_fill();
		}
		n = (unsigned)(random() % v->queues);
		q = &v->queue[n];
		for (unsigned i = 0; i < q->size; i++)
			descriptor(&q->desc[i], q);
		for (unsigned i = 0; i < q->size; i++)
			q->avail->ring[i] = (uint16_t)(random() % 16 ? random() % q->size : random());
		q->avail->used_event = (uint16_t)random();
		q->avail->flags = (uint16_t)(random() % 2);
		q->avail->idx = (uint16_t)(q->avail->idx + (random() % 16 ? random() % q->size : random()));
		virtio_kick(v, n);
		for (unsigned i = 0; i < 20; i++)	/* while it reads, perhaps */
			descriptor(&q->desc[random() % q->size], q);
	}
	virtio_reset(v);
}

/* An ordinary request or buffer, after all that. */
static void works(struct virtio_device *v)
{
	struct virtio_queue *q;
	uint32_t *header = phys_to_virt(sandbox);
	volatile uint8_t *status = (uint8_t *)phys_to_virt(sandbox) + 8192;

	if (v->type != 2 && v->type != 4)
		return;
	if (!expect(virtio_start(v, 1ul << 32), "starts in the end"))
		return;
	q = &v->queue[0];
	if (v->type == 2) {
		header[0] = header[1] = header[2] = header[3] = 0;	/* read sector 0 */
		*status = 0xff;
		q->desc[0] = (struct virtq_desc){ sandbox, 16, VIRTQ_NEXT, 1 };
		q->desc[1] = (struct virtq_desc){ sandbox + 4096, 512, VIRTQ_NEXT | VIRTQ_WRITE, 2 };
		q->desc[2] = (struct virtq_desc){ sandbox + 8192, 1, VIRTQ_WRITE, 0 };
	} else {
		q->desc[0] = (struct virtq_desc){ sandbox, 4096, VIRTQ_WRITE, 0 };
	}
	q->avail->ring[0] = 0;
	q->avail->idx = 1;
	virtio_kick(v, 0);
	for (unsigned i = 0; i < 2000 && q->used->idx != 1; i++)
		time_delay_us(1000);
	expect_equal(q->used->idx, 1, "device type %u answers", v->type);
	if (v->type == 2)
		expect_equal(*status, 0, "status of the read");
}

void test_main(void)
{
	struct virtio_device v = { .queues = 0 };
	unsigned found = 0;

	random_seed = 0x9e3779b97f4a7c15 ^ test_option("seed", 0) * 0xbf58476d1ce4e5b9;
	sandbox = sandbox_make(SANDBOX);
	while (virtio_find(found, &v)) {
		abuse(&v);
		works(&v);
		virtio_reset(&v);
		found++;
		v = (struct virtio_device){ .queues = 0 };
	}
	print("%u virtio devices\n", found);
	expect(found >= 3, "devices to abuse");
	sandbox_check();
}
