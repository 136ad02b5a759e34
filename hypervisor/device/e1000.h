/* SPDX-License-Identifier: MIT */
/*
 * Intel 82540EM ("e1000") network card, register by register, for stock drivers.
 */
#ifndef RING3_DEVICE_E1000_H
#define RING3_DEVICE_E1000_H

#include "hostio/net.h"
#include "machine/machine.h"

/* Start-up: one card on the PCI bus in front of a back-end.  0, or -errno of pci_add(). */
int e1000_add(const struct machine_net *config, struct net *n);

#endif
