// SPDX-License-Identifier: MIT
/*
 * The second transport of virtio devices: no registers, no bus.  A call does what takes
 * a PCI driver a handful of accesses, and an interrupt is an event (device/event.h).
 *
 * A driver's mistakes that a PCI device could only answer by stopping are errors of
 * the call here: a queue's place is judged before the device hears of it.
 */
#include "device/virtio_pv.h"

#include <errno.h>

#include "base/arena.h"
#include "base/log.h"
#include "device/event.h"
#include "memory/ram.h"

#define STATUS_FEATURES_OK	8u

struct virtio_pv {
	bool gone;
	uint32_t config_event;
	uint32_t event[VIRTIO_QUEUES_MAX];
};

static struct virtio *devices[VIRTIO_PV_DEVICES];
static unsigned count;
static unsigned abi_minor;

static void queue_interrupt(struct virtio *v, unsigned q)
{
	const struct virtio_pv *p = v->transport_data;

	if (p->event[q] != RING3_EVENT_NONE)
		event_signal(p->event[q]);
}

static void config_interrupt(struct virtio *v)
{
	const struct virtio_pv *p = v->transport_data;

	if (p->config_event != RING3_EVENT_NONE)
		event_signal(p->config_event);
}

static const struct virtio_transport transport = {
	.interrupt = queue_interrupt, .config_changed = config_interrupt,
};

static void events_forget(struct virtio_pv *p)
{
	p->config_event = RING3_EVENT_NONE;
	for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
		p->event[q] = RING3_EVENT_NONE;
}

int virtio_pv_add(struct virtio *v)
{
	struct virtio_pv *p;
	int error = arena_init();

	if (error)
		return error;
	if (count == VIRTIO_PV_DEVICES)
		return -ENOSPC;
	p = arena_alloc(sizeof(*p), 8);
	events_forget(p);
	if (v->ops->queue_reset)
		v->offered |= 1ull << VIRTIO_F_RING_RESET;
	v->transport = &transport;
	v->transport_data = p;
	devices[count++] = v;
	return 0;
}

struct virtio *virtio_pv_device(uint32_t index)
{
	const struct virtio_pv *p = index < count ? devices[index]->transport_data : NULL;

	return p && !p->gone ? devices[index] : NULL;
}

/* A reset is what ends all that is in flight; after it nothing starts the device again. */
int virtio_pv_unplug(uint32_t index)
{
	struct virtio *v = virtio_pv_device(index);
	struct virtio_pv *p;

	if (!v)
		return -ENODEV;
	p = v->transport_data;
	virtio_write_status(v, 0);
	events_forget(p);
	p->gone = true;
	log_info("device %u (%s) was removed", index, v->ops->name);
	if (abi_minor >= 1)
		event_signal(RING3_EVENT_DEVICES);
	return 0;
}

void virtio_pv_accept(unsigned minor)
{
	abi_minor = minor;
}

/* 1.0 has no call to reset a queue. */
static uint64_t offered(const struct virtio *v)
{
	return abi_minor >= 1 ? v->offered : v->offered & ~(1ull << VIRTIO_F_RING_RESET);
}

void virtio_pv_info(struct virtio *v, struct ring3_device_info *info)
{
	/* A look at configuration space is what counts its generation. */
	virtio_config_read(v, 0, 1);
	info->type = v->ops->type;
	info->features = offered(v);
	info->queues = v->queue_count;
	info->config_size = v->ops->config_size;
	info->queue_size = v->queue_count ? v->queue[0].size_max : 0;
	info->generation = v->config_generation;
}

int64_t virtio_pv_features(struct virtio *v, uint64_t features)
{
	if (v->status & STATUS_FEATURES_OK)
		return -EBUSY;
	if (features & ~offered(v))
		return -EINVAL;
	virtio_set_features(v, features);
	return 0;
}

int64_t virtio_pv_status(struct virtio *v, uint32_t status)
{
	if (status == RING3_STATUS_READ)
		return v->status;
	if (status > 0xff)
		return -EINVAL;
	virtio_write_status(v, (uint8_t)status);
	if (!status)
		events_forget(v->transport_data);
	return v->status;
}

static bool config_range(const struct virtio *v, uint32_t offset, uint32_t length)
{
	return length <= VIRTIO_PV_CONFIG_MAX && offset <= v->ops->config_size &&
	       length <= v->ops->config_size - offset;
}

int64_t virtio_pv_config_read(struct virtio *v, uint32_t offset, uint8_t *bytes, uint32_t length)
{
	if (!config_range(v, offset, length))
		return -EINVAL;
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)virtio_config_read(v, offset + i, 1);
	return 0;
}

int64_t virtio_pv_config_write(struct virtio *v, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
	if (!config_range(v, offset, length))
		return -EINVAL;
	for (uint32_t i = 0; i < length; i++)
		virtio_config_write(v, offset + i, 1, bytes[i]);
	return 0;
}

static bool event_valid(uint32_t event)
{
	return event < RING3_EVENTS || event == RING3_EVENT_NONE;
}

/* Sizes of the three parts with the event index behind them: virtio 1.2, 2.7. */
static int64_t place_check(const struct ring3_queue *s)
{
	uint64_t n = s->entries;

	if (s->desc % 16 || s->avail % 2 || s->used % 4)
		return -EINVAL;
	return ram_contains(GPA(s->desc), 16 * n) && ram_contains(GPA(s->avail), 6 + 2 * n) &&
	       ram_contains(GPA(s->used), 6 + 8 * n) ? 0 : -EFAULT;
}

int64_t virtio_pv_queue_setup(struct virtio *v, uint32_t queue, const struct ring3_queue *setup)
{
	struct virtio_pv *p = v->transport_data;
	struct virtqueue *q;
	int64_t error;

	if (setup->flags || !event_valid(setup->event))
		return -EINVAL;
	if (queue == RING3_QUEUE_CONFIG) {
		if (setup->entries || setup->desc || setup->avail || setup->used)
			return -EINVAL;
		p->config_event = setup->event;
		return 0;
	}
	if (queue >= v->queue_count || !(v->status & STATUS_FEATURES_OK))
		return -EINVAL;
	q = &v->queue[queue];
	if (q->enabled)
		return -EBUSY;
	if (!setup->entries || (setup->entries & (setup->entries - 1)) || setup->entries > q->size_max)
		return -EINVAL;
	error = place_check(setup);
	if (error)
		return error;
	q->size = (uint16_t)setup->entries;
	q->desc = GPA(setup->desc);
	q->avail = GPA(setup->avail);
	q->used = GPA(setup->used);
	p->event[queue] = setup->event;
	return virtio_enable_queue(v, queue) ? 0 : -EINVAL;
}

int64_t virtio_pv_queue_kick(struct virtio *v, uint32_t queue)
{
	if (queue >= v->queue_count || !v->queue[queue].enabled)
		return -EINVAL;
	virtio_kick(v, queue);
	return 0;
}

int64_t virtio_pv_queue_reset(struct virtio *v, uint32_t queue)
{
	struct virtio_pv *p = v->transport_data;

	if (queue >= v->queue_count || !v->queue[queue].enabled || !virtio_has(v, VIRTIO_F_RING_RESET))
		return -EINVAL;
	virtio_reset_queue(v, queue);
	p->event[queue] = RING3_EVENT_NONE;
	return 0;
}
