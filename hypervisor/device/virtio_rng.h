/* SPDX-License-Identifier: MIT */
/* An entropy device for the guest, on the host's own generator (virtio 1.2, 5.4). */
#ifndef RING3_DEVICE_VIRTIO_RNG_H
#define RING3_DEVICE_VIRTIO_RNG_H

/* Start-up: put one on the PCI bus.  0 or -errno. */
int virtio_rng_add(void);

#endif
