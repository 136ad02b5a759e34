/* SPDX-License-Identifier: MIT */
/*
 * The PVH entry: an ELF image whose note XEN_ELFNOTE_PHYS32_ENTRY names a
 * 32-bit physical entry, given a struct hvm_start_info (Xen's
 * xen/include/public/arch-x86/hvm/start_info.h, docs/misc/pvh.pandoc).
 */
#ifndef RING3_BOOT_PVH_H
#define RING3_BOOT_PVH_H

#include "boot/elf.h"
#include "machine/machine.h"
#include "machine/vcpu.h"

/* Does the image have the note?  *entry: where it points. */
bool pvh_find_entry(const struct elf *elf, uint32_t *entry);

/* Load kernel and modules, set the vCPU; rsdp 0: none.  0, or -errno with one sentence said. */
int pvh_load(struct vcpu *vcpu, const struct elf *elf, const struct machine_config *config,
	     gpa_t rsdp);

#endif
