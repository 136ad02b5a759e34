// SPDX-License-Identifier: MIT
/*
 * The trace ring, its decoding and the command line's list of classes; see
 * trace.h.  Called by everything; knows nothing of what the records mean beyond
 * the names in TRACE_KINDS.
 */
#include "debug/trace.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "debug/calltext.h"

struct trace_ring trace_ring;

static const struct {
	const char *name, *text;
} classes[] = {
#define X(class, name, text)	{ #name, text },
	TRACE_CLASSES(X)
#undef X
};

static const struct {
	const char *name;
	uint32_t class;
	const char *a, *b;
} kinds[] = {
#define X(kind, class, a, b)	{ #kind, TRACE_##class, a, b },
	TRACE_KINDS(X)
#undef X
};

_Static_assert((TRACE_RING_SIZE & (TRACE_RING_SIZE - 1)) == 0, "ring size");

const char *trace_class_name(unsigned i)
{
	return i < array_size(classes) ? classes[i].name : "";
}

const char *trace_class_text(unsigned i)
{
	return i < array_size(classes) ? classes[i].text : "";
}

void trace_set_mask(uint32_t mask)
{
	trace_ring.mask = mask & TRACE_ALL;
}

static uint32_t class_find(const char *name, size_t length)
{
	if (length == 3 && !memcmp(name, "all", 3))
		return TRACE_ALL;
	for (unsigned i = 0; i < array_size(classes); i++)
		if (strlen(classes[i].name) == length && !memcmp(name, classes[i].name, length))
			return 1u << i;
	return 0;
}

int trace_parse(const char *list, uint32_t *mask, const char **unknown)
{
	uint32_t result = 0;

	for (;;) {
		size_t length = strcspn(list, ",");
		uint32_t class = class_find(list, length);

		if (!class) {
			*unknown = list;
			return -EINVAL;
		}
		result |= class;
		if (!list[length])
			break;
		list += length + 1;
	}
	*mask = result;
	return 0;
}

/* By name. */
static void call_report(struct report *report, const struct trace_record *r, uint64_t before_ns)
{
	const struct decoder_call *call = decoder_call(r->a);
	char result[48];

	calltext_result(result, sizeof(result), (int64_t)r->b);
	report_line(report, "%8lu.%03lu us  %-12s rip %-16lx  %s %lx  result %s", before_ns / 1000,
		    before_ns % 1000, kinds[r->kind].name, r->rip, call ? call->name : "number", r->a, result);
}

static void record_report(struct report *report, const struct trace_record *r, uint64_t before_ns)
{
	if (r->kind >= array_size(kinds)) {
		report_line(report, "trace: unknown kind %lu", r->kind);
		return;
	}
	if (r->kind == TRACE_K_HYPERCALL) {
		call_report(report, r, before_ns);
		return;
	}
	report_line(report, "%8lu.%03lu us  %-12s rip %-16lx  %s %lx  %s %lx",
		    before_ns / 1000, before_ns % 1000, kinds[r->kind].name, r->rip,
		    kinds[r->kind].a, r->a, kinds[r->kind].b, r->b);
}

void trace_print_live(const struct trace_record *record)
{
	/* Hypercalls are printed by debug/recorder.c, with their arguments. */
	if (record->kind < array_size(kinds) && record->kind != TRACE_K_HYPERCALL &&
	    kinds[record->kind].class & trace_ring.mask)
		record_report(&report_to_stderr, record, clock_tsc_to_ns(record->tsc));
}

void trace_report(struct report *report, unsigned n)
{
	uint64_t end = trace_ring.count, now = __builtin_ia32_rdtsc();
	uint64_t kept = min_u64(end, TRACE_RING_SIZE);
	uint64_t khz = clock_tsc_khz();

	if (n > kept)
		n = (unsigned)kept;
	report_line(report, "last %u of %lu trace records, times before now:", n, end);
	for (uint64_t i = end - n; i < end; i++) {
		const struct trace_record *r = &trace_ring.records[i % TRACE_RING_SIZE];
		uint64_t age = now > r->tsc ? now - r->tsc : 0;

		/* Long ago is said in whole microseconds anyway: no overflow to care for. */
		record_report(report, r, khz ? age / khz * 1000000 + age % khz * 1000000 / khz : age);
	}
}

void trace_dump(unsigned n)
{
	trace_report(&report_to_stderr, n);
}
