/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI 3.0, 6.8.2): table and pending bits in a BAR of their own, and the
 * sending of messages.
 *
 * A vector is held back, its pending bit set, while it or the whole function is
 * masked, or while the function may not write memory at all (bus mastering off);
 * it is sent as soon as none of these hold.  The guest fills the table with any
 * address: irq_message() takes what goes to local APICs and drops the rest.
 */
#include <errno.h>

#include "base/arena.h"
#include "base/log.h"
#include "device/pci_regs.h"
#include "machine/irq.h"

#define CAPABILITY_ID		0x11
#define CAPABILITY_SIZE		12
#define CONTROL			2		/* 16 bits: table size - 1; mask; enable */
#define CONTROL_HIGH_MASK	0x40u
#define CONTROL_HIGH_ENABLE	0x80u
#define TABLE			4
#define PENDING			8

#define ENTRY_SIZE		16
#define ENTRY_MASKED		1u
#define PENDING_OFFSET		0x800u
#define VECTORS_MAX		(PENDING_OFFSET / ENTRY_SIZE)

/* The upper byte of message control. */
static uint8_t control_high(const struct pci_function *f)
{
	return f->config[f->msix.capability + CONTROL + 1];
}

bool pci_msix_enabled(const struct pci_function *f)
{
	return f->msix.count && (control_high(f) & CONTROL_HIGH_ENABLE);
}

static bool can_send(const struct pci_function *f)
{
	return (control_high(f) & (CONTROL_HIGH_ENABLE | CONTROL_HIGH_MASK)) == CONTROL_HIGH_ENABLE &&
	       pci_bus_master(f);
}

static void vector_send(const struct pci_msix *m, unsigned v)
{
	irq_message((uint64_t)m->table[v].address_high << 32 | m->table[v].address_low,
		    m->table[v].data);
}

void pci_send_msix(struct pci_function *f, unsigned v)
{
	struct pci_msix *m = &f->msix;

	if (v >= m->count || !pci_msix_enabled(f))
		return;
	if (likely(can_send(f) && !(m->table[v].control & ENTRY_MASKED)))
		vector_send(m, v);
	else
		m->pending[v / 64] |= 1ull << (v % 64);
}

void pci_msix_update(struct pci_function *f)
{
	struct pci_msix *m = &f->msix;

	if (!m->count || !can_send(f))
		return;
	for (unsigned v = 0; v < m->count; v++) {
		uint64_t bit = 1ull << (v % 64);

		if (!(m->pending[v / 64] & bit) || (m->table[v].control & ENTRY_MASKED))
			continue;
		m->pending[v / 64] &= ~bit;
		vector_send(m, v);
	}
}

/* The dword of the table at offset, or NULL. */
static uint32_t *table_word(struct pci_msix *m, uint64_t offset)
{
	if (offset >= m->count * ENTRY_SIZE)
		return NULL;
	return (uint32_t *)m->table + offset / 4;
}

static uint64_t window_read(void *device, uint64_t offset, unsigned size)
{
	struct pci_msix *m = device;
	const uint32_t *word = table_word(m, offset);
	uint64_t vector = (offset - PENDING_OFFSET) / 4 * 32;
	uint32_t value = 0;

	(void)size;		/* within a dword: the bus cuts the rest off */
	if (word)
		value = *word;
	else if (offset >= PENDING_OFFSET && vector < m->count)
		value = (uint32_t)(m->pending[vector / 64] >> (vector % 64));
	return value >> (offset % 4 * 8);
}

/* Dwords and aligned qwords (6.8.2), which arrive as two dwords; anything else is undefined and
 * ignored here. */
static void window_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_msix *m = device;
	uint32_t *word = table_word(m, offset);

	if (!word || size != 4 || offset % 4)
		return;
	switch (offset % ENTRY_SIZE) {
	case 0:
		*word = (uint32_t)value & ~3u;
		break;
	case 12:
		*word = (uint32_t)value & ENTRY_MASKED;
		break;
	default:
		*word = (uint32_t)value;
	}
	pci_msix_update(container_of(m, struct pci_function, msix));
}

static const struct bus_ops window_ops = { .read = window_read, .write = window_write, .width = 4 };

int pci_add_msix(struct pci_function *f, unsigned bar, unsigned count)
{
	struct pci_msix *m = &f->msix;
	uint8_t *capability;
	int error = arena_init();

	if (error)
		return error;
	if (!count || count > VECTORS_MAX || bar >= PCI_BARS || f->bar[bar].size)
		return -EINVAL;
	_Static_assert(sizeof(*m->table) == ENTRY_SIZE, "MSI-X table entry");
	m->table = arena_alloc(count * ENTRY_SIZE, 8);
	m->pending = arena_alloc((count + 63) / 64 * 8, 8);
	for (unsigned v = 0; v < count; v++)
		m->table[v].control = ENTRY_MASKED;
	m->capability = (uint8_t)pci_add_capability(f, CAPABILITY_ID, CAPABILITY_SIZE);
	m->count = count;
	capability = f->config + m->capability;
	pci_set16(capability + CONTROL, (uint16_t)(count - 1));
	f->writable[m->capability + CONTROL + 1] = CONTROL_HIGH_ENABLE | CONTROL_HIGH_MASK;
	pci_set32(capability + TABLE, bar);
	pci_set32(capability + PENDING, PENDING_OFFSET | bar);
	f->bar[bar] = (struct pci_bar){ .size = PAGE_SIZE, .ops = &window_ops, .device = m };
	return 0;
}
