/* SPDX-License-Identifier: MIT */
/*
 * Going into the background, for back-ends that are processes of their own: who
 * started them waits for the first process's end, which tells whether all went well.
 */
#ifndef RING3_HOSTIO_BACKGROUND_H
#define RING3_HOSTIO_BACKGROUND_H

/* Go on in a new process and session.  The old one ends when that calls background_ready(), with
 * status 0, or when it ends before, with status 1.  0 or -errno. */
int background_begin(void);
/* All is set up.  Nothing is said to standard error from now on. */
void background_ready(void);

#endif
