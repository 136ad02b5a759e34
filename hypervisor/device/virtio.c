/* SPDX-License-Identifier: MIT */
/*
 * What all virtio devices and transports have in common: the life of a device from
 * reset through feature negotiation to DRIVER_OK (virtio 1.2, 2.1, 2.2, 3.1), and
 * what happens when the guest breaks the rules.
 *
 * Status bits that the driver set stay until it writes 0; that it may not clear
 * them one by one (2.1.1) is made true here.
 */
#include "device/virtio.h"

#include <string.h>

#include "base/log.h"

#define STATUS_FEATURES_OK	8u
#define STATUS_DRIVER_OK	4u
#define STATUS_NEEDS_RESET	64u
#define STATUS_DRIVERS		0xbfu		/* what the driver may set */

void virtio_init(struct virtio *v, const struct virtio_ops *ops, uint64_t features,
		 unsigned queue_count, uint16_t queue_size)
{
	bug_on(queue_count > VIRTIO_QUEUES_MAX || queue_size > VIRTQUEUE_SIZE_MAX);
	*v = (struct virtio){
		.ops = ops,
		.offered = features | 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_INDIRECT_DESC |
			   1ull << VIRTIO_F_EVENT_IDX,
		.queue_count = queue_count,
	};
	for (unsigned q = 0; q < queue_count; q++) {
		v->queue[q].size_max = queue_size;
		virtqueue_reset(&v->queue[q]);
	}
}

static void device_reset(struct virtio *v)
{
	/* No longer running before the device is told, so that what it ends completes nothing. */
	v->status = 0;
	if (v->ops->reset)
		v->ops->reset(v);
	v->features = 0;
	for (unsigned q = 0; q < v->queue_count; q++)
		virtqueue_reset(&v->queue[q]);
}

static bool features_acceptable(const struct virtio *v)
{
	struct virtio *device = (struct virtio *)v;

	if (v->features & ~v->offered)
		return false;
	if (!virtio_has(v, VIRTIO_F_VERSION_1))		/* a legacy driver: 6.2 */
		return false;
	return !v->ops->check_features || v->ops->check_features(device, v->features);
}

/* Buffers may have been made available, and even notified of, before: they are seen now. */
static void device_start(struct virtio *v)
{
	if (v->ops->start)
		v->ops->start(v);
	virtio_resume(v);
}

void virtio_resume(struct virtio *v)
{
	for (unsigned q = 0; q < v->queue_count; q++) {
		if (!v->queue[q].enabled)
			continue;
		virtio_complete(v, q);		/* what was done while suspended */
		if (!virtqueue_empty(&v->queue[q]))
			virtio_kick(v, q);
	}
}

void virtio_write_status(struct virtio *v, uint8_t status)
{
	uint8_t asked = (uint8_t)(status & STATUS_DRIVERS & ~v->status);

	if (!status) {
		device_reset(v);
		return;
	}
	if ((asked & STATUS_FEATURES_OK) && !features_acceptable(v))
		asked &= (uint8_t)~STATUS_FEATURES_OK;
	v->status |= asked & (uint8_t)~STATUS_DRIVER_OK;
	if ((asked & STATUS_DRIVER_OK) && (v->status & STATUS_FEATURES_OK)) {
		v->status |= STATUS_DRIVER_OK;
		device_start(v);
	}
}

void virtio_set_features(struct virtio *v, uint64_t features)
{
	if (!(v->status & STATUS_FEATURES_OK))
		v->features = features;
}

bool virtio_enable_queue(struct virtio *v, unsigned q)
{
	struct virtqueue *queue;

	if (q >= v->queue_count || !(v->status & STATUS_FEATURES_OK))
		return false;
	queue = &v->queue[q];
	if (queue->enabled)
		return true;
	queue->enabled = virtqueue_start(queue, virtio_has(v, VIRTIO_F_EVENT_IDX),
					 virtio_has(v, VIRTIO_F_INDIRECT_DESC));
	if (!queue->enabled)
		virtio_break(v, "gave a queue an impossible place or size");
	return queue->enabled;
}

void virtio_reset_queue(struct virtio *v, unsigned q)
{
	v->queue[q].closing = true;
	v->ops->queue_reset(v, q);
	virtqueue_reset(&v->queue[q]);
}

bool virtio_running(const struct virtio *v)
{
	return (v->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK &&
	       !v->suspended;
}

static void queue_check(struct virtio *v, unsigned q)
{
	if (unlikely(v->queue[q].broken))
		virtio_break(v, "put something impossible into a queue");
}

void virtio_kick(struct virtio *v, unsigned q)
{
	if (unlikely(q >= v->queue_count || !v->queue[q].enabled || !virtio_running(v)))
		return;
	v->ops->notify(v, q);
	queue_check(v, q);
}

void virtio_complete(struct virtio *v, unsigned q)
{
	queue_check(v, q);
	if (likely(virtio_running(v)) && virtqueue_publish(&v->queue[q]))
		v->transport->interrupt(v, q);
}

void virtio_break(struct virtio *v, const char *why)
{
	if (v->status & STATUS_NEEDS_RESET)
		return;
	v->status |= STATUS_NEEDS_RESET;
	/* Once: a guest could have it said for ever. */
	if (!v->blamed)
		log_warn("%s: the guest %s; the device stops until it is reset", v->ops->name, why);
	v->blamed = true;
	if (v->status & STATUS_DRIVER_OK)
		virtio_config_changed(v);
}

static bool config_has(const struct virtio *v, unsigned offset, unsigned size)
{
	return offset < v->ops->config_size && size <= v->ops->config_size - offset;
}

/* A generation is counted when somebody sees it: many changes cannot wrap 8 bits unseen (4.1.4.3.1). */
uint64_t virtio_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	if (v->config_stale)
		v->config_generation++;
	v->config_stale = false;
	return config_has(v, offset, size) && v->ops->config_read ?
		v->ops->config_read(v, offset, size) : 0;
}

void virtio_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	if (config_has(v, offset, size) && v->ops->config_write)
		v->ops->config_write(v, offset, size, value);
}

void virtio_config_changed(struct virtio *v)
{
	v->config_stale = true;
	if ((v->status & STATUS_DRIVER_OK) && v->transport)
		v->transport->config_changed(v);
}
