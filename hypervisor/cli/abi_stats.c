// SPDX-License-Identifier: MIT
/*
 * `ring3 abi stats` and `ring3 abi list`: tables about calls.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/abi.h"
#include "debug/decoder.h"
#include "machine/abi.h"

#define BAR	40u

/* Upper end of the bucket in which the call lies that is slower than `part` of 1000. */
static uint64_t quantile_ns(const struct recording *r, const struct recording_call *c, unsigned part)
{
	uint64_t sum = 0, total = 0;

	for (unsigned i = 0; i < RECORDING_BUCKETS; i++)
		total += c->latency[i];
	for (unsigned i = 0; i < RECORDING_BUCKETS; i++) {
		sum += c->latency[i];
		if (sum && sum >= total / 1000 * part + total % 1000 * part / 1000)
			return abi_ns(r, 2ull << i);
	}
	return 0;
}

static const char *call_name(unsigned n)
{
	const struct decoder_call *call = decoder_call(n);

	return call ? call->name : NULL;
}

static void errors_print(const struct recording_call *c)
{
	for (unsigned i = 1; i < RECORDING_ERRORS; i++) {
		if (!c->error[i])
			continue;
		if (decoder_error(-(int64_t)i))
			printf("  %" PRIu64 " %s", c->error[i], decoder_error(-(int64_t)i));
		else
			printf("  %" PRIu64 " error %u", c->error[i], i);
	}
	if (c->error[0])
		printf("  %" PRIu64 " other errors", c->error[0]);
	printf("\n");
}

static void histogram_print(const struct recording *r, const struct recording_call *c)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < RECORDING_BUCKETS; i++)
		most = c->latency[i] > most ? c->latency[i] : most;
	for (unsigned i = 0; i < RECORDING_BUCKETS; i++) {
		uint64_t width = most < BAR ? c->latency[i] * BAR / (most ? most : 1) :
					      c->latency[i] / (most / BAR + 1);

		if (!c->latency[i])
			continue;
		printf("  < %9" PRIu64 " ns %10" PRIu64 "  ", abi_ns(r, 2ull << i), c->latency[i]);
		for (uint64_t w = 0; w <= width && w < BAR; w++)
			putchar('#');
		putchar('\n');
	}
}

static void call_json(const struct recording *r, unsigned n, const struct recording_call *c)
{
	bool any = false;

	printf("{\"number\":%u,\"call\":", n);
	printf(call_name(n) ? "\"%s\"" : "null", call_name(n) ? call_name(n) : "");
	printf(",\"count\":%" PRIu64 ",\"failed\":%" PRIu64, c->count, c->failed);
	printf(",\"ns\":%" PRIu64 ",\"ns_max\":%" PRIu64, abi_ns(r, c->ticks), abi_ns(r, c->ticks_max));
	printf(",\"errors\":{");
	for (unsigned i = 0; i < RECORDING_ERRORS; i++) {
		if (!c->error[i])
			continue;
		printf("%s\"%u\":%" PRIu64, any ? "," : "", i, c->error[i]);
		any = true;
	}
	printf("},\"latency\":[");
	any = false;
	for (unsigned i = 0; i < RECORDING_BUCKETS; i++) {
		if (!c->latency[i])
			continue;
		printf("%s{\"below_ns\":%" PRIu64 ",\"count\":%" PRIu64 "}", any ? "," : "",
		       abi_ns(r, 2ull << i), c->latency[i]);
		any = true;
	}
	printf("]}\n");
}

int abi_stats(const struct abi_options *options, struct recording *r)
{
	struct recording_call c;

	if (!options->json)
		printf("%-16s %12s %10s %9s %9s %9s %9s  errors\n", "call", "count", "failed", "mean ns", "50 % <",
		       "99 % <", "max ns");
	for (unsigned n = 0; n < RECORDING_CALLS; n++) {
		if (!recording_calls(r, n, &c) || !c.count)
			continue;
		if (options->json) {
			call_json(r, n, &c);
			continue;
		}
		if (call_name(n))
			printf("%-16s", call_name(n));
		else
			printf(n == RECORDING_CALLS - 1 ? "others          " : "call %-11u", n);
		printf(" %12" PRIu64 " %10" PRIu64 " %9" PRIu64, c.count, c.failed, abi_ns(r, c.ticks / c.count));
		printf(" %9" PRIu64 " %9" PRIu64 " %9" PRIu64, quantile_ns(r, &c, 500), quantile_ns(r, &c, 990),
		       abi_ns(r, c.ticks_max));
		errors_print(&c);
	}
	for (unsigned n = 0; !options->json && n < RECORDING_CALLS; n++) {
		if (!recording_calls(r, n, &c) || !c.count)
			continue;
		printf("\n%s\n", call_name(n) ? call_name(n) : "calls without a name");
		histogram_print(r, &c);
	}
	return 0;
}

/* ---- list ---- */

static void words_list(const char *title, const struct decoder_word *(*word)(unsigned i), uint32_t major)
{
	printf("\n%s\n", title);
	for (unsigned i = 0; word(i); i++)
		printf("  %2u  %-14s %u.%u  %s\n", word(i)->number, word(i)->name, major, word(i)->since,
		       word(i)->text);
}

static const char *feature_name(int bit)
{
	for (unsigned i = 0; decoder_feature(i); i++)
		if ((int)decoder_feature(i)->number == bit)
			return decoder_feature(i)->name;
	return "always";
}

int abi_list(const struct abi_options *options)
{
	static const char *const types[] = { [DECODER_U32] = "u32", [DECODER_U64] = "u64", [DECODER_GPA] = "gpa" };
	static const char *const rules[] = {
		[DECODER_REPLAY_ALL] = "all", [DECODER_REPLAY_RESULT] = "result",
		[DECODER_REPLAY_ERRORS] = "errors", [DECODER_REPLAY_SKIP] = "skip",
	};
	uint32_t version = abi_newest();

	(void)options;
	printf("ring3 hypercall ABI, versions %u.0 to %u.%u\n\n", version >> 16, version >> 16, version & 0xffff);
	printf("calls: number, feature, since, replay\n");
	for (uint64_t n = 0; n < decoder_call_end(); n++) {
		const struct decoder_call *call = decoder_call(n);

		if (!call)
			continue;
		printf("  %2" PRIu64 "  %-10s %u.%u  %-6s  %s(", n, feature_name(call->feature), version >> 16,
		       call->since, rules[call->replay], call->name);
		for (unsigned i = 0; i < call->arguments; i++)
			printf("%s%s %s", i ? ", " : "", types[call->argument[i].type], call->argument[i].name);
		printf(")\n");
	}
	words_list("features: bit, since", decoder_feature, version >> 16);
	words_list("hints: bit, since", decoder_hint, version >> 16);
	printf("\nerrors\n");
	for (unsigned i = 0; decoder_error_word(i); i++)
		printf("  -%-3u %-8s %s\n", decoder_error_word(i)->number, decoder_error_word(i)->name,
		       decoder_error_word(i)->text);
	return 0;
}
