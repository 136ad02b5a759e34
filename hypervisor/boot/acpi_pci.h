/* SPDX-License-Identifier: MIT */
/* The PCI bus in the DSDT: the host bridge, its windows, where interrupt lines go. */
#ifndef RING3_BOOT_ACPI_PCI_H
#define RING3_BOOT_ACPI_PCI_H

#include "boot/aml.h"

/* Within the root scope, before the bridge is described: what its methods refer to. */
void acpi_pci_globals(struct aml *a);
/* Within \_SB. */
void acpi_pci_bridge(struct aml *a);

#endif
