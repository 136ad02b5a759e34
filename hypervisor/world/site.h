/* SPDX-License-Identifier: MIT */
/*
 * Sites: SYSCALL instructions of guest code that enter the stub directly.
 *
 * The instructions just before the SYSCALL, the site's *head*, are displaced: the
 * page's private image has `jmp *[slot]` (7 bytes) in their place, and the slot
 * leads to a trampoline that holds them and knows the address behind the SYSCALL.
 * The jump ends in the bytes 06 00, so a head's first instruction is of 5 bytes, or
 * of 7 or more: then whoever jumps to a later one finds an invalid opcode (and the
 * instruction is interpreted) or the original bytes.  Sites are numbered, shared by
 * all worlds, and not freed: a trampoline is right for every page that has this call
 * at this address.  When they run out all are forgotten at once, nothing that jumps
 * to them being mapped.
 */
#ifndef RING3_WORLD_SITE_H
#define RING3_WORLD_SITE_H

#include "base/types.h"

#define SITE_JUMP	7	/* bytes of the jump */
#define SITE_HEAD_MIN	5	/* bytes displaced; the SYSCALL's two follow */
#define SITE_HEAD_MAX	16

void site_init(void);		/* once patch_fd() is mapped */
/* The site at guest address `start` with this head, made if need be; -1: no more room. */
int site_make(uint64_t start, const uint8_t *head, unsigned length);
void site_reset(void);
void site_code(unsigned site, uint8_t code[SITE_JUMP]);	/* what to write at `start` */

/* Is `rip` in a trampoline?  Of which site, and how far into it. */
bool site_find(uint64_t rip, unsigned *site, unsigned *offset);
/* The guest's address for one `offset` bytes into a site's trampoline. */
uint64_t site_guest(unsigned site, unsigned offset);
/* Is this guest address inside the jump of some site, where an original instruction may start? */
bool site_inside(uint64_t rip);

#endif
