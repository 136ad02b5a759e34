/* SPDX-License-Identifier: MIT */
/*
 * I/O of the machine on descriptors that are open already: the one place that
 * asks the host to read and write files and waits for it.
 *
 * Two engines behind one interface: io_uring, and a few threads with
 * preadv/pwritev where io_uring is refused (default container profiles).  The
 * vCPU thread queues requests, hands them over in one go (io_flush(), at the end
 * of a device's kick), and takes completions when it looks (io_poll()) or sleeps
 * (io_wait()).  Nothing here wakes another CPU if the engine is io_uring.
 *
 *	r->op = IO_READ; r->file = f; ...; r->done = finished;
 *	io_queue(r);		device code, for each request of the kick
 *	io_flush();		once
 *	...
 *	io_poll() or io_wait()	-> finished(r, bytes or -errno)
 *
 * done() never runs inside io_queue() or io_flush().  It may queue new requests
 * (they are flushed at the end of io_poll()).
 *
 * Knows nothing of CPUs, guests or devices.  Everything after io_start() works in
 * the jail: no libc, memory from the arena.  One thread calls, except where said.
 */
#ifndef RING3_HOSTIO_IO_H
#define RING3_HOSTIO_IO_H

#include <sys/uio.h>

#include "base/types.h"
#include "hostio/config.h"

enum io_op {
	IO_READ,		/* preadv: short at the end of the file, 0 there */
	IO_WRITE,		/* pwritev */
	IO_SYNC,		/* fdatasync */
	IO_ALLOCATE,		/* fallocate(mode, offset, length) */
	IO_OPS
};

#define IO_IOV_MAX	1024	/* the host's UIO_MAXIOV */

struct io_request {
	/* Set by the caller, who keeps it and the iovecs until done(). */
	enum io_op op;
	int file;			/* of io_add_file() */
	int mode;			/* IO_ALLOCATE: FALLOC_FL_* */
	unsigned iov_count;		/* 1 .. IO_IOV_MAX */
	uint64_t offset;		/* bytes */
	uint64_t length;		/* IO_ALLOCATE: bytes */
	const struct iovec *iov;	/* memory that stays mapped: arena, DMA view of guest RAM */
	void (*done)(struct io_request *r, long result);	/* bytes or 0; -errno */
	/* The engine's. */
	struct io_request *next;
	long result;
};

/* ---- start-up, with libc ---- */

/* A descriptor the engine may use; the number by which requests name it, or -errno (-ENOSPC).
 * Before io_start().  The descriptor stays the caller's to close at the end. */
int io_add_file(int fd);

/*
 * Make the engine: rings (restricted to the files added and the operations above) or threads.
 * After the user worlds are forked, before the jail.  IO_AUTO takes threads where the host refuses
 * io_uring.  0 or -errno, said.  With no files and no watches it is cheap.
 */
int io_start(enum io_engine engine);
/* "io_uring", "threads": for the start line; NULL before io_start(). */
const char *io_engine_name(void);

/* ---- in the jail ---- */

void io_queue(struct io_request *r);
/* Hands over what is queued, now or, while the host has much else in flight, a little later: not
 * beyond the next io_wait(), or the next io_poll() or io_flush() once io_overdue() says so. */
void io_flush(void);
bool io_overdue(void);
/* r is done without the host: done(r, result) in the next io_poll().  Counts as in flight, and as
 * pending, until then. */
void io_complete_later(struct io_request *r, long result);

/*
 * Called at the end of an io_poll() that had callbacks, after them and before what they queued is
 * flushed: for what is worth doing once for many completions (an interrupt).  Any time; for good.
 */
struct io_batch {
	void (*end)(struct io_batch *b);
	void (*idle)(struct io_batch *b);	/* from io_idle(); NULL: nothing to do */
	struct io_batch *next;		/* the engine's */
};
void io_batch_add(struct io_batch *b);

/* Whoever uses the devices is about to wait for them: what they put off meanwhile is due now.
 * Before io_wait(); flushes. */
void io_idle(void);

/*
 * Readiness of a descriptor (tap, socket): ready() is called from io_poll() after events (POLLIN,
 * POLLOUT) came up, at least once per change from not ready to ready; it reads until -EAGAIN.
 * Watches are few and for good; `events` of 0 pauses one, setting events again reports what is
 * ready already.  fd is a plain descriptor, not of io_add_file().
 */
struct io_watch {
	int fd;
	short events;			/* set by io_watch_set() only */
	void (*ready)(struct io_watch *w, short events);
	/* The engine's. */
	struct io_watch *next;
	uint32_t found;			/* events that came up */
	uint16_t polled;		/* events the host was asked for */
	bool armed;
	bool rearm;
	uint8_t errors;			/* in a row */
	int slot;
	uint32_t generation;
};
/* Come to ready() whatever `events` are, as with poll(2): the other side is gone, or an error. */
#define IO_WATCH_ALWAYS	(0x008u | 0x010u)	/* POLLERR, POLLHUP */
void io_watch_add(struct io_watch *w);		/* any time, start-up too */
void io_watch_set(struct io_watch *w, short events);

/* Has something completed or become ready?  A few loads, no system call; for use in spinning
 * waits and on every exit.  May miss nothing for long: see io_busy(). */
extern struct io_signal {
	const volatile uint32_t *tail, *head, *flags;	/* tail != head, or flags & mask: yes */
	uint32_t mask;
} io_signal;
static inline bool io_pending(void)
{
	return io_signal.tail && (*io_signal.tail != *io_signal.head ||
				  (*io_signal.flags & io_signal.mask));
}

/* Requests in flight: completions are to be expected (so it pays to look, or to spin). */
unsigned io_in_flight(void);

/* Called by io_flush() while requests are in flight: see to it that somebody looks before long,
 * even if the caller goes on without waiting.  May be NULL; trap/ installs it. */
extern void (*io_started)(void);

/* Is a watch waiting for events (something may come any time)? */
bool io_watching(void);

/* Take what has completed: done() and ready() callbacks.  false: there was nothing. */
bool io_poll(void);

/*
 * Sleep until something completes or becomes ready, a signal comes, one of `fds` (console,
 * debugger; at most IO_WAIT_FDS) is readable, or timeout_ns has passed; then io_poll().
 * Flushes first.
 */
#define IO_WAIT_FDS	2
void io_wait(uint64_t timeout_ns, const int *fds, unsigned n);
/* Before fd, which io_wait() may have been given, is closed. */
void io_forget(int fd);

/* Wait until nothing is in flight any more (reset of a device, end of the machine): every done()
 * has been called. */
void io_drain(void);

#endif
