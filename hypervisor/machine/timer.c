/* SPDX-License-Identifier: MIT */
/*
 * The timers of all devices: a binary heap by deadline.
 *
 * Each device owns its struct timer; the heap holds pointers, and each timer
 * knows its position, so that re-arming costs O(log n) and no search.  The
 * number of timers is that of devices: a fixed table.  Used by the vCPU thread
 * alone.  The host timer is somebody else's: timers_changed tells it.
 */
#include "machine/timer.h"

#include "base/clock.h"
#include "base/log.h"

#define TIMERS_MAX	64

static struct timer *heap[TIMERS_MAX];
static int count;

void (*timers_changed)(uint64_t next_ns);
uint64_t timers_soft_tsc = TIMER_NEVER;

static void place(struct timer *t, int at)
{
	heap[at] = t;
	t->index = at;
}

static void sift_up(struct timer *t, int at)
{
	while (at > 0) {
		int parent = (at - 1) / 2;

		if (heap[parent]->deadline <= t->deadline)
			break;
		place(heap[parent], at);
		at = parent;
	}
	place(t, at);
}

static void sift_down(struct timer *t, int at)
{
	for (;;) {
		int child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (t->deadline <= heap[child]->deadline)
			break;
		place(heap[child], at);
		at = child;
	}
	place(t, at);
}

static void heap_remove(struct timer *t)
{
	int at = t->index;
	struct timer *last = heap[--count];

	t->index = -1;
	if (last == t)
		return;
	if (at > 0 && heap[(at - 1) / 2]->deadline > last->deadline)
		sift_up(last, at);
	else
		sift_down(last, at);
}

/* The earliest end of slack; *soft: the earliest deadline that has slack. */
static uint64_t latest_call(uint64_t *soft)
{
	uint64_t must = TIMER_NEVER;

	*soft = TIMER_NEVER;
	for (int i = 0; i < count; i++) {
		must = min_u64(must, heap[i]->deadline + heap[i]->slack);
		if (heap[i]->slack)
			*soft = min_u64(*soft, heap[i]->deadline);
	}
	return must;
}

/* always: whatever the host's timer was set for may have fired. */
static void announce(bool always)
{
	static uint64_t told = TIMER_NEVER;
	uint64_t soft, must = latest_call(&soft);

	timers_soft_tsc = soft == TIMER_NEVER ? TIMER_NEVER : clock_ns_to_tsc(soft);
	if (timers_changed && (always || must != told))
		timers_changed(must);
	told = must;
}

void timer_init(struct timer *t, void (*expired)(void *device), void *device)
{
	*t = (struct timer){ .expired = expired, .device = device, .index = -1 };
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	if (t->index < 0) {
		bug_on(count == TIMERS_MAX);
		t->deadline = deadline_ns;
		sift_up(t, count++);
	} else {
		bool later = deadline_ns > t->deadline;

		t->deadline = deadline_ns;
		if (later)
			sift_down(t, t->index);
		else
			sift_up(t, t->index);
	}
	announce(false);
}

void timer_cancel(struct timer *t)
{
	if (t->index < 0)
		return;
	heap_remove(t);
	announce(false);
}

uint64_t timers_next(void)
{
	return count ? heap[0]->deadline : TIMER_NEVER;
}

void timers_run(uint64_t now_ns)
{
	while (count && heap[0]->deadline <= now_ns) {
		struct timer *t = heap[0];

		heap_remove(t);
		t->expired(t->device);
	}
	announce(true);
}
