// SPDX-License-Identifier: MIT
/*
 * Interrupts (SDM 13.4.16 to 13.4.21): causes gather in ICR, of which IMS lets
 * through; ITR keeps a distance between two interrupts; RDTR/RADV and TIDV/TADV
 * hold back a cause until traffic pauses, or for so long at most.
 *
 * The line is a level: asserted from the moment the throttle lets an unmasked cause
 * out until none is left, by ICR being read or by IMC.  Timers are left armed when
 * their reason goes away: what finds nothing to do is cheaper than two system calls.
 */
#include "device/e1000_device.h"

#include "base/clock.h"

#define ITR_UNIT	256u		/* ns */
#define DELAY_UNIT	1024u

static bool is_armed(const struct timer *t)
{
	return t->index >= 0;
}

void e1000_interrupt_update(struct e1000 *d)
{
	bool want = *e1000_reg(d, E1000_ICR) & *e1000_reg(d, E1000_IMS);
	uint64_t interval = (uint64_t)*e1000_reg(d, E1000_ITR) * ITR_UNIT;

	if (want == d->asserted)
		return;
	if (want && interval) {
		uint64_t now = clock_ns(), due = d->interrupted + interval;

		if (now < due) {
			if (!is_armed(&d->throttle) || d->throttle.deadline != due)
				timer_arm(&d->throttle, due);
			return;
		}
		d->interrupted = now;
	}
	d->asserted = want;
	pci_set_intx(&d->pci, want);
}

uint32_t e1000_interrupt_read(struct e1000 *d)
{
	uint32_t causes = *e1000_reg(d, E1000_ICR);

	*e1000_reg(d, E1000_ICR) = 0;
	e1000_interrupt_update(d);
	return causes;
}

static void throttle_expired(void *device)
{
	e1000_interrupt_update(device);
}

void e1000_delay_start(struct e1000 *d, struct e1000_delay *delay, uint32_t packet, uint32_t absolute)
{
	uint64_t now;

	if (!packet) {
		e1000_cause(d, delay->cause);
		return;
	}
	now = clock_ns();
	delay->packet = now + (uint64_t)packet * DELAY_UNIT;
	/* The packet timer's restarts are noticed when it expires. */
	if (is_armed(&delay->timer))
		return;
	delay->absolute = absolute ? now + (uint64_t)absolute * DELAY_UNIT : TIMER_NEVER;
	timer_arm(&delay->timer, min_u64(delay->packet, delay->absolute));
}

void e1000_delay_flush(struct e1000 *d, struct e1000_delay *delay)
{
	timer_cancel(&delay->timer);
	e1000_cause(d, delay->cause);
}

static void delay_expired(struct e1000 *d, struct e1000_delay *delay)
{
	uint64_t due = min_u64(delay->packet, delay->absolute);

	if (clock_ns() < due) {
		timer_arm(&delay->timer, due);
		return;
	}
	e1000_cause(d, delay->cause);
	e1000_interrupt_update(d);
}

static void tx_delay_expired(void *device)
{
	struct e1000 *d = device;

	delay_expired(d, &d->tx_delay);
}

static void rx_delay_expired(void *device)
{
	struct e1000 *d = device;

	delay_expired(d, &d->rx_delay);
}

void e1000_interrupt_init(struct e1000 *d)
{
	timer_init(&d->throttle, throttle_expired, d);
	timer_init(&d->tx_delay.timer, tx_delay_expired, d);
	timer_init(&d->rx_delay.timer, rx_delay_expired, d);
	d->tx_delay.cause = ICR_TXDW;
	d->rx_delay.cause = ICR_RXT0;
}

void e1000_interrupt_reset(struct e1000 *d)
{
	timer_cancel(&d->throttle);
	timer_cancel(&d->tx_delay.timer);
	timer_cancel(&d->rx_delay.timer);
	d->interrupted = 0;
	e1000_interrupt_update(d);
}
