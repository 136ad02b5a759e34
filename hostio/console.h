/* SPDX-License-Identifier: MIT */
/*
 * The machine's console: the user's terminal, a pipe, a file or a socket.
 *
 * A byte stream both ways and a few keys for the user, Ctrl-a being the escape
 * on a terminal.  Knows nothing of serial ports or CPUs: who is interested
 * attaches a client.
 *
 * Opened by the supervising process, which restores the terminal however the
 * machine ends; used by the kernel world, in the jail, on already-open
 * descriptors: read, write, ppoll, and for unix: accept4 and close.
 */
#ifndef RING3_HOSTIO_CONSOLE_H
#define RING3_HOSTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_client {
	size_t (*room)(void);				/* how many bytes input() would take now */
	void (*input)(const uint8_t *bytes, size_t n);	/* n <= room() */
	void (*quit)(const char *why);			/* Ctrl-a x, or nobody reads any more */
	void (*send_break)(void);			/* Ctrl-a b */
	void (*show_stats)(void);			/* Ctrl-a s */
	void (*unplug)(unsigned device);		/* Ctrl-a u, and a digit */
};

/* "stdio", "file:PATH", "unix:PATH".  0, or -errno with one sentence said. */
int console_open(const char *where);
/* Undo what console_open() did outside this process: terminal mode, socket file. */
void console_close(void);
/* Terminal mode only, from a signal handler too. */
void console_restore_terminal(void);

/* For the supervising process: where input would show, or -1. */
int console_watch_fd(void);

void console_attach(const struct console_client *client);
/* All of them; waits while the reader is slow, except for a socket's, which misses bytes. */
void console_write(const uint8_t *bytes, size_t n);
/* What to poll for input, or -1: nothing to wait for (no input ever, or no room for more). */
int console_fd(void);
/* Take what has come and hand it on; never waits. */
void console_poll(void);
/* The client has room again. */
void console_room(void);

#endif
