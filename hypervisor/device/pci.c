/* SPDX-License-Identifier: MIT */
/*
 * Bus 0 and what all its functions have in common: configuration space, BARs,
 * capabilities, INTx.  MSI-X is pci_msix.c's.
 *
 * A guest may place a BAR anywhere, also where something answers already: the bus
 * refuses that one, which then is not decoded until there is room, and nobody else
 * notices.  So after each configuration write all BARs are gone through: what moved
 * leaves first, then what is not on the bus tries to get there.
 *
 * Interrupt lines are wire-ORed: functions that share one are counted.  A line goes
 * to its IOAPIC pin and, as piix3.c's registers route it, to the 8259 pair (not to
 * the IOAPIC's pin of that ISA interrupt).
 */
#include "device/pci.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "device/pci_regs.h"
#include "device/pic.h"
#include "machine/irq.h"

#define PCI_FUNCTIONS	8u
#define FUNCTIONS_MAX	64u

static struct pci_function *bus[PCI_SLOTS][PCI_FUNCTIONS];
static struct pci_function *all[FUNCTIONS_MAX];
static unsigned count;

static struct {
	unsigned asserted;		/* by so many functions */
	uint8_t irq;			/* of the 8259; 0: not routed */
} line[PCI_LINES];

static uint32_t mmio_next = PCI_MMIO_BASE, io_next = PCI_IO_BASE;

/* ---- what a device says of itself ---- */

void pci_identify(struct pci_function *f, uint16_t vendor, uint16_t device, uint32_t class_code,
		  uint8_t revision)
{
	pci_set16(f->config + PCI_VENDOR, vendor);
	pci_set16(f->config + PCI_DEVICE, device);
	pci_set32(f->config + PCI_REVISION, class_code << 8 | revision);
	pci_set16(f->writable + PCI_COMMAND, PCI_COMMAND_WRITABLE);
	pci_set16(f->write_clear + PCI_STATUS, PCI_STATUS_ERRORS);
	f->writable[PCI_CACHE_LINE] = 0xff;
	f->writable[PCI_LATENCY] = 0xf8;
	f->writable[PCI_INTERRUPT_LINE] = 0xff;
}

void pci_subsystem(struct pci_function *f, uint16_t vendor, uint16_t device)
{
	pci_set16(f->config + PCI_SUBSYSTEM_VENDOR, vendor);
	pci_set16(f->config + PCI_SUBSYSTEM, device);
}

void pci_use_intx(struct pci_function *f, unsigned pin)
{
	f->config[PCI_INTERRUPT_PIN] = (uint8_t)pin;
}

unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned length)
{
	unsigned at = f->next_capability ? f->next_capability : PCI_HEADER_SIZE;
	uint8_t *link = &f->config[PCI_CAPABILITIES];

	bug_on(length < 2 || at + length > PCI_CONFIG_SIZE);
	while (*link)
		link = &f->config[*link + 1];
	*link = (uint8_t)at;
	f->config[at] = id;
	f->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
	f->next_capability = (uint16_t)align_up(at + length, 4);
	return at;
}

/* ---- BARs ---- */

static void bars_describe(struct pci_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &f->bar[i];

		if (!bar->size)
			continue;
		bug_on((bar->size & (bar->size - 1)) || bar->size < (bar->io ? 4 : PAGE_SIZE));
		pci_set32(f->config + PCI_BAR(i), bar->io);	/* bit 0: I/O space */
		pci_set32(f->writable + PCI_BAR(i), ~(bar->size - 1));
	}
}

/* Where the registers say that it answers; 0: nowhere. */
static uint64_t bar_place(const struct pci_function *f, unsigned i)
{
	const struct pci_bar *bar = &f->bar[i];
	uint64_t base;

	if (!bar->size || !(f->config[PCI_COMMAND] & (bar->io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return 0;
	base = pci_get32(f->config + PCI_BAR(i)) & ~(bar->size - 1);
	return bar->io && base + bar->size > 0x10000 ? 0 : base;
}

static void bar_unmap(struct pci_bar *bar)
{
	if (bar->io)
		bus_remove_pio(bar->device, (uint16_t)bar->base);
	else
		bus_remove_mmio(bar->device, GPA(bar->base));
	bar->mapped = false;
}

static void bar_map(const struct pci_function *f, struct pci_bar *bar)
{
	int error = bar->io ?
		bus_add_pio((uint16_t)bar->base, bar->size, bar->ops, bar->device, f->name) :
		bus_add_mmio(GPA(bar->base), bar->size, bar->ops, bar->device, f->name);

	bar->mapped = !error;
}

static void bars_update(void)
{
	for (unsigned n = 0; n < count * PCI_BARS; n++) {
		struct pci_function *f = all[n / PCI_BARS];
		struct pci_bar *bar = &f->bar[n % PCI_BARS];
		uint64_t place = bar_place(f, n % PCI_BARS);

		if (bar->mapped && bar->base != place)
			bar_unmap(bar);
		bar->base = place;
	}
	for (unsigned n = 0; n < count * PCI_BARS; n++) {
		struct pci_bar *bar = &all[n / PCI_BARS]->bar[n % PCI_BARS];

		if (bar->base && !bar->mapped)
			bar_map(all[n / PCI_BARS], bar);
	}
}

/* ---- interrupt lines ---- */

static void isa_update(unsigned irq)
{
	bool asserted = false;

	if (!irq)
		return;
	for (unsigned i = 0; i < PCI_LINES; i++)
		asserted |= line[i].irq == irq && line[i].asserted;
	pic_set(irq, asserted);
}

void pci_route_line(unsigned i, unsigned irq)
{
	unsigned old = line[i].irq;

	line[i].irq = (uint8_t)irq;
	isa_update(old);
	isa_update(irq);
}

static void intx_update(struct pci_function *f)
{
	bool level = f->intx_asserted && !pci_msix_enabled(f);
	bool driven = level && !(pci_get16(f->config + PCI_COMMAND) & PCI_COMMAND_NO_INTX);
	unsigned pin = f->config[PCI_INTERRUPT_PIN], i;

	if (level)
		f->config[PCI_STATUS] |= PCI_STATUS_INTX;
	else
		f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX;
	if (!pin || driven == f->intx_driven)
		return;
	f->intx_driven = driven;
	i = PCI_LINE(f->slot, pin - 1);
	line[i].asserted += driven ? 1 : -1u;
	if (line[i].asserted == driven) {	/* the first one, or no longer any */
		irq_set(PCI_LINE_GSI + i, driven);
		isa_update(line[i].irq);
	}
}

void pci_set_intx(struct pci_function *f, bool asserted)
{
	if (f->intx_asserted == asserted)
		return;
	f->intx_asserted = asserted;
	intx_update(f);
}

/* ---- the guest's accesses ---- */

bool pci_bus_master(const struct pci_function *f)
{
	return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

struct pci_function *pci_find(unsigned slot, unsigned function)
{
	return slot < PCI_SLOTS && function < PCI_FUNCTIONS ? bus[slot][function] : NULL;
}

uint32_t pci_config_read(struct pci_function *f, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	if (f->config_read && f->config_read(f, offset, size, &value))
		return value;
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)f->config[offset + i] << (i * 8);
	return value;
}

void pci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (i * 8)), can = f->writable[offset + i];
		uint8_t *reg = &f->config[offset + i];

		*reg = (uint8_t)((*reg & ~can) | (byte & can));
		*reg &= (uint8_t)~(byte & f->write_clear[offset + i]);
	}
	bars_update();
	intx_update(f);
	pci_msix_update(f);
	if (f->config_written)
		f->config_written(f, offset, size);
}

/* ---- start-up ---- */

static int slot_find(void)
{
	for (int slot = PCI_SLOT_FIRST; slot < (int)PCI_SLOTS; slot++)
		if (!bus[slot][0])
			return slot;
	return -ENOSPC;
}

int pci_add(struct pci_function *f, int slot, unsigned function)
{
	if (slot < 0)
		slot = slot_find();
	if (slot < 0 || count == FUNCTIONS_MAX)
		return -ENOSPC;
	if (slot >= (int)PCI_SLOTS || function >= PCI_FUNCTIONS)
		return -EINVAL;
	if (bus[slot][function])
		return -EEXIST;
	f->slot = (uint8_t)slot;
	f->function = (uint8_t)function;
	bars_describe(f);
	bus[slot][function] = f;
	all[count++] = f;
	/* Function 0 says that there are more (6.2.1), whichever of them came first. */
	for (unsigned i = 1; i < PCI_FUNCTIONS; i++)
		if (bus[slot][0] && bus[slot][i])
			bus[slot][0]->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
	return 0;
}

static void bar_assign(struct pci_function *f, unsigned i)
{
	const struct pci_bar *bar = &f->bar[i];
	uint32_t *next = bar->io ? &io_next : &mmio_next;
	uint32_t end = bar->io ? PCI_IO_END : PCI_MMIO_END, base = (uint32_t)align_up(*next, bar->size);

	if (base + bar->size > end || base + bar->size < base) {
		log_warn("no room on the PCI bus for a register window of %s", f->name);
		return;
	}
	*next = base + bar->size;
	pci_set32(f->config + PCI_BAR(i), base | bar->io);
	f->config[PCI_COMMAND] |= bar->io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

void pci_assign(void)
{
	for (unsigned n = 0; n < count; n++) {
		struct pci_function *f = all[n];
		unsigned pin = f->config[PCI_INTERRUPT_PIN];

		for (unsigned i = 0; i < PCI_BARS; i++)
			if (f->bar[i].size && !(pci_get32(f->config + PCI_BAR(i)) & ~1u))
				bar_assign(f, i);
		if (pin)
			f->config[PCI_INTERRUPT_LINE] = line[PCI_LINE(f->slot, pin - 1)].irq;
	}
	bars_update();
}
