/* SPDX-License-Identifier: MIT */
/*
 * The switch that machines of one user share: a process of its own, at whose Unix
 * socket each machine is a port, by the stream protocol (hostio/net_stream.c).
 */
#ifndef RING3_HOSTIO_SWITCH_H
#define RING3_HOSTIO_SWITCH_H

#include <stddef.h>

#include "base/types.h"

#define SWITCH_NAME_MAX	32u

/* Letters, digits, - and _ */
bool switch_name_good(const char *name);

/*
 * The path of NAME's socket (`suffix` ".sock") or lock (".lock"), in a folder that only this user
 * may enter, which is made: $XDG_RUNTIME_DIR/ring3 or /tmp/ring3-UID.  0, or -errno, said.
 */
int switch_path(const char *name, const char *suffix, char *path, size_t size);

/* Take the lock under which machines connect and a switch begins and ends; a descriptor, or -errno. */
int switch_lock(const char *name, bool wait);

/* A socket that listens at NAME's path, replacing what an earlier switch left; or -errno.  Locked. */
int switch_listen(const char *name);

/*
 * Be the switch, on a listening socket of switch_listen(): until the last machine has been gone for
 * a while.  The exit status.
 */
int switch_run(const char *name, int listener);

#endif
