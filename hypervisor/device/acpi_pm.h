/* SPDX-License-Identifier: MIT */
/*
 * ACPI's fixed hardware: PM1a event and control block, and PM timer.  The FADT
 * (boot/acpi.c) advertises what is here, and the reset register of pcihost.h.
 */
#ifndef RING3_DEVICE_ACPI_PM_H
#define RING3_DEVICE_ACPI_PM_H

#define ACPI_PM1_EVENT		0x600	/* status, enable: 2 bytes each */
#define ACPI_PM1_CONTROL	0x604	/* 2 bytes */
#define ACPI_PM_TIMER		0x608	/* 4 bytes, 24 bits count */
#define ACPI_PM_SIZE		12
#define ACPI_PM_TIMER_HZ	3579545UL
#define ACPI_S5_TYPE		5	/* SLP_TYP of soft-off, as in \_S5 */
#define ACPI_SCI		9	/* GSI, level, active high */

int acpi_pm_init(void);
/* Somebody pressed the power button: the guest may shut down. */
void acpi_pm_power_button(void);

#endif
