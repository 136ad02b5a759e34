/* SPDX-License-Identifier: MIT */
/* The pair of 8259A interrupt controllers of the PC, with the ELCR of later ones. */
#ifndef RING3_DEVICE_PIC_H
#define RING3_DEVICE_PIC_H

#include "base/types.h"

int pic_init(void);
void pic_set(unsigned irq, bool asserted);
/* Is a request of this unmasked input latched? */
bool pic_waits(unsigned irq);
/* The INTR output of the first one. */
bool pic_output(void);
/* The INTA cycle: returns the vector (a spurious one if the request went away). */
int pic_acknowledge(void);

#endif
