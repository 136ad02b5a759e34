/* SPDX-License-Identifier: MIT */
/*
 * Port and memory-mapped I/O: who answers which address.
 *
 * Registration happens at start-up; the vCPU thread dispatches.  An access that
 * nobody claims reads all ones and writes nothing, as on a PC.  Who owns the
 * first byte gets the access; what runs past its region is dispatched bytewise.
 */
#ifndef RING3_MACHINE_BUS_H
#define RING3_MACHINE_BUS_H

#include "base/types.h"

struct bus_ops {
	/* offset: from the region's base; size: 1, 2, 4 (8 on MMIO).  Values are zero-extended. */
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
	/* Widest access the device knows; wider ones arrive in pieces, low first.  0: any. */
	unsigned width;
};

/* 0, or -EEXIST when it overlaps a region, -ENOSPC when the table is full. */
int bus_add_pio(uint16_t base, unsigned count, const struct bus_ops *ops, void *device,
		const char *name);
int bus_add_mmio(gpa_t base, uint64_t size, const struct bus_ops *ops, void *device,
		 const char *name);
/* For regions a guest can move (BARs, APIC base).  The region must exist. */
void bus_move_mmio(void *device, gpa_t old_base, gpa_t new_base);
void bus_remove_mmio(void *device, gpa_t base);
void bus_remove_pio(void *device, uint16_t base);
void bus_move_pio(void *device, uint16_t old_base, uint16_t new_base);

uint64_t bus_pio_read(uint16_t port, unsigned size);
void bus_pio_write(uint16_t port, unsigned size, uint64_t value);
uint64_t bus_mmio_read(gpa_t addr, unsigned size);
void bus_mmio_write(gpa_t addr, unsigned size, uint64_t value);
/* The region's name for traces, or NULL when unclaimed. */
const char *bus_mmio_name(gpa_t addr);
const char *bus_pio_name(uint16_t port);

#endif
