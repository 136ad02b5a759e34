/* SPDX-License-Identifier: MIT */
/* virtio-blk (virtio 1.2, 5.2) over a block back-end. */
#ifndef RING3_DEVICE_VIRTIO_BLK_H
#define RING3_DEVICE_VIRTIO_BLK_H

#include "device/virtio.h"
#include "hostio/block.h"
#include "machine/machine.h"

/* Start-up: a disk on the PCI bus.  0 or -errno. */
int virtio_blk_add(const struct machine_disk *config, struct block *b);

/* The device alone, for a transport of the caller's; 1 .. VIRTIO_QUEUES_MAX queues. */
struct virtio *virtio_blk_create(const struct machine_disk *config, struct block *b, unsigned queues);

#endif
