/* SPDX-License-Identifier: MIT */
/*
 * Guest-virtual memory for the engine, with a small software TLB in front of
 * the page walk.
 *
 * A TLB entry says: this page, for this kind of access (read/write/fetch) by
 * this kind of code (user; supervisor with AC clear or set; implicit), is RAM
 * at that host address, and A (for writes, D) was set.  Hence a hit needs no
 * further check, except that a write looks whether the page holds code.  Only
 * what hardware's TLB may keep is kept: access_flush() drops all by moving to
 * the next generation.  CR0.WP, SMAP etc. are no part of the key; their changes
 * flush.
 *
 * The walk's A/D updates of the first page of a crossing access stay when the
 * second page faults, as on hardware.
 */
#include "memory/access.h"

#include <string.h>

#include "base/log.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "machine/bus.h"
#include "memory/ram.h"

#define TLB_SIZE	256

enum tlb_kind { TLB_READ, TLB_WRITE, TLB_FETCH };

struct tlb_entry {
	uint64_t tag;		/* page | who << 2 | kind */
	uint64_t generation;
	uint8_t *host;		/* of the page */
};

static struct tlb_entry tlb[TLB_SIZE];
uint64_t access_generation = 1;
static const struct vcpu *tlb_owner;

void (*access_observe)(uint64_t addr, unsigned len, bool write);

/* Where one page's part of an access is. */
struct place {
	uint8_t *host;		/* NULL: not RAM */
	gpa_t gpa;
};

void access_flush(struct vcpu *vcpu)
{
	(void)vcpu;
	access_generation++;
}

static inline uint64_t tlb_tag(const struct vcpu *vcpu, uint64_t addr, unsigned access,
			       enum tlb_kind kind)
{
	unsigned who;

	if (access & WALK_USER)
		who = 1;
	else if (access & WALK_IMPLICIT)
		who = 2;
	else
		who = vcpu->rflags & RFLAGS_AC ? 3 : 0;
	return (addr & PAGE_MASK) | who << 2 | kind;
}

static inline struct tlb_entry *tlb_slot(uint64_t tag)
{
	return &tlb[((tag >> PAGE_SHIFT) ^ (tag >> 20) ^ (tag << 5)) % TLB_SIZE];
}

/* The page's RAM, or NULL: not remembered. */
static inline uint8_t *tlb_lookup(const struct vcpu *vcpu, uint64_t tag)
{
	const struct tlb_entry *entry = tlb_slot(tag);

	if (entry->tag != tag || entry->generation != access_generation || tlb_owner != vcpu)
		return NULL;
	if ((tag & 3) == TLB_WRITE && unlikely(ram_is_code(GPA((uint64_t)entry->host - LAYOUT_RAM))))
		return NULL;
	return entry->host;
}

static void tlb_fill(const struct vcpu *vcpu, uint64_t tag, uint8_t *host)
{
	struct tlb_entry *entry = tlb_slot(tag);

	if (tlb_owner != vcpu) {
		tlb_owner = vcpu;
		access_generation++;
	}
	entry->tag = tag;
	entry->generation = access_generation;
	entry->host = host;
}

/* One page's part: addr .. addr + len - 1 within one page. */
static bool place_find(struct vcpu *vcpu, uint64_t addr, unsigned len, unsigned access,
		       enum tlb_kind kind, struct place *out)
{
	uint64_t tag = tlb_tag(vcpu, addr, access, kind);
	uint8_t *page = tlb_lookup(vcpu, tag);
	struct walk walk;
	uint32_t error;

	if (unlikely(access_observe) && kind != TLB_FETCH && !(access & WALK_IMPLICIT))
		access_observe(addr, len, kind == TLB_WRITE);
	if (likely(page)) {
		out->host = page + addr % PAGE_SIZE;
		return true;
	}
	if ((vcpu->efer & EFER_LMA) && !gva_canonical(GVA(addr))) {
		vcpu_raise_error(vcpu, VEC_GP, 0);
		return false;
	}
	error = walk_translate(vcpu, GVA(addr), access, &walk);
	if (unlikely(error)) {
		vcpu_raise_pf(vcpu, GVA(addr), error & WALK_ERROR_MASK);
		return false;
	}
	out->gpa = walk.gpa;
	page = ram_page(walk.gpa);
	if (unlikely(!page)) {
		out->host = NULL;
		return true;
	}
	if (kind == TLB_WRITE && unlikely(ram_is_code(walk.gpa)))
		ram_writable(walk.gpa, len);
	if (!(access & WALK_PROBE))
		tlb_fill(vcpu, tag, page);
	out->host = page + addr % PAGE_SIZE;
	return true;
}

/* Plain loads and stores are single for the sizes that are atomic on hardware. */
static inline __attribute__((always_inline)) void copy_operand(void *to, const void *from,
								unsigned len)
{
	switch (len) {
	case 1:
		__builtin_memcpy(to, from, 1);
		break;
	case 2:
		__builtin_memcpy(to, from, 2);
		break;
	case 4:
		__builtin_memcpy(to, from, 4);
		break;
	case 8:
		__builtin_memcpy(to, from, 8);
		break;
	default:
		memcpy(to, from, len);
		break;
	}
}

/* The widest piece a bus takes at this address: naturally aligned unless it is a whole operand. */
static unsigned mmio_piece(uint64_t addr, unsigned len)
{
	unsigned size = 8;

	while (size > len || (addr & (size - 1)))
		size /= 2;
	return size;
}

static bool mmio_whole(unsigned len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static void mmio_read(gpa_t gpa, uint8_t *buf, unsigned len)
{
	while (len) {
		unsigned size = mmio_whole(len) ? len : mmio_piece(gpa.v, len);
		uint64_t value = bus_mmio_read(gpa, size);

		stats.mmio++;
		trace_exit(TRACE_K_MMIO_READ, 0, gpa.v, value);
		memcpy(buf, &value, size);
		buf += size;
		gpa.v += size;
		len -= size;
	}
}

static void mmio_write(gpa_t gpa, const uint8_t *buf, unsigned len)
{
	while (len) {
		unsigned size = mmio_whole(len) ? len : mmio_piece(gpa.v, len);
		uint64_t value = 0;

		memcpy(&value, buf, size);
		stats.mmio++;
		trace_exit(TRACE_K_MMIO_WRITE, 0, gpa.v, value);
		bus_mmio_write(gpa, size, value);
		buf += size;
		gpa.v += size;
		len -= size;
	}
}

static void place_read(const struct place *place, void *buf, unsigned len)
{
	if (likely(place->host))
		copy_operand(buf, place->host, len);
	else
		mmio_read(place->gpa, buf, len);
}

static void place_write(const struct place *place, const void *buf, unsigned len)
{
	if (likely(place->host))
		copy_operand(place->host, buf, len);
	else
		mmio_write(place->gpa, buf, len);
}

/* Outside long mode linear addresses wrap at 4 GiB. */
static inline uint64_t wrap(const struct vcpu *vcpu, uint64_t addr)
{
	return vcpu->efer & EFER_LMA ? addr : (uint32_t)addr;
}

/* XSAVE areas are the largest operands: two pages for the sizes that exist, three to be safe. */
#define PIECES_MAX	6

static unsigned __attribute__((noinline)) pieces_find(struct vcpu *vcpu, uint64_t addr,
						      unsigned len, unsigned access,
						      enum tlb_kind kind, struct place *places)
{
	unsigned count = 0;

	while (len) {
		unsigned part = (unsigned)min_u64(PAGE_SIZE - addr % PAGE_SIZE, len);

		bug_on(count == PIECES_MAX);
		if (!place_find(vcpu, addr, part, access, kind, &places[count++]))
			return 0;
		addr = wrap(vcpu, addr + part);
		len -= part;
	}
	/* Dropping the code of one page may not have made another one's pointer stale:
	 * pointers are into the flat mapping, which never changes. */
	return count;
}

bool access_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned len, unsigned access)
{
	struct place places[PIECES_MAX];
	unsigned count, part;
	uint8_t *to = buf;

	addr.v = wrap(vcpu, addr.v);
	if (likely(addr.v % PAGE_SIZE + len <= PAGE_SIZE)) {
		if (!place_find(vcpu, addr.v, len, access, TLB_READ, places))
			return false;
		place_read(places, buf, len);
		return true;
	}
	count = pieces_find(vcpu, addr.v, len, access, TLB_READ, places);
	if (!count)
		return false;
	part = (unsigned)(PAGE_SIZE - addr.v % PAGE_SIZE);
	for (unsigned i = 0; i < count; i++) {
		place_read(&places[i], to, part);
		to += part;
		len -= part;
		part = (unsigned)min_u64(PAGE_SIZE, len);
	}
	return true;
}

bool access_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned len, unsigned access)
{
	struct place places[PIECES_MAX];
	const uint8_t *from = buf;
	unsigned count, part;

	access |= WALK_WRITE;
	addr.v = wrap(vcpu, addr.v);
	if (likely(addr.v % PAGE_SIZE + len <= PAGE_SIZE)) {
		if (!place_find(vcpu, addr.v, len, access, TLB_WRITE, places))
			return false;
		place_write(places, buf, len);
		return true;
	}
	count = pieces_find(vcpu, addr.v, len, access, TLB_WRITE, places);
	if (!count)
		return false;
	part = (unsigned)(PAGE_SIZE - addr.v % PAGE_SIZE);
	for (unsigned i = 0; i < count; i++) {
		place_write(&places[i], from, part);
		from += part;
		len -= part;
		part = (unsigned)min_u64(PAGE_SIZE, len);
	}
	return true;
}

unsigned access_fetch(struct vcpu *vcpu, gva_t addr, uint8_t *buf, unsigned len)
{
	unsigned access = WALK_EXEC | (vcpu->cpl == 3 ? WALK_USER : 0);
	unsigned done = 0;

	addr.v = wrap(vcpu, addr.v);
	while (done < len) {
		unsigned part = (unsigned)min_u64(PAGE_SIZE - addr.v % PAGE_SIZE, len - done);
		struct vcpu_exception before = vcpu->exception;
		struct place place;

		if (!place_find(vcpu, addr.v, part, access, TLB_FETCH, &place)) {
			if (done)
				vcpu->exception = before;
			return done;
		}
		place_read(&place, buf + done, part);
		done += part;
		addr.v = wrap(vcpu, addr.v + part);
	}
	return done;
}

void *access_atomic(struct vcpu *vcpu, gva_t addr, unsigned len, unsigned access)
{
	struct place place;

	addr.v = wrap(vcpu, addr.v);
	if (addr.v % PAGE_SIZE + len > PAGE_SIZE)
		return NULL;
	if (!place_find(vcpu, addr.v, len, access | WALK_WRITE, TLB_WRITE, &place))
		return NULL;
	return place.host;
}

void *access_pointer(struct vcpu *vcpu, gva_t addr, unsigned access)
{
	enum tlb_kind kind = access & WALK_EXEC ? TLB_FETCH : access & WALK_WRITE ? TLB_WRITE : TLB_READ;
	struct place place;

	vcpu->exception.valid = false;
	if (unlikely(access_observe) && kind != TLB_FETCH)
		return NULL;		/* what will be touched is not said: by elements, please */
	if (!place_find(vcpu, wrap(vcpu, addr.v), 1, access, kind, &place))
		return NULL;
	return place.host;
}

/* Present for anybody?  SMAP hides user pages from the supervisor's probe, so ask as both. */
static bool debug_translate(struct vcpu *vcpu, uint64_t addr, struct walk *walk)
{
	if ((vcpu->efer & EFER_LMA) && !gva_canonical(GVA(addr)))
		return false;
	return !walk_translate(vcpu, GVA(addr), WALK_PROBE | WALK_USER, walk) ||
	       !walk_translate(vcpu, GVA(addr), WALK_PROBE, walk);
}

size_t access_debug_read(struct vcpu *vcpu, gva_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = wrap(vcpu, addr.v + done);
		size_t part = min_u64(PAGE_SIZE - at % PAGE_SIZE, len - done);
		struct walk walk;

		if (!debug_translate(vcpu, at, &walk) ||
		    !ram_read(walk.gpa, (uint8_t *)buf + done, part))
			break;
		done += part;
	}
	return done;
}

size_t access_debug_write(struct vcpu *vcpu, gva_t addr, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = wrap(vcpu, addr.v + done);
		size_t part = min_u64(PAGE_SIZE - at % PAGE_SIZE, len - done);
		struct walk walk;

		if (!debug_translate(vcpu, at, &walk) ||
		    !ram_write(walk.gpa, (const uint8_t *)buf + done, part))
			break;
		done += part;
	}
	return done;
}
