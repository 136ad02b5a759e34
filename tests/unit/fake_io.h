/* SPDX-License-Identifier: MIT */
/*
 * An I/O engine for tests that include this once: requests are done by plain system
 * calls in io_poll(), in any order, one or all of them at a time; the test can shorten
 * them, let them fail, and state what their alignment must be.
 */
#ifndef RING3_TESTS_FAKE_IO_H
#define RING3_TESTS_FAKE_IO_H

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostio/io.h"

#define FAKE_IO_QUEUE	4096

static int fake_io_fds[16];
static unsigned fake_io_files;
static struct { struct io_request *r; bool later; } fake_io_queue[FAKE_IO_QUEUE];
static unsigned fake_io_queued, fake_io_flushed;	/* the second: how many calls */
static unsigned fake_io_calls[IO_OPS];		/* that reached the host */
static unsigned fake_io_seed = 1;
static bool fake_io_one;			/* io_poll() does one, chosen at random */
static uint64_t fake_io_memory_align = 1, fake_io_data_align = 1;
/* Before a call: a result instead of it, or 1 (no call's result: lengths are even) to go on. */
static long (*fake_io_hook)(struct io_request *r);
static size_t fake_io_short;			/* transfers end after as many bytes; 0: never */
static struct io_batch *fake_io_batches;

int io_add_file(int fd)
{
	fake_io_fds[fake_io_files] = fd;
	return (int)fake_io_files++;
}

void io_batch_add(struct io_batch *b)
{
	b->next = fake_io_batches;
	fake_io_batches = b;
}

static void fake_io_add(struct io_request *r, bool later)
{
	ck_assert_uint_lt(fake_io_queued, FAKE_IO_QUEUE);
	fake_io_queue[fake_io_queued].later = later;
	fake_io_queue[fake_io_queued++].r = r;
}

void io_queue(struct io_request *r) { fake_io_add(r, false); }
void io_flush(void) { fake_io_flushed++; }
unsigned io_in_flight(void) { return fake_io_queued; }

void io_complete_later(struct io_request *r, long result)
{
	r->result = result;
	fake_io_add(r, true);
}

static long fake_io_transfer(struct io_request *r, int fd)
{
	static struct iovec iov[IO_IOV_MAX];
	uint64_t left = fake_io_short ? fake_io_short : UINT64_MAX;
	unsigned n = 0;
	long result;

	ck_assert_uint_ge(r->iov_count, 1);
	ck_assert_uint_le(r->iov_count, IO_IOV_MAX);
	ck_assert_uint_eq(r->offset % fake_io_data_align, 0);
	for (unsigned i = 0; i < r->iov_count; i++) {
		ck_assert_uint_eq(r->iov[i].iov_len % fake_io_data_align, 0);
		ck_assert_uint_eq((uint64_t)r->iov[i].iov_base % fake_io_memory_align, 0);
		if (!left)
			continue;
		iov[n].iov_base = r->iov[i].iov_base;
		iov[n].iov_len = r->iov[i].iov_len < left ? r->iov[i].iov_len : left;
		left -= iov[n++].iov_len;
	}
	result = r->op == IO_READ ? preadv(fd, iov, (int)n, (off_t)r->offset)
		: pwritev(fd, iov, (int)n, (off_t)r->offset);
	return result < 0 ? -errno : result;
}

static long fake_io_call(struct io_request *r)
{
	int fd = fake_io_fds[r->file];
	long result = fake_io_hook ? fake_io_hook(r) : 1;

	if (result != 1)
		return result;
	fake_io_calls[r->op]++;
	switch (r->op) {
	case IO_READ:
	case IO_WRITE:
		return fake_io_transfer(r, fd);
	case IO_SYNC:
		return fdatasync(fd) < 0 ? -errno : 0;
	case IO_ALLOCATE:
		return fallocate(fd, r->mode, (off_t)r->offset, (off_t)r->length) < 0 ? -errno : 0;
	default:
		ck_abort_msg("op %d", r->op);
	}
}

static void fake_io_do(unsigned i)
{
	struct io_request *r = fake_io_queue[i].r;

	if (!fake_io_queue[i].later)
		r->result = fake_io_call(r);
	fake_io_queue[i] = fake_io_queue[--fake_io_queued];
	r->done(r, r->result);
}

bool io_poll(void)
{
	unsigned n = fake_io_one && fake_io_queued ? 1 : fake_io_queued;

	for (unsigned i = 0; i < n; i++)
		fake_io_do((unsigned)rand_r(&fake_io_seed) % fake_io_queued);
	for (struct io_batch *b = fake_io_batches; n && b; b = b->next)
		b->end(b);
	return n;
}

void io_idle(void)
{
	for (struct io_batch *b = fake_io_batches; b; b = b->next)
		if (b->idle)
			b->idle(b);
	io_flush();
}

/* Nothing here ever waits: whoever does would do so for good. */
void io_wait(uint64_t timeout_ns, const int *fds, unsigned n)
{
	(void)timeout_ns;
	(void)fds;
	(void)n;
	ck_assert_uint_gt(fake_io_queued, 0);
}

/* As of a guest that waits for it. */
static inline void fake_io_run(void)
{
	do
		io_idle();
	while (io_poll());
}

#endif
