// SPDX-License-Identifier: MIT
/*
 * Breakpoint and watchpoint lists; see breakpoints.h.
 */
#include "debug/breakpoints.h"

#include <errno.h>
#include <string.h>

#include "memory/access.h"

struct watchpoint {
	gva_t at;
	unsigned length;
	enum watch_type type;
	bool touched;		/* by the present instruction; not for WATCH_WRITE */
	bool readable;		/* mapped when last looked at; appearing counts as change */
	uint8_t value[WATCHPOINT_LENGTH_MAX];
};

struct breakpoints breakpoints;
void (*gdb_breakpoints_changed)(gva_t at);

static struct {
	unsigned count;
	struct watchpoint list[WATCHPOINTS_MAX];
} watchpoints;

static void changed(gva_t at)
{
	if (gdb_breakpoints_changed)
		gdb_breakpoints_changed(at);
}

const struct breakpoint *breakpoint_find(gva_t at)
{
	for (unsigned i = 0; i < breakpoints.count; i++)
		if (breakpoints.list[i].at.v == at.v)
			return &breakpoints.list[i];
	return NULL;
}

bool gdb_breakpoint_in_page(gva_t page)
{
	for (unsigned i = 0; i < breakpoints.count; i++)
		if ((breakpoints.list[i].at.v & PAGE_MASK) == page.v)
			return true;
	return false;
}

static int breakpoint_index(gva_t at, bool hardware)
{
	for (unsigned i = 0; i < breakpoints.count; i++)
		if (breakpoints.list[i].at.v == at.v && breakpoints.list[i].hardware == hardware)
			return (int)i;
	return -1;
}

int breakpoint_insert(gva_t at, bool hardware)
{
	if (breakpoint_index(at, hardware) >= 0)
		return -EEXIST;
	if (breakpoints.count == BREAKPOINTS_MAX)
		return -ENOSPC;
	breakpoints.list[breakpoints.count++] = (struct breakpoint){ at, hardware };
	changed(at);
	return 0;
}

int breakpoint_remove(gva_t at, bool hardware)
{
	int i = breakpoint_index(at, hardware);

	if (i < 0)
		return -ENOENT;
	breakpoints.list[i] = breakpoints.list[--breakpoints.count];
	changed(at);
	return 0;
}

void breakpoints_clear(void)
{
	while (breakpoints.count) {
		struct breakpoint *last = &breakpoints.list[breakpoints.count - 1];

		breakpoint_remove(last->at, last->hardware);
	}
	watchpoints.count = 0;
}

static bool watchpoint_changed(struct vcpu *vcpu, struct watchpoint *w)
{
	uint8_t now[WATCHPOINT_LENGTH_MAX] = { 0 };
	bool readable = access_debug_read(vcpu, w->at, now, w->length) == w->length;
	bool changed = readable && (!w->readable || memcmp(now, w->value, w->length));

	/* A page that is not mapped keeps its last value: another address space may be active. */
	if (readable)
		memcpy(w->value, now, w->length);
	w->readable |= readable;
	return changed;
}

static void observe(uint64_t addr, unsigned length, bool write)
{
	for (unsigned i = 0; i < watchpoints.count; i++) {
		struct watchpoint *w = &watchpoints.list[i];

		if (w->type != WATCH_WRITE && (w->type == WATCH_ACCESS || !write) &&
		    (addr - w->at.v < w->length || w->at.v - addr < length))
			w->touched = true;
	}
}

void watchpoints_begin(void)
{
	for (unsigned i = 0; i < watchpoints.count; i++)
		if (watchpoints.list[i].type != WATCH_WRITE)
			access_observe = observe;
}

static bool watchpoint_hit(struct vcpu *vcpu, struct watchpoint *w)
{
	bool hit = w->type == WATCH_WRITE ? watchpoint_changed(vcpu, w) : w->touched;

	w->touched = false;
	return hit;
}

int watchpoint_insert(struct vcpu *vcpu, gva_t at, unsigned length, enum watch_type type)
{
	struct watchpoint *w;

	if (!length || length > WATCHPOINT_LENGTH_MAX)
		return -EINVAL;
	if (watchpoints.count == WATCHPOINTS_MAX)
		return -ENOSPC;
	w = &watchpoints.list[watchpoints.count++];
	*w = (struct watchpoint){ .at = at, .length = length, .type = type };
	watchpoint_changed(vcpu, w);
	return 0;
}

int watchpoint_remove(gva_t at, unsigned length, enum watch_type type)
{
	for (unsigned i = 0; i < watchpoints.count; i++) {
		struct watchpoint *w = &watchpoints.list[i];

		if (w->at.v == at.v && w->length == length && w->type == type) {
			*w = watchpoints.list[--watchpoints.count];
			return 0;
		}
	}
	return -ENOENT;
}

bool watchpoints_any(void)
{
	return watchpoints.count;
}

bool watchpoints_check(struct vcpu *vcpu, gva_t *at, enum watch_type *type)
{
	bool any = false;

	access_observe = NULL;
	for (unsigned i = 0; i < watchpoints.count; i++) {
		struct watchpoint *w = &watchpoints.list[i];

		if (!watchpoint_hit(vcpu, w) || any)
			continue;
		any = true;
		*at = w->at;
		*type = w->type;
	}
	return any;
}

void watchpoints_refresh(struct vcpu *vcpu)
{
	enum watch_type type;
	gva_t at;

	watchpoints_check(vcpu, &at, &type);
}
