/* SPDX-License-Identifier: MIT */
/*
 * Executable images of guest user pages.
 *
 * For each guest-physical page that user code executes from, patch/ decides
 * what a world maps: the page itself (scans clean, nothing patched), a private
 * copy in the WORLD_PATCHED memfd with traps planted on sensitive instructions
 * and jumps on hot SYSCALL sites, or nothing (run it by the interpreter until
 * more is known).
 *
 * An image is valid for one page content: the page is marked with
 * ram_mark_code() and the caller drops the image when it is written.
 */
#ifndef RING3_PATCH_PATCH_H
#define RING3_PATCH_PATCH_H

#include "base/types.h"
#include "machine/vcpu.h"
#include "world/world.h"

int patch_init(void);	/* 0 or -errno; creates the WORLD_PATCHED memfd (patch_fd()) */
int patch_fd(void);

/*
 * What to map for executing at `rip` (known instruction boundary) in page
 * `page` (guest-physical).  true: *source, *offset are set.  false: interpret
 * the instruction at rip (emulate_step), then ask again when fetching faults.
 */
bool patch_image(struct vcpu *vcpu, gva_t rip, gpa_t page, enum world_source *source,
		 uint64_t *offset);
/* May a page that nobody executes from here yet be mapped executable as it is?  (It scans clean, or
 * an earlier look has settled it.) */
bool patch_clean(struct vcpu *vcpu, gva_t va, gpa_t page);
/* The same without an instruction to start at: true if an earlier look, or a clean scan, has
 * settled what to map. */
bool patch_known(struct vcpu *vcpu, gva_t va, gpa_t page, enum world_source *source,
		 uint64_t *offset);
/* The page's content changes: forget its image (mappings are the caller's). */
void patch_drop(gpa_t page);
/* A SYSCALL at rip - 2 came by signal: patch the site if it is hot and can be patched.
 * true: the image of its page changed; *source and *offset as above, remap it. */
bool patch_syscall_site(struct vcpu *vcpu, gva_t rip, gpa_t page, enum world_source *source,
			uint64_t *offset);
/* Set by the owner of the mappings: unmap all of WORLD_PATCHED from every world (queued is
 * enough), because all images are about to be forgotten. */
extern void (*patch_flush)(void);
/* #UD (64-bit code) or #GP(0) (32-bit code) at vcpu->rip: is it a trap of ours? */
bool patch_planted(struct vcpu *vcpu);

/*
 * At a trap of ours in `page`, at `offset`: up to where (offset in the page) is it cheaper to
 * interpret than to run into the next traps?  They come in clusters: CPUID at program start.
 */
unsigned patch_traps_end(gpa_t page, unsigned offset);

/* Guest reads of a patched page see the patched bytes (documented); used by debuggers: the
 * original bytes are in guest RAM. */

#endif
