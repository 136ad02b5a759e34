// SPDX-License-Identifier: MIT
/*
 * virtio-blk (virtio 1.2, 5.2): what is offered, the configuration, the queues.
 * virtio_blk_request.c does the requests.  One without a status byte cannot be
 * answered and breaks the device.
 *
 * Batches.  All chains of a kick go to the host together, all completions of one
 * io_poll() come back with one interrupt.  While a few requests are in flight,
 * or where it lately paid, the device asks for no kicks but looks at its queues at
 * each completion, and puts interrupts off until some more are done.  Both only while
 * the guest runs: when it waits (io_idle()), or a short time has passed, all that was
 * put off happens.
 */
#include "device/virtio_blk.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "device/virtio_blk_parts.h"
#include "device/virtio_pv.h"

#define BLK_QUEUES	1u		/* one CPU has no use for more, but tests of drivers have */
#define BLK_CONFIG_SIZE	60u		/* to the end of unused1: what follows is not offered */
#define BLK_WCE_UNSET	0xff

#define BUSY		4u		/* requests in flight */
#define BATCH		8u		/* completions worth an interrupt */
#define LATE_NS		100000u		/* how long anything is put off ... */
#define LATE_SLACK_NS	450000u
#define IDLE_NS		10000000u	/* while the guest waits: it asks for nothing, and gets all */
#define CREDIT		8u		/* vain delays in a row until there are no more ... */
#define PAUSE		64u		/* for so many turns */

#define FEATURE(name)	(1UL << VIRTIO_BLK_F_##name)
#define OFFERED		(FEATURE(SEG_MAX) | FEATURE(BLK_SIZE) | FEATURE(TOPOLOGY) | FEATURE(FLUSH) | \
			 FEATURE(CONFIG_WCE) | FEATURE(MQ))

_Static_assert(offsetof(struct virtio_blk_config, unused1) + 3 == BLK_CONFIG_SIZE, "virtio 1.2, 5.2.4");

static struct blk *blk_of(struct virtio *v)
{
	return container_of(v, struct blk, v);
}

bool blk_writeback(const struct blk *blk)
{
	if (blk->writeback != BLK_WCE_UNSET)
		return blk->writeback;
	return virtio_has(&blk->v, VIRTIO_BLK_F_FLUSH);
}

/* ---- queues ---- */

/* false: nothing more now. */
static bool request_take(struct blk *blk, unsigned q)
{
	struct blk_request *r = blk->free;

	if (unlikely(!r))
		return false;
	r->chain.iov = r->iov;
	r->chain.max = BLK_QUEUE_SIZE;
	if (!virtqueue_take(&blk->v.queue[q], &r->chain))
		return false;
	if (unlikely(!r->chain.in_bytes)) {
		virtio_break(&blk->v, "made a block request that has no room for its status");
		return false;
	}
	blk->free = r->next;
	blk->in_flight++;
	r->queue = q;
	blk_request_begin(r);
	return true;
}

/* A turn brought so many at once. */
static void pace_learn(struct blk_pace *pace, unsigned number)
{
	if (number > 1) {
		pace->credit = CREDIT;
	} else if (pace->credit) {
		pace->credit--;
		pace->pause = PAUSE;
	} else if (!--pace->pause) {
		pace->credit = 1;
	}
}

static bool worth_waiting(const struct blk *blk, const struct blk_pace *pace)
{
	return blk->in_flight >= BUSY || pace->credit;
}

static void late_arm(struct blk *blk)
{
	uint64_t deadline = clock_ns() + LATE_NS;

	if (blk->late.index < 0 || blk->late.deadline > deadline)
		timer_arm(&blk->late, deadline);
}

/* Interrupts for what was published, as far as it is still news. */
static void owed_pay(struct blk *blk)
{
	pace_learn(&blk->telling, blk->untold);
	blk->untold = 0;
	for (unsigned q = 0; blk->owed; q++) {
		if (!(blk->owed >> q & 1))
			continue;
		blk->owed &= ~(1u << q);
		if (virtio_running(&blk->v) && virtqueue_unseen(&blk->v.queue[q]))
			blk->v.transport->interrupt(&blk->v, q);
	}
}

static void queues_publish(struct blk *blk)
{
	/* Suspended is not for good. */
	for (unsigned q = 0; virtio_running(&blk->v) && blk->pushed; q++) {
		if (!(blk->pushed >> q & 1))
			continue;
		blk->pushed &= ~(1u << q);
		if (virtqueue_publish(&blk->v.queue[q]))
			blk->owed |= 1u << q;
	}
	if (!blk->owed)
		return;
	if (blk->untold < BATCH && worth_waiting(blk, &blk->telling))
		late_arm(blk);
	else
		owed_pay(blk);
}

static void blk_notify(struct virtio *v, unsigned q)
{
	struct virtqueue *queue = &v->queue[q];
	struct blk *blk = blk_of(v);
	unsigned taken = 0;

	do {
		virtqueue_disable_notify(queue);
		blk->quiet |= 1u << q;
		while (request_take(blk, q))
			taken++;
		if (!virtio_running(v) || (blk->in_flight && worth_waiting(blk, &blk->asking)))
			break;
		blk->quiet &= ~(1u << q);
	} while (virtqueue_enable_notify(queue));
	io_flush();
	if (taken)
		pace_learn(&blk->asking, taken);
	queues_publish(blk);
	if (blk->quiet)
		late_arm(blk);
}

/* What drivers that were asked not to kick have made available. */
static void quiet_look(struct blk *blk)
{
	for (unsigned q = 0; blk->quiet >> q; q++) {
		if (blk->quiet >> q & 1)
			virtio_kick(&blk->v, q);
	}
}

static void blk_batch_end(struct io_batch *batch)
{
	struct blk *blk = container_of(batch, struct blk, batch);

	if (!blk->pushed)
		return;
	quiet_look(blk);
	queues_publish(blk);
}

static void put_off_ends(struct blk *blk)
{
	quiet_look(blk);
	queues_publish(blk);
	if (blk->owed)
		owed_pay(blk);
}

static void blk_idle(struct io_batch *batch)
{
	struct blk *blk = container_of(batch, struct blk, batch);

	if (!blk->quiet && !blk->owed && !blk->pushed)
		return;
	put_off_ends(blk);
	if (blk->late.index >= 0)
		timer_arm(&blk->late, clock_ns() + IDLE_NS);
}

static void blk_late(void *device)
{
	struct blk *blk = device;

	put_off_ends(blk);
	/* Nothing can end while the function may not reach memory; that is not for good. */
	if (blk->v.suspended)
		timer_arm(&blk->late, clock_ns() + IDLE_NS);
}

static void blk_forget(struct blk *blk)
{
	timer_cancel(&blk->late);
	blk->pushed = blk->owed = blk->quiet = 0;
	blk->untold = 0;
	blk->telling = blk->asking = (struct blk_pace){ .pause = PAUSE };
	blk->writeback = BLK_WCE_UNSET;
}

static void blk_reset(struct virtio *v)
{
	struct blk *blk = blk_of(v);

	block_drain(blk->block);
	blk_forget(blk);
}

/* What other queues have in flight ends with it. */
static void blk_queue_reset(struct virtio *v, unsigned q)
{
	struct blk *blk = blk_of(v);

	block_drain(blk->block);
	blk->pushed &= ~(1u << q);
	blk->owed &= ~(1u << q);
	blk->quiet &= ~(1u << q);
}

/* ---- configuration ---- */

static uint8_t log2_of(unsigned value)
{
	return (uint8_t)(31 - __builtin_clz(value));
}

static struct virtio_blk_config blk_config(const struct blk *blk)
{
	unsigned physical = block_physical_size(blk->block) / BLOCK_SECTOR;
	struct virtio_blk_config c = {
		.capacity = block_size(blk->block) / BLOCK_SECTOR,
		.seg_max = BLK_QUEUE_SIZE - 2,
		.blk_size = BLOCK_SECTOR,
		.physical_block_exp = log2_of(physical),
		.min_io_size = (uint16_t)physical,
		.wce = blk_writeback(blk),
		.num_queues = (uint16_t)blk->v.queue_count,
	};

	if (blk->v.offered & FEATURE(DISCARD)) {
		c.max_discard_sectors = BLK_RANGE_MAX;
		c.max_discard_seg = BLK_RANGES;
		c.discard_sector_alignment = physical;
	}
	if (blk->v.offered & FEATURE(WRITE_ZEROES)) {
		c.max_write_zeroes_sectors = BLK_RANGE_MAX;
		c.max_write_zeroes_seg = BLK_RANGES;
		c.write_zeroes_may_unmap = block_can_discard(blk->block);
	}
	return c;
}

static uint64_t blk_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	struct virtio_blk_config c = blk_config(blk_of(v));
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)&c + offset, size);
	return value;
}

/* Only `writeback` can be written, and only by drivers that accepted it (5.2.6.1). */
static void blk_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	unsigned at = offsetof(struct virtio_blk_config, wce);

	if (offset <= at && at < offset + size && virtio_has(v, VIRTIO_BLK_F_CONFIG_WCE))
		blk_of(v)->writeback = value >> (at - offset) * 8 & 1;
}

static const struct virtio_ops blk_ops = {
	.type = 2,
	.name = "virtio-blk",
	.notify = blk_notify,
	.reset = blk_reset,
	.queue_reset = blk_queue_reset,
	.config_size = BLK_CONFIG_SIZE,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
};

static uint64_t blk_features(const struct block *b)
{
	if (block_readonly(b))
		return OFFERED | FEATURE(RO);
	return OFFERED | FEATURE(WRITE_ZEROES) | (block_can_discard(b) ? FEATURE(DISCARD) : 0);
}

static void serial_set(struct blk *blk, const char *serial)
{
	static unsigned count;
	char own[VIRTIO_BLK_ID_BYTES + 1];

	format_string(own, sizeof(own), "ring3-virtio-%u", count++);
	if (!serial)
		serial = own;
	for (unsigned i = 0; i < sizeof(blk->serial) && serial[i]; i++)
		blk->serial[i] = serial[i];
}

_Static_assert(MACHINE_DISK_QUEUES <= VIRTIO_QUEUES_MAX, "what --disk allows");

struct virtio *virtio_blk_create(const struct machine_disk *config, struct block *b, unsigned queues)
{
	struct blk *blk = arena_alloc(sizeof(*blk), 64);
	unsigned requests = queues * BLK_QUEUE_SIZE;
	struct blk_request *r = arena_alloc(requests * sizeof(*r), 64);
	struct iovec *iov = arena_alloc(requests * BLK_QUEUE_SIZE * sizeof(*iov), PAGE_SIZE);

	blk->block = b;
	serial_set(blk, config->serial);
	/* Downwards: the first ones are used most, and the others hardly ever touched. */
	blk->in_flight = requests;
	for (unsigned i = requests; i--;) {
		r[i].blk = blk;
		r[i].iov = iov + i * BLK_QUEUE_SIZE;
		blk_request_free(&r[i]);
	}
	timer_init(&blk->late, blk_late, blk);
	blk->late.slack = LATE_SLACK_NS;
	blk_forget(blk);
	blk->batch.end = blk_batch_end;
	blk->batch.idle = blk_idle;
	io_batch_add(&blk->batch);
	virtio_init(&blk->v, &blk_ops, blk_features(b), queues, BLK_QUEUE_SIZE);
	return &blk->v;
}

int virtio_blk_add(const struct machine_disk *config, struct block *b)
{
	struct virtio *v = virtio_blk_create(config, b, config->queues ? config->queues : BLK_QUEUES);

	return config->device == DISK_PV ? virtio_pv_add(v) : virtio_pci_add(v);
}
