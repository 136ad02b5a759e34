/* SPDX-License-Identifier: MIT */
/*
 * The bus: two tables from addresses to devices.
 *
 * Ports are a table of one byte each that names the region: port I/O is on the
 * guest's hot paths (serial output, PIT calibration), so a lookup is one load.
 * MMIO regions are a short array sorted by base, searched by bisection, with the
 * last hit tried first.  Regions never overlap.  Filled at start-up by devices
 * and changed later only when a guest moves a region; used by the vCPU thread
 * alone.  Knows nothing of what the devices are.
 */
#include "machine/bus.h"

#include <errno.h>
#include <string.h>

#define PIO_REGIONS	64	/* fits a byte; 0 stands for "unclaimed" */
#define MMIO_REGIONS	64

struct region {
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *device;
	const char *name;
};

static struct region pio[PIO_REGIONS];
static unsigned pio_count = 1;
static uint8_t pio_owner[65536];

static struct region mmio[MMIO_REGIONS];
static unsigned mmio_count;
static unsigned mmio_last;

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1UL << (size * 8)) - 1;
}

/* Within one region; splits what is wider than the device's registers. */
static uint64_t region_read(const struct region *r, uint64_t offset, unsigned size)
{
	unsigned width = r->ops->width;

	if (!r->ops->read)
		return ones(size);
	if (!width || size <= width)
		return r->ops->read(r->device, offset, size) & ones(size);

	uint64_t value = 0;
	for (unsigned i = 0; i < size; i += width)
		value |= (r->ops->read(r->device, offset + i, width) & ones(width)) << (i * 8);
	return value;
}

static void region_write(const struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned width = r->ops->width;

	if (!r->ops->write)
		return;
	if (!width || size <= width) {
		r->ops->write(r->device, offset, size, value & ones(size));
		return;
	}
	for (unsigned i = 0; i < size; i += width)
		r->ops->write(r->device, offset + i, width, (value >> (i * 8)) & ones(width));
}

static bool pio_free(uint16_t base, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (pio_owner[base + i])
			return false;
	return true;
}

int bus_add_pio(uint16_t base, unsigned count, const struct bus_ops *ops, void *device,
		const char *name)
{
	if (!count || base + count > 65536)
		return -EINVAL;
	if (!pio_free(base, count))
		return -EEXIST;

	unsigned i = 1;

	while (i < pio_count && pio[i].size)	/* one may have been removed */
		i++;
	if (i == PIO_REGIONS)
		return -ENOSPC;
	pio[i] = (struct region){ base, count, ops, device, name };
	memset(pio_owner + base, (int)i, count);
	if (i == pio_count)
		pio_count++;
	return 0;
}

void bus_remove_pio(void *device, uint16_t base)
{
	for (unsigned i = 1; i < pio_count; i++) {
		struct region *r = &pio[i];

		if (!r->size || r->device != device || r->base != base)
			continue;
		for (unsigned p = base; p < base + r->size && p < 65536; p++)
			if (pio_owner[p] == i)
				pio_owner[p] = 0;
		r->size = 0;
		return;
	}
}

void bus_move_pio(void *device, uint16_t old_base, uint16_t new_base)
{
	for (unsigned i = 1; i < pio_count; i++) {
		struct region *r = &pio[i];

		if (!r->size || r->device != device || r->base != old_base)
			continue;
		for (unsigned p = 0; p < r->size; p++)
			if (pio_owner[old_base + p] == i)
				pio_owner[old_base + p] = 0;
		r->base = new_base;
		/* A guest may move it onto another: the other keeps its ports. */
		for (unsigned p = 0; p < r->size && new_base + p < 65536; p++)
			if (!pio_owner[new_base + p])
				pio_owner[new_base + p] = (uint8_t)i;
		return;
	}
}

static const struct region *pio_find(uint16_t port)
{
	unsigned owner = pio_owner[port];

	return owner ? &pio[owner] : NULL;
}

uint64_t bus_pio_read(uint16_t port, unsigned size)
{
	const struct region *r = pio_find(port);

	if (!r)
		return ones(size);
	if (likely(port + size <= r->base + r->size))
		return region_read(r, port - r->base, size);

	uint64_t value = 0;
	for (unsigned i = 0; i < size; i++) {
		uint16_t p = (uint16_t)(port + i);

		r = pio_find(p);
		value |= (r ? region_read(r, p - r->base, 1) : 0xff) << (i * 8);
	}
	return value;
}

void bus_pio_write(uint16_t port, unsigned size, uint64_t value)
{
	const struct region *r = pio_find(port);

	if (!r)
		return;
	if (likely(port + size <= r->base + r->size)) {
		region_write(r, port - r->base, size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		uint16_t p = (uint16_t)(port + i);

		r = pio_find(p);
		if (r)
			region_write(r, p - r->base, 1, (value >> (i * 8)) & 0xff);
	}
}

/* Index of the first region whose end lies beyond addr. */
static unsigned mmio_lower(uint64_t addr)
{
	unsigned low = 0, high = mmio_count;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (mmio[mid].base + mmio[mid].size <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct region *mmio_find(uint64_t addr)
{
	const struct region *r = &mmio[mmio_last];

	if (mmio_last < mmio_count && addr - r->base < r->size)
		return r;

	unsigned i = mmio_lower(addr);
	if (i == mmio_count || addr < mmio[i].base)
		return NULL;
	mmio_last = i;
	return &mmio[i];
}

static int mmio_insert(const struct region *new)
{
	if (!new->size || new->base + new->size < new->base)
		return -EINVAL;

	unsigned i = mmio_lower(new->base);

	if (i < mmio_count && mmio[i].base < new->base + new->size)
		return -EEXIST;
	if (mmio_count == MMIO_REGIONS)
		return -ENOSPC;
	memmove(&mmio[i + 1], &mmio[i], (mmio_count - i) * sizeof(mmio[0]));
	mmio[i] = *new;
	mmio_count++;
	return 0;
}

int bus_add_mmio(gpa_t base, uint64_t size, const struct bus_ops *ops, void *device,
		 const char *name)
{
	struct region r = { base.v, size, ops, device, name };

	return mmio_insert(&r);
}

static bool mmio_take(void *device, gpa_t base, struct region *taken)
{
	for (unsigned i = 0; i < mmio_count; i++) {
		if (mmio[i].device != device || mmio[i].base != base.v)
			continue;
		*taken = mmio[i];
		mmio_count--;
		memmove(&mmio[i], &mmio[i + 1], (mmio_count - i) * sizeof(mmio[0]));
		return true;
	}
	return false;
}

void bus_move_mmio(void *device, gpa_t old_base, gpa_t new_base)
{
	struct region r;

	if (!mmio_take(device, old_base, &r))
		return;
	r.base = new_base.v;
	/* Moved onto another by the guest: it stays where it was, as if never moved. */
	if (mmio_insert(&r)) {
		r.base = old_base.v;
		mmio_insert(&r);
	}
}

void bus_remove_mmio(void *device, gpa_t base)
{
	struct region r;

	mmio_take(device, base, &r);
}

uint64_t bus_mmio_read(gpa_t addr, unsigned size)
{
	const struct region *r = mmio_find(addr.v);

	if (!r)
		return ones(size);
	if (likely(addr.v - r->base + size <= r->size))
		return region_read(r, addr.v - r->base, size);

	uint64_t value = 0;
	for (unsigned i = 0; i < size; i++) {
		r = mmio_find(addr.v + i);
		value |= (r ? region_read(r, addr.v + i - r->base, 1) : 0xff) << (i * 8);
	}
	return value;
}

void bus_mmio_write(gpa_t addr, unsigned size, uint64_t value)
{
	const struct region *r = mmio_find(addr.v);

	if (!r)
		return;
	if (likely(addr.v - r->base + size <= r->size)) {
		region_write(r, addr.v - r->base, size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		r = mmio_find(addr.v + i);
		if (r)
			region_write(r, addr.v + i - r->base, 1, (value >> (i * 8)) & 0xff);
	}
}

const char *bus_mmio_name(gpa_t addr)
{
	const struct region *r = mmio_find(addr.v);

	return r ? r->name : NULL;
}

const char *bus_pio_name(uint16_t port)
{
	const struct region *r = pio_find(port);

	return r ? r->name : NULL;
}
