// SPDX-License-Identifier: MIT
/*
 * The generated tables and their look-up; see abi.h.
 */
#include "debug/decoder.h"

#include <string.h>

#include "abi/hypercall_decode.h"

const struct decoder_call *decoder_call(uint64_t number)
{
	return number < array_size(calls) && calls[number].name ? &calls[number] : NULL;
}

uint64_t decoder_call_end(void)
{
	return array_size(calls);
}

const char *decoder_error(int64_t result)
{
	for (unsigned i = 0; result < 0 && errors[i].name; i++)
		if (-result == errors[i].number)
			return errors[i].name;
	return NULL;
}

const char *decoder_constant(const struct decoder_argument *argument, uint64_t value)
{
	size_t length = strlen(argument->constants);

	for (unsigned i = 0; length && i < array_size(constants); i++)
		if (constants[i].value == value && !strncmp(constants[i].name, argument->constants, length))
			return constants[i].name;
	return NULL;
}

/* Their lists end with one that has no name. */
static const struct decoder_word *word_at(const struct decoder_word *list, size_t number, unsigned i)
{
	return i + 1 < number ? &list[i] : NULL;
}

const struct decoder_word *decoder_feature(unsigned i)
{
	return word_at(features, array_size(features), i);
}

const struct decoder_word *decoder_hint(unsigned i)
{
	return word_at(hints, array_size(hints), i);
}

const struct decoder_word *decoder_error_word(unsigned i)
{
	return word_at(errors, array_size(errors), i);
}

uint64_t decoder_memory_bytes(const struct decoder_memory *m, const uint64_t args[6], int64_t result)
{
	uint64_t count = m->length == DECODER_RESULT ? (uint64_t)(result > 0 ? result : 0) :
						   (uint32_t)args[m->length];

	switch ((enum decoder_what)m->what) {
	case DECODER_BYTES:
		return count;
	case DECODER_ARRAY:
		return count * m->structure->size;
	case DECODER_STRUCT:
		break;
	}
	return m->structure->size;
}
