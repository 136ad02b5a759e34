/* SPDX-License-Identifier: MIT */
/*
 * RSDP, XSDT and RSDT, FADT, FACS, MADT, DSDT (ACPI 6.4, chapter 5).
 *
 * Not hardware-reduced: stock kernels then use the 8259, 8254 and PM timer, with
 * which they calibrate the TSC.  SMI command port 0: the machine is in ACPI mode
 * from the start.  The boot flags deny a keyboard controller and VGA, for which
 * kernels would otherwise wait; the controller is there all the same (reset).
 *
 * There are no processor objects: with none, kernels idle by plain HLT instead of
 * choosing between it and a polling state that burns the host's CPU.
 *
 * Runs once at start-up.  Tables are put together in `image` and copied; every
 * address in them is fixed by the order of the calls in acpi_build().
 */
#include "boot/acpi.h"

#include <string.h>

#include "base/log.h"
#include "boot/acpi_pci.h"
#include "boot/aml.h"
#include "device/acpi_pm.h"
#include "device/guestport.h"
#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/pcihost.h"
#include "device/rtc.h"
#include "memory/ram.h"

#define packed __attribute__((packed))

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} packed;

struct generic_address {
	uint8_t space, bits, offset, access;	/* space 1: port I/O; access: 1 + log2(bytes) */
	uint64_t address;
} packed;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} packed;

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} packed;

struct fadt {
	struct header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved1, pm_profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer,
		 gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length,
		gpe0_length, gpe1_length, gpe1_base, cst;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct generic_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct generic_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control,
			       x_pm2_control, x_pm_timer, x_gpe0, x_gpe1, sleep_control,
			       sleep_status;
	uint64_t hypervisor;
} packed;

_Static_assert(sizeof(struct header) == 36, "ACPI table header");
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");
_Static_assert(sizeof(struct facs) == 64, "FACS");
_Static_assert(sizeof(struct fadt) == 276, "FADT, ACPI 6");

#define FADT_WBINVD		(1u << 0)
#define FADT_C1			(1u << 2)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_NO_FIXED_RTC	(1u << 6)
#define FADT_RESET		(1u << 10)
#define BOOT_LEGACY_DEVICES	(1u << 0)
#define BOOT_NO_VGA		(1u << 2)

struct madt {
	struct header header;
	uint32_t lapic_address, flags;
	struct { uint8_t type, length, uid, id; uint32_t flags; } packed lapic;
	struct { uint8_t type, length, id, reserved; uint32_t address, gsi_base; } packed ioapic;
	struct {
		uint8_t type, length, bus, source;
		uint32_t gsi;
		uint16_t flags;
	} packed override[2];
	struct { uint8_t type, length, uid; uint16_t flags; uint8_t lint; } packed nmi;
} packed;

#define OVERRIDE_LEVEL_HIGH	0x000d

struct xsdt {
	struct header header;
	uint64_t entry[2];
} packed;

struct rsdt {
	struct header header;
	uint32_t entry[2];
} packed;

static uint8_t image[ACPI_AREA_SIZE];
static size_t used;

/* Room in the area, 64-byte aligned (the FACS must be, the others may). */
static void *take(size_t size)
{
	size_t at = align_up(used, 64);

	bug_on(at + size > sizeof(image));
	used = at + size;
	return image + at;
}

static uint32_t address_of(const void *table)
{
	return (uint32_t)(ACPI_AREA_BASE + (size_t)((const uint8_t *)table - image));
}

static uint8_t checksum(const void *table, size_t length)
{
	const uint8_t *bytes = table;
	uint8_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

/* Last step of a table: fill in its header. */
static void finish(struct header *h, const char *signature, size_t length, uint8_t revision)
{
	memcpy(h->signature, signature, 4);
	h->length = (uint32_t)length;
	h->revision = revision;
	memcpy(h->oem_id, "RING3 ", 6);
	memcpy(h->oem_table_id, "RING3VM ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "RNG3", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, length);
}

static struct generic_address io(uint16_t port, unsigned bytes)
{
	return (struct generic_address){
		.space = 1, .bits = (uint8_t)(bytes * 8),
		.access = bytes == 1 ? 1 : bytes == 2 ? 2 : 3, .address = port,
	};
}

/* ---- DSDT ---- */

struct fixed_device {
	const char *name, *eisa_id, *hid;	/* one of the two identifiers */
	struct { uint16_t base; uint8_t length; } io[4];
	int irq;				/* -1: none */
};

static const struct fixed_device devices[] = {
	{ "PIC_", "PNP0000", NULL, { { 0x20, 2 }, { 0xa0, 2 }, { 0x4d0, 2 } }, 2 },
	{ "TIMR", "PNP0100", NULL, { { 0x40, 4 } }, 0 },
	{ "RTC_", "PNP0B00", NULL, { { 0x70, 2 } }, 8 },
	{ "SPKR", "PNP0800", NULL, { { 0x61, 1 } }, -1 },
	{ "COM1", "PNP0501", NULL, { { 0x3f8, 8 } }, 4 },
	{ "PEVT", NULL, "QEMU0001", { { PVPANIC_PORT, 1 } }, -1 },
};

static void device_describe(struct aml *a, const struct fixed_device *d)
{
	struct aml_resources r = { .length = 0 };
	size_t begun = aml_device(a, d->name);

	if (d->eisa_id)
		aml_name_eisa_id(a, "_HID", d->eisa_id);
	else
		aml_name_string(a, "_HID", d->hid);
	aml_name_integer(a, "_UID", 1);
	aml_name_integer(a, "_STA", 0x0f);
	for (unsigned i = 0; i < array_size(d->io) && d->io[i].length; i++)
		aml_resource_io(&r, d->io[i].base, d->io[i].length);
	if (d->irq >= 0)
		aml_resource_irq(&r, (unsigned)d->irq);
	aml_name_resources(a, "_CRS", &r);
	aml_end(a, begun);
}

static struct header *dsdt_build(void)
{
	static const uint64_t soft_off[] = { ACPI_S5_TYPE, ACPI_S5_TYPE, 0, 0 };
	struct header *h = take(sizeof(*h));
	struct aml a = { .bytes = image + used, .size = sizeof(image) - used };

	aml_name_package(&a, "\\_S5_", soft_off, array_size(soft_off));
	acpi_pci_globals(&a);

	size_t scope = aml_scope(&a, "\\_SB_");
	for (unsigned i = 0; i < array_size(devices); i++)
		device_describe(&a, &devices[i]);
	acpi_pci_bridge(&a);
	aml_end(&a, scope);

	bug_on(a.overflow);
	used += a.length;
	finish(h, "DSDT", sizeof(*h) + a.length, 2);
	return h;
}

/* ---- the others ---- */

static struct facs *facs_build(void)
{
	struct facs *f = take(sizeof(*f));

	memcpy(f->signature, "FACS", 4);
	f->length = sizeof(*f);
	f->version = 2;
	return f;
}

static struct header *fadt_build(const struct facs *facs, const struct header *dsdt)
{
	struct fadt *f = take(sizeof(*f));

	/* The 64-bit forms of FACS and DSDT alone would do, but old kernels read these. */
	f->firmware_ctrl = address_of(facs);
	f->dsdt = address_of(dsdt);
	f->x_dsdt = address_of(dsdt);
	f->sci = ACPI_SCI;
	f->pm1a_event = ACPI_PM1_EVENT;
	f->pm1_event_length = 4;
	f->x_pm1a_event = io(ACPI_PM1_EVENT, 4);
	f->x_pm1a_event.access = 2;
	f->pm1a_control = ACPI_PM1_CONTROL;
	f->pm1_control_length = 2;
	f->x_pm1a_control = io(ACPI_PM1_CONTROL, 2);
	f->pm_timer = ACPI_PM_TIMER;
	f->pm_timer_length = 4;
	f->x_pm_timer = io(ACPI_PM_TIMER, 4);
	f->c2_latency = 0xfff;		/* beyond the limits: not supported */
	f->c3_latency = 0xfff;
	f->day_alarm = 0;
	f->century = RTC_CENTURY;
	f->boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA;
	f->flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC | FADT_RESET;
	f->reset = io(PCIHOST_RESET_PORT, 1);
	f->reset_value = PCIHOST_RESET_VALUE;
	f->minor = 4;
	memcpy(&f->hypervisor, "RING3\0\0\0", 8);
	finish(&f->header, "FACP", sizeof(*f), 6);
	return &f->header;
}

static struct header *madt_build(void)
{
	struct madt *m = take(sizeof(*m));

	m->lapic_address = LAPIC_DEFAULT_BASE;
	m->flags = 1;				/* there are 8259s as well */
	m->lapic.type = 0;
	m->lapic.length = sizeof(m->lapic);
	m->lapic.flags = 1;			/* enabled */
	m->ioapic.type = 1;
	m->ioapic.length = sizeof(m->ioapic);
	m->ioapic.id = IOAPIC_ID;
	m->ioapic.address = IOAPIC_BASE;
	for (unsigned i = 0; i < array_size(m->override); i++) {
		m->override[i].type = 2;
		m->override[i].length = sizeof(m->override[i]);
	}
	m->override[0].source = 0;		/* the 8254's IRQ 0 is pin 2 */
	m->override[0].gsi = 2;
	m->override[1].source = ACPI_SCI;
	m->override[1].gsi = ACPI_SCI;
	m->override[1].flags = OVERRIDE_LEVEL_HIGH;
	m->nmi.type = 4;
	m->nmi.length = sizeof(m->nmi);
	m->nmi.uid = 0xff;			/* all processors */
	m->nmi.lint = 1;
	finish(&m->header, "APIC", sizeof(*m), 5);
	return &m->header;
}

gpa_t acpi_build(void)
{
	memset(image, 0, sizeof(image));
	used = 0;

	struct rsdp *rsdp = take(sizeof(*rsdp));
	struct header *dsdt = dsdt_build();
	struct facs *facs = facs_build();
	struct header *fadt = fadt_build(facs, dsdt);
	struct header *madt = madt_build();
	struct rsdt *rsdt = take(sizeof(*rsdt));
	struct xsdt *xsdt = take(sizeof(*xsdt));

	rsdt->entry[0] = address_of(fadt);
	rsdt->entry[1] = address_of(madt);
	finish(&rsdt->header, "RSDT", sizeof(*rsdt), 1);
	xsdt->entry[0] = address_of(fadt);
	xsdt->entry[1] = address_of(madt);
	finish(&xsdt->header, "XSDT", sizeof(*xsdt), 1);

	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "RING3 ", 6);
	rsdp->revision = 2;
	rsdp->rsdt = address_of(rsdt);
	rsdp->xsdt = address_of(xsdt);
	rsdp->length = sizeof(*rsdp);
	rsdp->checksum = checksum(rsdp, 20);	/* the part of revision 0 */
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));

	/* RAM is never smaller than 1 MiB: the area is in it. */
	bug_on(!ram_write(GPA(ACPI_AREA_BASE), image, sizeof(image)));
	return GPA(address_of(rsdp));
}
