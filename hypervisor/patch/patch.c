// SPDX-License-Identifier: MIT
/*
 * Executable images of guest user pages.
 *
 * A guest-physical page that user code executes from is in one of these states:
 *
 *   unknown    never asked for, or dropped since
 *   clean      nothing suspicious in it: worlds map the page itself
 *   a node     analysed: its suspicious bytes, its SYSCALL sites, its views
 *
 * A view is a private copy of the page in the memfd, with traps on sensitive
 * instructions and jumps on hot SYSCALL sites.  A trampoline knows the address
 * it returns to, so a view with sites is for one guest address; without sites
 * (ANYWHERE) it serves all.
 *
 * Views are not freed one by one while mappings may exist: when the memfd or the
 * trampolines run out, patch_flush() lets the owner of the mappings unmap all,
 * and everything starts afresh.
 */
#include "patch/patch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/layout.h"
#include "base/log.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "memory/access.h"
#include "memory/ram.h"
#include "patch/analyze.h"
#include "patch/scan.h"
#include "world/site.h"
#include "world/stub.h"

#define VIEWS		((unsigned)((LAYOUT_PATCH_SIZE - PATCH_IMAGES) / PAGE_SIZE))
#define NODES		VIEWS
#define NODE_SITES	16
#define HOT		3	/* calls by signal before a site is patched */
#define PATIENCE	4	/* looks before evidence must do for what is never reached */
#define TRAPS_NEAR	80	/* bytes that are interpreted rather than trapped behind */
#define GIVEN_UP	0xff	/* of calls: no head, ask no more */
#define ANYWHERE	(~0ul)

#define INDEX_UNKNOWN	0u
#define INDEX_CLEAN64	1u	/* clean for 64-bit code */
#define INDEX_CLEAN32	2u
#define INDEX_NODE	3u	/* + node */

#define TRAP64		0x06	/* invalid in 64-bit code */
#define TRAP32		0xf4	/* HLT */

struct node_site {
	uint16_t call;		/* offset of the SYSCALL */
	uint16_t offset;	/* of the head's first byte */
	uint8_t calls, hot;
	uint8_t length;		/* of the head: what is displaced */
};

struct node {
	struct analysis analysis;
	gpa_t page;
	bool settled;
	uint8_t sites, hot;
	uint16_t looks;		/* how often it was asked for while not settled */
	uint32_t first_view;	/* + 1; 0: none */
	struct node_site site[NODE_SITES];
};

struct view {
	uint64_t gva;		/* of the page, or ANYWHERE */
	uint32_t next;		/* + 1 */
	uint8_t hot;		/* of its node's sites when it was made */
};

void (*patch_flush)(void);

static int memfd = -1;
static uint32_t *page_index;	/* by RAM offset / PAGE_SIZE */
static struct node *nodes;
static struct view *views;
static uint32_t *free_nodes, *free_views;
static unsigned free_node_count, free_view_count;

static void pools_reset(void)
{
	for (unsigned i = 0; i < NODES; i++)
		free_nodes[i] = NODES - 1 - i;
	for (unsigned i = 0; i < VIEWS; i++)
		free_views[i] = VIEWS - 1 - i;
	free_node_count = NODES;
	free_view_count = VIEWS;
}

int patch_init(void)
{
	memfd = memfd_create("ring3-patch", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, LAYOUT_PATCH_SIZE))
		return -errno;
	if (mmap((void *)LAYOUT_PATCH, LAYOUT_PATCH_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, memfd, 0) != (void *)LAYOUT_PATCH)
		return -errno;
	page_index = arena_alloc(ram_size() / PAGE_SIZE * sizeof(*page_index), 64);
	nodes = arena_alloc(NODES * sizeof(*nodes), 64);
	views = arena_alloc(VIEWS * sizeof(*views), 64);
	free_nodes = arena_alloc(NODES * sizeof(*free_nodes), 64);
	free_views = arena_alloc(VIEWS * sizeof(*free_views), 64);
	pools_reset();
	site_init();
	decode_init();
	return 0;
}

int patch_fd(void)
{
	return memfd;
}

static uint32_t *index_of(gpa_t page)
{
	return &page_index[ram_offset(page) / PAGE_SIZE];
}

static uint8_t *view_bytes(unsigned view)
{
	return (uint8_t *)(LAYOUT_PATCH + PATCH_IMAGES + view * PAGE_SIZE);
}

/* Out of nodes, views or trampolines: forget everything. */
static bool start_afresh(void)
{
	if (!patch_flush)
		return false;
	patch_flush();
	memset(page_index, 0, ram_size() / PAGE_SIZE * sizeof(*page_index));
	pools_reset();
	site_reset();
	return true;
}

static struct node *node_of(gpa_t page)
{
	uint32_t index = *index_of(page);

	return index >= INDEX_NODE ? &nodes[index - INDEX_NODE] : NULL;
}

static struct node *node_make(gpa_t page, bool wide)
{
	struct node *n;

	if (!free_node_count)
		return NULL;
	n = &nodes[free_nodes[--free_node_count]];
	memset(n, 0, sizeof(*n));
	analysis_clear(&n->analysis, wide);
	n->page = page;
	*index_of(page) = (uint32_t)(n - nodes) + INDEX_NODE;
	return n;
}

void patch_drop(gpa_t page)
{
	uint32_t *index = index_of(page);
	struct node *n = node_of(page);

	if (n) {
		for (uint32_t v = n->first_view; v; v = views[v - 1].next)
			free_views[free_view_count++] = v - 1;
		free_nodes[free_node_count++] = (uint32_t)(n - nodes);
	}
	*index = INDEX_UNKNOWN;
}

static bool view_write(struct node *n, unsigned view)
{
	const uint8_t *page = ram_pointer(n->page, PAGE_SIZE);
	uint8_t *bytes = view_bytes(view);
	struct view *v = &views[view];

	stats.pages_patched++;
	trace_exit(TRACE_K_PATCH, v->gva, n->page.v, n->analysis.traps);
	memcpy(bytes, page, PAGE_SIZE);
	for (unsigned i = 0; i < ANALYSIS_BYTES && n->analysis.traps; i++)
		for (unsigned bits = n->analysis.trap[i]; bits; bits &= bits - 1)
			bytes[i * 8 + (unsigned)__builtin_ctz(bits)] =
				n->analysis.wide ? TRAP64 : TRAP32;
	v->hot = n->hot;
	if (v->gva == ANYWHERE)
		return true;
	for (unsigned i = 0; i < n->sites; i++) {
		int site;

		if (!n->site[i].hot)
			continue;
		site = site_make(v->gva + n->site[i].offset, page + n->site[i].offset,
				 n->site[i].length);
		if (site < 0)
			return false;
		site_code((unsigned)site, bytes + n->site[i].offset);
	}
	return true;
}

/* The node's image for the page at `gva`; -1: no room. */
static int view_get(struct node *n, uint64_t gva)
{
	uint32_t v;

	if (!n->hot)
		gva = ANYWHERE;
	for (v = n->first_view; v; v = views[v - 1].next)
		if (views[v - 1].gva == gva)
			break;
	if (!v) {
		if (!free_view_count)
			return -1;
		v = free_views[--free_view_count] + 1;
		views[v - 1] = (struct view){ .gva = gva, .next = n->first_view, .hot = 0xff };
		n->first_view = v;
	}
	if (views[v - 1].hot != n->hot && !view_write(n, v - 1))
		return -1;
	return (int)(v - 1);
}

/* Traps were added: images made before lack them. */
static void views_outdated(struct node *n)
{
	for (uint32_t v = n->first_view; v; v = views[v - 1].next)
		views[v - 1].hot = 0xff;
}

static bool image_of(struct node *n, uint64_t gva, enum world_source *source, uint64_t *offset)
{
	int view;

	if (!n->analysis.traps && !n->hot) {
		*source = WORLD_RAM;
		*offset = ram_offset(n->page);
		return true;
	}
	view = view_get(n, gva);
	if (view < 0)
		return false;
	*source = WORLD_PATCHED;
	*offset = PATCH_IMAGES + (uint64_t)view * PAGE_SIZE;
	return true;
}

/* The page with what the guest has mapped around it at `rip`. */
static const struct analysis_page *page_view(struct vcpu *vcpu, uint64_t rip, gpa_t page)
{
	static struct analysis_page p;
	uint64_t va = rip & PAGE_MASK;

	p.before = (unsigned)access_debug_read(vcpu, GVA(va - ANALYSIS_BEFORE), p.window,
					       ANALYSIS_BEFORE);
	if (p.before != ANALYSIS_BEFORE)
		p.before = 0;
	p.after = (unsigned)access_debug_read(vcpu, GVA(va + PAGE_SIZE),
					      p.window + ANALYSIS_BEFORE + PAGE_SIZE, ANALYSIS_AFTER);
	memcpy(p.window + ANALYSIS_BEFORE, ram_pointer(page, PAGE_SIZE), PAGE_SIZE);
	return &p;
}

bool patch_image(struct vcpu *vcpu, gva_t rip, gpa_t page, enum world_source *source,
		 uint64_t *offset)
{
	bool wide = vcpu_64bit_code(vcpu);
	const uint8_t *bytes = ram_pointer(page, PAGE_SIZE);
	const struct analysis_page *view;
	uint32_t index;
	struct node *n;

	if (!bytes)
		return false;
	index = *index_of(page);
	n = node_of(page);
	if ((n && n->analysis.wide != wide) || index == (wide ? INDEX_CLEAN32 : INDEX_CLEAN64)) {
		patch_drop(page);
		index = INDEX_UNKNOWN;
		n = NULL;
	}
	if (index == INDEX_UNKNOWN) {
		stats.pages_scanned++;
		if (scan_next(bytes, NULL, 0, wide) < 0) {
			*index_of(page) = index = wide ? INDEX_CLEAN64 : INDEX_CLEAN32;
		} else {
			n = node_make(page, wide);
			if (!n) {
				if (!start_afresh())
					return false;
				n = node_make(page, wide);
			}
		}
	}
	if (!n) {
		*source = WORLD_RAM;
		*offset = ram_offset(page);
		return true;
	}
	if (!n->settled) {
		unsigned traps = n->analysis.traps;

		view = page_view(vcpu, rip.v, page);
		analysis_reach(&n->analysis, view, rip.v % PAGE_SIZE);
		n->settled = analysis_settled(&n->analysis, view, ++n->looks > PATIENCE);
		if (n->analysis.traps != traps)
			views_outdated(n);
		if (!n->settled)
			return false;
	}
	if (image_of(n, rip.v & PAGE_MASK, source, offset))
		return true;
	start_afresh();
	return false;
}

bool patch_clean(struct vcpu *vcpu, gva_t va, gpa_t page)
{
	bool wide = vcpu_64bit_code(vcpu);
	const uint8_t *bytes = ram_pointer(page, PAGE_SIZE);
	struct node *n;

	if (!bytes)
		return false;
	if (*index_of(page) == INDEX_UNKNOWN) {
		stats.pages_scanned++;
		if (scan_next(bytes, NULL, 0, wide) < 0) {
			*index_of(page) = wide ? INDEX_CLEAN64 : INDEX_CLEAN32;
		} else {
			n = node_make(page, wide);
			if (n)
				n->settled = analysis_settled(&n->analysis,
							      page_view(vcpu, va.v, page), false);
		}
	}
	n = node_of(page);
	if (n)
		return n->analysis.wide == wide && n->settled && !n->analysis.traps && !n->hot;
	return *index_of(page) == (wide ? INDEX_CLEAN64 : INDEX_CLEAN32);
}

bool patch_known(struct vcpu *vcpu, gva_t va, gpa_t page, enum world_source *source,
		 uint64_t *offset)
{
	struct node *n;

	if (patch_clean(vcpu, va, page)) {
		*source = WORLD_RAM;
		*offset = ram_offset(page);
		return true;
	}
	/* (The look above may have made it.) */
	n = node_of(page);
	return n && n->settled && n->analysis.wide == vcpu_64bit_code(vcpu) &&
	       image_of(n, va.v & PAGE_MASK, source, offset);
}

/* May this instruction run elsewhere as it is? */
static bool relocatable(const struct insn *insn)
{
	for (unsigned i = 0; i < insn->zy.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RIP)
			return false;
		if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op->imm.is_relative)
			return false;
	}
	switch (insn->zy.meta.category) {
	case ZYDIS_CATEGORY_DATAXFER:
	case ZYDIS_CATEGORY_BINARY:
	case ZYDIS_CATEGORY_LOGICAL:
	case ZYDIS_CATEGORY_MISC:	/* LEA */
		return insn->zy.mnemonic == ZYDIS_MNEMONIC_LEA ||
		       insn->zy.meta.category != ZYDIS_CATEGORY_MISC;
	default:
		return false;
	}
}

/*
 * Can the `length` bytes before the SYSCALL be displaced?  Whole instructions,
 * the first one of a length that the jump's bytes allow (world/site.h).
 */
static bool head_fits(const uint8_t *head, unsigned length)
{
	struct insn insn;
	unsigned at = 0;

	while (at < length) {
		if (decode_insn(DECODE_64, head + at, length - at, &insn) || !relocatable(&insn))
			return false;
		if (at == 0 && insn.zy.length != SITE_HEAD_MIN && insn.zy.length < SITE_JUMP)
			return false;
		at += insn.zy.length;
		if (at > SITE_HEAD_MIN && at < SITE_JUMP)
			return false;
	}
	return at == length;
}

/* The shortest head of the SYSCALL at `at` that starts where an instruction does; 0: none. */
static unsigned head_length(struct vcpu *vcpu, const struct node *n, const uint8_t *bytes,
			    const struct analysis_page *view, unsigned at)
{
	for (unsigned length = SITE_HEAD_MIN; length <= SITE_HEAD_MAX && length <= at; length++) {
		uint32_t number;

		if (!head_fits(bytes + at - length, length) ||
		    !analysis_boundary(&n->analysis, view, at - length))
			continue;
		memcpy(&number, bytes + at - length + 1, 4);
		/* `mov $nr, %eax` must be what was just called, or this is no such thing. */
		if (length == SITE_HEAD_MIN && bytes[at - length] == 0xb8 &&
		    vcpu->regs[REG_RAX] != number)
			continue;
		return length;
	}
	return 0;
}

/* Would its jump meet another site's, or a trap? */
static bool head_collides(const struct node *n, unsigned start, unsigned length)
{
	unsigned end = start + (unsigned)max_u64(length, SITE_JUMP);

	for (unsigned i = 0; i < n->sites; i++) {
		unsigned other = n->site[i].offset;

		if (n->site[i].hot && other < end &&
		    start < other + max_u64(n->site[i].length, SITE_JUMP))
			return true;
	}
	for (unsigned i = start; i < end; i++)
		if (analysis_bit(n->analysis.trap, i))
			return true;
	return false;
}

static struct node_site *site_count(struct node *n, unsigned call)
{
	for (unsigned i = 0; i < n->sites; i++)
		if (n->site[i].call == call)
			return &n->site[i];
	if (n->sites == NODE_SITES)
		return NULL;
	n->site[n->sites] = (struct node_site){ .call = (uint16_t)call };
	return &n->site[n->sites++];
}

bool patch_syscall_site(struct vcpu *vcpu, gva_t rip, gpa_t page, enum world_source *source,
			uint64_t *offset)
{
	const uint8_t *bytes = ram_pointer(page, PAGE_SIZE);
	unsigned behind = rip.v % PAGE_SIZE, length;
	const struct analysis_page *view;
	struct node_site *site;
	struct node *n;

	if (!bytes || behind < SITE_HEAD_MIN + 2 || !vcpu_64bit_code(vcpu) ||
	    (vcpu->rflags & RFLAGS_TF) || bytes[behind - 2] != 0x0f || bytes[behind - 1] != 0x05)
		return false;
	n = node_of(page);
	if (!n) {
		if (*index_of(page) != INDEX_CLEAN64)
			return false;
		n = node_make(page, true);
		if (!n)
			return false;
		n->settled = true;
	}
	if (!n->analysis.wide)
		return false;
	site = site_count(n, behind - 2);
	if (!site || site->hot || site->calls == GIVEN_UP)
		return false;
	if (++site->calls < HOT)
		return false;
	/* What follows the call is a boundary; so must the head's start be, by every account. */
	view = page_view(vcpu, rip.v - 1, page);
	analysis_reach(&n->analysis, view, behind);
	length = head_length(vcpu, n, bytes, view, behind - 2);
	if (!length || head_collides(n, behind - 2 - length, length)) {
		site->calls = GIVEN_UP;
		return false;
	}
	site->offset = (uint16_t)(behind - 2 - length);
	site->length = (uint8_t)length;
	site->hot = 1;
	n->hot++;
	stats.syscall_sites++;
	if (image_of(n, rip.v & PAGE_MASK, source, offset))
		return true;
	site->hot = 0;
	n->hot--;
	start_afresh();
	return false;
}

unsigned patch_traps_end(gpa_t page, unsigned offset)
{
	const struct node *n = ram_contains(page, PAGE_SIZE) ? node_of(page) : NULL;
	unsigned end = offset;

	for (unsigned i = offset + 1; n && i < PAGE_SIZE && i <= end + TRAPS_NEAR; i++)
		if (analysis_bit(n->analysis.trap, i))
			end = i;
	return end;
}

bool patch_planted(struct vcpu *vcpu)
{
	bool wide = vcpu_64bit_code(vcpu);
	uint8_t bytes[INSN_MAX];
	size_t len = access_debug_read(vcpu, GVA(vcpu->rip), bytes, sizeof(bytes));
	struct insn insn;

	/* The guest's own bytes there are an instruction that gets a trap, or one that a site's
	 * jump covers. */
	if (site_inside(vcpu->rip))
		return true;
	return !decode_insn_brief(wide ? DECODE_64 : DECODE_32, bytes, len, &insn) &&
	       (scan_sensitive(&insn, wide) || insn.zy.mnemonic == ZYDIS_MNEMONIC_SYSCALL);
}
