// SPDX-License-Identifier: MIT
/*
 * The engine for hosts that refuse io_uring: a few threads that make the plain
 * calls, and one that waits for watched descriptors.
 *
 * The threads are bare: no libc, stacks from the arena, all signals blocked (they
 * are the vCPU thread's), a seccomp filter of their own that leaves little but I/O
 * on the machine's files.  They end with the process.
 *
 *	vCPU thread	work[] ->	worker		one producer, many takers
 *	worker		finished ->	vCPU thread	a stack, taken whole
 *	watcher		io_found() ->	vCPU thread
 *
 * Workers are woken by a futex if one sleeps, the vCPU thread by an eventfd if it
 * says that it sleeps: while there is enough to do, nobody makes a call to wake
 * anybody.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/arena.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/io_engine.h"
#include "hostio/io_stats.h"

#define WORKERS		16u		/* as many requests are with the host at once */
#define WORK_SIZE	1024u		/* a power of two */
#define STACK_SIZE	(32 * KIB)
#define NS_PER_S	1000000000u
#define SIGSET_SIZE	8		/* the kernel's */

static struct io_request *work[WORK_SIZE];
static uint32_t work_head, work_tail;	/* taken, put */
static uint32_t work_changes, sleepers;
static struct io_request *finished;
static uint32_t finished_number, taken_number;
static uint32_t sleeping;		/* the vCPU thread; whoever clears it writes to wake_fd */
static int wake_fd, epoll_fd;
static uint32_t started;
static int start_error;

/* ---- in the threads ---- */

static void wake_vcpu(void)
{
	uint64_t one = 1;

	if (__atomic_load_n(&sleeping, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&sleeping, 0, __ATOMIC_SEQ_CST))
		hostcall3(SYS_write, wake_fd, (long)&one, sizeof(one));
}

static struct io_request *work_take(void)
{
	uint32_t head = __atomic_load_n(&work_head, __ATOMIC_SEQ_CST);
	struct io_request *r;

	do {
		if (head == __atomic_load_n(&work_tail, __ATOMIC_SEQ_CST))
			return NULL;
		/* Overwritten only once the head has moved on, and then the exchange fails. */
		r = __atomic_load_n(&work[head % WORK_SIZE], __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&work_head, &head, head + 1, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return r;
}

static long perform(const struct io_request *r)
{
	int fd = io.files[r->file];

	switch (r->op) {
	case IO_READ:
		return hostcall6(SYS_preadv, fd, (long)r->iov, r->iov_count, (long)r->offset, 0, 0);
	case IO_WRITE:
		return hostcall6(SYS_pwritev, fd, (long)r->iov, r->iov_count, (long)r->offset, 0, 0);
	case IO_SYNC:
		return hostcall1(SYS_fdatasync, fd);
	default:
		return hostcall6(SYS_fallocate, fd, r->mode, (long)r->offset, (long)r->length, 0, 0);
	}
}

static void worker(void)
{
	for (;;) {
		uint32_t changes = __atomic_load_n(&work_changes, __ATOMIC_SEQ_CST);
		struct io_request *r = work_take();

		if (!r) {
			__atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
			hostcall6(SYS_futex, (long)&work_changes, FUTEX_WAIT, changes, 0, 0, 0);
			__atomic_fetch_sub(&sleepers, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		r->result = perform(r);
		r->next = __atomic_load_n(&finished, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&finished, &r->next, r, true,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			;
		__atomic_fetch_add(&finished_number, 1, __ATOMIC_SEQ_CST);
		wake_vcpu();
	}
}

static void watcher(void)
{
	for (;;) {
		io_epoll_take(-1);
		wake_vcpu();
	}
}

struct filter {
	struct sock_filter code[32 + 2 * IO_FILES_MAX];
	unsigned n;
};

static void filter_put(struct filter *f, unsigned code, unsigned jt, unsigned jf, uint32_t k)
{
	bug_on(f->n == array_size(f->code));
	f->code[f->n++] = (struct sock_filter){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };
}

static void filter_return(struct filter *f, uint32_t verdict)
{
	filter_put(f, BPF_RET | BPF_K, 0, 0, verdict);
}

/* Done if the loaded word is `value`. */
static void filter_allow(struct filter *f, uint32_t value)
{
	filter_put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	filter_return(f, SECCOMP_RET_ALLOW);
}

/* Call `nr` is allowed on one descriptor. */
static void filter_allow_on(struct filter *f, int nr, int fd)
{
	filter_put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)nr);
	filter_put(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args));
	filter_allow(f, (uint32_t)fd);
	filter_return(f, SECCOMP_RET_KILL_PROCESS);
}

static int thread_jail(void)
{
	static const int file_calls[] = { SYS_preadv, SYS_pwritev, SYS_fdatasync, SYS_fallocate };
	struct filter f = { .n = 0 };
	struct sock_fprog head = { .filter = f.code };
	long err;

	filter_put(&f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	filter_put(&f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	filter_return(&f, SECCOMP_RET_KILL_PROCESS);
	filter_put(&f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	filter_allow(&f, SYS_futex);			/* waiting for work */
	filter_allow(&f, SYS_restart_syscall);		/* a wait that was stopped and continued */
	filter_allow_on(&f, SYS_epoll_pwait, epoll_fd);	/* waiting for watched descriptors */
	filter_allow_on(&f, SYS_write, wake_fd);	/* waking the vCPU thread */
	/* What they are for, on the machine's files. */
	for (unsigned i = 0; i < array_size(file_calls); i++)
		filter_put(&f, BPF_JMP | BPF_JEQ | BPF_K, array_size(file_calls) - i, 0,
			   (uint32_t)file_calls[i]);
	filter_return(&f, SECCOMP_RET_KILL_PROCESS);
	filter_put(&f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args));
	for (unsigned i = 0; i < io.files_number; i++)
		filter_allow(&f, (uint32_t)io.files[i]);
	filter_return(&f, SECCOMP_RET_KILL_PROCESS);
	head.len = (unsigned short)f.n;
	err = hostcall6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	if (!err)
		err = hostcall3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&head);
	return (int)err;
}

static void thread_run(void (*job)(void))
{
	int err = thread_jail();

	if (err)
		__atomic_store_n(&start_error, err, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	hostcall3(SYS_futex, (long)&started, FUTEX_WAKE, 1);
	if (err)
		hostcall1(SYS_exit, 0);
	job();
}

/* ---- start-up ---- */

static int thread_create(void (*job)(void))
{
	void **top = (void **)((uint8_t *)arena_alloc(STACK_SIZE, 4096) + STACK_SIZE) - 2;
	register long parent_tid __asm__("rdx") = 0;
	register long child_tid __asm__("r10") = 0;
	register long tls __asm__("r8") = 0;
	long ret;

	top[0] = thread_run;
	top[1] = job;
	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "popq %%rax\n\t"
			 "popq %%rdi\n\t"
			 "call *%%rax\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "0"((long)SYS_clone), "D"((long)(CLONE_VM | CLONE_FS | CLONE_FILES |
				CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)), "S"(top),
			   "r"(parent_tid), "r"(child_tid), "r"(tls)
			 : "rcx", "r11", "memory");
	return ret < 0 ? (int)ret : 0;
}

static int threads_create(void)
{
	unsigned workers = io.files_number ? WORKERS : 0, n = 0;
	int err = thread_create(watcher);

	for (; !err && n < workers; n++)
		err = thread_create(worker);
	/* In their jails before the guest runs. */
	for (uint32_t s; !err && (s = __atomic_load_n(&started, __ATOMIC_SEQ_CST)) < n + 1; )
		hostcall6(SYS_futex, (long)&started, FUTEX_WAIT, s, 0, 0, 0);
	return err ? err : __atomic_load_n(&start_error, __ATOMIC_SEQ_CST);
}

static int threads_start(void)
{
	uint64_t all = ~0ul, mask;
	cpu_set_t here;
	int err;

	err = arena_init();
	if (err)
		return err;
	epoll_fd = io_epoll_init();
	if (epoll_fd < 0)
		return epoll_fd;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return -errno;
	/* They inherit both: signals blocked, and not the CPUs that the vCPU thread keeps to. */
	hostcall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&mask, SIGSET_SIZE, 0, 0);
	sched_getaffinity(0, sizeof(here), &here);
	sched_setaffinity(0, sizeof(io.cpus), &io.cpus);
	err = threads_create();
	sched_setaffinity(0, sizeof(here), &here);
	hostcall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, SIGSET_SIZE, 0, 0);
	io_signal = (struct io_signal){ .tail = &finished_number, .head = &taken_number, .mask = ~0u };
	return err;
}

/* ---- in the vCPU thread ---- */

static void threads_flush(void)
{
	uint32_t tail = work_tail, begin = tail;

	while (io.queued.first && tail - __atomic_load_n(&work_head, __ATOMIC_SEQ_CST) < WORK_SIZE)
		__atomic_store_n(&work[tail++ % WORK_SIZE], io_list_take(&io.queued), __ATOMIC_RELAXED);
	if (tail == begin)
		return;
	__atomic_store_n(&work_tail, tail, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&work_changes, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST)) {
		io_stats.calls++;
		hostcall3(SYS_futex, (long)&work_changes, FUTEX_WAKE, tail - begin);
	}
}

static void threads_reap(void)
{
	struct io_request *r, *next, *first = NULL;

	if (__atomic_load_n(&finished_number, __ATOMIC_SEQ_CST) == taken_number)
		return;
	r = __atomic_exchange_n(&finished, NULL, __ATOMIC_SEQ_CST);
	for (; r; r = next) {		/* the first to finish lies at the bottom */
		next = r->next;
		r->next = first;
		first = r;
	}
	for (r = first; r; r = next) {
		next = r->next;
		taken_number++;
		io_completed(r, r->result);
	}
}

static void threads_watch(struct io_watch *w)
{
	io_epoll_watch(w);
}

static void threads_sleep(uint64_t timeout_ns, const int *fds, unsigned n)
{
	struct timespec at = {
		.tv_sec = (long)(timeout_ns / NS_PER_S), .tv_nsec = (long)(timeout_ns % NS_PER_S),
	};
	struct pollfd p[2 + IO_WAIT_FDS] = {
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = epoll_fd, .events = POLLIN },
	};
	uint64_t count;

	bug_on(n > IO_WAIT_FDS);
	for (unsigned i = 0; i < n; i++)
		p[2 + i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	threads_flush();
	__atomic_store_n(&sleeping, 1, __ATOMIC_SEQ_CST);
	if (!io_pending()) {
		io_stats.calls++;
		hostcall6(SYS_ppoll, (long)p, 2 + n, timeout_ns == UINT64_MAX ? 0 : (long)&at,
			  0, SIGSET_SIZE, 0);
	}
	/* Cleared by another: it writes, or has written. */
	if (!__atomic_exchange_n(&sleeping, 0, __ATOMIC_SEQ_CST))
		hostcall3(SYS_read, wake_fd, (long)&count, sizeof(count));
	/* No need to wait for the watcher to see the same. */
	if (p[1].revents)
		io_epoll_take(0);
}

const struct io_ops io_threads_ops = {
	.name = "threads",
	.start = threads_start,
	.flush = threads_flush,
	.reap = threads_reap,
	.sleep = threads_sleep,
	.watch = threads_watch,
};
