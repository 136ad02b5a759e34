// SPDX-License-Identifier: MIT
/*
 * Framing of GDB's remote protocol; see gdbproto.h.
 */
#include "debug/gdbproto.h"

#include <stdarg.h>
#include <string.h>

#include "base/log.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void packet_start(struct gdb_parser *p)
{
	p->state = GDB_PAYLOAD;
	p->sum = 0;
	p->length = 0;
	p->bad = false;
}

static void packet_byte(struct gdb_parser *p, uint8_t byte)
{
	if (p->length < GDB_PACKET_MAX)
		p->packet[p->length++] = (char)byte;
	else
		p->bad = true;
}

static enum gdb_event packet_end(struct gdb_parser *p)
{
	p->state = GDB_IDLE;
	p->packet[p->length] = '\0';
	return p->bad || p->sum != p->sent_sum ? GDB_EVENT_BAD : GDB_EVENT_PACKET;
}

static enum gdb_event byte_idle(struct gdb_parser *p, uint8_t byte)
{
	switch (byte) {
	case '$':
		packet_start(p);
		return GDB_EVENT_NONE;
	case '+':
		return GDB_EVENT_ACK;
	case '-':
		return GDB_EVENT_NAK;
	case 3:
		return GDB_EVENT_INTERRUPT;
	default:
		return GDB_EVENT_NONE;
	}
}

enum gdb_event gdb_parser_byte(struct gdb_parser *p, uint8_t byte)
{
	int digit;

	switch (p->state) {
	case GDB_IDLE:
		return byte_idle(p, byte);
	case GDB_PAYLOAD:
		if (byte == '#') {
			p->state = GDB_SUM1;
		} else if (byte == '$') {	/* the rest was lost: this is a new one */
			packet_start(p);
		} else {
			p->sum = (uint8_t)(p->sum + byte);
			if (byte == '}')
				p->state = GDB_ESCAPE;
			else
				packet_byte(p, byte);
		}
		return GDB_EVENT_NONE;
	case GDB_ESCAPE:
		p->sum = (uint8_t)(p->sum + byte);
		packet_byte(p, byte ^ 0x20);
		p->state = GDB_PAYLOAD;
		return GDB_EVENT_NONE;
	case GDB_SUM1:
	case GDB_SUM2:
		digit = hex_digit((char)byte);
		if (digit < 0) {
			p->bad = true;
			digit = 0;
		}
		if (p->state == GDB_SUM1) {
			p->sent_sum = (uint8_t)(digit << 4);
			p->state = GDB_SUM2;
			return GDB_EVENT_NONE;
		}
		p->sent_sum |= (uint8_t)digit;
		return packet_end(p);
	}
	return GDB_EVENT_NONE;
}

static void reply_byte(struct gdb_reply *r, char c)
{
	if (r->length < GDB_REPLY_MAX - 3)	/* room for the checksum */
		r->text[r->length++] = c;
	else
		r->overflow = true;
}

void gdb_reply_begin(struct gdb_reply *r)
{
	r->text[0] = '$';
	r->length = 1;
	r->overflow = false;
}

void gdb_reply_text(struct gdb_reply *r, const char *text)
{
	while (*text)
		reply_byte(r, *text++);
}

void gdb_reply_format(struct gdb_reply *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	format_va(text, sizeof(text), fmt, ap);
	va_end(ap);
	gdb_reply_text(r, text);
}

void gdb_reply_hex(struct gdb_reply *r, const void *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	while (count--) {
		reply_byte(r, digits[*b >> 4]);
		reply_byte(r, digits[*b++ & 15]);
	}
}

void gdb_reply_binary(struct gdb_reply *r, const void *bytes, size_t count)
{
	const char *b = bytes;

	for (; count--; b++) {
		if (*b == '}' || *b == '#' || *b == '$' || *b == '*') {
			reply_byte(r, '}');
			reply_byte(r, *b ^ 0x20);
		} else {
			reply_byte(r, *b);
		}
	}
}

bool gdb_reply_end(struct gdb_reply *r)
{
	bool fits = !r->overflow;
	uint8_t sum = 0;

	if (!fits) {
		gdb_reply_begin(r);
		gdb_reply_text(r, "E22");
	}
	for (size_t i = 1; i < r->length; i++)
		sum = (uint8_t)(sum + (uint8_t)r->text[i]);
	r->text[r->length++] = '#';
	r->text[r->length++] = "0123456789abcdef"[sum >> 4];
	r->text[r->length++] = "0123456789abcdef"[sum & 15];
	return fits;
}

bool gdb_take_hex(const char **p, uint64_t *value)
{
	const char *s = *p;
	uint64_t v = 0;
	int digit;

	while ((digit = hex_digit(*s)) >= 0) {
		if (s - *p == 16)
			return false;
		v = v << 4 | (unsigned)digit;
		s++;
	}
	if (s == *p)
		return false;
	*p = s;
	*value = v;
	return true;
}

bool gdb_take_bytes(const char **p, void *out, size_t count)
{
	const char *s = *p;
	uint8_t *to = out;

	for (; count--; s += 2) {
		int high = hex_digit(s[0]);
		int low = high < 0 ? -1 : hex_digit(s[1]);

		if (low < 0)
			return false;
		*to++ = (uint8_t)(high << 4 | low);
	}
	*p = s;
	return true;
}

bool gdb_take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

bool gdb_take_prefix(const char **p, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(*p, prefix, length))
		return false;
	*p += length;
	return true;
}
