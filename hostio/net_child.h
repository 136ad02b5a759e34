/* SPDX-License-Identifier: MIT */
/* Helper processes of network back-ends, at start-up; for net_*.c only. */
#ifndef RING3_HOSTIO_NET_CHILD_H
#define RING3_HOSTIO_NET_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#define NET_CHILD_FD	3	/* as which the program finds the descriptor it is given */

/*
 * Run a program that goes into the background by itself once it is ready: wait until its first
 * process has ended.  It has no other descriptors open than NET_CHILD_FD and a place for messages,
 * of which `said` keeps the last line.  0; its status; 127: there is no such program; -errno.
 */
int net_child_run(const char *program, char *const argv[], int fd, char *said, size_t said_size);

/* A path beside our own executable (`name` relative to its folder); 0 or -errno. */
int net_child_beside(const char *name, char *path, size_t size);

#endif
