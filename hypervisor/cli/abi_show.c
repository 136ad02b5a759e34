// SPDX-License-Identifier: MIT
/*
 * `ring3 abi show`: a recording as text or JSON, also while it grows.
 *
 * What the guest chose is shown by debug/calltext.h, which lets nothing through to a terminal
 * that a terminal would act on; in JSON its bytes are hexadecimal.
 */
#include "cli/abi.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "debug/calltext.h"

#define FOLLOW_NS	50000000L
#define ELEMENTS	4u		/* of arrays, and ... */
#define BYTES		64u		/* of texts, shown without --full */

/* One piece of memory with --full: four characters a byte at most, and names of fields. */
static char text[16 * RECORDING_PIECE_MAX];

static uint64_t ns_since_start(const struct recording *r, uint64_t tsc)
{
	int64_t ticks = (int64_t)(tsc - r->header.started_tsc);

	return ticks < 0 ? 0 : abi_ns(r, (uint64_t)ticks);
}

static void prefix_print(const struct recording *r, uint64_t n, uint64_t tsc)
{
	uint64_t us = ns_since_start(r, tsc) / 1000;

	printf("%8" PRIu64 " %6" PRIu64 ".%06" PRIu64 "  ", n, us / 1000000, us % 1000000);
}

static bool is_bytes(const struct decoder_call *call, unsigned argument)
{
	for (unsigned i = 0; call && i < call->memories; i++)
		if (call->memory[i].argument == argument)
			return call->memory[i].what == DECODER_BYTES;
	return true;
}

static const char *argument_name(const struct decoder_call *call, unsigned argument)
{
	return call && argument < call->arguments ? call->argument[argument].name : "memory";
}

static void memory_print(const struct abi_options *options, struct recording *r,
			 const struct recording_record *record, bool out)
{
	const struct decoder_call *call = decoder_call(record->number);
	uint32_t loaded = out ? record->out_bytes : record->in_bytes, at = 0;
	struct recording_piece piece;
	const uint8_t *bytes;
	size_t most;

	if (!loaded)
		return;
	if (!recording_load(r, record, out)) {
		printf("%23s%s: overwritten since\n", "", out ? "out" : "in");
		return;
	}
	while (recording_piece_next(r, loaded, &at, &piece, &bytes)) {
		most = options->full ? SIZE_MAX : is_bytes(call, piece.argument) ? BYTES : ELEMENTS;
		calltext_memory(text, sizeof(text), call, piece.argument, bytes, piece.bytes, most);
		printf("%23s%s %s %s\n", "", out ? "out" : "in ", argument_name(call, piece.argument), text);
	}
}

static void record_print(const struct abi_options *options, struct recording *r, uint64_t n,
			 const struct recording_record *record, enum recording_state state)
{
	char call[512], result[64];

	prefix_print(r, n, record->tsc);
	if (record->kind == RECORDING_K_BOOT) {
		printf("boot %" PRIu64 "\n", record->number);
		return;
	}
	calltext_call(call, sizeof(call), record->number, record->args);
	calltext_result(result, sizeof(result), record->result);
	printf("%016" PRIx64 "  %s%s", record->rip, record->flags & RECORDING_INNER ? "  " : "", call);
	if (state == RECORDING_OPEN)
		printf(" did not return\n");
	else
		printf(" = %s%s  %" PRIu64 " ns\n", result,
		       record->flags & RECORDING_INJECTED ? " (injected)" : "", abi_ns(r, record->ticks));
	if (options->brief)
		return;
	memory_print(options, r, record, false);
	if (state == RECORDING_GOOD)
		memory_print(options, r, record, true);
}

static void memory_json(struct recording *r, const struct recording_record *record, bool out)
{
	const struct decoder_call *call = decoder_call(record->number);
	uint32_t loaded = out ? record->out_bytes : record->in_bytes, at = 0;
	struct recording_piece piece;
	const uint8_t *bytes;
	bool any = false;

	printf(",\"%s\":[", out ? "out" : "in");
	if (loaded && recording_load(r, record, out)) {
		while (recording_piece_next(r, loaded, &at, &piece, &bytes)) {
			printf("%s{\"argument\":\"%s\",\"address\":\"0x%" PRIx64 "\",\"bytes\":\"", any ? "," : "",
			       argument_name(call, piece.argument), piece.gpa);
			for (uint32_t i = 0; i < piece.bytes; i++)
				printf("%02x", bytes[i]);
			printf("\"}");
			any = true;
		}
	}
	printf("]");
}

static void arguments_json(const struct recording_record *record)
{
	const struct decoder_call *call = decoder_call(record->number);
	unsigned count = call ? call->arguments : DECODER_ARGUMENTS;

	printf(",\"arguments\":{");
	for (unsigned i = 0; i < count; i++) {
		printf("%s\"", i ? "," : "");
		if (call)
			printf("%s", call->argument[i].name);
		else
			printf("%u", i);
		printf("\":\"0x%" PRIx64 "\"", record->args[i]);
	}
	printf("}");
}

/* 64-bit numbers that may be large are strings: JSON's are doubles to many readers. */
static void record_json(struct recording *r, uint64_t n, const struct recording_record *record,
			enum recording_state state)
{
	const struct decoder_call *call = decoder_call(record->number);
	const char *error = decoder_error(record->result);

	printf("{\"n\":%" PRIu64 ",\"ns_since_start\":%" PRIu64, n, ns_since_start(r, record->tsc));
	if (record->kind == RECORDING_K_BOOT) {
		printf(",\"boot\":%" PRIu64 "}\n", record->number);
		return;
	}
	printf(",\"rip\":\"0x%" PRIx64 "\",\"number\":\"0x%" PRIx64 "\",\"call\":", record->rip, record->number);
	printf(call ? "\"%s\"" : "null", call ? call->name : "");
	arguments_json(record);
	if (state == RECORDING_GOOD) {
		printf(",\"result\":\"0x%" PRIx64 "\",\"error\":", (uint64_t)record->result);
		printf(error ? "\"%s\"" : "null", error ? error : "");
		printf(",\"ns\":%" PRIu64, abi_ns(r, record->ticks));
	}
	printf(",\"returned\":%s,\"inner\":%s,\"injected\":%s,\"cut\":%s",
	       state == RECORDING_GOOD ? "true" : "false", record->flags & RECORDING_INNER ? "true" : "false",
	       record->flags & RECORDING_INJECTED ? "true" : "false",
	       record->flags & RECORDING_CUT ? "true" : "false");
	memory_json(r, record, false);
	memory_json(r, record, true);
	printf("}\n");
}

static void fault_print(const struct abi_options *options, uint64_t n, enum recording_state state)
{
	const char *what = state == RECORDING_TORN ? "torn" : state == RECORDING_GONE ? "overwritten" : "damaged";

	if (options->json)
		printf("{\"n\":%" PRIu64 ",\"fault\":\"%s\"}\n", n, what);
	else
		printf("%8" PRIu64 " %13s  record %s\n", n, "", what);
}

/* Show from n on; where it stopped: behind the last, or, while they come, at one that is not done. */
static uint64_t records_print(const struct abi_options *options, struct recording *r, uint64_t n, bool wait)
{
	struct recording_record record;

	for (; n < r->header.records_begun; n++) {
		enum recording_state state = recording_read(r, n, &record);

		if (wait && (state == RECORDING_OPEN || state == RECORDING_TORN) &&
		    n + 4096 > r->header.records_begun)
			break;
		if (state != RECORDING_GOOD && state != RECORDING_OPEN)
			fault_print(options, n, state);
		else if (options->json)
			record_json(r, n, &record, state);
		else
			record_print(options, r, n, &record, state);
	}
	return n;
}

static void header_print(const struct recording *r)
{
	const struct recording_header *h = &r->header;
	uint32_t shown = h->abi_presented ? h->abi_presented : h->abi_version;

	printf("ABI %u.%u", shown >> 16, shown & 0xffff);
	if (shown != h->abi_version)
		printf(" of %u.%u", h->abi_version >> 16, h->abi_version & 0xffff);
	for (unsigned i = 0; decoder_feature(i); i++)
		if (h->abi_hidden >> decoder_feature(i)->number & 1)
			printf(", without %s", decoder_feature(i)->name);
	printf("; %" PRIu64 " MiB of memory, %u devices; %" PRIu64 " calls and boots, the first %" PRIu64
	       " overwritten\n", h->memory / MIB, h->devices, h->records_begun, recording_first(r));
}

/* Records that were overwritten before they were shown. */
static uint64_t skip_overwritten(const struct abi_options *options, const struct recording *r, uint64_t n)
{
	uint64_t first = recording_first(r);

	if (n >= first)
		return n;
	if (options->json)
		printf("{\"n\":%" PRIu64 ",\"fault\":\"overwritten\",\"count\":%" PRIu64 "}\n", n, first - n);
	else
		printf("%8" PRIu64 " %13s  %" PRIu64 " records overwritten before they could be shown\n", n, "",
		       first - n);
	return first;
}

int abi_show(const struct abi_options *options, struct recording *r)
{
	uint64_t n = recording_first(r);
	const char *why;

	if (options->last && r->header.records_begun - n > options->last)
		n = r->header.records_begun - options->last;
	if (!options->json)
		header_print(r);
	while (options->follow) {
		/* Asked before it is looked what there is: nothing comes between. */
		bool running = abi_running(r);

		if (recording_refresh(r, &why)) {
			log_error("cannot read %s any more: %s", options->file, why);
			return 2;
		}
		n = records_print(options, r, skip_overwritten(options, r, n), running);
		if (fflush(stdout) == EOF || !running)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = FOLLOW_NS }, NULL);
	}
	records_print(options, r, n, false);
	if (!options->json && !r->header.ended_ns && !abi_running(r))
		printf("(here ring3 was killed)\n");
	return 0;
}
