/* SPDX-License-Identifier: MIT */
/*
 * The PCI host bridge: configuration mechanism #1 (PCI 3.0, 3.2.2.3.2) for bus 0,
 * the bridge itself as 00:00.0, and the reset control register that lies between
 * the mechanism's ports.
 */
#ifndef RING3_DEVICE_PCIHOST_H
#define RING3_DEVICE_PCIHOST_H

#define PCIHOST_PORT		0xcf8	/* address, 4 bytes; then data, 4 bytes */
#define PCIHOST_RESET_PORT	0xcf9	/* bytes only; the FADT names it */
#define PCIHOST_RESET_VALUE	0x06

int pcihost_init(void);

#endif
