/* SPDX-License-Identifier: MIT */
/*
 * A jail for back-ends that are processes of their own (switch, ring3-slirp): a
 * seccomp filter of a list of system calls.  (The kernel world has its own, world/jail.c.)
 */
#ifndef RING3_HOSTIO_CONFINE_H
#define RING3_HOSTIO_CONFINE_H

/*
 * Allow this process the `number` calls, for good; others give -EPERM.  Whatever the list says,
 * openat only reads, memory never becomes executable, and sockets are of the Internet's families.
 * No core file, no ptrace by others.  0 or -errno.
 */
int confine(const int *calls, unsigned number);

/*
 * Before confine(): from now on, no file but those in these folders (NULL-terminated; absent ones
 * are passed over) can be read, and none written.  Where the host has no Landlock, nothing is done
 * and -ENOSYS or -EOPNOTSUPP returned.
 */
int confine_files(const char *const *folders);

#endif
