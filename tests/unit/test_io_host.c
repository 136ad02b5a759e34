// SPDX-License-Identifier: MIT
/*
 * The I/O engines and what the host lets them do: the ring's restrictions, hosts
 * that refuse it, users with small limits, signals.
 */
#include "io_engines.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/layout.h"

static long submit_raw(struct io_uring *ring)
{
	__atomic_store_n(ring->sq.ktail, ring->sq.sqe_tail, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring->ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

/* What a hostile engine might put into its ring: refused by the host, one by one. */
START_TEST(ring_is_restricted)
{
	static char data[64];
	struct io_uring *ring = io_uring_ring();
	struct io_uring_sqe *sqe;
	unsigned head;

	start(_i);
	for (int op = 0; op < 64; op++) {
		bool known = op == IORING_OP_READ || op == IORING_OP_READV || op == IORING_OP_WRITE ||
			     op == IORING_OP_WRITEV || op == IORING_OP_FSYNC ||
			     op == IORING_OP_FALLOCATE || op == IORING_OP_POLL_ADD ||
			     op == IORING_OP_POLL_REMOVE;

		for (int fixed = 0; fixed < 2; fixed++) {
			sqe = io_uring_get_sqe(ring);
			ck_assert_ptr_nonnull(sqe);
			io_uring_prep_rw(op, sqe, fixed ? file : file_fd, data, 1, 0);
			if (op == IORING_OP_READV || op == IORING_OP_WRITEV)
				sqe->len = 0;
			if (op == IORING_OP_POLL_ADD || op == IORING_OP_FSYNC)
				sqe->len = sqe->addr = 0, sqe->poll32_events = op == IORING_OP_POLL_ADD;
			sqe->flags = fixed ? IOSQE_FIXED_FILE : 0;
			ck_assert_int_eq(submit_raw(ring), 1);
			head = *ring->cq.khead;
			ck_assert_uint_eq(*ring->cq.ktail - head, 1);
			if (known && fixed)
				ck_assert_int_ne(ring->cq.cqes[head & ring->cq.ring_mask].res, -EACCES);
			else	/* (beyond the last operation: -EINVAL) */
				ck_assert(ring->cq.cqes[head & ring->cq.ring_mask].res == -EACCES ||
					  (op >= IORING_OP_LAST &&
					   ring->cq.cqes[head & ring->cq.ring_mask].res == -EINVAL));
			__atomic_store_n(ring->cq.khead, head + 1, __ATOMIC_RELEASE);
		}
	}
	/* Other flags with an operation that is allowed. */
	for (unsigned flag = IOSQE_IO_DRAIN; flag < 256; flag *= 2) {
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_read(sqe, file, data, 1, 0);
		sqe->flags = (uint8_t)(IOSQE_FIXED_FILE | flag);
		ck_assert_int_eq(submit_raw(ring), 1);
		head = *ring->cq.khead;
		ck_assert_int_lt(ring->cq.cqes[head & ring->cq.ring_mask].res, 0);
		__atomic_store_n(ring->cq.khead, head + 1, __ATOMIC_RELEASE);
	}
	for (unsigned op = 0; op < 40; op++)
		ck_assert_int_lt(io_uring_register(ring->ring_fd, op, &file_fd, 1), 0);
	ck_assert_int_eq(io_uring_register_files_update(ring, 0, &file_fd, 1), -EACCES);
	ck_assert_int_eq(result_of(request(IO_READ, data, sizeof(data), 0)), sizeof(data));
}
END_TEST

/* More completions than the ring has room for, which the engine knows nothing of. */
START_TEST(overflow_loses_nothing)
{
	enum { NUMBER = 1500, REQUESTS = 50 };
	static uint64_t data[REQUESTS];
	struct io_uring *ring = io_uring_ring();
	struct test_request *r[REQUESTS];

	start(_i);
	for (unsigned i = 0; i < NUMBER; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_poll_remove(sqe, 1);	/* there is none */
		sqe->flags = IOSQE_FIXED_FILE;
		sqe->user_data = 3;			/* nobody's */
		__atomic_store_n(ring->sq.ktail, ring->sq.sqe_tail, __ATOMIC_RELEASE);
		ck_assert_int_eq(syscall(SYS_io_uring_enter, ring->ring_fd, 1, 0, 0, NULL, 0), 1);
	}
	ck_assert_uint_ne(*ring->sq.kflags & IORING_SQ_CQ_OVERFLOW, 0);
	ck_assert(io_pending());
	for (unsigned i = 0; i < REQUESTS; i++) {
		r[i] = request(IO_READ, &data[i], sizeof(data[i]), i);
		io_queue(&r[i]->io);
	}
	io_drain();
	ck_assert_uint_eq(calls, REQUESTS);
	io_poll();
	ck_assert(!io_pending());
}
END_TEST

/* The memory that has to outlive everything above 8 TiB. */
START_TEST(ring_lies_low)
{
	struct io_uring *ring = io_uring_ring();

	start_plain(_i);
	ck_assert_uint_lt((uint64_t)ring->sq.ring_ptr + ring->sq.ring_sz, LAYOUT_GUEST_HIGH);
	ck_assert_uint_lt((uint64_t)ring->sq.sqes + (1 << 20), LAYOUT_GUEST_HIGH);
	ck_assert_uint_lt((uint64_t)io_signal.tail, LAYOUT_GUEST_HIGH);
}
END_TEST

static void refuse_ring(uint32_t answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { array_size(code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Default container profiles; kernels without it. */
START_TEST(threads_where_refused)
{
	static const int answers[] = { EPERM, ENOSYS };
	static char data[64];

	refuse_ring((uint32_t)answers[_i]);
	ck_assert_int_eq(arena_init(), 0);
	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_eq(io_start(IO_URING), -answers[_i]);
	ck_assert_ptr_null(io_engine_name());
	ck_assert_int_eq(io_start(IO_AUTO), 0);
	ck_assert_str_eq(io_engine_name(), "threads");
	ck_assert_int_eq(result_of(request(IO_READ, data, sizeof(data), 0)), sizeof(data));
}
END_TEST

/* For who may lock little memory, a small ring; none at all, threads. */
START_TEST(any_user)
{
	static const struct {
		rlim_t locked;
		unsigned entries;
	} users[] = { { 8 << 20, 128 }, { 64 << 10, 128 }, { 16 << 10, 32 }, { 0, 0 } };
	const struct rlimit limit = { users[_i].locked, users[_i].locked };
	static char data[64];
	struct test_request *r[2000];

	file_fd = file_make();
	file = io_add_file(file_fd);
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (getuid() == 0)
		/* One who has no rings yet: what a user locks is counted together. */
		ck_assert_int_eq(setuid(20000 + (uid_t)getpid() % 40000), 0);
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(io_start(IO_AUTO), 0);
	/* (Kernels of 5.12 to 6.13 do not count it, and the user may have other rings.) */
	if (users[_i].entries > 32)
		ck_assert_str_eq(io_engine_name(), "io_uring");
	for (unsigned i = 0; i < array_size(r); i++) {
		r[i] = request(IO_READ, data, sizeof(data), i);
		io_queue(&r[i]->io);
	}
	io_drain();
	ck_assert_uint_eq(calls, array_size(r));
	for (unsigned i = 0; i < array_size(r); i++)
		ck_assert_int_eq(r[i]->result, sizeof(data));
}
END_TEST

/* Who owns the engine's memory can turn its threads to other files: not to those of others. */
START_TEST(threads_are_jailed)
{
	static char data[64];
	int other = file_make(), status, pid;

	pid = fork();
	if (pid == 0) {
		start(ENGINES - 1);
		io.files[file] = other;
		io_queue(&request(IO_READ, data, sizeof(data), 0)->io);
		io_drain();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static volatile int signalled_thread;

static void note_thread(int signal)
{
	(void)signal;
	signalled_thread = (int)syscall(SYS_gettid);
}

/* Signals to the process are the vCPU thread's, however long it takes to come to them. */
START_TEST(signals_are_not_the_workers)
{
	const struct sigaction action = { .sa_handler = note_thread };
	sigset_t set, old;

	start(_i);
	ck_assert_int_eq(sigaction(SIGTERM, &action, NULL), 0);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, &old);
	kill(getpid(), SIGTERM);
	usleep(50000);
	ck_assert_int_eq(signalled_thread, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	ck_assert_int_eq(signalled_thread, getpid());
	ck_assert(!sigismember(&old, SIGTERM));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("io-host");
	TCase *tc = tcase_create("io-host");

	tcase_set_timeout(tc, 60);	/* hosts that are guests may stand still for a while */
	tcase_add_loop_test(tc, ring_is_restricted, 0, RINGS);
	tcase_add_loop_test(tc, overflow_loses_nothing, 0, RINGS);
	tcase_add_loop_test(tc, ring_lies_low, 0, RINGS);
	tcase_add_loop_test(tc, threads_where_refused, 0, 2);
	tcase_add_loop_test(tc, any_user, 0, 4);
	tcase_add_test(tc, threads_are_jailed);
	tcase_add_loop_test(tc, signals_are_not_the_workers, 0, ENGINES);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
