// SPDX-License-Identifier: MIT
/*
 * Calls about the console and the machine's end.
 *
 * Output is collected with the serial port's, in order with it.  Input is the
 * serial port's until the guest first asks for it here; then it waits in `input`,
 * and an event tells of it.
 */
#include <errno.h>

#include "abi/ring3_abi.h"
#include "base/log.h"
#include "device/event.h"
#include "device/platform.h"
#include "device/serial.h"
#include "device/stop.h"
#include "hostio/console.h"
#include "hypercall/hypercall.h"
#include "memory/ram.h"

#define INPUT_SIZE	1024u	/* a power of two */

static struct {
	uint8_t bytes[INPUT_SIZE];
	unsigned head, tail;		/* counts; head - tail are waiting */
	bool diverted;
} input;

static size_t input_room(void)
{
	return INPUT_SIZE - (input.head - input.tail);
}

static void input_arrived(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		input.bytes[input.head++ % INPUT_SIZE] = bytes[i];
	if (n)
		event_signal(RING3_EVENT_CONSOLE);
}

int64_t call_console_write(const uint64_t *args)
{
	uint32_t length = (uint32_t)args[1];
	const uint8_t *text;

	if (length > RING3_CONSOLE_MAX)
		length = RING3_CONSOLE_MAX;
	text = ram_pointer(GPA(args[0]), length);
	if (!text)
		return -EFAULT;
	serial_print(text, length);
	return length;
}

int64_t call_console_read(const uint64_t *args)
{
	uint32_t length = (uint32_t)args[1], waiting;
	uint8_t bytes[INPUT_SIZE];

	if (!input.diverted)
		serial_divert(input_room, input_arrived);
	input.diverted = true;
	if (length > RING3_CONSOLE_MAX)
		length = RING3_CONSOLE_MAX;
	if (!ram_contains(GPA(args[0]), length))
		return -EFAULT;
	waiting = input.head - input.tail;
	if (length > waiting)
		length = waiting;
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = input.bytes[(input.tail + i) % INPUT_SIZE];
	if (!ram_write(GPA(args[0]), bytes, length))
		return -EFAULT;
	input.tail += length;
	if (length)
		console_room();
	return length;
}

/* What a guest says is shown as it may appear in anybody's terminal: printable characters only. */
static bool text_say(uint64_t gpa, uint32_t length, const char *reason)
{
	char text[RING3_SHUTDOWN_TEXT_MAX + 1] = { 0 };

	if (length > RING3_SHUTDOWN_TEXT_MAX)
		length = RING3_SHUTDOWN_TEXT_MAX;
	if (!ram_read(GPA(gpa), text, length))
		return false;
	for (uint32_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = ' ';
	platform_flush();
	log_info("%s: %s", reason, text);
	return true;
}

int64_t call_shutdown(const uint64_t *args)
{
	static const struct {
		enum machine_stop why;
		const char *text;
	} reasons[] = {
		[RING3_SHUTDOWN_POWER_OFF] = { MACHINE_POWER_OFF, "the guest powered off" },
		[RING3_SHUTDOWN_REBOOT] = { MACHINE_REBOOT, "the guest asked for a reset" },
		[RING3_SHUTDOWN_HALT] = { MACHINE_POWER_OFF, "the guest halted" },
		[RING3_SHUTDOWN_PANIC] = { MACHINE_PANIC, "the guest reported a panic" },
		[RING3_SHUTDOWN_CRASH] = { MACHINE_PANIC, "the guest reported a crash" },
	};

	if (args[0] >= array_size(reasons))
		return -EINVAL;
	if (args[2] && !text_say(args[1], (uint32_t)args[2], reasons[args[0]].text))
		return -EFAULT;
	device_stop(reasons[args[0]].why, 0, reasons[args[0]].text);
	return 0;
}
