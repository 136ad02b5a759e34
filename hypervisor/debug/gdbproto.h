/* SPDX-License-Identifier: MIT */
/*
 * GDB's remote serial protocol: framing only (GDB manual, appendix E.1).
 *
 * A packet is $payload#checksum; payload bytes } # $ * are escaped as } and the
 * byte xor 0x20.  Nothing here does I/O or knows what packets mean.
 */
#ifndef RING3_DEBUG_GDBPROTO_H
#define RING3_DEBUG_GDBPROTO_H

#include "base/types.h"

#define GDB_PACKET_MAX	4096	/* payload we accept; gdb is told so */
#define GDB_REPLY_MAX	(2 * GDB_PACKET_MAX + 64)

enum gdb_event {
	GDB_EVENT_NONE,		/* more bytes are needed */
	GDB_EVENT_PACKET,	/* parser->packet[0..length) is one; NUL-terminated */
	GDB_EVENT_BAD,		/* a packet, but its checksum is wrong or it is too long: NAK it */
	GDB_EVENT_ACK,
	GDB_EVENT_NAK,
	GDB_EVENT_INTERRUPT,	/* ^C outside a packet */
};

struct gdb_parser {
	enum { GDB_IDLE, GDB_PAYLOAD, GDB_ESCAPE, GDB_SUM1, GDB_SUM2 } state;
	uint8_t sum, sent_sum;
	bool bad;
	size_t length;
	char packet[GDB_PACKET_MAX + 1];
};

enum gdb_event gdb_parser_byte(struct gdb_parser *parser, uint8_t byte);

/* A reply being built; what does not fit is dropped, and gdb_reply_end() says so. */
struct gdb_reply {
	size_t length;
	bool overflow;
	char text[GDB_REPLY_MAX];
};

void gdb_reply_begin(struct gdb_reply *r);
void gdb_reply_text(struct gdb_reply *r, const char *text);	/* no bytes that need escapes */
void gdb_reply_format(struct gdb_reply *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void gdb_reply_hex(struct gdb_reply *r, const void *bytes, size_t count);
void gdb_reply_binary(struct gdb_reply *r, const void *bytes, size_t count);	/* escaped */
/* Append the checksum.  false: it did not fit; the reply became an error packet. */
bool gdb_reply_end(struct gdb_reply *r);

/* Parsing of payloads; *p advances behind what was taken.  false: not there, or too long. */
bool gdb_take_hex(const char **p, uint64_t *value);	/* 1..16 digits, big end first */
bool gdb_take_bytes(const char **p, void *out, size_t count);	/* two digits each */
bool gdb_take_char(const char **p, char c);
/* Does the text begin with prefix?  Then *p is moved behind it. */
bool gdb_take_prefix(const char **p, const char *prefix);

#endif
