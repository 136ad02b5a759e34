/* SPDX-License-Identifier: MIT */
/*
 * Three PCI functions and a guest that reaches them through ports 0xcf8 and 0xcfc, for
 * tests that include this once.  What they send, lines and messages, is noted.
 */
#ifndef RING3_TESTS_PCI_GUEST_H
#define RING3_TESTS_PCI_GUEST_H

#include "device_fakes.h"

#include "base/arena.h"
#include "device/pci.h"
#include "device/pci_regs.h"
#include "device/pcihost.h"
#include "device/piix3.h"

#define MMIO		0xd0000000u
#define IO		0xd000u
#define VECTORS		70u			/* more than one word of pending bits */

static uint32_t gsi_lines, isa_lines;
static unsigned gsi_changes;
static struct { unsigned count; uint64_t address; uint32_t data; } message;

void irq_set(unsigned gsi, bool asserted)
{
	gsi_changes++;
	gsi_lines = asserted ? gsi_lines | 1u << gsi : gsi_lines & ~(1u << gsi);
}

void pic_set(unsigned irq, bool asserted)
{
	isa_lines = asserted ? isa_lines | 1u << irq : isa_lines & ~(1u << irq);
}

void irq_message(uint64_t address, uint32_t data)
{
	message.count++;
	message.address = address;
	message.data = data;
}

/* A register window that answers with who it is and what was asked for. */
static inline uint64_t window_read(void *device, uint64_t offset, unsigned size)
{
	return (uint64_t)*(uint8_t *)device << 24 | offset << 4 | size;
}

static struct { void *device; uint64_t offset, value; unsigned size; } last;

static inline void window_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	last.device = device;
	last.offset = offset;
	last.size = size;
	last.value = value;
}

static const struct bus_ops window_ops = { .read = window_read, .write = window_write };

static struct pci_function a, b, c;
static uint8_t window_id[4] = { 0x11, 0x22, 0x33, 0x44 };
/* ---- as a guest does it ---- */

static inline void address(unsigned slot, unsigned function, unsigned reg)
{
	bus_pio_write(PCIHOST_PORT, 4, 1u << 31 | slot << 11 | function << 8 | (reg & 0xfc));
}

static inline uint32_t get(const struct pci_function *f, unsigned reg, unsigned size)
{
	address(f->slot, f->function, reg);
	return (uint32_t)bus_pio_read((uint16_t)(PCIHOST_PORT + 4 + reg % 4), size);
}

static inline void set(const struct pci_function *f, unsigned reg, unsigned size, uint32_t value)
{
	address(f->slot, f->function, reg);
	bus_pio_write((uint16_t)(PCIHOST_PORT + 4 + reg % 4), size, value);
}

static inline uint32_t mmio(uint64_t at) { return (uint32_t)bus_mmio_read(GPA(at), 4); }
static void command(const struct pci_function *f, unsigned v) { set(f, PCI_COMMAND, 2, v); }

#define MEMORY	PCI_COMMAND_MEMORY
#define MASTER	PCI_COMMAND_MASTER
#define NONE	0xffffffffu

static inline void setup(void)
{
	ck_assert_int_eq(pcihost_init(), 0);
	ck_assert_int_eq(piix3_init(), 0);
	a = (struct pci_function){ .name = "a" };
	pci_identify(&a, 0x1234, 0x5678, 0x020000, 3);
	pci_subsystem(&a, 0xabcd, 0xef01);
	pci_use_intx(&a, 1);
	a.bar[0] = (struct pci_bar){ .size = 0x4000, .ops = &window_ops, .device = &window_id[0] };
	a.bar[2] = (struct pci_bar){ .size = 32, .io = true, .ops = &window_ops,
				     .device = &window_id[1] };
	ck_assert_int_eq(pci_add_msix(&a, 4, VECTORS), 0);
	memset(arena_alloc(PAGE_SIZE, 8), 0xff, PAGE_SIZE);	/* behind its pending bits */
	b = (struct pci_function){ .name = "b" };
	pci_identify(&b, 0x1234, 0x5679, 0x010000, 0);
	pci_use_intx(&b, 1);
	b.bar[0] = (struct pci_bar){ .size = 0x1000, .ops = &window_ops, .device = &window_id[2] };
	c = (struct pci_function){ .name = "c" };
	pci_identify(&c, 0x1234, 0x5680, 0xff0000, 0);
	pci_use_intx(&c, 2);
	c.bar[0] = (struct pci_bar){ .size = 0x1000, .ops = &window_ops, .device = &window_id[3] };
	ck_assert_int_eq(pci_add(&a, 4, 0), 0);
	ck_assert_int_eq(pci_add(&b, 8, 0), 0);	/* the same line as a's */
	ck_assert_int_eq(pci_add(&c, 4, 1), 0);	/* function 1 of a's slot; another line */
}

#endif
