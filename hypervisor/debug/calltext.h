/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls as text, by their names.  Everything shown may come from a guest: what is not
 * printable ASCII is escaped.  No libc beyond base/format.c: works in the jail.
 *
 * Each writes a terminated string, cut at `size`, and returns what it would take, as snprintf does.
 */
#ifndef RING3_DEBUG_CALLTEXT_H
#define RING3_DEBUG_CALLTEXT_H

#include "debug/decoder.h"

/* "device_status(device=0, status=0xb)"; without a name "call 77(0x1, ...)". */
int calltext_call(char *buf, size_t size, uint64_t number, const uint64_t args[6]);
/* "0", "0x1000", "-22 EINVAL" */
int calltext_result(char *buf, size_t size, int64_t result);
/*
 * The contents of the memory that argument `argument` of `call` points to: "{size=32, type=2, ...}",
 * "[{...}, {...}, 7 more]", "\"text\"".  `most`: elements or bytes shown at most.
 */
int calltext_memory(char *buf, size_t size, const struct decoder_call *call, unsigned argument,
		    const uint8_t *bytes, size_t length, size_t most);

#endif
