// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a request to the device and back.
 *
 * The slot of a request in the ring is its tag, so neither side looks for anything: the device
 * gets the table of descriptors that lies behind the request, and what it gives back is found by
 * blk-mq's own array.  Nothing is allocated, mapped or copied.
 *
 * Putting has the queue's lock, and happens in process context only; taking happens in the
 * queue's interrupt, or with that disabled and pvblk's `life` held.  They share nothing (pvring.h).
 *
 * A batch of requests makes one kick: the ring is published with the last of them.  A batch of
 * completions ends together, and the event is asked for again when all is done.
 */
#include "pvblk.h"

#define PVBLK_TIMEOUTS	3u	/* of a request, until the device is reset */

unsigned int pvblk_request_size(unsigned int segments)
{
	/* Ranges of a discard lie in the table, behind the descriptors that it takes. */
	size_t ranges = PVBLK_RANGES * sizeof(struct virtio_blk_discard_write_zeroes);
	unsigned int least = DIV_ROUND_UP(ranges, sizeof(struct vring_desc)) + 1;

	return struct_size((struct pvblk_request *)NULL, table, PVBLK_DATA + max(segments, least));
}

static int pvblk_init_request(struct blk_mq_tag_set *set, struct request *rq, unsigned int index,
			      unsigned int node)
{
	struct pvblk_request *r = blk_mq_rq_to_pdu(rq);

	r->table_addr = virt_to_phys(r->table);
	r->header.ioprio = 0;
	pvring_desc_set(&r->table[PVBLK_HEADER], virt_to_phys(&r->header), sizeof(r->header),
			VRING_DESC_F_NEXT, PVBLK_DATA);
	pvring_desc_set(&r->table[PVBLK_STATUS], virt_to_phys(&r->status), sizeof(r->status),
			VRING_DESC_F_WRITE, 0);
	return 0;
}

static int pvblk_init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	struct pvblk *blk = data;

	hctx->driver_data = &blk->queues[index];
	blk->queues[index].hctx = hctx;
	return 0;
}

/* Each kind has all CPUs spread over its queues. */
static void pvblk_map_queues(struct blk_mq_tag_set *set)
{
	const struct pvblk *blk = set->driver_data;
	unsigned int others = set->nr_hw_queues;

	if (set->nr_maps > HCTX_TYPE_READ) {
		others -= blk->read_queues;
		set->map[HCTX_TYPE_READ].nr_queues = blk->read_queues;
		set->map[HCTX_TYPE_READ].queue_offset = others;
		blk_mq_map_queues(&set->map[HCTX_TYPE_READ]);
	}
	set->map[HCTX_TYPE_DEFAULT].nr_queues = others;
	blk_mq_map_queues(&set->map[HCTX_TYPE_DEFAULT]);
}

/* ---- to the device ---- */

/* The data's parts; flags: VRING_DESC_F_WRITE or 0.  Length of the table, or 0. */
static inline unsigned int data_many(const struct pvblk *blk, struct pvblk_request *r,
				     struct request *rq, u16 flags)
{
	unsigned int n = PVBLK_DATA;
	struct req_iterator iter;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, iter) {
		if (unlikely(n == PVBLK_DATA + blk->segments))
			return 0;
		pvring_desc_set(&r->table[n], page_to_phys(bv.bv_page) + bv.bv_offset, bv.bv_len,
				flags | VRING_DESC_F_NEXT, n + 1);
		n++;
	}
	if (unlikely(n == PVBLK_DATA))
		return 0;
	r->table[n - 1].next = cpu_to_pv16(PVBLK_STATUS);
	return n;
}

static inline unsigned int data_map(const struct pvblk *blk, struct pvblk_request *r,
				    struct request *rq, u16 flags)
{
	struct bio_vec bv;

	if (unlikely(blk_rq_nr_phys_segments(rq) != 1))
		return data_many(blk, r, rq, flags);
	bv = req_bvec(rq);
	pvring_desc_set(&r->table[PVBLK_DATA], page_to_phys(bv.bv_page) + bv.bv_offset, bv.bv_len,
			flags | VRING_DESC_F_NEXT, PVBLK_STATUS);
	return PVBLK_DATA + 1;
}

static void range_set(struct virtio_blk_discard_write_zeroes *range, u64 sector, u32 sectors,
		      u32 flags)
{
	range->sector = cpu_to_le64(sector);
	range->num_sectors = cpu_to_le32(sectors);
	range->flags = cpu_to_le32(flags);
}

/* Discard, write-zeroes. */
static unsigned int ranges_map(const struct pvblk *blk, struct pvblk_request *r, struct request *rq,
			       u32 flags)
{
	struct virtio_blk_discard_write_zeroes *range = (void *)&r->table[PVBLK_DATA + 1];
	unsigned int n = 0;
	struct bio *bio;

	if (req_op(rq) != REQ_OP_DISCARD || blk->ranges == 1) {
		/* The block layer has merged only what follows each other. */
		range_set(&range[n++], blk_rq_pos(rq), blk_rq_sectors(rq), flags);
	} else {
		__rq_for_each_bio(bio, rq) {
			if (unlikely(n == blk->ranges))
				return 0;
			range_set(&range[n++], bio->bi_iter.bi_sector,
				  bio->bi_iter.bi_size >> SECTOR_SHIFT, flags);
		}
	}
	pvring_desc_set(&r->table[PVBLK_DATA], virt_to_phys(range), n * sizeof(*range),
			VRING_DESC_F_NEXT, PVBLK_STATUS);
	return PVBLK_DATA + 1;
}

/* What is neither read nor write. */
static noinline unsigned int other_map(const struct pvblk *blk, struct pvblk_request *r,
				       struct request *rq)
{
	r->header.sector = 0;
	switch (req_op(rq)) {
	case REQ_OP_FLUSH:
		r->header.type = cpu_to_pv32(VIRTIO_BLK_T_FLUSH);
		r->table[PVBLK_HEADER].next = cpu_to_pv16(PVBLK_STATUS);
		return PVBLK_DATA;
	case REQ_OP_DISCARD:
		r->header.type = cpu_to_pv32(VIRTIO_BLK_T_DISCARD);
		return ranges_map(blk, r, rq, 0);
	case REQ_OP_WRITE_ZEROES:
		r->header.type = cpu_to_pv32(VIRTIO_BLK_T_WRITE_ZEROES);
		return ranges_map(blk, r, rq, rq->cmd_flags & REQ_NOUNMAP ? 0 :
				  VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	case REQ_OP_DRV_IN:
		r->header.type = cpu_to_pv32(VIRTIO_BLK_T_GET_ID);
		return data_map(blk, r, rq, VRING_DESC_F_WRITE);
	default:
		return 0;
	}
}

/* Length of the table; 0: a request that cannot be. */
static inline unsigned int request_map(const struct pvblk *blk, struct pvblk_request *r,
				       struct request *rq)
{
	u32 op = (__force u32)req_op(rq);

	BUILD_BUG_ON((__force u32)REQ_OP_READ != VIRTIO_BLK_T_IN);
	BUILD_BUG_ON((__force u32)REQ_OP_WRITE != VIRTIO_BLK_T_OUT);
	r->status = PVBLK_S_NONE;
	if (likely(!(rq->rq_flags & RQF_DONTPREP))) {	/* its first try */
		r->tries = 0;
		r->timeouts = 0;
	}
	r->table[PVBLK_HEADER].next = cpu_to_pv16(PVBLK_DATA);
	if (unlikely(op > VIRTIO_BLK_T_OUT))
		return other_map(blk, r, rq);
	r->header.type = cpu_to_pv32(op);
	r->header.sector = cpu_to_pv64(blk_rq_pos(rq));
	return data_map(blk, r, rq, op == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0);
}

static inline void request_put(struct pvblk_queue *queue, struct request *rq, unsigned int length)
{
	const struct pvblk_request *r = blk_mq_rq_to_pdu(rq);

	pvring_put(queue->ring, rq->tag, r->table_addr, length * sizeof(struct vring_desc),
		   VRING_DESC_F_INDIRECT);
}

static void queue_notify(struct pvblk_queue *queue)
{
	int error = pvring_notify(queue->ring);

	if (unlikely(error))
		pvblk_trouble(queue->blk, "cannot be kicked", error);
}

static blk_status_t pvblk_queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct pvblk_queue *queue = hctx->driver_data;
	struct request *rq = bd->rq;
	unsigned int length;
	bool kick = false;

	if (unlikely(READ_ONCE(queue->blk->dead)))
		return BLK_STS_IOERR;
	length = request_map(queue->blk, blk_mq_rq_to_pdu(rq), rq);
	if (unlikely(!length))
		return BLK_STS_IOERR;
	blk_mq_start_request(rq);
	spin_lock(&queue->lock);
	request_put(queue, rq, length);
	if (bd->last)
		kick = pvring_publish(queue->ring);
	spin_unlock(&queue->lock);
	if (kick)
		queue_notify(queue);
	return BLK_STS_OK;
}

static void pvblk_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct pvblk_queue *queue = hctx->driver_data;
	bool kick;

	spin_lock(&queue->lock);
	kick = pvring_publish(queue->ring);
	spin_unlock(&queue->lock);
	if (kick)
		queue_notify(queue);
}

/* From the start of the list, what belongs to this queue; what cannot be put, to the other list. */
static void batch_put(struct pvblk_queue *queue, struct request **list, struct request **rest)
{
	bool kick, dead = READ_ONCE(queue->blk->dead);

	spin_lock(&queue->lock);
	while (*list && (*list)->mq_hctx->driver_data == queue) {
		struct request *rq = rq_list_pop(list);
		unsigned int length = 0;

		if (likely(!dead))
			length = request_map(queue->blk, blk_mq_rq_to_pdu(rq), rq);
		if (unlikely(!length)) {
			rq_list_add(rest, rq);
			continue;
		}
		rq->mq_hctx->tags->rqs[rq->tag] = rq;
		blk_mq_start_request(rq);
		request_put(queue, rq, length);
	}
	kick = pvring_publish(queue->ring);
	spin_unlock(&queue->lock);
	if (kick)
		queue_notify(queue);
}

/* A plug's requests.  Those left on the list go to queue_rq(), which fails them. */
static void pvblk_queue_rqs(struct request **list)
{
	struct request *rq, *order = NULL, *rest = NULL;

	/* A plug has the last one first. */
	while ((rq = rq_list_pop(list)))
		rq_list_add(&order, rq);
	while (order)
		batch_put(order->mq_hctx->driver_data, &order, &rest);
	*list = rest;
}

/* ---- back from it ---- */

static blk_status_t request_status(const struct pvblk_request *r)
{
	switch (r->status) {
	case VIRTIO_BLK_S_OK:
		return BLK_STS_OK;
	case VIRTIO_BLK_S_UNSUPP:
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static void pvblk_complete(struct request *rq)
{
	blk_mq_end_request(rq, request_status(blk_mq_rq_to_pdu(rq)));
}

void pvblk_take(struct pvblk_queue *queue)
{
	struct blk_mq_tags *tags = queue->hctx->tags;
	DEFINE_IO_COMP_BATCH(batch);
	u32 written;
	int slot;

	while ((slot = pvring_next(queue->ring, &written)) >= 0) {
		struct request *rq = blk_mq_tag_to_rq(tags, slot);
		const struct pvblk_request *r = blk_mq_rq_to_pdu(rq);

		if (unlikely(blk_should_fake_timeout(rq->q)))
			continue;
		if (!blk_mq_add_to_batch(rq, &batch, r->status, blk_mq_end_request_batch))
			blk_mq_complete_request(rq);
	}
	if (!rq_list_empty(batch.req_list))
		blk_mq_end_request_batch(&batch);
}

irqreturn_t pvblk_interrupt(int irq, void *data)
{
	struct pvblk_queue *queue = data;
	struct pvring *ring = queue->ring;

	/* Asked for again only when these have ended: what is done meanwhile needs no event. */
	do {
		pvblk_take(queue);
		if (unlikely(ring->broken)) {
			pvblk_trouble(queue->blk, "has a broken ring", -EIO);
			break;
		}
	} while (!pvring_rearm(ring));
	return IRQ_HANDLED;
}

/*
 * A request takes long, which may be the host's right: limits, a disk that spins up.  An event or a
 * kick may have been lost; after that, it is the device.
 */
static enum blk_eh_timer_return pvblk_timeout(struct request *rq)
{
	struct pvblk_queue *queue = rq->mq_hctx->driver_data;
	struct pvblk_request *r = blk_mq_rq_to_pdu(rq);

	/* Whoever has it repairs the device, or takes it down. */
	if (!mutex_trylock(&queue->blk->life))
		return BLK_EH_RESET_TIMER;
	pvring_irq_disable(queue->ring);
	pvblk_interrupt(0, queue);
	pvring_irq_enable(queue->ring);
	mutex_unlock(&queue->blk->life);
	if (!blk_mq_request_started(rq) || blk_mq_request_completed(rq))
		return BLK_EH_DONE;
	if (++r->timeouts < PVBLK_TIMEOUTS) {
		dev_warn(disk_to_dev(queue->blk->disk), "request %d takes long\n", rq->tag);
		queue_notify(queue);
	} else {
		r->timeouts = 0;
		pvblk_trouble(queue->blk, "does not answer", -ETIMEDOUT);
	}
	return BLK_EH_RESET_TIMER;
}

static bool request_cancel(struct request *rq, void *data)
{
	const bool *again = data;
	struct pvblk_request *r = blk_mq_rq_to_pdu(rq);

	if (blk_mq_request_completed(rq))
		return true;
	if (*again && r->tries + 1 < PVBLK_TRIES && !blk_rq_is_passthrough(rq)) {
		r->tries++;
		rq->rq_flags |= RQF_DONTPREP;
		blk_mq_requeue_request(rq, false);
	} else {
		r->status = VIRTIO_BLK_S_IOERR;
		blk_mq_complete_request(rq);
	}
	return true;
}

void pvblk_cancel(struct pvblk *blk, bool again)
{
	blk_mq_tagset_busy_iter(&blk->tags, request_cancel, &again);
	blk_mq_tagset_wait_completed_request(&blk->tags);
}

const struct blk_mq_ops pvblk_mq_ops = {
	.queue_rq = pvblk_queue_rq,
	.queue_rqs = pvblk_queue_rqs,
	.commit_rqs = pvblk_commit_rqs,
	.complete = pvblk_complete,
	.timeout = pvblk_timeout,
	.map_queues = pvblk_map_queues,
	.init_hctx = pvblk_init_hctx,
	.init_request = pvblk_init_request,
};
