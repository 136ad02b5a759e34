// SPDX-License-Identifier: MIT
/*
 * Benchmarks of what the kernel does for a program: system calls, page faults,
 * processes, signals, pipes, sockets, files, and the tools of a shell.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static uint64_t bench_getppid(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		for (unsigned j = 0; j < 100; j++)
			syscall(SYS_getppid);
	return bench_now() - begin;
}

#define PORT_NOBODY 0x80

/* No kernel is in the way, but whoever stands for the machine. */
static uint64_t bench_port(unsigned long n)
{
	if (ioperm(PORT_NOBODY, 1, 1))
		exit(BENCH_NOT_ALLOWED);
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		BENCH_USE(inb(PORT_NOBODY));
	return bench_now() - begin;
}

static uint64_t bench_read1(unsigned long n)
{
	int fd = open("/dev/zero", O_RDONLY);
	char c;

	if (fd < 0)
		bench_die("/dev/zero");
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		if (read(fd, &c, 1) != 1)
			bench_die("read");
	uint64_t ns = bench_now() - begin;

	close(fd);
	return ns;
}

static uint64_t bench_clock(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		BENCH_USE(bench_now());
	return bench_now() - begin;
}

#define FILE_SIZE (8u << 20)
#define FILE_BLOCK 4096u

static int tmpfs_file(void)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/bench-file-%d", bench_tmpfs(), (int)getpid());
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		bench_die(name);
	unlink(name);
	return fd;
}

static uint64_t write_blocks(int fd)
{
	static char block[FILE_BLOCK];
	uint64_t begin = bench_now();

	for (unsigned j = 0; j < FILE_SIZE / FILE_BLOCK; j++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			bench_die("write");
	return bench_now() - begin;
}

/* A new file each time: the pages are allocated within the measured time. */
static uint64_t bench_write(unsigned long n)
{
	uint64_t ns = 0;

	for (unsigned long i = 0; i < n; i++) {
		int fd = tmpfs_file();

		ns += write_blocks(fd);
		close(fd);
	}
	return ns;
}

static uint64_t bench_read(unsigned long n)
{
	static char block[FILE_BLOCK];
	int fd = tmpfs_file();

	write_blocks(fd);
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		for (unsigned j = 0; j < FILE_SIZE / FILE_BLOCK; j++)
			if (pread(fd, block, sizeof(block), (off_t)j * FILE_BLOCK) != sizeof(block))
				bench_die("pread");
	uint64_t ns = bench_now() - begin;

	close(fd);
	return ns;
}

#define FAULT_PAGES 2048u

static char *fault_area(int flags)
{
	char *area = mmap(NULL, FAULT_PAGES * 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		bench_die("mmap");
	madvise(area, FAULT_PAGES * 4096, MADV_NOHUGEPAGE);
	return area;
}

static void touch_all(volatile char *area)
{
	for (unsigned p = 0; p < FAULT_PAGES; p++)
		area[p * 4096] = 1;
}

static uint64_t bench_fault(unsigned long n)
{
	uint64_t ns = 0;

	for (unsigned long i = 0; i < n; i++) {
		char *area = fault_area(MAP_PRIVATE);
		uint64_t begin = bench_now();

		touch_all(area);
		ns += bench_now() - begin;
		munmap(area, FAULT_PAGES * 4096);
	}
	return ns;
}

static uint64_t bench_mmap(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		volatile char *area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			bench_die("mmap");
		for (unsigned p = 0; p < 16; p++)
			area[p * 4096] = 1;
		munmap((void *)area, 16 * 4096);
	}
	return bench_now() - begin;
}

/* The child times its own writes and leaves the figure in shared memory. */
static uint64_t bench_cow(unsigned long n)
{
	char *area = fault_area(MAP_PRIVATE);
	volatile uint64_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
					 0);
	uint64_t ns = 0;

	if (shared == MAP_FAILED)
		bench_die("mmap");
	touch_all(area);
	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork");
		if (!pid) {
			uint64_t begin = bench_now();

			touch_all(area);
			*shared = bench_now() - begin;
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		ns += *shared;
	}
	munmap((void *)shared, 4096);
	munmap(area, FAULT_PAGES * 4096);
	return ns;
}

static uint64_t bench_fork(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork");
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return bench_now() - begin;
}

static uint64_t bench_exec(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork");
		if (!pid) {
			execl(bench_self(), "bench", "--exit", (char *)NULL);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			bench_die("the program executed");
	}
	return bench_now() - begin;
}

static volatile sig_atomic_t signals_seen;

static void signal_seen(int number) { signals_seen += number != 0; }

static uint64_t bench_signal(unsigned long n)
{
	struct sigaction action = { .sa_handler = signal_seen };
	pid_t self = getpid();

	sigaction(SIGUSR1, &action, NULL);
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		kill(self, SIGUSR1);
	return bench_now() - begin;
}

/* Bounce one byte between two processes over the given descriptors. */
static uint64_t ping_pong(unsigned long n, int ours[2], int theirs[2])
{
	char c = 'x';
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		for (unsigned long i = 0; i < n + 1; i++)
			if (read(theirs[0], &c, 1) != 1 || write(theirs[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	uint64_t begin = 0;

	for (unsigned long i = 0; i < n + 1; i++) {
		if (write(ours[1], &c, 1) != 1 || read(ours[0], &c, 1) != 1)
			bench_die("ping-pong");
		if (!i)
			begin = bench_now();
	}
	uint64_t ns = bench_now() - begin;

	waitpid(pid, NULL, 0);
	return ns;
}

static uint64_t bench_pipe(unsigned long n)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		bench_die("pipe");
	uint64_t ns = ping_pong(n, (int[]){ back[0], there[1] }, (int[]){ there[0], back[1] });

	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
	return ns;
}

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		bench_die("listen on the loopback interface");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (pair[0] < 0 || connect(pair[0], (struct sockaddr *)&address, length))
		bench_die("connect to the loopback interface");
	pair[1] = accept(listener, NULL, NULL);
	if (pair[1] < 0)
		bench_die("accept");
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static uint64_t bench_tcp(unsigned long n)
{
	int pair[2];

	tcp_pair(pair);
	uint64_t ns = ping_pong(n, (int[]){ pair[0], pair[0] }, (int[]){ pair[1], pair[1] });

	close(pair[0]), close(pair[1]);
	return ns;
}

/* Run busybox with its output thrown away; the caller times it. */
static void run_busybox(const char *applet, const char *argument, const char *argument2)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		setenv("BB", bench_busybox(), 1);
		execl(bench_busybox(), "busybox", applet, argument, argument2, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		bench_die(bench_busybox());
}

static void text_file(char *name, size_t size)
{
	static const char *const words[] = { "ring",  "page",  "fault", "guest",
					     "world", "baton", "\n",	"trap" };
	uint64_t r = 42;
	FILE *f;

	snprintf(name, size, "%s/bench-text-%d", bench_tmpfs(), (int)getpid());
	f = fopen(name, "w");
	if (!f)
		bench_die(name);
	for (unsigned i = 0; i < 400000; i++) {
		r = r * 6364136223846793005ULL + 1442695040888963407ULL;
		fprintf(f, "%s%u ", words[(r >> 40) & 7], (unsigned)(r >> 56));
	}
	fclose(f);
}

static uint64_t bench_gzip(unsigned long n)
{
	char name[256];

	text_file(name, sizeof(name));
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		run_busybox("gzip", "-c", name);
	uint64_t ns = bench_now() - begin;

	unlink(name);
	return ns;
}

/* The shell starts 200 commands: a fork, an exec and a wait each. */
static uint64_t bench_shell(unsigned long n)
{
	static const char script[] =
		"i=0; while [ $i -lt 50 ]; do "
		"$BB true; $BB expr $i + 1; $BB basename /a/b/$i; $BB echo $i | $BB cat; i=$((i+1)); done";
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		run_busybox("sh", "-c", script);
	return bench_now() - begin;
}

const struct benchmark bench_kernel[] = {
	{ "getppid", "null system call", "us", 100, bench_getppid },
	{ "trapped-port", "access to a port by a program with leave for it: trapped", "ns", 1, bench_port },
	{ "clock", "clock_gettime by the vDSO", "us", 1, bench_clock },
	{ "read1", "read of one byte from /dev/zero", "us", 1, bench_read1 },
	{ "file-write", "write of 4 KiB to a new file in tmpfs", "us", FILE_SIZE / FILE_BLOCK,
	  bench_write },
	{ "file-read", "read of 4 KiB from a file in tmpfs", "us", FILE_SIZE / FILE_BLOCK, bench_read },
	{ "fault", "first touch of an anonymous page", "us", FAULT_PAGES, bench_fault },
	{ "mmap", "map, touch and unmap 16 pages", "us", 1, bench_mmap },
	{ "cow", "first write to a page shared by fork", "us", FAULT_PAGES, bench_cow },
	{ "fork", "fork, exit and wait", "us", 1, bench_fork },
	{ "exec", "fork, exec of a static program, wait", "us", 1, bench_exec },
	{ "signal", "signal to oneself, handled", "us", 1, bench_signal },
	{ "pipe", "round trip of one byte between processes", "us", 1, bench_pipe },
	{ "tcp", "round trip of one byte over loopback TCP", "us", 1, bench_tcp },
	{ "gzip", "busybox gzip of 3.5 MB of text", "ms", 1, bench_gzip },
	{ "shell", "shell script of 200 commands", "ms", 1, bench_shell },
	{ 0 },
};
