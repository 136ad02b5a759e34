/* SPDX-License-Identifier: MIT */
/*
 * Between io.c, which has what all engines share, and an engine.
 *
 * The way of a request: io.queued -> the engine -> io_completed() -> io.completed
 * -> done().  The way of an event: the engine -> io_found() -> ready().  Callbacks
 * are called by io.c alone, so an engine may take completions at any time.
 */
#ifndef RING3_HOSTIO_IO_ENGINE_H
#define RING3_HOSTIO_IO_ENGINE_H

#include <sched.h>

#include "hostio/io.h"

#define IO_FILES_MAX	64u
#define IO_WATCHES_MAX	32u	/* those there are before io_start() */

struct io_ops {
	const char *name;
	/* Files and watches of `io` are there.  0 or -errno; sets io_signal.  Says nothing. */
	int (*start)(void);
	/* Take requests from io.queued, as many as there is room for, and set them going. */
	void (*flush)(void);
	/* Report what there is by io_completed() and io_found().  Never waits. */
	void (*reap)(void);
	/* flush(), then sleep like io_wait(). */
	void (*sleep)(uint64_t timeout_ns, const int *fds, unsigned n);
	/* A watch is new, or its events changed. */
	void (*watch)(struct io_watch *w);
};

extern const struct io_ops io_uring_ops, io_threads_ops;

/* For tests: the ring, and how much of a new kernel to do without (0: nothing). */
struct io_uring;
struct io_uring *io_uring_ring(void);
extern unsigned io_uring_first_mode;

struct io_list {
	struct io_request *first, **end;
};

/* What engines may look at. */
struct io_state {
	int files[IO_FILES_MAX];		/* descriptors, by the number of io_add_file() */
	unsigned files_number;
	struct io_watch *watches;
	struct io_list queued;			/* flush() takes from here */
	cpu_set_t cpus;				/* where this process may run, at first */
};
extern struct io_state io;

struct io_request *io_list_take(struct io_list *l);	/* the first; NULL: none */
void io_list_add(struct io_list *l, struct io_request *r);

/* r is done: not yet told to its owner. */
void io_completed(struct io_request *r, long result);
/* Events of w came up.  From any thread. */
void io_found(struct io_watch *w, uint32_t events);
/* There is something for io_poll() that io_signal would not show by itself. */
void io_remind(void);

/* The engine has something for the host: the next io_flush() or io_poll() is to call flush(). */
void io_hurry(void);

/* ---- io_epoll.c: descriptors that come and go, by one that stays ---- */

/*
 * Watches added late, and the descriptors of io_wait() for engines that would have to register
 * them.  One epoll instance; its descriptor is readable when there is something to take.
 */
int io_epoll_init(void);			/* the descriptor, or -errno */
/* Add w, or have it report what is ready once more; edges of all events it ever had. */
void io_epoll_watch(struct io_watch *w);
bool io_epoll_watches(void);			/* are there any? */
/* Descriptors to wait for, replacing the former ones; false: one of them is always ready. */
bool io_epoll_wait_for(const int *fds, unsigned n);
/* Report what is ready; timeout in ms, -1: none. */
void io_epoll_take(int timeout);

#endif
