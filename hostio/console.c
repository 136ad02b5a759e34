// SPDX-License-Identifier: MIT
/*
 * The console.  One instance; console_open() and console_close() use libc, all
 * else raw system calls, as it runs in the jail with FS.base not libc's.
 *
 * Raw mode keeps output processing on, so that "\n" of whoever writes to the
 * same terminal still returns the carriage.  Descriptors shared with the
 * user's shell are not made non-blocking: the flag would stay behind.
 */
#include "hostio/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/hostcall.h"
#include "base/log.h"
#include "hostio/io.h"

#define ESCAPE			0x01	/* Ctrl-a */
#define INPUT_SIZE		4096u
#define SLOW_SOCKET_NS		(100 * 1000 * 1000)

static struct {
	int in, out, listener;	/* -1: none */
	bool keys;		/* ESCAPE means something */
	bool escaped;		/* the last byte was ESCAPE */
	bool unplugging;	/* ESCAPE and u: a digit follows */
	bool raw;		/* the terminal's mode was changed */
	struct termios cooked;
	char *socket_path;
	const struct console_client *client;
	uint8_t input[INPUT_SIZE];	/* read, not yet taken by the client */
	size_t input_used;
} console = { .in = -1, .out = -1, .listener = -1 };

static const char keys_help[] =
	"\nCtrl-a x  end the machine\n"
	"Ctrl-a s  show statistics\n"
	"Ctrl-a b  send a break\n"
	"Ctrl-a u 0 ... 9  remove the device of that number (device=pv)\n"
	"Ctrl-a h  this text\n"
	"Ctrl-a Ctrl-a  send Ctrl-a\n";

static int console_refuse(const char *what, const char *path, int error)
{
	log_error("cannot %s \"%s\" for --serial: %s", what, path, strerror(error));
	return -error;
}

/* A terminal that is ours at the moment: the shell gave it to this process group. */
static bool console_own_terminal(int fd)
{
	return isatty(fd) && tcgetpgrp(fd) == getpgrp();
}

static int console_open_stdio(void)
{
	struct termios raw;

	console.out = STDOUT_FILENO;
	console.in = fcntl(STDIN_FILENO, F_GETFD) < 0 ? -1 : STDIN_FILENO;
	if (!isatty(STDIN_FILENO))
		return 0;
	if (!console_own_terminal(STDIN_FILENO)) {
		console.in = -1;	/* in the background: reading would stop us */
		return 0;
	}
	if (tcgetattr(STDIN_FILENO, &console.cooked) < 0)
		return 0;
	raw = console.cooked;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST;
	console.raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	console.keys = true;
	return 0;
}

static int console_open_file(const char *path)
{
	console.out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return console.out < 0 ? console_refuse("open", path, errno) : 0;
}

/* A socket file that nobody listens on is a leftover. */
static bool console_stale_socket(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool stale;

	if (fd < 0)
		return false;
	stale = lstat(addr->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int console_open_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int error, fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return console_refuse("listen on", path, ENAMETOOLONG);
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return console_refuse("listen on", path, errno);
	if (console_stale_socket(&addr))
		unlink(path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
		error = errno;
		close(fd);
		return console_refuse("listen on", path, error);
	}
	console.socket_path = strdup(path);
	console.listener = fd;
	return 0;
}

int console_open(const char *where)
{
	if (!strncmp(where, "file:", 5))
		return console_open_file(where + 5);
	if (!strncmp(where, "unix:", 5))
		return console_open_unix(where + 5);
	return console_open_stdio();
}

void console_restore_terminal(void)
{
	if (!console.raw)
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &console.cooked);
	console.raw = false;
}

void console_close(void)
{
	console_restore_terminal();
	if (console.socket_path)
		unlink(console.socket_path);
	free(console.socket_path);
	console.socket_path = NULL;
	if (console.listener >= 0)
		close(console.listener);
	console.listener = -1;
}

int console_watch_fd(void)
{
	struct stat st;

	if (console.in < 0)
		return console.listener;
	/* A file is always readable, at its end too: no news. */
	if (fstat(console.in, &st) < 0 || S_ISREG(st.st_mode) ||
	    (S_ISCHR(st.st_mode) && !isatty(console.in)))
		return -1;
	return console.in;
}

/* From here on: in the jail. */

static bool console_wait(int fd, short events, long timeout_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct timespec ts = { .tv_nsec = timeout_ns };

	return hostcall6(SYS_ppoll, (long)&p, 1, timeout_ns < 0 ? 0 : (long)&ts, 0, 0, 0) > 0;
}

static void console_hang_up(void)
{
	if (console.listener < 0) {
		console.in = -1;
		return;
	}
	io_forget(console.in);
	hostcall1(SYS_close, console.in);
	console.in = console.out = -1;
}

void console_attach(const struct console_client *client)
{
	console.client = client;
}

void console_write(const uint8_t *bytes, size_t n)
{
	while (n && console.out >= 0) {
		long done = hostcall3(SYS_write, console.out, (long)bytes, (long)n);

		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		} else if (done == -EAGAIN && console.listener >= 0) {
			if (!console_wait(console.out, POLLOUT, SLOW_SOCKET_NS))
				return;
		} else if (done == -EAGAIN) {
			console_wait(console.out, POLLOUT, -1);
		} else if (done != -EINTR) {
			if (console.listener >= 0) {
				console_hang_up();
			} else {
				console.out = -1;
				if (console.client)
					console.client->quit("its output can no longer be written");
			}
		}
	}
}

/* One byte of a terminal.  true: it is the guest's. */
static bool console_key(uint8_t c)
{
	if (!console.keys)
		return true;
	if (console.unplugging) {
		console.unplugging = false;
		if (c >= '0' && c <= '9')
			console.client->unplug((unsigned)(c - '0'));
		return false;
	}
	if (!console.escaped) {
		console.escaped = c == ESCAPE;
		return !console.escaped;
	}
	console.escaped = false;
	switch (c) {
	case ESCAPE:
	case 'a':
		return true;
	case 'x':
	case 'X':
		console.client->quit("Ctrl-a x");
		return false;
	case 's':
		console.client->show_stats();
		return false;
	case 'b':
		console.client->send_break();
		return false;
	case 'u':
		console.unplugging = true;
		return false;
	case 'h':
	case '?':
		hostcall3(SYS_write, console.out, (long)keys_help, sizeof(keys_help) - 1);
		return false;
	default:
		return false;
	}
}

void console_room(void)
{
	size_t n, room;

	if (!console.client || !console.input_used)
		return;
	room = console.client->room();
	n = console.input_used < room ? console.input_used : room;
	if (!n)
		return;
	console.client->input(console.input, n);
	console.input_used -= n;
	memmove(console.input, console.input + n, console.input_used);
}

int console_fd(void)
{
	if (console.in < 0)
		return console.listener;
	return console.input_used < INPUT_SIZE ? console.in : -1;
}

static void console_accept(void)
{
	long fd = hostcall6(SYS_accept4, console.listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0);

	if (fd >= 0)
		console.in = console.out = (int)fd;
}

static bool console_read(void)
{
	uint8_t bytes[INPUT_SIZE];
	size_t room = INPUT_SIZE - console.input_used;
	long n;

	if (!room || !console_wait(console.in, POLLIN, 0))
		return false;
	n = hostcall3(SYS_read, console.in, (long)bytes, (long)room);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n <= 0) {
		console_hang_up();
		return false;
	}
	for (long i = 0; i < n; i++) {
		if (console_key(bytes[i]))
			console.input[console.input_used++] = bytes[i];
	}
	return true;
}

void console_poll(void)
{
	if (!console.client)
		return;
	console_room();
	if (console.in < 0 && console.listener >= 0)
		console_accept();
	if (console.in >= 0 && console_read())
		console_room();
}
