/* SPDX-License-Identifier: MIT */
/*
 * The keyboard controller at 0x60/0x64 with nothing plugged in.
 *
 * It answers every command that expects an answer, at once, so that a probing
 * driver never waits for a time-out: the controller tests well, its ports report
 * errors, bytes for a keyboard or mouse come back as "no answer" with the time-out
 * bit.  What guests really use is the pulse of the reset line (0xfe) and A20.
 */
#include "device/i8042.h"

#include "device/stop.h"
#include "machine/bus.h"

#define STATUS_FULL	0x01
#define STATUS_SYSTEM	0x04
#define STATUS_COMMAND	0x08
#define STATUS_UNLOCKED	0x10
#define STATUS_AUX	0x20
#define STATUS_TIMEOUT	0x40

#define CONFIG_KBD_IRQ	0x01
#define CONFIG_AUX_IRQ	0x02
#define CONFIG_SYSTEM	0x04
#define CONFIG_KBD_OFF	0x10
#define CONFIG_AUX_OFF	0x20

#define OUT_RESET	0x01	/* output port: 0 pulls the reset line */
#define OUT_A20		0x02

#define KBD_IRQ		1
#define AUX_IRQ		12
#define RESEND		0xfe

static struct {
	uint8_t status, config, output_port, data;
	uint8_t command;		/* waits for its parameter byte; 0: none */
	uint8_t ram[32];		/* the controller's, 0x20..0x3f; byte 0 is `config` */
} kbc;

static void line_update(void)
{
	bool full = kbc.status & STATUS_FULL, aux = kbc.status & STATUS_AUX;

	irq_set(KBD_IRQ, full && !aux && (kbc.config & CONFIG_KBD_IRQ));
	irq_set(AUX_IRQ, full && aux && (kbc.config & CONFIG_AUX_IRQ));
}

static void answer(uint8_t data, uint8_t flags)
{
	kbc.data = data;
	kbc.status = (uint8_t)((kbc.status & ~(STATUS_AUX | STATUS_TIMEOUT)) | STATUS_FULL | flags);
	line_update();
}

static void reset(void)
{
	device_stop(MACHINE_REBOOT, 0, "reset by the keyboard controller");
}

static void output_port_write(uint8_t value)
{
	kbc.output_port = value;
	if (!(value & OUT_RESET))
		reset();
}

static void command_write(uint8_t command)
{
	kbc.command = 0;
	kbc.status |= STATUS_COMMAND;
	switch (command) {
	case 0x20:
		answer(kbc.config, 0);
		break;
	case 0x21 ... 0x3f:
		answer(kbc.ram[command - 0x20], 0);
		break;
	case 0x60 ... 0x7f:
	case 0xd1: case 0xd2: case 0xd3: case 0xd4:
		kbc.command = command;
		break;
	case 0xa7:
		kbc.config |= CONFIG_AUX_OFF;
		break;
	case 0xa8:
		kbc.config &= (uint8_t)~CONFIG_AUX_OFF;
		break;
	case 0xa9:	/* port tests: 2 is "clock line stuck high" */
	case 0xab:
		answer(0x02, 0);
		break;
	case 0xaa:
		kbc.status |= STATUS_SYSTEM;
		answer(0x55, 0);
		break;
	case 0xad:
		kbc.config |= CONFIG_KBD_OFF;
		break;
	case 0xae:
		kbc.config &= (uint8_t)~CONFIG_KBD_OFF;
		break;
	case 0xc0:	/* input port: keyboard not locked */
		answer(0x80, 0);
		break;
	case 0xd0:
		answer(kbc.output_port, 0);
		break;
	case 0xdd:
		kbc.output_port &= (uint8_t)~OUT_A20;
		break;
	case 0xdf:
		kbc.output_port |= OUT_A20;
		break;
	case 0xf0 ... 0xff:	/* pulse output lines whose bit is 0 */
		if (!(command & OUT_RESET))
			reset();
		break;
	}
}

static void data_write(uint8_t value)
{
	uint8_t command = kbc.command;

	kbc.command = 0;
	kbc.status &= (uint8_t)~STATUS_COMMAND;
	switch (command) {
	case 0x60:
		kbc.config = value;
		kbc.status = (uint8_t)((kbc.status & ~STATUS_SYSTEM) | (value & CONFIG_SYSTEM));
		line_update();
		break;
	case 0x61 ... 0x7f:
		kbc.ram[command - 0x60] = value;
		break;
	case 0xd1:
		output_port_write(value);
		break;
	case 0xd2:
		answer(value, 0);
		break;
	case 0xd3:
		/* Looping back what a mouse would say, though there is no mouse port. */
		answer(RESEND, STATUS_TIMEOUT);
		break;
	case 0xd4:
		answer(RESEND, STATUS_AUX | STATUS_TIMEOUT);
		break;
	default:
		/* To a keyboard that is not there; sending also enables its interface. */
		kbc.config &= (uint8_t)~CONFIG_KBD_OFF;
		answer(RESEND, STATUS_TIMEOUT);
		break;
	}
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)offset;
	(void)size;
	if (device)
		return kbc.status;
	kbc.status &= (uint8_t)~(STATUS_FULL | STATUS_AUX | STATUS_TIMEOUT);
	line_update();
	return kbc.data;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)offset;
	(void)size;
	if (device)
		command_write((uint8_t)value);
	else
		data_write((uint8_t)value);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };

int i8042_init(void)
{
	kbc.status = STATUS_SYSTEM | STATUS_UNLOCKED;
	kbc.config = CONFIG_SYSTEM;
	kbc.output_port = OUT_RESET | OUT_A20 | 0xcc;

	/* The device pointer tells the command port from the data port. */
	int error = bus_add_pio(0x60, 1, &port_ops, NULL, "i8042");
	if (!error)
		error = bus_add_pio(0x64, 1, &port_ops, &kbc, "i8042");
	return error;
}
