// SPDX-License-Identifier: MIT
/*
 * I/O: what all engines share.  Lists of requests on their way in and out, the
 * watches, the callbacks, the choice of an engine.
 *
 * A request is counted in flight from io_queue() until just before its done().
 * Callbacks run in one place, io_poll(), from lists that may grow meanwhile, so
 * that a callback may queue, watch, or drain.
 */
#include "hostio/io.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hostio/io_engine.h"
#include "hostio/io_stats.h"

#define HOLD_BYTES	(16 * KIB)
#define HOLD_MAX	8u
#define HOLD_US		200u

struct io_state io = { .queued.end = &io.queued.first };
struct io_signal io_signal;
void (*io_started)(void);

static const struct io_ops *engine;
static struct io_list completed = { NULL, &completed.first };
static struct io_batch *batches;
static unsigned in_flight;
static unsigned held;		/* of them, those that io_flush() keeps back for company */
static uint64_t held_since;	/* TSC */
static bool urgent;		/* something for the host is better not kept */
static bool called;		/* a callback, since the batches' end was last told */

/* Not zero: watches have found events, or completions wait in `completed`. */
static uint32_t attention;
static const volatile uint32_t *engine_flags;

struct io_request *io_list_take(struct io_list *l)
{
	struct io_request *r = l->first;

	if (r) {
		l->first = r->next;
		if (!l->first)
			l->end = &l->first;
	}
	return r;
}

void io_list_add(struct io_list *l, struct io_request *r)
{
	r->next = NULL;
	*l->end = r;
	l->end = &r->next;
}

/* ---- start-up ---- */

/* Before worlds are made, which divides the CPUs. */
static __attribute__((constructor)) void cpus_remember(void)
{
	sched_getaffinity(0, sizeof(io.cpus), &io.cpus);
}

int io_add_file(int fd)
{
	bug_on(engine);
	if (io.files_number == IO_FILES_MAX)
		return -ENOSPC;
	io.files[io.files_number] = fd;
	return (int)io.files_number++;
}

/* io_uring and threads differ in speed only: what the host refuses is worth a word to those who
 * look for it, no more. */
int io_start(enum io_engine choice)
{
	const struct io_ops *chosen = choice == IO_THREADS ? &io_threads_ops : &io_uring_ops;
	int err;

	bug_on(engine);
	err = chosen->start();
	if (err && choice == IO_AUTO) {
		log_debug("the host refuses io_uring (%s): threads instead", strerror(-err));
		chosen = &io_threads_ops;
		err = chosen->start();
	}
	if (err && chosen == &io_uring_ops)
		log_error("the host refuses io_uring (%s); give --io threads", strerror(-err));
	else if (err)
		log_error("the host gives no threads for I/O (%s)", strerror(-err));
	if (err)
		return err;
	engine = chosen;
	engine_flags = io_signal.flags ? io_signal.flags : &attention;
	io_signal.flags = engine_flags;
	if (attention)
		io_remind();	/* of what start-up code said already */
	for (struct io_watch *w = io.watches; w; w = w->next)
		engine->watch(w);
	io_flush();
	return 0;
}

const char *io_engine_name(void)
{
	return engine ? engine->name : NULL;
}

/* ---- in the jail ---- */

static bool is_small(const struct io_request *r)
{
	uint64_t bytes = 0;

	if (r->op != IO_READ && r->op != IO_WRITE)
		return false;
	for (unsigned i = 0; i < r->iov_count && bytes <= HOLD_BYTES; i++)
		bytes += r->iov[i].iov_len;
	return bytes <= HOLD_BYTES;
}

void io_queue(struct io_request *r)
{
	bug_on(r->file < 0 || (unsigned)r->file >= io.files_number);
	in_flight++;
	if (!held++)
		held_since = clock_tsc();
	urgent |= !is_small(r);
	io_list_add(&io.queued, r);
}

/* All are handed over, with or without waiting for something; those that the host has no room for
 * yet, once it has. */
static void flush_by(bool sleep, uint64_t timeout_ns, const int *fds, unsigned n)
{
	held = 0;
	urgent = false;
	if (sleep)
		engine->sleep(timeout_ns, fds, n);
	else
		engine->flush();
	urgent |= io.queued.first != NULL;
}

static void flush(void)
{
	flush_by(false, 0, NULL, 0);
}

void io_hurry(void)
{
	urgent = true;
}

bool io_overdue(void)
{
	return held && clock_tsc() - held_since > HOLD_US * clock_tsc_khz() / 1000;
}

/*
 * A submission can cost more than all else about a small request (the host's own driver may have
 * to tell its device, which is a trip out of the virtual machine if the host is one).  So while
 * the host has something to do, small requests wait for company; as Nagle has small packets wait.
 */
void io_flush(void)
{
	if (!engine)
		return;
	if (held >= HOLD_MAX || held == in_flight || urgent || io_overdue())
		flush();
	if (in_flight && io_started)
		io_started();
}

void io_completed(struct io_request *r, long result)
{
	r->result = result;
	io_list_add(&completed, r);
}

void io_complete_later(struct io_request *r, long result)
{
	in_flight++;
	io_completed(r, result);
	io_remind();
}

void io_found(struct io_watch *w, uint32_t events)
{
	__atomic_fetch_or(&w->found, events, __ATOMIC_RELAXED);
	__atomic_store_n(&attention, ~0u, __ATOMIC_RELEASE);
}

void io_remind(void)
{
	__atomic_store_n(&attention, ~0u, __ATOMIC_RELEASE);
	io_signal.flags = &attention;
}

unsigned io_in_flight(void)
{
	return in_flight;
}

void io_batch_add(struct io_batch *b)
{
	b->next = batches;
	batches = b;
}

void io_watch_add(struct io_watch *w)
{
	w->polled = 0;
	w->armed = false;
	w->slot = -1;
	w->found = 0;
	w->next = io.watches;
	io.watches = w;
	if (engine)
		engine->watch(w);
}

void io_watch_set(struct io_watch *w, short events)
{
	short before = w->events;

	if (events == before)
		return;
	w->events = events;
	/* Fewer events than before, or none: what comes of the others is passed over. */
	if (engine && (events & ~before))
		engine->watch(w);
}

bool io_watching(void)
{
	for (const struct io_watch *w = io.watches; w; w = w->next) {
		if (w->events)
			return true;
	}
	return false;
}

static void call_done(void)
{
	struct io_request *r;

	while ((r = io_list_take(&completed))) {
		in_flight--;
		called = true;
		r->done(r, r->result);
	}
}

static void call_ready(void)
{
	for (struct io_watch *w = io.watches; w; w = w->next) {
		uint32_t found = __atomic_exchange_n(&w->found, 0, __ATOMIC_ACQUIRE);

		found &= (uint16_t)w->events | IO_WATCH_ALWAYS;
		if (found && w->events) {
			called = true;
			w->ready(w, (short)found);
		}
	}
}

bool io_poll(void)
{
	bool any;

	if (!engine)
		return false;
	engine->reap();
	call_done();
	if (__atomic_load_n(&attention, __ATOMIC_RELAXED)) {
		/* First this: what a thread finds from here on sets it again. */
		io_signal.flags = engine_flags;
		__atomic_store_n(&attention, 0, __ATOMIC_SEQ_CST);
		call_done();
		call_ready();
	}
	any = called;
	called = false;
	if (any) {
		for (struct io_batch *b = batches; b; b = b->next)
			b->end(b);
	}
	io_flush();
	return any;
}

void io_idle(void)
{
	for (struct io_batch *b = batches; b; b = b->next) {
		if (b->idle)
			b->idle(b);
	}
	if (engine)
		flush();
}

void io_wait(uint64_t timeout_ns, const int *fds, unsigned n)
{
	bug_on(!engine);
	flush_by(!completed.first && !__atomic_load_n(&attention, __ATOMIC_RELAXED), timeout_ns, fds, n);
}

void io_drain(void)
{
	while (in_flight) {
		/* Events are put down only: their turn is in io_poll(). */
		io_signal.flags = engine_flags;
		__atomic_store_n(&attention, 0, __ATOMIC_SEQ_CST);
		if (!completed.first)
			flush_by(true, UINT64_MAX, NULL, 0);
		engine->reap();
		call_done();
	}
	io_remind();
}
