/* SPDX-License-Identifier: MIT */
/* The PIIX3's ISA bridge, 00:01.0: the PCI interrupt router.  Its IDE function is ide.c's. */
#ifndef RING3_DEVICE_PIIX3_H
#define RING3_DEVICE_PIIX3_H

#define PIIX3_ID	0x70008086u
#define PIIX3_PIRQ	0x60		/* PIRQRC[A:D], in configuration space: one byte for each line */
#define PIIX3_IRQS	0xdef8u		/* to which they can go: 3..7, 9..12, 14, 15 */

/* Where firmware routes the bus's interrupt lines 0..3. */
#define PIIX3_IRQ(line)	((line) < 2 ? 10u : 11u)

int piix3_init(void);		/* after the 8259s; 0 or -errno */

#endif
