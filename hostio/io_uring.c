// SPDX-License-Identifier: MIT
/*
 * The io_uring engine: liburing's structures and helpers on a ring of our own
 * making, because the ring's memory has to lie low (docs/decisions/0005-io.md).
 *
 * The ring is restricted for good: eight operations, on registered files only.
 * Completions come to this thread alone: the kernel marks them in a word that
 * io_pending() looks at, and finishes them when we enter it (DEFER_TASKRUN), so
 * that no interrupt and no other CPU has a part in it.  Older kernels take less of
 * this; the modes below say how much.
 *
 * No more requests are in the ring than completions have room, the rest waits in
 * io.queued.  Watches and the epoll instance are extra; should their completions
 * not fit, the kernel keeps them (NODROP) and marks that, too.
 *
 * user_data: a request's address, or the POLL of a watch (its generation above
 * bit 32: a poll that was replaced may have its last word later), or of epoll.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hostcall.h"
#include "base/layout.h"
#include "base/log.h"
#include "hostio/calls.h"
#include "hostio/io_engine.h"
#include "hostio/io_stats.h"

#define POLLS_MAX	64u	/* room among the completions that is not for requests */

#define TAG_MASK	7u
#define TAG_REQUEST	0u
#define TAG_WATCH	1u
#define TAG_EPOLL	2u
#define TAG_NOTHING	3u

#define ERRORS_MAX	8	/* of a watch, with nothing else between: it will not be well again */
#define NS_PER_S	1000000000u

#define FEATURES	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)

/* The ring counts as locked memory of the user: 28 KiB, or 8 where that is too much. */
static const struct size {
	unsigned sq, cq;
} sizes[] = { { 128, 1024 }, { 32, 128 } };

/* From best to oldest. */
static const unsigned modes[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		IORING_SETUP_SUBMIT_ALL,				/* 6.1 */
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,	/* 5.19 */
	0,								/* 5.11 */
};
unsigned io_uring_first_mode;

static struct io_uring ring;
static unsigned in_ring, in_ring_max;	/* requests */
static struct io_watch *slots[IO_WATCHES_MAX];
static unsigned slots_number;
static int epoll_slot;			/* number of the epoll instance among the files */
static bool epoll_armed;
static bool watches_changed;
static bool multishot;

/* ---- start-up ---- */

static int ring_create(struct io_uring_params *p, const struct size *size)
{
	int fd = -EINVAL;

	for (unsigned i = io_uring_first_mode; i < array_size(modes) && fd == -EINVAL; i++) {
		*p = (struct io_uring_params){
			.flags = modes[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
			.cq_entries = size->cq,
		};
		fd = (int)hostcall2(SYS_io_uring_setup, size->sq, (long)p);
	}
	if (fd >= 0 && (p->features & FEATURES) != FEATURES) {
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

/* Below 8 TiB.  Since Linux 6.4 a ring takes no address, but this hint. */
static void *ring_map(size_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_32BIT,
		       ring.ring_fd, (off_t)offset);

	return p == MAP_FAILED || (uint64_t)p + size > LAYOUT_GUEST_HIGH ? NULL : p;
}

static int ring_map_all(const struct io_uring_params *p)
{
	size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	struct io_uring_sq *sq = &ring.sq;
	struct io_uring_cq *cq = &ring.cq;
	uint8_t *at;

	sq->ring_sz = cq->ring_sz = max_u64(sq_size, cq_size);
	at = sq->ring_ptr = cq->ring_ptr = ring_map(sq->ring_sz, IORING_OFF_SQ_RING);
	sq->sqes = ring_map(p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if (!at || !sq->sqes)
		return -ENOMEM;
	sq->khead = (unsigned *)(at + p->sq_off.head);
	sq->ktail = (unsigned *)(at + p->sq_off.tail);
	sq->kflags = (unsigned *)(at + p->sq_off.flags);
	sq->array = (unsigned *)(at + p->sq_off.array);
	sq->ring_entries = p->sq_entries;
	sq->ring_mask = p->sq_entries - 1;
	for (unsigned i = 0; i < p->sq_entries; i++)
		sq->array[i] = i;
	cq->khead = (unsigned *)(at + p->cq_off.head);
	cq->ktail = (unsigned *)(at + p->cq_off.tail);
	cq->cqes = (struct io_uring_cqe *)(at + p->cq_off.cqes);
	cq->ring_entries = p->cq_entries;
	cq->ring_mask = p->cq_entries - 1;
	return 0;
}

/* Files in the order of their numbers, then watches, then epoll. */
static int ring_register_files(int epoll_fd)
{
	int fds[IO_FILES_MAX + IO_WATCHES_MAX + 1];
	unsigned n = 0;

	while (n < io.files_number) {
		fds[n] = io.files[n];
		n++;
	}
	slots_number = 0;
	for (struct io_watch *w = io.watches; w && slots_number < IO_WATCHES_MAX; w = w->next) {
		w->slot = (int)slots_number;
		slots[slots_number++] = w;
		fds[n++] = w->fd;
	}
	epoll_slot = (int)n;
	fds[n++] = epoll_fd;
	return io_uring_register_files(&ring, fds, n);
}

/* What is not named is refused: other operations, plain descriptors, all of io_uring_register(2). */
static int ring_restrict(void)
{
	static const uint8_t ops[] = {
		IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV,
		IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE,
	};
	struct io_uring_restriction r[array_size(ops) + 2] = { { 0 } };
	unsigned n = 0;

	for (; n < array_size(ops); n++) {
		r[n].opcode = IORING_RESTRICTION_SQE_OP;
		r[n].sqe_op = ops[n];
	}
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	return io_uring_register_restrictions(&ring, r, n);
}

static void ring_destroy(void)
{
	if (ring.sq.ring_ptr)
		munmap(ring.sq.ring_ptr, ring.sq.ring_sz);
	if (ring.sq.sqes)
		munmap(ring.sq.sqes, ring.sq.ring_entries * sizeof(struct io_uring_sqe));
	close(ring.ring_fd);
	for (unsigned i = 0; i < slots_number; i++)
		slots[i]->slot = -1;
}

static int ring_start(int epoll_fd, const struct size *size)
{
	struct io_uring_params p;
	int err;

	ring = (struct io_uring){ .ring_fd = ring_create(&p, size) };
	if (ring.ring_fd < 0)
		return ring.ring_fd;
	ring.enter_ring_fd = ring.ring_fd;
	ring.flags = p.flags;
	ring.features = p.features;
	in_ring_max = p.cq_entries - POLLS_MAX;
	multishot = io_uring_first_mode < array_size(modes) - 1;
	err = ring_map_all(&p);
	if (!err)
		err = ring_register_files(epoll_fd);
	if (!err)
		err = ring_restrict();
	if (!err)
		err = io_uring_enable_rings(&ring);
	if (err)
		ring_destroy();
	return err;
}

static int uring_start(void)
{
	int epoll_fd = io_epoll_init(), err = epoll_fd;

	if (epoll_fd >= 0)
		err = -ENOMEM;
	for (unsigned i = 0; i < array_size(sizes) && err == -ENOMEM; i++)
		err = ring_start(epoll_fd, &sizes[i]);
	if (err)
		return err;
	calls_allow(SYS_io_uring_enter, ring.ring_fd);
	io_signal.tail = ring.cq.ktail;
	io_signal.head = ring.cq.khead;
	io_signal.flags = ring.sq.kflags;
	io_signal.mask = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
	return 0;
}

struct io_uring *io_uring_ring(void)
{
	return &ring;
}

/* ---- submission ---- */

static long enter(unsigned submit, unsigned wait, unsigned flags, const void *arg, size_t size)
{
	io_stats.calls++;
	return hostcall6(SYS_io_uring_enter, ring.ring_fd, submit, wait, flags, (long)arg, (long)size);
}

/* Show the kernel what was prepared; how many entries it has not taken yet. */
static unsigned publish(void)
{
	io_uring_smp_store_release(ring.sq.ktail, ring.sq.sqe_tail);
	return ring.sq.sqe_tail - IO_URING_READ_ONCE(*ring.sq.khead);
}

/* true: there is room now. */
static bool submit(void)
{
	unsigned n = publish();
	/* What waits to be finished is, for the price of the call that is due anyway. */
	bool finish = IO_URING_READ_ONCE(*ring.sq.kflags) & io_signal.mask;
	long r;

	if (!n)
		return true;
	r = enter(n, 0, finish ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	if (r >= n)
		return true;
	/* Out of memory, or completions wait to be taken: again after the next look. */
	bug_on(r < 0 && r != -EAGAIN && r != -EBUSY && r != -EINTR && r != -ENOMEM);
	io_hurry();
	io_remind();
	return r > 0;
}

/* NULL: not now. */
static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe && submit())
		sqe = io_uring_get_sqe(&ring);
	return sqe;
}

static void request_prepare(struct io_uring_sqe *sqe, const struct io_request *r)
{
	const struct iovec *iov = r->iov;
	/* One buffer is cheaper said without a vector; lengths of that form have 32 bits. */
	bool plain = r->iov_count == 1 && iov->iov_len <= INT32_MAX;

	switch (r->op) {
	case IO_READ:
		if (plain)
			io_uring_prep_read(sqe, r->file, iov->iov_base, (unsigned)iov->iov_len,
					   r->offset);
		else
			io_uring_prep_readv(sqe, r->file, iov, r->iov_count, r->offset);
		break;
	case IO_WRITE:
		if (plain)
			io_uring_prep_write(sqe, r->file, iov->iov_base, (unsigned)iov->iov_len,
					    r->offset);
		else
			io_uring_prep_writev(sqe, r->file, iov, r->iov_count, r->offset);
		break;
	case IO_SYNC:
		io_uring_prep_fsync(sqe, r->file, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(sqe, r->file, r->mode, (off_t)r->offset, (off_t)r->length);
		break;
	}
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = (uint64_t)r | TAG_REQUEST;
}

static uint64_t watch_data(const struct io_watch *w)
{
	return (uint64_t)w->generation << 32 | (unsigned)w->slot << 3 | TAG_WATCH;
}

/* Have the kernel poll for w->events, from now on and what is ready already. */
static bool watch_arm(struct io_watch *w)
{
	struct io_uring_sqe *sqe;

	if (w->armed) {
		sqe = entry();
		if (!sqe)
			return false;
		io_uring_prep_poll_remove(sqe, watch_data(w));
		sqe->flags = IOSQE_FIXED_FILE;
		sqe->user_data = TAG_NOTHING;
		w->armed = false;
		w->generation++;
	}
	if (!w->events)
		return true;
	sqe = entry();
	if (!sqe)
		return false;
	io_uring_prep_poll_add(sqe, (int)io.files_number + w->slot, (uint16_t)w->events);
	sqe->len = multishot ? IORING_POLL_ADD_MULTI : 0;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = watch_data(w);
	w->polled = (uint16_t)w->events;
	w->armed = true;
	return true;
}

static void epoll_arm(void)
{
	struct io_uring_sqe *sqe = entry();

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, epoll_slot, POLLIN);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = TAG_EPOLL;
	epoll_armed = true;
}

static void prepare(void)
{
	if (unlikely(watches_changed)) {
		watches_changed = false;
		for (unsigned i = 0; i < slots_number; i++) {
			if (slots[i]->rearm) {
				slots[i]->rearm = !watch_arm(slots[i]);
				watches_changed |= slots[i]->rearm;
			}
		}
		if (io_epoll_watches() && !epoll_armed)
			epoll_arm();
	}
	while (io.queued.first && in_ring < in_ring_max) {
		struct io_uring_sqe *sqe = entry();

		if (!sqe)
			return;
		request_prepare(sqe, io_list_take(&io.queued));
		in_ring++;
	}
}

static void uring_flush(void)
{
	prepare();
	submit();
}

static void watch_later(struct io_watch *w)
{
	w->rearm = true;
	watches_changed = true;
	io_hurry();
}

static void uring_watch(struct io_watch *w)
{
	w->errors = 0;
	if (w->slot >= 0) {
		watch_later(w);
	} else {
		io_epoll_watch(w);
		watches_changed = true;
		io_hurry();
	}
	/* Whoever sets a watch need not flush: io_poll() does. */
	io_remind();
}

/* ---- completion ---- */

static void watch_event(uint64_t data, int result, bool more)
{
	struct io_watch *w = slots[(uint32_t)data >> 3];

	if (w->generation != data >> 32)
		return;			/* of a poll that was taken back */
	if (!more)
		w->armed = false;
	if (result == -EINVAL && multishot) {
		multishot = false;	/* before Linux 5.13 */
		watch_later(w);
		return;
	}
	if (result < 0)
		result = POLLERR;
	if (w->events)
		io_found(w, (uint32_t)result);
	if (!(result & IO_WATCH_ALWAYS))
		w->errors = 0;
	else if (++w->errors >= ERRORS_MAX)
		w->errors = ERRORS_MAX;
	/* Taken back when it brings what nobody wants; renewed when it ended. */
	if (w->armed ? !(result & (w->events | (int)IO_WATCH_ALWAYS)) : w->errors < ERRORS_MAX)
		watch_later(w);
}

static void completion(const struct io_uring_cqe *cqe)
{
	switch (cqe->user_data & TAG_MASK) {
	case TAG_REQUEST:
		in_ring--;
		io_completed((struct io_request *)cqe->user_data, cqe->res);
		break;
	case TAG_WATCH:
		watch_event(cqe->user_data, cqe->res, cqe->flags & IORING_CQE_F_MORE);
		break;
	case TAG_EPOLL:
		epoll_armed = false;
		if (io_epoll_watches()) {
			watches_changed = true;
			io_hurry();
		}
		io_epoll_take(0);
		break;
	}
}

static void uring_reap(void)
{
	unsigned head = *ring.cq.khead, tail;

	do {
		if (IO_URING_READ_ONCE(*ring.sq.kflags) & io_signal.mask)
			enter(0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
		tail = io_uring_smp_load_acquire(ring.cq.ktail);
		for (; head != tail; head++)
			completion(&ring.cq.cqes[head & ring.cq.ring_mask]);
		io_uring_smp_store_release(ring.cq.khead, head);
	} while (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW);
}

static void uring_sleep(uint64_t timeout_ns, const int *fds, unsigned n)
{
	struct __kernel_timespec at = {
		.tv_sec = (int64_t)(timeout_ns / NS_PER_S), .tv_nsec = timeout_ns % NS_PER_S,
	};
	struct io_uring_getevents_arg arg = { .ts = timeout_ns == UINT64_MAX ? 0 : (uint64_t)&at };
	bool ready = n && !io_epoll_wait_for(fds, n);

	prepare();
	if (n && !epoll_armed)
		epoll_arm();
	if (ready)
		submit();
	else
		enter(publish(), 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

const struct io_ops io_uring_ops = {
	.name = "io_uring",
	.start = uring_start,
	.flush = uring_flush,
	.reap = uring_reap,
	.sleep = uring_sleep,
	.watch = uring_watch,
};
