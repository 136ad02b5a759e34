/* SPDX-License-Identifier: MIT */
/*
 * The PC: which devices there are, where, and in which order they are made
 * (interrupt controllers first: devices may set their lines when created).
 */
#include "device/platform.h"

#include "base/clock.h"
#include "device/acpi_pm.h"
#include "device/guestport.h"
#include "device/i8042.h"
#include "device/ioapic.h"
#include "device/lapic.h"
#include "device/page_clock.h"
#include "device/pci.h"
#include "device/pcihost.h"
#include "device/peripherals.h"
#include "device/pic.h"
#include "device/piix3.h"
#include "device/pit.h"
#include "device/rtc.h"
#include "machine/kvmclock.h"
#include "memory/ram.h"

#define COM1_PORT	0x3f8
#define COM1_GSI	4
#define TRIM_PERIOD	3000000000UL	/* ns */

static int interrupts_init(void)
{
	int error = lapic_init();

	if (!error)
		error = ioapic_init();
	if (!error)
		error = pic_init();
	return error;
}

static int legacy_init(void)
{
	int error = pit_init();

	if (!error)
		error = rtc_init(ram_low_size(), ram_high_size());
	if (!error)
		error = i8042_init();
	if (!error)
		error = port92_init();
	if (!error)
		error = acpi_pm_init();
	if (!error)
		error = pcihost_init();
	if (!error)
		error = piix3_init();
	return error;
}

int platform_init(struct uart_backend *com1, const struct machine_config *config)
{
	int error = interrupts_init();

	if (!error)
		error = legacy_init();
	if (!error)
		error = uart_init(0, COM1_PORT, COM1_GSI, com1);
	if (!error)
		error = debugcon_init(com1);
	if (!error)
		error = debugexit_init();
	if (!error)
		error = pvpanic_init();
	if (!error)
		error = peripherals_init(config);
	if (!error)
		pci_assign();
	return error;
}

void platform_poll(void)
{
	static uint64_t trimmed;
	uint64_t now = clock_ns();

	page_clock_poll(now);
	/* Not a timer: it would have the host's timer set twice for every tick of the guest. */
	if (now - trimmed < TRIM_PERIOD)
		return;
	if (trimmed) {
		clock_recalibrate();
		kvmclock_update();
		page_clock_update();
	}
	trimmed = now;
}

void platform_flush(void)
{
	debugcon_flush();
	uart_flush();
}
