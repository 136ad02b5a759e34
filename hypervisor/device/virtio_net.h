/* SPDX-License-Identifier: MIT */
/* A virtio network card (virtio 1.2, 5.1) on a network back-end. */
#ifndef RING3_DEVICE_VIRTIO_NET_H
#define RING3_DEVICE_VIRTIO_NET_H

#include "hostio/net.h"
#include "machine/machine.h"

/* Start-up: put one on the PCI bus; n stays its own.  0 or -errno. */
int virtio_net_add(const struct machine_net *config, struct net *n);

#endif
