/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues, the device's side.
 *
 * The rings are reached by host pointers into the DMA view of guest RAM, made once
 * at virtqueue_start() (RAM never moves) and never write-protected; so pages written
 * through it are checked for code afterwards, before the guest runs again.  All that
 * lies there may change at any moment: every field is read once, by load() or
 * desc_load(), and only the copy is looked at.
 *
 * Barriers.  Guest and device share one CPU and take turns: a guest's store is
 * visible before the kick that brings us here, and ours before we resume it.  What
 * remains is the compiler, and the index accesses, which are acquire and release so
 * that the order is right where a device runs beside its guest.  There, publish and
 * enable_notify would need a full fence between the store of the one index and the
 * load of the other, too: fence() marks the two places.
 *
 * As many chains as the queue has descriptors can be with the device; a guest that
 * gives more (by using a descriptor twice) breaks the rules.  Devices may count on it
 * for their tables of requests.
 */
#include "device/virtqueue.h"

#include "base/log.h"
#include "memory/ram.h"

#define DESC_NEXT		1u
#define DESC_WRITE		2u
#define DESC_INDIRECT		4u
#define AVAIL_NO_INTERRUPT	1u
#define USED_NO_NOTIFY		1u

struct virtqueue_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct virtqueue_avail {
	uint16_t flags, index;
	uint16_t ring[];		/* `size` heads, then used_event */
};

struct virtqueue_used {
	uint16_t flags, index;
	struct { uint32_t id, len; } ring[];	/* `size` elements, then avail_event */
};

_Static_assert(sizeof(struct virtqueue_desc) == 16, "virtio 1.2, 2.7.5");

#define load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define fence()		__atomic_signal_fence(__ATOMIC_SEQ_CST)

static uint64_t avail_size(unsigned size) { return 6 + 2ul * size; }
static uint64_t used_size(unsigned size) { return 6 + 8ul * size; }

static const uint16_t *used_event(const struct virtqueue *q)
{
	return &q->host_avail->ring[q->size];
}

static uint16_t *avail_event(const struct virtqueue *q)
{
	return (uint16_t *)&q->host_used->ring[q->size];
}

bool virtqueue_start(struct virtqueue *q, bool event_idx, bool indirect)
{
	if (!q->size || (q->size & (q->size - 1)) || q->size > q->size_max)
		return false;
	if (q->desc.v % 16 || q->avail.v % 2 || q->used.v % 4)
		return false;
	q->host_desc = ram_dma(q->desc, sizeof(struct virtqueue_desc) * q->size);
	q->host_avail = ram_dma(q->avail, avail_size(q->size));
	q->host_used = ram_dma(q->used, used_size(q->size));
	if (!q->host_desc || !q->host_avail || !q->host_used)
		return false;
	q->event_idx = event_idx;
	q->indirect = indirect;
	q->broken = q->quiet = false;
	q->last_avail = q->used_index = q->signalled_used = 0;
	return true;
}

void virtqueue_reset(struct virtqueue *q)
{
	uint16_t size_max = q->size_max;

	*q = (struct virtqueue){ .size = size_max, .size_max = size_max, .vector = 0xffff };
}

bool virtqueue_empty(struct virtqueue *q)
{
	return load(&q->host_avail->index) == q->last_avail;
}

/* ---- taking a chain ---- */

/* Both halves by one load each: a guest must not show different ones to different checks. */
static struct virtqueue_desc desc_load(const struct virtqueue_desc *d)
{
	const uint64_t *words = (const uint64_t *)d;
	uint64_t low = load(&words[0]), high = load(&words[1]);

	return (struct virtqueue_desc){
		.addr = low, .len = (uint32_t)high,
		.flags = (uint16_t)(high >> 32), .next = (uint16_t)(high >> 48),
	};
}

/* Where descriptors are read from: the queue's own table, or an indirect one. */
struct table {
	const struct virtqueue_desc *desc;
	uint32_t size;
	bool indirect;
};

static bool table_enter(const struct virtqueue *q, struct table *t, const struct virtqueue_desc *d)
{
	/* Not negotiated, within another, or with a successor: forbidden by 2.7.5.3.1. */
	if (!q->indirect || t->indirect || (d->flags & DESC_NEXT))
		return false;
	if (d->len % sizeof(*t->desc))
		return false;
	t->desc = ram_dma(GPA(d->addr), d->len);
	t->size = d->len / sizeof(*t->desc);
	t->indirect = true;
	/* An unaligned table is read all the same: 2.7.5.3 asks for no alignment of it. */
	return t->desc;
}

/* One part, into the chain's next iovec or at the end of its last. */
static bool part_add(struct virtqueue_chain *c, const struct virtqueue_desc *d)
{
	bool in = d->flags & DESC_WRITE;
	unsigned n = c->out + c->in;
	unsigned *same = in ? &c->in : &c->out;
	uint64_t *bytes = in ? &c->in_bytes : &c->out_bytes;
	char *p;

	if (!in && c->in)			/* readable behind writable: 2.7.4.2 */
		return false;
	if (!d->len)
		return true;
	p = ram_dma(GPA(d->addr), d->len);
	*bytes += d->len;
	if (!p || c->in_bytes + c->out_bytes > UINT32_MAX)
		return false;
	if (*same && (char *)c->iov[n - 1].iov_base + c->iov[n - 1].iov_len == p) {
		c->iov[n - 1].iov_len += d->len;
		return true;
	}
	if (n == c->max)
		return false;
	c->iov[n] = (struct iovec){ .iov_base = p, .iov_len = d->len };
	++*same;
	return true;
}

static bool chain_read(const struct virtqueue *q, struct virtqueue_chain *c)
{
	struct table t = { .desc = q->host_desc, .size = q->size };
	uint32_t index = c->head;

	/* The bound is what ends a loop. */
	for (unsigned parts = 0; parts <= VIRTQUEUE_SIZE_MAX; parts++) {
		struct virtqueue_desc d;

		if (index >= t.size)
			return false;
		d = desc_load(&t.desc[index]);
		if (d.flags & DESC_INDIRECT) {
			if (!table_enter(q, &t, &d))
				return false;
			index = 0;
			continue;
		}
		if (!part_add(c, &d))
			return false;
		if (!(d.flags & DESC_NEXT))
			return true;
		index = d.next;
	}
	return false;
}

bool virtqueue_take(struct virtqueue *q, struct virtqueue_chain *c)
{
	uint16_t index, waiting;

	if (unlikely(!q->enabled || q->broken || q->closing))
		return false;
	index = __atomic_load_n(&q->host_avail->index, __ATOMIC_ACQUIRE);
	waiting = (uint16_t)(index - q->last_avail);
	if (!waiting)
		return false;
	if (waiting > q->size || (uint16_t)(q->last_avail - q->used_index) >= q->size)
		goto broken;
	c->head = load(&q->host_avail->ring[q->last_avail & (q->size - 1)]);
	c->out = c->in = 0;
	c->out_bytes = c->in_bytes = 0;
	if (unlikely(!chain_read(q, c)))
		goto broken;
	q->last_avail++;
	return true;
broken:
	q->broken = true;
	return false;
}

void virtqueue_untake(struct virtqueue *q, unsigned n)
{
	q->last_avail = (uint16_t)(q->last_avail - n);
}

/* ---- giving it back ---- */

static void written_heed(const struct virtqueue_chain *c, uint64_t written)
{
	for (unsigned i = c->out; i < c->out + c->in && written; i++) {
		uint64_t part = min_u64(c->iov[i].iov_len, written);

		ram_dma_pointer_written(c->iov[i].iov_base, part);
		written -= part;
	}
}

void virtqueue_push(struct virtqueue *q, const struct virtqueue_chain *c, uint32_t written)
{
	unsigned slot = q->used_index & (q->size - 1u);

	if (unlikely(!q->enabled))
		return;
	written_heed(c, written);
	store(&q->host_used->ring[slot].id, c->head);
	store(&q->host_used->ring[slot].len, written);
	q->used_index++;
}

bool virtqueue_publish(struct virtqueue *q)
{
	uint16_t new = q->used_index, old = q->signalled_used, event;

	if (!q->enabled || new == old || q->closing)
		return false;
	__atomic_store_n(&q->host_used->index, new, __ATOMIC_RELEASE);
	ram_dma_written(q->used, used_size(q->size));
	fence();
	q->signalled_used = new;
	if (!q->event_idx)
		return !(load(&q->host_avail->flags) & AVAIL_NO_INTERRUPT);
	event = load(used_event(q));
	/* Did the index pass the event: is it in old .. new - 1 (2.7.7.2)? */
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

bool virtqueue_unseen_at(const struct virtqueue *q, uint16_t index)
{
	/* A driver that has seen them waits for what comes next: its event is not behind them. */
	return q->enabled && (!q->event_idx || (int16_t)(load(used_event(q)) - index) < 0);
}

/* ---- notifications from the guest ---- */

static void used_word_write(uint16_t *word, uint16_t value)
{
	store(word, value);
	ram_dma_pointer_written(word, sizeof(*word));
}

void virtqueue_disable_notify(struct virtqueue *q)
{
	/* With event indices it is enough to leave the old one where it is. */
	if (!q->enabled || q->event_idx || q->quiet)
		return;
	q->quiet = true;
	used_word_write(&q->host_used->flags, USED_NO_NOTIFY);
}

bool virtqueue_enable_notify(struct virtqueue *q)
{
	if (!q->enabled)
		return false;
	if (q->event_idx)
		used_word_write(avail_event(q), q->last_avail);
	else if (q->quiet)
		used_word_write(&q->host_used->flags, 0);
	q->quiet = false;
	fence();
	return !q->broken && !virtqueue_empty(q);
}
