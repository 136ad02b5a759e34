// SPDX-License-Identifier: MIT
/*
 * The kernel world's jail: what the engine needs works, the rest kills.
 */
#include "worlds.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/hostcall.h"
#include "hostio/io.h"
#include "world/jail.h"

SNIPPET(one_call, "1: syscall; jmp 1b");

/* libcheck makes calls of its own: in the jail, say by exit status. */
#define must(condition) do { if (!(condition)) hostcall1(SYS_exit_group, __LINE__ & 0x7f); } while (0)

static void jailed(void)
{
	machine_up(2);
	LOAD(world_get(0), one_call);
	must(io_start(IO_AUTO) == 0);
	must(jail_kernel_world() == 0);
}

static int child_status(int pid)
{
	int status = -1;

	ck_assert_int_eq(hostcall6(SYS_wait4, pid, (long)&status, 0, 0, 0, 0), pid);
	return status;
}

START_TEST(worlds_work_inside)
{
	int pid = fork();

	if (pid) {
		ck_assert_int_eq(child_status(pid), 0);
		return;
	}
	jailed();
	for (unsigned i = 0; i < 200; i++) {	/* more proofs than the pool of nonces holds */
		run(world_get(0));
		world_quiesce();
		must(last.reason == WORLD_EXIT_SYSCALL);
	}
	must(hostcall_mmap(LAYOUT_LOW + 0x100000, PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, ram_fd(), 0) == LAYOUT_LOW + 0x100000);
	must(hostcall2(SYS_munmap, LAYOUT_LOW + 0x100000, PAGE_SIZE) == 0);
	worlds_exit();
	hostcall1(SYS_exit_group, 0);
}
END_TEST

static long io_result;
static bool io_is_ready;

static void io_done(struct io_request *r, long result)
{
	(void)r;
	io_result = result;
}

static void io_ready(struct io_watch *w, short events)
{
	uint64_t bytes;

	(void)events;
	io_is_ready = hostcall3(SYS_read, w->fd, (long)&bytes, sizeof(bytes)) > 0;
}

/* A request, a watch of the start, a late one, and descriptors to wait for. */
START_TEST(io_works_inside)
{
	static char data[100];
	static struct iovec iov = { data, sizeof(data) };
	static struct io_watch early, late;
	struct io_request r = { .op = IO_READ, .iov = &iov, .iov_count = 1, .done = io_done };
	int early_pipe[2], late_pipe[2], pid = fork();

	if (pid) {
		ck_assert_int_eq(child_status(pid), 0);
		return;
	}
	must(pipe2(early_pipe, O_NONBLOCK) == 0 && pipe2(late_pipe, O_NONBLOCK) == 0);
	early = (struct io_watch){ .fd = early_pipe[0], .events = 1, .ready = io_ready };
	late = (struct io_watch){ .fd = late_pipe[0], .events = 1, .ready = io_ready };
	r.file = io_add_file(open("/proc/self/exe", O_RDONLY));
	io_watch_add(&early);
	machine_up(2);
	must(io_start(_i ? IO_THREADS : IO_URING) == 0);
	must(jail_kernel_world() == 0);
	io_queue(&r);
	io_drain();
	must(io_result == sizeof(data));
	io_watch_add(&late);
	for (int i = 0; i < 2; i++) {
		io_is_ready = false;
		must(hostcall3(SYS_write, (i ? late_pipe : early_pipe)[1], (long)data, 1) == 1);
		while (!io_is_ready) {
			io_wait(1000000, late_pipe, 1);
			io_poll();
		}
	}
	io_forget(late_pipe[0]);
	worlds_exit();
	hostcall1(SYS_exit_group, 0);
}
END_TEST

/* Each in a process of its own: the first forbidden call is the last. */
static const struct forbidden {
	long nr, a[6];
} forbidden[] = {
	{ SYS_openat, { -100, (long)"/etc/passwd" } },
	{ SYS_socket, { 2, 1 } },
	{ SYS_clone, { 17 } },
	{ SYS_execve, { (long)"/bin/true" } },
	{ SYS_kill, { 1, 0 } },
	{ SYS_tgkill, { 1, 1, 0 } },
	{ SYS_ptrace, { 0 } },
	{ SYS_mmap, { 0x20000000000, 4096, 3, 0x22, -1 } },
	{ SYS_mmap, { LAYOUT_LOW, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, 4 } },
	{ SYS_mprotect, { 0x10000000, 4096, 7 } },
	{ SYS_mprotect, { LAYOUT_LOW, 4096, PROT_EXEC } },
	{ SYS_munmap, { LAYOUT_ARENA, 4096 } },
	{ SYS_munmap, { LAYOUT_RAM, 4096 } },
	{ SYS_lseek, { 0, 1, 1 } },
	{ SYS_prctl, { 38 } },
	{ SYS_seccomp, { 0 } },
	{ 0x40000000 | SYS_getpid, { 0 } },
	{ SYS_io_uring_setup, { 8 } },
	{ SYS_io_uring_enter, { 0 } },		/* not the ring */
	{ SYS_io_uring_register, { 0 } },
	{ SYS_epoll_ctl, { 0 } },
	{ SYS_epoll_pwait, { 0 } },
	{ SYS_preadv, { 0 } },
	{ SYS_fallocate, { 0 } },
};

START_TEST(others_kill)
{
	const struct forbidden *f = &forbidden[_i];
	int pid = fork();

	if (pid == 0) {
		jailed();
		hostcall6(f->nr, f->a[0], f->a[1], f->a[2], f->a[3], f->a[4], f->a[5]);
		_exit(0);
	}
	ck_assert_int_eq(child_status(pid) & 0x7f, 31 /* SIGSYS */);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jail");
	TCase *tc = tcase_create("jail");

	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, worlds_work_inside);
	tcase_add_loop_test(tc, io_works_inside, 0, 2);
	tcase_add_loop_test(tc, others_kill, 0, (int)array_size(forbidden));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
