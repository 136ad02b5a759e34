/* SPDX-License-Identifier: MIT */
/*
 * Loading a guest: what a boot loader and firmware would have left behind.
 *
 * Recognizes the kernel's format, puts kernel, initrd, modules, command line
 * and tables into guest RAM and the vCPU at the kernel's entry:
 *
 *   bzImage      64-bit entry of the Linux boot protocol (boot/bzimage.c)
 *   multiboot 1  32-bit entry, ELF or raw (boot/multiboot.c)
 *   PVH          32-bit entry named by an ELF note (boot/pvh.c)
 */
#ifndef RING3_BOOT_BOOT_H
#define RING3_BOOT_BOOT_H

#include "machine/machine.h"
#include "machine/vcpu.h"

/*
 * After ram_init(), before the jail (opens and maps files, uses malloc).
 * 0, or -errno with one sentence said by log_error().
 */
int boot_load(struct vcpu *vcpu, const struct machine_config *config);

/*
 * Everything that can be refused without guest RAM: the files exist, the kernel
 * is of a kind that can be started.  Same result and sentences.
 */
int boot_check(const struct machine_config *config);

#endif
