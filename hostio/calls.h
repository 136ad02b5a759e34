/* SPDX-License-Identifier: MIT */
/*
 * Which host calls the back-ends will make on which descriptors, for the jail
 * (world/jail.c), which lists the calls it grants to anyone at all and why.
 */
#ifndef RING3_HOSTIO_CALLS_H
#define RING3_HOSTIO_CALLS_H

struct call {
	int nr;		/* SYS_* */
	int fd;		/* its first argument */
};

/* Start-up: call `nr` is going to be made with `fd` as its first argument. */
void calls_allow(int nr, int fd);

const struct call *calls_allowed(unsigned *number);

#endif
