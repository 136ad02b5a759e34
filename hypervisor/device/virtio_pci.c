/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI (virtio 1.2, 4.1), modern only: what a driver finds by the vendor
 * capabilities, in one memory BAR, a page for each structure; MSI-X in a second BAR.
 *
 *	0x0000	common configuration (4.1.4.3)
 *	0x1000	ISR status (4.1.4.5)
 *	0x2000	the device's own configuration (4.1.4.6)
 *	0x3000	notifications (4.1.4.4): queue q at 4 * q
 *
 * The same structures are reached through configuration space, too (4.1.4.9), for
 * drivers that cannot map BARs.  Registers are kept as dwords: a driver must access
 * each field with its own width (4.1.3.1), which wider and narrower accesses, being
 * forbidden, need not do better than harmlessly.
 */
#include "device/virtio.h"

#include <errno.h>

#include "base/arena.h"
#include "base/log.h"
#include "device/pci_regs.h"

#define VENDOR			0x1af4
#define DEVICE_MODERN		0x1040
#define SUBSYSTEM		0x1100		/* any from 0x40 on: 4.1.2.1 */
#define REVISION		1

#define BAR_REGISTERS		0u
#define BAR_MSIX		1u
#define AREA_COMMON		0x0000u
#define AREA_ISR		0x1000u
#define AREA_DEVICE		0x2000u
#define AREA_NOTIFY		0x3000u
#define AREAS_SIZE		0x4000u
#define COMMON_SIZE		56u
#define NOTIFY_MULTIPLIER	4u

#define CAPABILITY_ID		0x09
#define CAPABILITY_BAR		4
#define CAPABILITY_OFFSET	8
#define CAPABILITY_LENGTH	12
#define CAPABILITY_MORE		16		/* multiplier, or the data of CFG_PCI */
enum { CFG_COMMON = 1, CFG_NOTIFY, CFG_ISR, CFG_DEVICE, CFG_PCI };

#define ISR_QUEUE		1u
#define ISR_CONFIG		2u
#define NO_VECTOR		0xffffu

/* Fields of the common configuration. */
enum {
	DEVICE_FEATURE_SELECT = 0x00, DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08, DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10, NUM_QUEUES = 0x12,
	STATUS = 0x14, GENERATION = 0x15, QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18, QUEUE_VECTOR = 0x1a, QUEUE_ENABLE = 0x1c, QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20, QUEUE_DRIVER = 0x28, QUEUE_DEVICE = 0x30,
};

struct virtio_pci {
	struct virtio *v;
	uint32_t device_feature_select, driver_feature_select;
	uint16_t config_vector, queue_select;
	uint8_t isr;
	uint8_t window;			/* the capability CFG_PCI, in configuration space */
	struct pci_function function;
};

/* The selected queue, or NULL. */
static struct virtqueue *selected(const struct virtio_pci *p)
{
	return p->queue_select < p->v->queue_count ? &p->v->queue[p->queue_select] : NULL;
}

/* ---- interrupts ---- */

static void isr_set(struct virtio_pci *p, uint8_t isr)
{
	p->isr = isr;
	pci_set_intx(&p->function, isr);	/* pci.c keeps it off the line with MSI-X */
}

static void queue_interrupt(struct virtio *v, unsigned q)
{
	struct virtio_pci *p = v->transport_data;

	if (likely(pci_msix_enabled(&p->function)))
		pci_send_msix(&p->function, v->queue[q].vector);
	else
		isr_set(p, p->isr | ISR_QUEUE);
}

static void config_interrupt(struct virtio *v)
{
	struct virtio_pci *p = v->transport_data;

	isr_set(p, p->isr | ISR_CONFIG);
	if (pci_msix_enabled(&p->function))
		pci_send_msix(&p->function, p->config_vector);
}

static const struct virtio_transport transport = {
	.interrupt = queue_interrupt, .config_changed = config_interrupt,
};

/* What the driver reads back tells it whether the vector could be had (4.1.5.1.2.1). */
static uint16_t vector_accept(const struct virtio_pci *p, uint16_t vector)
{
	return vector < p->function.msix.count ? vector : NO_VECTOR;
}

/* ---- common configuration ---- */

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (select * 32)) : 0;
}

static uint32_t queue_word(const struct virtqueue *q, unsigned index, unsigned offset)
{
	switch (offset) {
	case QUEUE_SIZE:
		return q->size | (uint32_t)q->vector << 16;
	case QUEUE_ENABLE:
		return q->enabled | index << 16;
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
		return (uint32_t)(q->desc.v >> (offset & 4) * 8);
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
		return (uint32_t)(q->avail.v >> (offset & 4) * 8);
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4:
		return (uint32_t)(q->used.v >> (offset & 4) * 8);
	}
	return 0;
}

static uint32_t common_word(const struct virtio_pci *p, unsigned offset)
{
	const struct virtio *v = p->v;
	const struct virtqueue *q = selected(p);

	switch (offset) {
	case DEVICE_FEATURE_SELECT:
		return p->device_feature_select;
	case DEVICE_FEATURE:
		return feature_word(v->offered, p->device_feature_select);
	case DRIVER_FEATURE_SELECT:
		return p->driver_feature_select;
	case DRIVER_FEATURE:
		return feature_word(v->features, p->driver_feature_select);
	case CONFIG_VECTOR:
		return p->config_vector | v->queue_count << 16;
	case STATUS:
		return v->status | (uint32_t)v->config_generation << 8 |
		       (uint32_t)p->queue_select << 16;
	}
	/* A queue that is not there has size 0 (4.1.4.3.1). */
	return q ? queue_word(q, p->queue_select, offset) : 0;
}

static uint32_t common_read(const struct virtio_pci *p, unsigned offset)
{
	return common_word(p, offset & ~3u) >> (offset % 4 * 8);
}

static void driver_feature_write(struct virtio_pci *p, uint32_t value)
{
	unsigned shift = p->driver_feature_select * 32;
	uint64_t features = p->v->features;

	if (p->driver_feature_select > 1)
		return;
	virtio_set_features(p->v, (features & ~(0xffffffffull << shift)) | (uint64_t)value << shift);
}

static void status_write(struct virtio_pci *p, uint8_t status)
{
	virtio_write_status(p->v, status);
	if (status)
		return;
	p->config_vector = NO_VECTOR;
	p->queue_select = 0;
	p->device_feature_select = p->driver_feature_select = 0;
	isr_set(p, 0);
}

static void half_write(gpa_t *addr, unsigned offset, uint32_t value)
{
	unsigned shift = (offset & 4) * 8;

	addr->v = (addr->v & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

static void queue_write(struct virtio_pci *p, unsigned offset, uint32_t value)
{
	struct virtqueue *q = selected(p);

	if (!q)
		return;
	if (offset == QUEUE_VECTOR)
		q->vector = vector_accept(p, (uint16_t)value);
	/* The others cannot change while the queue is in use (4.1.4.3.2). */
	if (q->enabled)
		return;
	switch (offset) {
	case QUEUE_SIZE:
		/* Anything that it may not be leaves it as it was, which the driver can read. */
		if (value && !(value & (value - 1)) && value <= q->size_max)
			q->size = (uint16_t)value;
		break;
	case QUEUE_ENABLE:
		if (value == 1)
			virtio_enable_queue(p->v, p->queue_select);
		break;
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
		half_write(&q->desc, offset, value);
		break;
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
		half_write(&q->avail, offset, value);
		break;
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4:
		half_write(&q->used, offset, value);
		break;
	}
}

static unsigned field_size(unsigned offset)
{
	if (offset == STATUS || offset == GENERATION)
		return 1;
	return offset >= CONFIG_VECTOR && offset < QUEUE_DESC ? 2 : 4;
}

static void common_field_write(struct virtio_pci *p, unsigned offset, uint32_t value)
{
	switch (offset) {
	case DEVICE_FEATURE_SELECT:
		p->device_feature_select = value;
		break;
	case DRIVER_FEATURE_SELECT:
		p->driver_feature_select = value;
		break;
	case DRIVER_FEATURE:
		driver_feature_write(p, value);
		break;
	case CONFIG_VECTOR:
		p->config_vector = vector_accept(p, (uint16_t)value);
		break;
	case STATUS:
		status_write(p, (uint8_t)value);
		break;
	case QUEUE_SELECT:
		p->queue_select = (uint16_t)value;
		break;
	default:
		queue_write(p, offset, value);
	}
}

static void common_write(struct virtio_pci *p, unsigned offset, unsigned size, uint32_t value)
{
	if (offset < COMMON_SIZE && size == field_size(offset) && offset % size == 0)
		common_field_write(p, offset, value);
}

/* ---- the BAR ---- */

static uint64_t areas_read(void *device, uint64_t offset, unsigned size)
{
	struct virtio_pci *p = device;
	unsigned at = offset & 0xfff;
	uint8_t isr = p->isr;

	switch (offset & ~0xffful) {
	case AREA_COMMON:
		return at < COMMON_SIZE ? common_read(p, at) : 0;
	case AREA_ISR:
		if (at)
			return 0;
		isr_set(p, 0);
		return isr;
	case AREA_DEVICE:
		return virtio_config_read(p->v, at, size);
	}
	return 0;
}

static void areas_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_pci *p = device;

	if (likely(offset >= AREA_NOTIFY)) {
		/* What is written, the queue's number, the address says as well. */
		virtio_kick(p->v, (offset - AREA_NOTIFY) / NOTIFY_MULTIPLIER);
		return;
	}
	switch (offset & ~0xffful) {
	case AREA_COMMON:
		common_write(p, (unsigned)offset, size, (uint32_t)value);
		break;
	case AREA_DEVICE:
		virtio_config_write(p->v, (unsigned)offset - AREA_DEVICE, size, value);
		break;
	}
}

static const struct bus_ops areas_ops = { .read = areas_read, .write = areas_write, .width = 4 };

/* ---- configuration space ---- */

static struct virtio_pci *of_function(struct pci_function *f)
{
	return container_of(f, struct virtio_pci, function);
}

/* The access that the capability CFG_PCI describes now; false: none. */
static bool window_place(const struct virtio_pci *p, uint32_t *offset, uint32_t *size)
{
	const uint8_t *c = p->function.config + p->window;

	*offset = pci_get32(c + CAPABILITY_OFFSET);
	*size = pci_get32(c + CAPABILITY_LENGTH);
	return c[CAPABILITY_BAR] == BAR_REGISTERS && (*size == 1 || *size == 2 || *size == 4) &&
	       *offset % *size == 0 && *offset < AREAS_SIZE;
}

static bool in_window(const struct virtio_pci *p, unsigned offset)
{
	return offset - p->window - CAPABILITY_MORE < 4;
}

static bool config_read(struct pci_function *f, unsigned offset, unsigned size, uint32_t *value)
{
	struct virtio_pci *p = of_function(f);
	uint32_t at, length;

	if (!in_window(p, offset) || !window_place(p, &at, &length))
		return false;
	*value = (uint32_t)(areas_read(p, at, length) & (0xffffffffu >> (32 - 8 * length))) >>
		 (offset - p->window - CAPABILITY_MORE) * 8;
	*value &= 0xffffffffu >> (32 - 8 * size);
	return true;
}

static void config_written(struct pci_function *f, unsigned offset, unsigned size)
{
	struct virtio_pci *p = of_function(f);
	bool was = p->v->suspended;
	uint32_t at, length;

	(void)size;
	if (in_window(p, offset) && window_place(p, &at, &length)) {
		uint32_t value = pci_get32(f->config + p->window + CAPABILITY_MORE);

		areas_write(p, at, length, value & (0xffffffffu >> (32 - 8 * length)));
	}
	p->v->suspended = !pci_bus_master(f);
	if (was && !p->v->suspended)
		virtio_resume(p->v);
}

static unsigned capability_add(struct pci_function *f, uint8_t type, unsigned length,
			       uint32_t area, uint32_t area_size)
{
	unsigned at = pci_add_capability(f, CAPABILITY_ID, length);
	uint8_t *c = f->config + at;

	c[2] = (uint8_t)length;
	c[3] = type;
	c[CAPABILITY_BAR] = BAR_REGISTERS;
	pci_set32(c + CAPABILITY_OFFSET, area);
	pci_set32(c + CAPABILITY_LENGTH, area_size);
	return at;
}

static void capabilities_add(struct virtio_pci *p)
{
	struct pci_function *f = &p->function;
	unsigned at;

	capability_add(f, CFG_COMMON, CAPABILITY_MORE, AREA_COMMON, COMMON_SIZE);
	capability_add(f, CFG_ISR, CAPABILITY_MORE, AREA_ISR, 4);
	if (p->v->ops->config_size)
		capability_add(f, CFG_DEVICE, CAPABILITY_MORE, AREA_DEVICE,
			       (uint32_t)align_up(p->v->ops->config_size, 4));
	at = capability_add(f, CFG_NOTIFY, CAPABILITY_MORE + 4, AREA_NOTIFY,
			    VIRTIO_QUEUES_MAX * NOTIFY_MULTIPLIER);
	pci_set32(f->config + at + CAPABILITY_MORE, NOTIFY_MULTIPLIER);
	at = capability_add(f, CFG_PCI, CAPABILITY_MORE + 4, 0, 0);
	f->writable[at + CAPABILITY_BAR] = 0xff;
	for (unsigned i = CAPABILITY_OFFSET; i < CAPABILITY_MORE + 4; i++)
		f->writable[at + i] = 0xff;
	p->window = (uint8_t)at;
}

/* Class codes say what the device is to firmware and to people; drivers go by the ID. */
static uint32_t class_code(uint16_t type)
{
	switch (type) {
	case 1:
		return 0x020000;	/* Ethernet */
	case 2:
		return 0x018000;	/* mass storage, other */
	}
	return 0xff0000;		/* none of the classes */
}

int virtio_pci_add(struct virtio *v)
{
	struct virtio_pci *p;
	struct pci_function *f;
	int error = arena_init();

	if (error)
		return error;
	p = arena_alloc(sizeof(*p), 64);
	f = &p->function;
	p->v = v;
	p->config_vector = NO_VECTOR;
	f->name = v->ops->name;
	f->config_read = config_read;
	f->config_written = config_written;
	f->bar[BAR_REGISTERS] = (struct pci_bar){ .size = AREAS_SIZE, .ops = &areas_ops, .device = p };
	pci_identify(f, VENDOR, (uint16_t)(DEVICE_MODERN + v->ops->type), class_code(v->ops->type),
		     REVISION);
	pci_subsystem(f, VENDOR, SUBSYSTEM);
	pci_use_intx(f, 1);
	error = pci_add_msix(f, BAR_MSIX, v->queue_count + 1);
	if (error)
		return error;
	capabilities_add(p);
	v->transport = &transport;
	v->transport_data = p;
	v->suspended = true;		/* until the driver sets the function's bus mastering */
	return pci_add(f, -1, 0);
}
