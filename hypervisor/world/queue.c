// SPDX-License-Identifier: MIT
/*
 * A world's queue of map requests.  A host call costs microseconds, looking
 * through a short queue nanoseconds: requests that continue each other become
 * one, what a later one undoes is left out, and unmapping goes in the order of
 * addresses, so that neighbours are found.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/layout.h"
#include "base/log.h"
#include "debug/trace.h"
#include "world/area.h"

#define POPULATE_MIN	3u	/* pages */
#define POPULATE_MAX	64u
#define LOOK_BACK	16	/* queued requests looked through for one that is undone */

static const int op_call[] = { [WORLD_MAP] = SYS_mmap, [WORLD_PROTECT] = SYS_mprotect,
			       [WORLD_UNMAP] = SYS_munmap };

/* Can `r` be appended to, or put before, the request `q`? */
static bool request_merge(struct stub_request *q, const struct stub_request *r)
{
	bool map = r->op == SYS_mmap;

	if (q->op != r->op || q->prot != r->prot || q->fd != r->fd)
		return false;
	if (r->gva == q->gva + q->length && (!map || r->offset == q->offset + q->length)) {
		q->length += r->length;
		return true;
	}
	if (q->gva == r->gva + r->length && (!map || q->offset == r->offset + r->length)) {
		q->gva = r->gva;
		q->offset = r->offset;
		q->length += r->length;
		return true;
	}
	return false;
}

static bool within(const struct stub_request *inner, const struct stub_request *outer)
{
	return inner->gva >= outer->gva &&
	       inner->gva + inner->length <= outer->gva + outer->length;
}

/* Mapping and unmapping undo whatever was to happen to the same pages before. */
static void undone_remove(struct world *w, const struct stub_request *r)
{
	unsigned first = w->queued > LOOK_BACK ? w->queued - LOOK_BACK : 0, to = first;

	for (unsigned i = first; i < w->queued; i++)
		if (!within(&w->queue[i], r))
			w->queue[to++] = w->queue[i];
	w->queued = to;
}

/* The unmappings from `first` on: in order, neighbours joined.  Returns how many are left. */
static unsigned unmaps_join(struct stub_request *first, unsigned count)
{
	unsigned to = 0;

	for (unsigned i = 1; i < count; i++) {
		struct stub_request r = first[i];
		unsigned at = i;

		for (; at && first[at - 1].gva > r.gva; at--)
			first[at] = first[at - 1];
		first[at] = r;
	}
	for (unsigned i = 1; i < count; i++) {
		struct stub_request *last = &first[to];

		if (first[i].gva <= last->gva + last->length)
			last->length = max_u64(last->length,
					       first[i].gva + first[i].length - last->gva);
		else
			first[++to] = first[i];
	}
	return to + 1;
}

/*
 * A run of writable pages is most likely the guest's answer to a fault, all of it about to be
 * written: the host then makes its own entries for all with one look, where each write would
 * fault apart.  For less than POPULATE_MIN pages that is dearer, for more than POPULATE_MAX a guess.
 */
static void maps_populate(struct world *w)
{
	for (unsigned i = 0; i < w->queued; i++) {
		struct stub_request *r = &w->queue[i];

		if (r->op != SYS_mmap)
			continue;
		r->flags = MAP_SHARED | MAP_FIXED;
		if ((r->prot & PROT_WRITE) && r->length >= POPULATE_MIN * PAGE_SIZE &&
		    r->length <= POPULATE_MAX * PAGE_SIZE)
			r->flags |= MAP_POPULATE;
	}
}

void queue_tidy(struct world *w)
{
	unsigned to = 0;

	for (unsigned i = 0; i < w->queued; ) {
		unsigned run = 0;

		while (i + run < w->queued && w->queue[i + run].op == SYS_munmap)
			run++;
		if (!run) {
			w->queue[to++] = w->queue[i++];
			continue;
		}
		unsigned left = unmaps_join(&w->queue[i], run);

		for (unsigned k = 0; k < left; k++)
			w->queue[to++] = w->queue[i + k];
		i += run;
	}
	w->queued = to;
	maps_populate(w);
}

void world_request(struct world *w, const struct world_request *req)
{
	struct stub_request r = {
		.op = (uint32_t)op_call[req->op], .gva = req->gva, .length = req->length,
	};

	world_settle(w);
	bug_on((req->gva | req->length | req->offset) & ~PAGE_MASK);
	if (!req->length || req->gva + req->length > LAYOUT_TASK_END ||
	    req->gva + req->length < req->gva || world_reserved(req->gva, req->length)) {
		w->error = -EINVAL;
		return;
	}
	if (req->op != WORLD_UNMAP)
		r.prot = (req->prot & WORLD_PROT_R ? PROT_READ : 0) |
			 (req->prot & WORLD_PROT_W ? PROT_WRITE : 0) |
			 (req->prot & WORLD_PROT_X ? PROT_EXEC : 0);
	if (req->op == WORLD_MAP) {
		r.fd = req->source == WORLD_PATCHED ? STUB_FD_PATCH : STUB_FD_RAM;
		r.offset = req->offset;
	}
	if ((r.prot & PROT_WRITE) && (r.prot & PROT_EXEC)) {
		w->error = -EINVAL;
		return;
	}
	if (r.op != SYS_mprotect)
		undone_remove(w, &r);
	if (w->queued && request_merge(&w->queue[w->queued - 1], &r))
		return;
	if (w->queued == STUB_BATCH) {
		int err = world_batch(w);

		if (err)
			w->error = err;
		if (w->queued)		/* it died, or was kept from it: nothing is certain */
			world_clear(w);
	}
	w->queue[w->queued++] = r;
}

int world_sync(struct world *w)
{
	int err;

	world_settle(w);
	err = w->queued ? world_batch(w) : 0;
	if (w->error) {
		err = w->error;
		w->error = 0;
	}
	return err;
}

void world_clear(struct world *w)
{
	static const struct { uint64_t start, end; } guest[] = {
		{ 0, STUB_TABLE }, { STUB_TABLE + STUB_TABLE_SIZE, STUB_BASE },
		{ STUB_END, LAYOUT_TASK_END },
	};

	world_settle(w);
	trace_exit(TRACE_K_WORLD_CLEAR, 0, w->index, 0);
	w->queued = 0;
	for (unsigned i = 0; i < array_size(guest); i++)
		w->queue[w->queued++] = (struct stub_request){
			.op = SYS_munmap, .gva = guest[i].start,
			.length = guest[i].end - guest[i].start,
		};
}
