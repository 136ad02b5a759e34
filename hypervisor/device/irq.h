/* SPDX-License-Identifier: MIT */
/* Between the interrupt controllers; machine/irq.h is what others see of them. */
#ifndef RING3_DEVICE_IRQ_H
#define RING3_DEVICE_IRQ_H

#include "machine/irq.h"

#define IRQ_GSI_PIT	2	/* ISA's IRQ 0: the MADT has the override */
#define IRQ_GSI_RTC	8
#define IRQ_GSI_SCI	9

/* Has this pin's last edge been sent, and not been taken by the CPU yet? */
bool irq_waits(unsigned gsi);
/* Send the CPU an NMI. */
void irq_nmi(void);

#endif
