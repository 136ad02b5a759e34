// SPDX-License-Identifier: MIT
/*
 * Being sure that a world stands still, and telling it what to map.
 *
 * A guest program can write TURN itself and run on.  That alone gains it nothing
 * it could not have: the kernel world takes the registers it finds, once.  But
 * the guest's kernel, believing the program stopped, may hand the program's pages
 * to somebody else; and a cookie laid into the control area could be read.  So
 * before either, the kernel world asks for a proof: behind a gate in the stub the
 * world moves the file position of a descriptor to a random number (one lseek()
 * there, one here to look).  Guest code can reach the gate only by jumping to it,
 * and from there on the stub has control until the next RUN, which comes with
 * another number.  A signal's exit brings the proof along; one by a trampoline
 * does so when asked.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "debug/trace.h"
#include "machine/machine.h"
#include "world/area.h"

#define ATTEMPTS	5
#define ENFORCE_NS	500000000ul

static struct world *loose;	/* ran last, by its own account stopped */

static bool proof_seen(struct world *w)
{
	return hostcall3(SYS_lseek, w->proof_fd, 0, SEEK_CUR) == (long)w->nonce;
}

/* It does not answer: the kick's handler proves, whatever the program does. */
static bool proof_enforce(struct world *w)
{
	uint64_t start = clock_ns();

	world_kick(w);
	while (!proof_seen(w)) {
		if (clock_ns() - start > ENFORCE_NS)
			return false;
		hostcall1(SYS_sched_yield, 0);
	}
	return true;
}

bool world_prove(struct world *w)
{
	if (loose == w)
		loose = NULL;
	if (!w->started)
		return false;
	world_settle(w);
	if (w->proved)
		return true;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		/* A trampoline's exit has not brought one, unless there is no spinning. */
		if (((i || w->signal_mode || w->area->always_prove) && proof_seen(w)) ||
		    (i > 1 && proof_enforce(w))) {
			/* What is in the area now was written behind the gate. */
			while (w->area->turn == TURN_WORLD)
				hostcall1(SYS_sched_yield, 0);
			w->proved = true;
			w->signal_mode = w->area->mode == MODE_SIGNAL;
			return true;
		}
		/* Who wants this will mostly want the SIMD state next. */
		if (!baton_pass(w, CMD_PROVE | CMD_SAVE, NULL))
			return false;
	}
	log_error("user world %u does not stop", w->index);
	machine_stop(MACHINE_ERROR, 0, "a user world does not stop");
	return false;
}

void world_loose(struct world *w)
{
	loose = w;
}

void world_quiesce_except(const struct world *w)
{
	if (loose && loose != w)
		world_prove(loose);
}

void world_quiesce(void)
{
	world_quiesce_except(NULL);
}

/*
 * A batch that was interrupted, which only an attack or a signal from outside
 * can bring about: the frame may hold the cookie.  Everything below the SIMD
 * state of the frame goes; registers were taken from it before.
 */
static void batch_scrub(struct world *w)
{
	memset(w->area->stack, 0, (size_t)(w->fpstate - w->area->stack));
	w->area->cookie = 0;
	w->signal_mode = true;
}

bool world_batch_prepare(struct world *w)
{
	struct world_area *area = w->area;

	if (!world_prove(w))
		return false;
	queue_tidy(w);
	for (unsigned i = 0; i < w->queued; i++)
		area->requests[i] = w->queue[i];
	area->count = w->queued;
	area->done = BATCH_PENDING;
	area->cookie = w->cookie;
	world_stats.requests += w->queued;
	trace_exit(TRACE_K_WORLD_SYNC, 0, w->index, w->queued);
	return true;
}

int world_batch_result(struct world *w)
{
	int64_t error = w->area->error;

	if (w->area->done == BATCH_PENDING) {
		batch_scrub(w);
		return -EAGAIN;
	}
	w->queued = 0;
	return error < 0 && error > -4096 ? (int)error : 0;
}

void world_flush(struct world *w)
{
	/* Without a proof this would be two handovers, one of them to wait for. */
	if (!w->queued || w->busy || !w->started || !w->proved || !baton_spare() ||
	    !world_batch_prepare(w))
		return;
	baton_send(w, CMD_BATCH);
	w->busy = true;
	world_stats.batches++;
}

bool world_flushing(const struct world *w)
{
	return w->busy && w->area->turn == TURN_WORLD;
}

void world_settle(struct world *w)
{
	int err;

	if (likely(!w->busy))
		return;
	w->busy = false;
	if (!baton_receive(w))
		return;
	err = world_batch_result(w);
	/* Interrupted: it is still queued, and comes with the next one. */
	if (err && err != -EAGAIN) {
		w->error = err;
		world_clear(w);
	}
}

int world_batch(struct world *w)
{
	int err = -EAGAIN;

	for (unsigned i = 0; i < ATTEMPTS && err == -EAGAIN; i++) {
		if (!world_batch_prepare(w) || !baton_pass(w, CMD_BATCH, NULL))
			return -EIO;
		world_stats.batches++;
		err = world_batch_result(w);
	}
	return err;
}
