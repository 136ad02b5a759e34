/* SPDX-License-Identifier: MIT */
/*
 * Sites: SYSCALL instructions of guest code that enter the stub directly.
 *
 * `mov $nr, %eax; syscall` becomes `jmp *[slot]` (7 bytes each) in the page's
 * private image; the slot leads to a trampoline that knows nr and the address
 * behind the site.  Sites are numbered, shared by all worlds, and not freed: a
 * trampoline is right for every page that has this call at this address.  When they
 * run out all are forgotten at once, nothing that jumps to them being mapped.
 */
#ifndef RING3_WORLD_SITE_H
#define RING3_WORLD_SITE_H

#include "base/types.h"

#define SITE_LENGTH	7	/* bytes, the SYSCALL being the last two */

void site_init(void);		/* once patch_fd() is mapped */
/* The site for the call `number` at guest address `start`, made if need be; -1: no more room. */
int site_make(uint64_t start, uint32_t number);
void site_reset(void);
void site_code(unsigned site, uint8_t code[SITE_LENGTH]);	/* what to write at `start` */

/* Is `rip` in a trampoline?  Of which site, and how far into it. */
bool site_find(uint64_t rip, unsigned *site, unsigned *offset);
uint32_t site_number(unsigned site);
uint64_t site_start(unsigned site);
uint64_t site_syscall(unsigned site);	/* address of the SYSCALL instruction */

#endif
