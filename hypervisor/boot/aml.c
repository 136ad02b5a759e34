/* SPDX-License-Identifier: MIT */
/*
 * The AML writer.  An object with a package length is begun by writing its
 * opcode and ended by inserting the length, whose own size depends on it, before
 * the contents: aml_end() moves them up by one or two bytes.
 */
#include "boot/aml.h"

#include <string.h>

#define OP_NAME		0x08
#define OP_BYTE		0x0a
#define OP_WORD		0x0b
#define OP_DWORD	0x0c
#define OP_STRING	0x0d
#define OP_QWORD	0x0e
#define OP_SCOPE	0x10
#define OP_BUFFER	0x11
#define OP_PACKAGE	0x12
#define OP_METHOD	0x14
#define OP_EXTENDED	0x5b
#define OP_ARG0		0x68
#define OP_STORE	0x70
#define OP_IF		0xa0
#define OP_RETURN	0xa4
#define EXT_DEVICE	0x82

#define TAG_IRQ		0x22	/* small, 2 bytes: IRQNoFlags */
#define TAG_IO		0x47	/* small, 7 bytes */
#define TAG_END		0x79
#define TAG_DWORD_SPACE	0x87	/* large, 23 bytes */
#define TAG_WORD_SPACE	0x88	/* large, 13 bytes */
#define IO_DECODE16	0x01
#define SPACE_FIXED	0x0c	/* producer, positive decode, both ends fixed */

static void put(struct aml *a, const void *bytes, size_t n)
{
	if (a->overflow || n > a->size - a->length) {
		a->overflow = true;
		return;
	}
	memcpy(a->bytes + a->length, bytes, n);
	a->length += n;
}

static void put_byte(struct aml *a, uint8_t byte)
{
	put(a, &byte, 1);
}

void aml_integer(struct aml *a, uint64_t value)
{
	unsigned size = value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 :
			value <= UINT32_MAX ? 4 : 8;

	if (value <= 1) {		/* ZeroOp, OneOp */
		put_byte(a, (uint8_t)value);
		return;
	}
	put_byte(a, size == 1 ? OP_BYTE : size == 2 ? OP_WORD : size == 4 ? OP_DWORD : OP_QWORD);
	put(a, &value, size);
}

void aml_name(struct aml *a, const char *name)
{
	put_byte(a, OP_NAME);
	put(a, name, strlen(name));
}

void aml_end(struct aml *a, size_t begun)
{
	size_t contents = a->length - begun;
	/* The length counts itself. */
	unsigned size = contents + 1 < 0x40 ? 1 : contents + 2 < 0x1000 ? 2 : 3;
	size_t length = contents + size;
	uint8_t field[3];

	if (a->overflow || size > a->size - a->length) {
		a->overflow = true;
		return;
	}
	if (size == 1) {
		field[0] = (uint8_t)length;
	} else {
		field[0] = (uint8_t)((size - 1) << 6 | (length & 15));
		field[1] = (uint8_t)(length >> 4);
		field[2] = (uint8_t)(length >> 12);
	}
	memmove(a->bytes + begun + size, a->bytes + begun, contents);
	memcpy(a->bytes + begun, field, size);
	a->length += size;
}

size_t aml_scope(struct aml *a, const char *name)
{
	put_byte(a, OP_SCOPE);

	size_t begun = a->length;
	put(a, name, strlen(name));
	return begun;
}

size_t aml_device(struct aml *a, const char *name)
{
	put_byte(a, OP_EXTENDED);
	put_byte(a, EXT_DEVICE);

	size_t begun = a->length;
	put(a, name, strlen(name));
	return begun;
}

size_t aml_method(struct aml *a, const char *name, unsigned arguments)
{
	put_byte(a, OP_METHOD);

	size_t begun = a->length;
	put(a, name, strlen(name));
	put_byte(a, (uint8_t)arguments);
	return begun;
}

size_t aml_if(struct aml *a, const char *name)
{
	put_byte(a, OP_IF);

	size_t begun = a->length;
	put(a, name, strlen(name));
	return begun;
}

size_t aml_package(struct aml *a, unsigned elements)
{
	put_byte(a, OP_PACKAGE);

	size_t begun = a->length;
	put_byte(a, (uint8_t)elements);
	return begun;
}

void aml_store_argument(struct aml *a, const char *name)
{
	put_byte(a, OP_STORE);
	put_byte(a, OP_ARG0);
	put(a, name, strlen(name));
}

void aml_return(struct aml *a, const char *name)
{
	put_byte(a, OP_RETURN);
	put(a, name, strlen(name));
}

void aml_name_integer(struct aml *a, const char *name, uint64_t value)
{
	aml_name(a, name);
	aml_integer(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *value)
{
	aml_name(a, name);
	put_byte(a, OP_STRING);
	put(a, value, strlen(value) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_name_eisa_id(struct aml *a, const char *name, const char *id)
{
	uint32_t value = 0;

	/* Three letters of five bits, then four hex digits, the whole big-endian. */
	for (unsigned i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (unsigned i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	value = __builtin_bswap32(value);
	aml_name(a, name);
	put_byte(a, OP_DWORD);
	put(a, &value, sizeof(value));
}

void aml_name_package(struct aml *a, const char *name, const uint64_t *values, unsigned n)
{
	aml_name(a, name);

	size_t begun = aml_package(a, n);
	for (unsigned i = 0; i < n; i++)
		aml_integer(a, values[i]);
	aml_end(a, begun);
}

static void resource(struct aml_resources *r, const uint8_t *bytes, size_t n)
{
	if (n > sizeof(r->bytes) - r->length)
		return;		/* aml_name_resources() notices: no room for the end tag */
	memcpy(r->bytes + r->length, bytes, n);
	r->length += n;
}

void aml_resource_io(struct aml_resources *r, uint16_t base, uint8_t length)
{
	uint8_t low = (uint8_t)base, high = (uint8_t)(base >> 8);
	const uint8_t bytes[] = { TAG_IO, IO_DECODE16, low, high, low, high, 1, length };

	resource(r, bytes, sizeof(bytes));
}

/* Address space descriptors (6.4.3.5): granularity, first, last, translation, length. */
void aml_resource_window(struct aml_resources *r, enum aml_window kind, uint32_t first, uint32_t last)
{
	/* Memory: writable, not cached; I/O: all of it, no ISA aliases; bus numbers: nothing. */
	static const uint8_t type_flags[] = { 0x01, 0x03, 0x00 };
	unsigned width = kind == AML_WINDOW_MEMORY ? 4 : 2;
	const uint32_t numbers[] = { 0, first, last, 0, last - first + 1 };
	uint8_t bytes[26] = {
		width == 4 ? TAG_DWORD_SPACE : TAG_WORD_SPACE, (uint8_t)(3 + 5 * width), 0,
		(uint8_t)kind, SPACE_FIXED, type_flags[kind],
	};

	for (unsigned i = 0; i < 5; i++)
		memcpy(bytes + 6 + i * width, &numbers[i], width);
	resource(r, bytes, 6 + 5 * width);
}

void aml_resource_irq(struct aml_resources *r, unsigned irq)
{
	const uint8_t bytes[] = { TAG_IRQ, (uint8_t)(1u << irq), (uint8_t)(1u << irq >> 8) };

	resource(r, bytes, sizeof(bytes));
}

void aml_name_resources(struct aml *a, const char *name, const struct aml_resources *r)
{
	const uint8_t end[] = { TAG_END, 0 };	/* checksum 0: not used */

	if (r->length + 8 > sizeof(r->bytes)) {
		a->overflow = true;
		return;
	}
	aml_name(a, name);
	put_byte(a, OP_BUFFER);

	size_t begun = a->length;
	aml_integer(a, r->length + sizeof(end));
	put(a, r->bytes, r->length);
	put(a, end, sizeof(end));
	aml_end(a, begun);
}
