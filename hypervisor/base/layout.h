/* SPDX-License-Identifier: MIT */
/*
 * The kernel world's address space.  docs/memory-map.md shows the same as a
 * table; a static assert beside each user keeps them honest.
 *
 * Guest CPL0 code reaches guest address A at host address A + delta (mod 2^64):
 *
 *   upper half (A >= 0xffff_8000_0001_0000)  delta = DELTA_HIGH
 *   lower half (early boot, identity-mapped kernels)  delta = DELTA_LOW
 *
 * In the upper half, host 0 .. 8 TiB corresponds to guest addresses
 * 0xffff_8000_0001_0000 .. 0xffff_8800_0000_ffff, the hole that Linux reserves
 * for hypervisors (Documentation/x86/x86_64/mm.rst).  Everything of the engine
 * lives there.  What generated code names lies below 2 GiB, so that it is
 * reached by [disp32] without a base register.
 *
 * The executable is linked (not position-independent) at LAYOUT_ENGINE; its
 * brk heap may be anywhere in the following GiB (host ASLR).
 */
#ifndef RING3_BASE_LAYOUT_H
#define RING3_BASE_LAYOUT_H

#define DELTA_HIGH		0x00007fffffff0000UL
#define DELTA_LOW		0x0000010000000000UL	/* 1 TiB */

#define LAYOUT_ENGINE		0x10000000UL		/* text, data, then brk */
#define LAYOUT_VCPU		0x58000000UL		/* struct vcpu, private */
#define LAYOUT_VCPU_SIZE	0x00100000UL
#define LAYOUT_IBL		0x59000000UL		/* indirect-branch table */
#define LAYOUT_IBL_SIZE		0x00100000UL
#define LAYOUT_STACK		0x5a000000UL		/* engine stack, signal stack */
#define LAYOUT_STACK_SIZE	0x00400000UL
#define LAYOUT_CACHE		0x60000000UL		/* code cache */
#define LAYOUT_CACHE_SIZE	0x10000000UL		/* 256 MiB of address space */

#define LAYOUT_LOW		DELTA_LOW		/* guest lower half, CPL0 view */
#define LAYOUT_LOW_SIZE		0x0000010000000000UL	/* 1 TiB */
#define LAYOUT_ARENA		0x0000030000000000UL	/* 3 TiB: engine's own tables */
#define LAYOUT_ARENA_SIZE	0x0000000100000000UL
#define LAYOUT_CONTROL		0x0000031000000000UL	/* worlds' control pages, shared */
#define LAYOUT_CONTROL_SIZE	0x0000000010000000UL
#define LAYOUT_PATCH		0x0000032000000000UL	/* patched images of user code pages */
#define LAYOUT_PATCH_SIZE	0x0000000004000000UL
#define LAYOUT_RECORD		0x0000033000000000UL	/* the file of --record */
#define LAYOUT_RECORD_SIZE	0x0000001000000000UL
#define LAYOUT_RAM		0x0000040000000000UL	/* 4 TiB: flat guest RAM, at + gPA */
#define LAYOUT_RAM_SIZE		0x0000020000000000UL

#define LAYOUT_DMA		0x0000060000000000UL	/* 6 TiB: the same once more, for the host's I/O */

#define LAYOUT_GUEST_HIGH	0x0000080000000000UL	/* 8 TiB: first guest-owned byte */
#define LAYOUT_TASK_END		0x00007ffffffff000UL	/* host TASK_SIZE_MAX */

#endif
