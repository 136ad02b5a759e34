/* SPDX-License-Identifier: MIT */
/* The PIIX3's ISA bridge, 00:01.0: the PCI interrupt router.  Its IDE function is ide.c's. */
#ifndef RING3_DEVICE_PIIX3_H
#define RING3_DEVICE_PIIX3_H

int piix3_init(void);		/* after the 8259s; 0 or -errno */

#endif
