/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware (ACPI 6.4, 4.8.3), without SMM: the machine is always in
 * ACPI mode, there are no general-purpose events, and S5 is the only sleep state.
 * The PM timer's status is worked out when read; a timer runs only while its
 * interrupt is enabled.
 */
#include "device/acpi_pm.h"

#include "base/clock.h"
#include "device/irq.h"
#include "device/stop.h"
#include "machine/bus.h"
#include "machine/timer.h"

#define STATUS_TIMER		(1u << 0)
#define STATUS_GLOBAL		(1u << 5)
#define STATUS_POWER_BUTTON	(1u << 8)
#define STATUS_SLEEP_BUTTON	(1u << 9)
#define STATUS_RTC		(1u << 10)
#define STATUS_WAKE		(1u << 15)
#define ENABLE_KNOWN		(STATUS_TIMER | STATUS_GLOBAL | STATUS_POWER_BUTTON | \
				 STATUS_SLEEP_BUTTON | STATUS_RTC)
#define CONTROL_SCI_ENABLE	(1u << 0)
#define CONTROL_SLEEP_TYPE(c)	(((c) >> 10) & 7)
#define CONTROL_SLEEP		(1u << 13)

#define TIMER_HALF		(1UL << 23)	/* bit 23 toggling is the timer's event */

static struct {
	uint16_t status, enable, control;
	uint64_t start;			/* clock_ns() of count zero */
	uint64_t halves;		/* toggles of bit 23 accounted for */
	struct timer timer;
} pm;

static uint64_t ticks_now(void)
{
	return (uint64_t)((unsigned __int128)(clock_ns() - pm.start) * ACPI_PM_TIMER_HZ /
			  1000000000UL);
}

static void status_update(void)
{
	uint64_t halves = ticks_now() / TIMER_HALF;

	if (halves != pm.halves)
		pm.status |= STATUS_TIMER;
	pm.halves = halves;
}

static void line_update(void)
{
	irq_set(ACPI_SCI, pm.status & pm.enable);
	if (pm.enable & STATUS_TIMER)
		timer_arm(&pm.timer, pm.start +
			  (uint64_t)((unsigned __int128)(pm.halves + 1) * TIMER_HALF *
				     1000000000UL / ACPI_PM_TIMER_HZ) + 1);
	else
		timer_cancel(&pm.timer);
}

static void carried(void *device)
{
	(void)device;
	status_update();
	line_update();
}

void acpi_pm_power_button(void)
{
	pm.status |= STATUS_POWER_BUTTON;
	line_update();
}

static void control_write(uint16_t value)
{
	pm.control = (uint16_t)((value & ~CONTROL_SLEEP) | CONTROL_SCI_ENABLE);
	if (!(value & CONTROL_SLEEP))
		return;
	if (CONTROL_SLEEP_TYPE(value) == ACPI_S5_TYPE) {
		device_stop(MACHINE_POWER_OFF, 0, "ACPI soft-off");
		return;
	}
	/* No other state was offered: as if slept and woken at once. */
	pm.status |= STATUS_WAKE;
}

/* All registers are bytes to the bus, except that PM1 control acts as a word. */
static uint64_t block_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t regs[2];

	(void)device;
	if (offset >= 8)	/* the timer, whole or in part */
		return (ticks_now() & (2 * TIMER_HALF - 1)) >> ((offset - 8) * 8);
	status_update();
	regs[0] = (uint64_t)pm.enable << 16 | pm.status;
	regs[1] = pm.control;
	if (offset < 4 && offset + size > 4)
		return (regs[1] << 32 | regs[0]) >> (offset * 8);
	return regs[offset / 4] >> (offset % 4 * 8);
}

static void byte_write(unsigned offset, uint8_t value)
{
	uint16_t shifted = (uint16_t)(value << (offset % 2 * 8));
	uint16_t kept = offset % 2 ? 0x00ff : 0xff00;

	switch (offset / 2) {
	case 0:
		status_update();
		pm.status &= (uint16_t)~shifted;	/* write one to clear */
		break;
	case 1:
		pm.enable = ((pm.enable & kept) | shifted) & ENABLE_KNOWN;
		break;
	case 2:
		/* SLP_EN is in the high byte: complete by then, whatever the width. */
		control_write((uint16_t)((pm.control & kept) | shifted));
		break;
	}
}

static void block_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	for (unsigned i = 0; i < size; i++)
		byte_write((unsigned)offset + i, (uint8_t)(value >> (i * 8)));
	line_update();
}

static const struct bus_ops block_ops = { .read = block_read, .write = block_write };

int acpi_pm_init(void)
{
	timer_init(&pm.timer, carried, NULL);
	pm.start = clock_ns();
	pm.control = CONTROL_SCI_ENABLE;

	return bus_add_pio(ACPI_PM1_EVENT, ACPI_PM_SIZE, &block_ops, &pm, "acpi-pm");
}
