/* SPDX-License-Identifier: MIT */
/*
 * virtio devices reached by hypercalls: what hypercall/devices.c asks for.
 *
 * Devices are numbered in the order they were added.  Results are those of the
 * calls (docs/abi-reference.md); all arguments may be anything.
 */
#ifndef RING3_DEVICE_VIRTIO_PV_H
#define RING3_DEVICE_VIRTIO_PV_H

#include "abi/ring3_abi.h"
#include "device/virtio.h"

#define VIRTIO_PV_DEVICES	12u
#define VIRTIO_PV_CONFIG_MAX	256u

/* Start-up: make it the next device.  0, or -ENOSPC. */
int virtio_pv_add(struct virtio *v);

/* NULL: there is none of this number. */
struct virtio *virtio_pv_device(uint32_t index);

void virtio_pv_info(struct virtio *v, struct ring3_device_info *info);
int64_t virtio_pv_features(struct virtio *v, uint64_t features);
int64_t virtio_pv_status(struct virtio *v, uint32_t status);
/* bytes: length of them, at most VIRTIO_PV_CONFIG_MAX.  0 or -EINVAL. */
int64_t virtio_pv_config_read(struct virtio *v, uint32_t offset, uint8_t *bytes, uint32_t length);
int64_t virtio_pv_config_write(struct virtio *v, uint32_t offset, const uint8_t *bytes, uint32_t length);
int64_t virtio_pv_queue_setup(struct virtio *v, uint32_t queue, const struct ring3_queue *setup);
int64_t virtio_pv_queue_kick(struct virtio *v, uint32_t queue);
int64_t virtio_pv_queue_reset(struct virtio *v, uint32_t queue);

/*
 * Host's side: the device goes, as if pulled out.  From now on there is none of this number; nothing of
 * it is in flight when it returns, and the guest is told by an event if its version has one.
 * 0 or -ENODEV.
 */
int virtio_pv_unplug(uint32_t index);

/* The guest goes by this minor version of the ABI. */
void virtio_pv_accept(unsigned minor);

#endif
