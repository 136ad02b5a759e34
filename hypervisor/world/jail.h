/* SPDX-License-Identifier: MIT */
/*
 * The kernel world's jail.
 */
#ifndef RING3_WORLD_JAIL_H
#define RING3_WORLD_JAIL_H

/*
 * Shut the door: from here on this process makes only the host calls that
 * jail.c lists; any other ends it with SIGSYS.  After worlds_init(), when
 * everything is open and mapped.  0 or -errno, said.
 */
int jail_kernel_world(void);

#endif
