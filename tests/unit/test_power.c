/* SPDX-License-Identifier: MIT */
/*
 * How a guest ends: ACPI soft-off, the reset ports, pvpanic, debug exit; the PM
 * timer and power button; the keyboard controller's probing; the debug console.
 */
#include "device_fakes.h"

#include "device/acpi_pm.h"
#include "device/guestport.h"
#include "device/i8042.h"
#include "device/pcihost.h"
#include "device/pic.h"

static uint32_t lines;
static char output[4096];
static size_t output_length;

void irq_set(unsigned gsi, bool asserted)
{
	lines = asserted ? lines | 1u << gsi : lines & ~(1u << gsi);
}

/* What PCI functions would need, of which there is but the host bridge. */
void irq_message(uint64_t address, uint32_t data) { (void)address; (void)data; }
void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }

static void take(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	memcpy(output + output_length, bytes, n);
	output_length += n;
}

static void setup(void)
{
	static struct uart_backend backend = { .write = take };

	ck_assert_int_eq(acpi_pm_init(), 0);
	ck_assert_int_eq(pcihost_init(), 0);
	ck_assert_int_eq(i8042_init(), 0);
	ck_assert_int_eq(port92_init(), 0);
	ck_assert_int_eq(debugexit_init(), 0);
	ck_assert_int_eq(debugcon_init(&backend), 0);
	ck_assert_int_eq(pvpanic_init(), 0);
}

START_TEST(test_soft_off)
{
	ck_assert_uint_eq(bus_pio_read(ACPI_PM1_CONTROL, 2), 1);	/* SCI_EN */
	bus_pio_write(ACPI_PM1_CONTROL, 2, 5u << 10 | 1);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	bus_pio_write(ACPI_PM1_CONTROL, 2, 5u << 10 | 1 | 1u << 13);
	ck_assert_int_eq(fake_stop, MACHINE_POWER_OFF);
}
END_TEST

START_TEST(test_soft_off_by_bytes)
{
	out8(ACPI_PM1_CONTROL, 1);
	out8(ACPI_PM1_CONTROL + 1, 5u << 2 | 1u << 5);
	ck_assert_int_eq(fake_stop, MACHINE_POWER_OFF);
}
END_TEST

START_TEST(test_other_sleep_states_wake_at_once)
{
	bus_pio_write(ACPI_PM1_CONTROL, 2, 3u << 10 | 1 | 1u << 13);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	ck_assert_uint_eq(bus_pio_read(ACPI_PM1_EVENT, 2) & 0x8000, 0x8000);
	ck_assert_uint_eq(bus_pio_read(ACPI_PM1_CONTROL, 2) & 1u << 13, 0);
}
END_TEST

START_TEST(test_pm_timer_rate)
{
	uint32_t a = (uint32_t)bus_pio_read(ACPI_PM_TIMER, 4), b;

	fake_now += 1000000000;
	b = (uint32_t)bus_pio_read(ACPI_PM_TIMER, 4);
	ck_assert_uint_le(b, 0xffffff);
	ck_assert_uint_eq((b - a) & 0xffffff, ACPI_PM_TIMER_HZ);
	fake_now += 100000000000000;
	ck_assert_uint_le(bus_pio_read(ACPI_PM_TIMER, 4), 0xffffff);
	ck_assert_uint_eq(in8(ACPI_PM_TIMER + 1),
			  bus_pio_read(ACPI_PM_TIMER, 4) >> 8 & 0xff);
}
END_TEST

START_TEST(test_pm_timer_interrupt)
{
	bus_pio_write(ACPI_PM1_EVENT + 2, 2, 1);
	fake_sleep(2300000000);
	ck_assert_uint_eq(lines, 0);
	fake_sleep(100000000);			/* bit 23 toggles after 2.34 s */
	ck_assert_uint_eq(lines, 1u << ACPI_SCI);
	bus_pio_write(ACPI_PM1_EVENT, 2, 1);
	ck_assert_uint_eq(lines, 0);
	fake_sleep(2400000000);
	ck_assert_uint_eq(lines, 1u << ACPI_SCI);
	bus_pio_write(ACPI_PM1_EVENT + 2, 2, 0);
	ck_assert_uint_eq(lines, 0);
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
}
END_TEST

START_TEST(test_power_button)
{
	acpi_pm_power_button();
	ck_assert_uint_eq(lines, 0);		/* not enabled */
	bus_pio_write(ACPI_PM1_EVENT + 2, 2, 0x100);
	ck_assert_uint_eq(lines, 1u << ACPI_SCI);
	ck_assert_uint_eq(bus_pio_read(ACPI_PM1_EVENT, 4), 0x01000100);
	bus_pio_write(ACPI_PM1_EVENT, 2, 0x100);
	ck_assert_uint_eq(lines, 0);
}
END_TEST

START_TEST(test_reset_register)
{
	out8(PCIHOST_RESET_PORT, 0x02);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	/* Configuration mechanism 1 passes over this port and must not reset. */
	bus_pio_write(0xcf8, 4, 0x80000600);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	out8(PCIHOST_RESET_PORT, 0x06);
	ck_assert_int_eq(fake_stop, MACHINE_REBOOT);
}
END_TEST

/* What Linux does to find a host bridge (arch/x86/pci/direct.c). */
START_TEST(test_pci_configuration)
{
	bus_pio_write(0xcf8, 4, 0x80000000);
	ck_assert_uint_eq(bus_pio_read(0xcf8, 4), 0x80000000);
	ck_assert_uint_eq(bus_pio_read(0xcfc, 4), 0x00081b36);
	ck_assert_uint_eq(bus_pio_read(0xcfc, 2), 0x1b36);
	ck_assert_uint_eq(bus_pio_read(0xcfe, 2), 0x0008);
	ck_assert_uint_eq(bus_pio_read(0xcff, 2), 0xff00);	/* half of it nobody's */
	bus_pio_write(0xcf8, 4, 0x80000008);
	ck_assert_uint_eq(bus_pio_read(0xcfe, 2), 0x0600);
	bus_pio_write(0xcfc, 4, 0xffffffff);
	ck_assert_uint_eq(bus_pio_read(0xcfc, 4), 0x06000000);
	bus_pio_write(0xcf8, 4, 0x80000800);			/* the next device */
	ck_assert_uint_eq(bus_pio_read(0xcfc, 4), 0xffffffff);
	bus_pio_write(0xcf8, 4, 0x80010000);			/* another bus */
	ck_assert_uint_eq(bus_pio_read(0xcfc, 4), 0xffffffff);
	bus_pio_write(0xcf8, 4, 0x00000000);
	ck_assert_uint_eq(bus_pio_read(0xcfc, 4), 0xffffffff);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
}
END_TEST

START_TEST(test_keyboard_controller_reset)
{
	ck_assert_uint_eq(in8(0x64) & 0x02, 0);	/* always ready */
	out8(0x64, 0xff);			/* pulse nothing */
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	out8(0x64, 0xfe);
	ck_assert_int_eq(fake_stop, MACHINE_REBOOT);
}
END_TEST

START_TEST(test_keyboard_controller_output_port_reset)
{
	out8(0x64, 0xd1);
	out8(0x60, 0xdf);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	out8(0x64, 0xd0);
	ck_assert_uint_eq(in8(0x60), 0xdf);
	out8(0x64, 0xd1);
	out8(0x60, 0xde);
	ck_assert_int_eq(fake_stop, MACHINE_REBOOT);
}
END_TEST

START_TEST(test_port_92)
{
	ck_assert_uint_eq(in8(0x92), 2);
	out8(0x92, 0x00);
	ck_assert_uint_eq(in8(0x92), 0);
	out8(0x92, 0x03);
	ck_assert_int_eq(fake_stop, MACHINE_REBOOT);
}
END_TEST

static unsigned answer(void)
{
	ck_assert_uint_eq(in8(0x64) & 1, 1);
	return in8(0x60);
}

START_TEST(test_i8042_answers_all_probes)
{
	ck_assert_uint_eq(in8(0x64) & 1, 0);
	out8(0x64, 0xaa);
	ck_assert_uint_eq(answer(), 0x55);
	out8(0x64, 0x20);
	ck_assert_uint_eq(answer() & 0x04, 0x04);
	out8(0x64, 0x60);
	out8(0x60, 0x65);
	out8(0x64, 0x20);
	ck_assert_uint_eq(answer(), 0x65);
	out8(0x64, 0xab);
	ck_assert_uint_ne(answer(), 0);		/* nothing plugged in */
	out8(0x64, 0xa9);
	ck_assert_uint_ne(answer(), 0);
	out8(0x64, 0xd3);
	out8(0x60, 0x5a);
	ck_assert_uint_ne(answer(), 0x5a);
	out8(0x64, 0xd4);
	out8(0x60, 0xff);
	ck_assert_uint_eq(in8(0x64) & 0x60, 0x60);
	ck_assert_uint_eq(answer(), 0xfe);
	out8(0x60, 0xff);			/* reset the keyboard */
	ck_assert_uint_eq(lines, 1u << 1);
	ck_assert_uint_eq(answer(), 0xfe);
	ck_assert_uint_eq(lines, 0);
	ck_assert_uint_eq(in8(0x64) & 1, 0);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
}
END_TEST

START_TEST(test_debug_exit)
{
	bus_pio_write(DEBUGEXIT_PORT, 4, 0x10);
	ck_assert_int_eq(fake_stop, MACHINE_DEBUG_EXIT);
	ck_assert_int_eq(fake_stop_code, 0x21);
}
END_TEST

START_TEST(test_pvpanic)
{
	ck_assert_uint_eq(in8(PVPANIC_PORT), 3);
	out8(PVPANIC_PORT, 2);
	ck_assert_int_eq(fake_stop, MACHINE_RUNNING);
	out8(PVPANIC_PORT, 1);
	ck_assert_int_eq(fake_stop, MACHINE_PANIC);
}
END_TEST

START_TEST(test_debug_console)
{
	ck_assert_uint_eq(in8(DEBUGCON_PORT), 0xe9);
	out8(DEBUGCON_PORT, 'h');
	out8(DEBUGCON_PORT, 'i');
	ck_assert_uint_eq(output_length, 0);
	out8(DEBUGCON_PORT, '\n');
	ck_assert_uint_eq(output_length, 3);
	for (unsigned i = 0; i < 256; i++)
		out8(DEBUGCON_PORT, 'x');
	ck_assert_uint_eq(output_length, 259);
	out8(DEBUGCON_PORT, 'y');
	debugcon_flush();
	ck_assert_uint_eq(output_length, 260);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("power");
	TCase *t = tcase_create("power");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_soft_off);
	tcase_add_test(t, test_soft_off_by_bytes);
	tcase_add_test(t, test_other_sleep_states_wake_at_once);
	tcase_add_test(t, test_pm_timer_rate);
	tcase_add_test(t, test_pm_timer_interrupt);
	tcase_add_test(t, test_power_button);
	tcase_add_test(t, test_reset_register);
	tcase_add_test(t, test_pci_configuration);
	tcase_add_test(t, test_keyboard_controller_reset);
	tcase_add_test(t, test_keyboard_controller_output_port_reset);
	tcase_add_test(t, test_port_92);
	tcase_add_test(t, test_i8042_answers_all_probes);
	tcase_add_test(t, test_debug_exit);
	tcase_add_test(t, test_pvpanic);
	tcase_add_test(t, test_debug_console);
	suite_add_tcase(s, t);
	return suite_run(s);
}
