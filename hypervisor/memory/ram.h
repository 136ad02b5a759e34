/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM: one memfd, mapped flat at LAYOUT_RAM + gPA; the only maker of
 * pointers into the guest.
 *
 * RAM covers gPA 0 .. low_size and, where there is more than RAM_LOW_MAX,
 * 4 GiB .. 4 GiB + rest.  File offsets are contiguous: ram_offset() maps the
 * second range down.  640 KiB .. 1 MiB is RAM in the file, but reported as
 * reserved by e820 and the VGA window (0xa0000..0xbffff) is plain memory.
 *
 * Pages that hold translated or scanned code are write-protected: engine code
 * that writes guest memory must use ram_write() or ram_writable(), which tell
 * ram_code_written first.
 */
#ifndef RING3_MEMORY_RAM_H
#define RING3_MEMORY_RAM_H

#include "base/layout.h"
#include "base/types.h"

#define RAM_LOW_MAX	0xc0000000UL	/* 3 GiB: PCI hole above */
#define RAM_HIGH_BASE	0x100000000UL

/* Sizes of the two pieces; constant after ram_init().  For the inline functions below only. */
extern struct ram_pieces { uint64_t low, high; } ram_pieces;

/* Create and map.  size: page multiple, at least 1 MiB.  0 or -errno (-ENOMEM). */
int ram_init(uint64_t size);
int ram_fd(void);
uint64_t ram_size(void);
uint64_t ram_low_size(void);
uint64_t ram_high_size(void);

bool ram_contains(gpa_t addr, uint64_t len);	/* whole range, no wrap, one piece */
uint64_t ram_offset(gpa_t addr);		/* in the memfd; addr must be RAM */
gpa_t ram_gpa(uint64_t offset);			/* inverse */

/*
 * The fast path of page walks and the software TLB: the page that holds addr,
 * as a pointer, or NULL.  Writers through it must heed ram_is_code().
 */
static inline void *ram_page(gpa_t addr)
{
	if (likely(addr.v < ram_pieces.low) || addr.v - RAM_HIGH_BASE < ram_pieces.high)
		return (void *)(LAYOUT_RAM + (addr.v & PAGE_MASK));
	return NULL;
}

/* Read-only view, or NULL when any byte is not RAM.  Contents may change under you. */
const void *ram_pointer(gpa_t addr, uint64_t len);
/* Writable view, after dropping code of those pages; NULL when not RAM. */
void *ram_writable(gpa_t addr, uint64_t len);

/* Copies; false when any byte is not RAM (nothing is copied then). */
bool ram_read(gpa_t addr, void *buf, uint64_t len);
bool ram_write(gpa_t addr, const void *buf, uint64_t len);

/*
 * DMA: all of guest RAM a second time, never write-protected, for I/O by the host
 * (which would meet -EFAULT in protected pages).  Constant, valid until the end.
 * NULL when any byte is not RAM.  Whoever writes there, or has the host do so,
 * calls ram_dma_written() afterwards, before the guest can know that data came:
 * only then is code of those pages dropped.
 */
static inline void *ram_dma(gpa_t addr, uint64_t len)
{
	return ram_contains(addr, len) ? (void *)(LAYOUT_DMA + addr.v) : NULL;
}
void ram_dma_written(gpa_t addr, uint64_t len);
/* The same for memory known by a pointer that ram_dma() gave. */
void ram_dma_pointer_written(const void *p, uint64_t len);

/*
 * One bit per page: holds code that somebody translated or scanned.  Set by
 * translate/ and patch/ through ram_mark_code(); ram_code_written is called
 * before engine-made writes to such a page and must clear the bit.
 */
extern uint64_t *ram_code_bits;
static inline bool ram_is_code(gpa_t addr)	/* addr must be RAM */
{
	uint64_t page = (addr.v >= RAM_HIGH_BASE ?
			 addr.v - RAM_HIGH_BASE + ram_pieces.low : addr.v) >> PAGE_SHIFT;

	return ram_code_bits[page / 64] >> (page % 64) & 1;
}
void ram_mark_code(gpa_t page, bool code);
extern void (*ram_code_written)(gpa_t page);

#endif
