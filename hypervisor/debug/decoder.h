/* SPDX-License-Identifier: MIT */
/*
 * The hypercall ABI as data: names of calls, types of their arguments, what memory they point to,
 * structures, features, errors.  From abi/ring3.abi, by `abi/generate decoder`.
 *
 * For whoever shows, records or compares calls; the dispatcher has tables of its own, so that a
 * mistake here cannot change what a call does.  Constant: usable in the jail.
 */
#ifndef RING3_DEBUG_DECODER_H
#define RING3_DEBUG_DECODER_H

#include "base/types.h"

#define DECODER_ARGUMENTS	6u
#define DECODER_MEMORIES	2u
#define DECODER_RESULT	DECODER_ARGUMENTS	/* decoder_memory.length: the call's result */

enum decoder_type { DECODER_U32, DECODER_U64, DECODER_GPA };
enum decoder_direction { DECODER_IN = 1, DECODER_OUT = 2 };
enum decoder_what { DECODER_BYTES, DECODER_STRUCT, DECODER_ARRAY };
enum decoder_replay { DECODER_REPLAY_ALL, DECODER_REPLAY_RESULT, DECODER_REPLAY_ERRORS, DECODER_REPLAY_SKIP };

struct decoder_field {
	const char *name;
	uint16_t offset;
	uint8_t bytes;			/* of one element: 1, 2, 4, 8 */
	uint8_t count;
};

struct decoder_struct {
	const char *name;
	uint16_t size;
	bool sized;			/* begins with its own size, as the guest knows it */
	uint8_t fields;
	const struct decoder_field *field;
};

/* Guest memory that a call names. */
struct decoder_memory {
	uint8_t argument;		/* with its guest-physical address */
	uint8_t direction;		/* DECODER_IN | DECODER_OUT */
	uint8_t what;			/* enum decoder_what */
	uint8_t length;			/* BYTES, ARRAY: which argument says how many, or DECODER_RESULT */
	const struct decoder_struct *structure;
};

struct decoder_call {
	const char *name;		/* NULL: there is none of this number */
	int8_t feature;			/* bit, -1: always there */
	uint8_t since;			/* minor version */
	uint8_t replay;			/* enum decoder_replay */
	uint8_t arguments, memories;
	struct decoder_argument {
		const char *name;
		uint8_t type;		/* enum decoder_type */
		const char *constants;	/* what their names begin with; "": it has none */
	} argument[DECODER_ARGUMENTS];
	struct decoder_memory memory[DECODER_MEMORIES];
};

struct decoder_constant {
	const char *name;
	uint32_t value;
};

/* A feature, a hint or an error. */
struct decoder_word {
	uint32_t number;
	const char *name;
	uint8_t since;			/* minor version */
	const char *text;
};

/* NULL: no call has this number. */
const struct decoder_call *decoder_call(uint64_t number);
uint64_t decoder_call_end(void);		/* above the highest number */

/* "EINVAL" for -22; NULL: not an error, or none that the ABI names. */
const char *decoder_error(int64_t result);
static inline bool decoder_failed(int64_t result)
{
	return result < 0 && result >= -4095;
}

/* "SHUTDOWN_PANIC" for a value of such an argument; NULL: it is none of its constants. */
const char *decoder_constant(const struct decoder_argument *argument, uint64_t value);

/* In the order of the list; NULL: there are no more. */
const struct decoder_word *decoder_feature(unsigned i);
const struct decoder_word *decoder_hint(unsigned i);
const struct decoder_word *decoder_error_word(unsigned i);

/*
 * How many bytes of guest memory a call with these arguments means by `m`; up to 2^38.  result: the
 * call's, 0 before it.  A structure: its size in this version; what the guest says is in it.
 */
uint64_t decoder_memory_bytes(const struct decoder_memory *m, const uint64_t args[6], int64_t result);

#endif
