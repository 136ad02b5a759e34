// SPDX-License-Identifier: MIT
/*
 * Hypercalls as text; see calltext.h.
 */
#include "debug/calltext.h"

#include <string.h>

#include "base/log.h"

/* A string that grows in a buffer, counting what has no room. */
struct text {
	char *buf;
	size_t size, used;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *fmt, ...)
{
	size_t room = t->used < t->size ? t->size - t->used : 0;
	va_list ap;

	va_start(ap, fmt);
	t->used += (size_t)format_va(room ? t->buf + t->used : NULL, room, fmt, ap);
	va_end(ap);
}

static struct text text_begin(char *buf, size_t size)
{
	if (size)
		*buf = '\0';
	return (struct text){ buf, size, 0 };
}

/* Counts and the like as people write them; addresses, masks and what is large as machines do. */
static void put_value(struct text *t, uint64_t value, enum decoder_type type)
{
	bool decimal = type == DECODER_GPA ? false : type == DECODER_U64 ? value < 10 : value < 10000;

	put(t, decimal ? "%lu" : "0x%lx", value);
}

static void put_argument(struct text *t, const struct decoder_argument *argument, uint64_t value)
{
	const char *constant = decoder_constant(argument, value);

	put(t, "%s=", argument->name);
	if (constant)
		put(t, "%s", constant);
	else
		put_value(t, value, (enum decoder_type)argument->type);
}

int calltext_call(char *buf, size_t size, uint64_t number, const uint64_t args[6])
{
	const struct decoder_call *call = decoder_call(number);
	struct text t = text_begin(buf, size);

	if (call)
		put(&t, "%s(", call->name);
	else
		put(&t, number > 9999 ? "call 0x%lx(" : "call %lu(", number);
	for (unsigned i = 0; i < (call ? call->arguments : DECODER_ARGUMENTS); i++) {
		put(&t, "%s", i ? ", " : "");
		if (call)
			put_argument(&t, &call->argument[i], args[i]);
		else
			put_value(&t, args[i], DECODER_U64);
	}
	put(&t, ")");
	return (int)t.used;
}

int calltext_result(char *buf, size_t size, int64_t result)
{
	struct text t = text_begin(buf, size);
	const char *name = decoder_error(result);

	if (decoder_failed(result))
		put(&t, "%ld%s%s", result, name ? " " : "", name ? name : "");
	else
		put_value(&t, (uint64_t)result, DECODER_U32);
	return (int)t.used;
}

static void put_string(struct text *t, const uint8_t *bytes, size_t length)
{
	put(t, "\"");
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n')
			put(t, "\\n");
		else if (bytes[i] < ' ' || bytes[i] > '~')
			put(t, "\\x%02x", bytes[i]);
		else
			put(t, bytes[i] == '"' || bytes[i] == '\\' ? "\\%c" : "%c", bytes[i]);
	}
	put(t, "\"");
}

static uint64_t field_value(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

static void put_field(struct text *t, const struct decoder_field *f, const uint8_t *from)
{
	put(t, "%s=%s", f->name, f->count > 1 ? "[" : "");
	for (unsigned i = 0; i < f->count; i++) {
		put(t, "%s", i ? " " : "");
		put_value(t, field_value(from + i * f->bytes, f->bytes),
			  f->bytes == 8 ? DECODER_U64 : DECODER_U32);
	}
	put(t, "%s", f->count > 1 ? "]" : "");
}

/* The fields that are there wholly. */
static void put_struct(struct text *t, const struct decoder_struct *s, const uint8_t *bytes, size_t length)
{
	bool any = false;

	put(t, "{");
	for (unsigned i = 0; i < s->fields; i++) {
		const struct decoder_field *f = &s->field[i];

		if (f->offset + (size_t)f->bytes * f->count > length)
			break;
		put(t, "%s", any ? ", " : "");
		put_field(t, f, bytes + f->offset);
		any = true;
	}
	put(t, "}");
	if (length > s->size)
		put(t, " and %lu bytes", (uint64_t)length - s->size);
}

static void put_array(struct text *t, const struct decoder_struct *s, const uint8_t *bytes, size_t length,
		      size_t most)
{
	size_t count = length / s->size;

	put(t, "[");
	for (size_t i = 0; i < count && i < most; i++) {
		put(t, "%s", i ? ", " : "");
		put_struct(t, s, bytes + i * s->size, s->size);
	}
	if (count > most)
		put(t, ", %lu more", (uint64_t)(count - most));
	put(t, "]");
}

int calltext_memory(char *buf, size_t size, const struct decoder_call *call, unsigned argument,
		    const uint8_t *bytes, size_t length, size_t most)
{
	struct text t = text_begin(buf, size);
	const struct decoder_memory *m = NULL;

	for (unsigned i = 0; call && i < call->memories; i++)
		if (call->memory[i].argument == argument)
			m = &call->memory[i];
	if (m && m->what == DECODER_STRUCT) {
		put_struct(&t, m->structure, bytes, length);
	} else if (m && m->what == DECODER_ARRAY) {
		put_array(&t, m->structure, bytes, length, most);
	} else {
		put_string(&t, bytes, length < most ? length : most);
		if (length > most)
			put(&t, " and %lu bytes", (uint64_t)(length - most));
	}
	return (int)t.used;
}
