// SPDX-License-Identifier: MIT
/*
 * Waiting for back-ends.
 *
 * Completions come to the vCPU thread alone and interrupt nothing: that is what
 * makes them cheap.  They are noticed by io_pending(), a few loads, on every exit,
 * in a device's kick, and while the kernel world spins for a user world.  What runs
 * long without any of these (guest kernel code; a user world where the kernel world
 * sleeps) is interrupted by a timer, but only while something can come.
 *
 * In HLT the thread sleeps in the I/O engine.  Waking it costs more than many an I/O
 * takes (some tens of microseconds where the host is a guest itself), so it spins
 * before, for as long as waits have lately been short: the window grows while waits
 * end within reach and shrinks when they do not, as KVM's halt_poll_ns does
 * (Documentation/virt/kvm/halt-polling.rst).  Never on a CPU that others need.
 */
#include "trap/wait.h"

#include "base/clock.h"
#include "debug/gdb.h"
#include "debug/stats.h"
#include "hostio/console.h"
#include "hostio/io.h"
#include "machine/timer.h"
#include "world/spare.h"

#define WINDOW_START_NS		20000u
#define WINDOW_MAX_NS		200000u
#define BUSY_PERIOD_NS		500000u		/* requests are in flight */
#define IDLE_PERIOD_NS		2000000u	/* a packet may come */

static uint64_t window;				/* ns; 0: sleep at once */

static void look_expired(void *device)
{
	(void)device;	/* that the loop runs is all there is to it: it calls io_poll() */
}

static struct timer look = { .expired = look_expired, .index = -1 };

void wait_watch(void)
{
	bool busy;

	if (look.index >= 0)
		return;
	busy = io_in_flight();
	if (!busy && !io_watching())
		return;
	timer_arm(&look, clock_ns() + (busy ? BUSY_PERIOD_NS : IDLE_PERIOD_NS));
}

/* true: something came. */
static bool spin(const struct vcpu *vcpu, uint64_t until)
{
	do {
		if (io_pending() || vcpu->fast.kick)
			return true;
		__builtin_ia32_pause();
	} while (clock_ns() < until);
	return false;
}

/* This wait took so long: what that says about the next one. */
static void window_adapt(uint64_t waited)
{
	if (waited > WINDOW_MAX_NS)
		window = 0;
	else if (waited > window)
		window = min_u64(max_u64(window * 2, WINDOW_START_NS), WINDOW_MAX_NS);
}

void wait_halted(struct vcpu *vcpu)
{
	int fds[IO_WAIT_FDS];
	uint64_t next, start;
	unsigned n = 0;

	timer_cancel(&look);
	io_idle();
	if (vcpu->fast.kick)
		return;
	next = timers_next();
	start = clock_ns();
	if (window && next > start && spare_now(clock_tsc()) &&
	    spin(vcpu, min_u64(next, start + window))) {
		vcpu->fast.kick = 1;
		return;
	}
	if (console_fd() >= 0)
		fds[n++] = console_fd();
	if (gdb_poll_fd() >= 0)
		fds[n++] = gdb_poll_fd();
	/* A signal between here and the call is not lost for long: the timer is in the call's
	 * own time-out, input in its descriptors. */
	if (!vcpu->fast.kick && !io_pending()) {
		uint64_t now = clock_ns();

		io_wait(next > now ? next - now : 0, fds, n);
	}
	window_adapt(clock_ns() - start);
	vcpu->fast.kick = 1;
}
