// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's console by ring3's calls: hvc0, and earlycon=ring3.
 *
 * Output needs nothing but the call and works from the first instruction to the last, panics
 * included: no lock, no buffer of its own.  Input interrupts by an event where there are
 * events; hvc polls otherwise.  From the first look for input on, ring3 sends what is typed
 * here and not to the serial port; hvc looks only while the terminal is open.
 */
#include <linux/console.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/serial_core.h>
#include <asm/ring3.h>

#include "../tty/hvc/hvc_console.h"

#define RING3_VTERM	0x33676e52	/* any number of our own */

/* The call's buffers are guest-physical, and hvc's may lie on a stack in vmalloc space. */
static unsigned long ring3_console_address(const void *buffer)
{
	return is_vmalloc_addr(buffer) ? slow_virt_to_phys((void *)buffer) : __pa(buffer);
}

static int ring3_console_move(unsigned int call, const char *buffer, int count)
{
	int done = 0;

	while (done < count) {
		unsigned int part = min_t(unsigned int, count - done,
					  PAGE_SIZE - offset_in_page(buffer + done));
		long result = ring3_call2(call, ring3_console_address(buffer + done), part);

		if (result <= 0)
			return done ? done : result;
		done += result;
		if (result < part)
			break;
	}
	return done;
}

static int ring3_console_put(u32 vterm, const char *buffer, int count)
{
	return ring3_console_move(RING3_CALL_CONSOLE_WRITE, buffer, count);
}

static int ring3_console_get(u32 vterm, char *buffer, int count)
{
	if (!ring3_has(RING3_FEATURE_CONSOLE))
		return 0;
	return ring3_console_move(RING3_CALL_CONSOLE_READ, buffer, count);
}

static const struct hv_ops ring3_console_ops = {
	.get_chars	 = ring3_console_get,
	.put_chars	 = ring3_console_put,
	.notifier_add	 = notifier_add_irq,
	.notifier_del	 = notifier_del_irq,
	.notifier_hangup = notifier_hangup_irq,
};

static int __init ring3_console_early(void)
{
	if (!ring3_guest())
		return -ENODEV;
	return hvc_instantiate(RING3_VTERM, 0, &ring3_console_ops);
}
console_initcall(ring3_console_early);

static int __init ring3_console_init(void)
{
	int irq = 0;

	if (!ring3_guest())
		return -ENODEV;
	if (ring3_has(RING3_FEATURE_EVENTS) && ring3_has(RING3_FEATURE_CONSOLE))
		irq = ring3_event_irq(RING3_EVENT_CONSOLE);
	return PTR_ERR_OR_ZERO(hvc_alloc(RING3_VTERM, max(irq, 0), &ring3_console_ops, 256));
}
device_initcall(ring3_console_init);

static void ring3_earlycon_write(struct console *console, const char *text, unsigned int length)
{
	ring3_console_put(RING3_VTERM, text, length);
}

static int __init ring3_earlycon_setup(struct earlycon_device *device, const char *options)
{
	if (!ring3_present())
		return -ENODEV;
	device->con->write = ring3_earlycon_write;
	return 0;
}

EARLYCON_DECLARE(ring3, ring3_earlycon_setup);
