/* SPDX-License-Identifier: MIT */
/*
 * A recording of hypercalls (`ring3 run --record FILE`): the file's format, and its reader.
 *
 *	header		one page: what was recorded, where the parts are, how far the writer is
 *	calls		RECORDING_CALLS times struct recording_call: counts and latencies, of all
 *			calls ever made
 *	records		a ring of struct recording_record, one for each call, in the order they began
 *	data		a ring of bytes: the guest memory that records point to, as pieces
 *
 * All numbers are little-endian.  Positions in rings only grow: record n lies in slot n % records,
 * byte p of the data at p % data_bytes, and what is a whole ring behind the writer is overwritten.
 *
 * The writer (debug/recorder.h) has the file mapped, and whatever it stored is in the file even if
 * it is killed the next moment.  So a record says by its sequence how far it got; a reader takes
 * a copy, and it counts if the sequence is the same before and after.
 *
 * The reader believes nothing in the file.  It copies with pread(2), so that a file that shrinks is
 * an error and not a signal.  docs/abi-tools.md has the format for readers of other languages.
 */
#ifndef RING3_DEBUG_RECORDING_H
#define RING3_DEBUG_RECORDING_H

#include "base/types.h"

#define RECORDING_MAGIC		"R3CALLS"	/* with its zero */
#define RECORDING_FORMAT	1u

#define RECORDING_CALLS		64u	/* numbers 0..62; 63 stands for all others */
#define RECORDING_BUCKETS	40u
#define RECORDING_ERRORS	40u
#define RECORDING_DEVICES	16u
#define RECORDING_PIECE_MAX	16384u	/* bytes kept of one piece of memory */

/* Powers of two, both. */
#define RECORDING_RECORDS_MIN	1024u	/* more than one multicall makes */
#define RECORDING_RECORDS_MAX	(1u << 28)
#define RECORDING_DATA_MIN	(64 * KIB)
#define RECORDING_DATA_MAX	(1ul << 36)

enum recording_device_flag {
	RECORDING_READONLY = 1,
	RECORDING_NULL = 2,		/* a disk without a file */
};

/* A device that the guest reaches by hypercalls, by its number. */
struct recording_device {
	uint32_t type;			/* virtio device type: 1 network, 2 block, 4 entropy */
	uint32_t flags;
	uint64_t offered;		/* features */
	uint64_t bytes;			/* of a disk */
	uint8_t mac[8];			/* 6 of them */
	char serial[24];		/* of a disk; "": ring3's own */
};

struct recording_header {
	char magic[8];
	uint32_t format;
	uint32_t header_bytes;		/* sizeof(struct recording_header) */
	uint32_t call_bytes;		/* sizeof(struct recording_call) */
	uint32_t record_bytes;		/* sizeof(struct recording_record) */
	uint64_t file_bytes;
	uint64_t calls_at, calls;	/* offset in the file, number */
	uint64_t records_at, records;
	uint64_t data_at, data_bytes;
	uint32_t abi_version;		/* major << 16 | minor, of the ring3 that recorded */
	uint32_t pid;			/* of `ring3 run` */
	uint64_t memory;		/* guest RAM, bytes */
	uint64_t started_ns;		/* CLOCK_REALTIME */
	uint64_t abi_hidden;		/* features that were not offered, by their bits (--abi) */
	uint32_t abi_presented;		/* the version that the guest was offered (--abi) */
	uint32_t devices;
	struct recording_device device[RECORDING_DEVICES];
	/* From here on written while the machine runs. */
	uint64_t tsc_khz;
	uint64_t started_tsc;		/* of the first boot */
	uint64_t records_begun;		/* ever */
	uint64_t data_begun;		/* ever, bytes */
	uint64_t boots;
	uint64_t ended_ns;		/* CLOCK_REALTIME; 0: it runs, or was killed */
};

/* All calls of one number. */
struct recording_call {
	uint64_t count;
	uint64_t failed;
	uint64_t ticks, ticks_max;	/* TSC, all together; the longest */
	/* [i]: 2^i <= ticks < 2^(i + 1), 0 ticks in [0], longer ones in the last. */
	uint64_t latency[RECORDING_BUCKETS];
	uint64_t error[RECORDING_ERRORS];	/* [i]: result -i; [0]: errors from -RECORDING_ERRORS on */
};

enum recording_kind {
	RECORDING_K_CALL,
	RECORDING_K_BOOT,		/* the machine starts (again); number: how often before */
};

enum recording_flag {
	RECORDING_INNER = 1,		/* made by a multicall: the last record before without this flag */
	RECORDING_INJECTED = 2,		/* the error is `--abi fail=`'s; the call was not made */
	RECORDING_CUT = 4,		/* not all of its memory is kept */
};

/* sequence: 4 * n + ... */
enum recording_phase {
	RECORDING_PHASE_TORN = 1,	/* being written */
	RECORDING_PHASE_BEGUN = 2,	/* the call has begun: all but result, ticks and output are there */
	RECORDING_PHASE_DONE = 3,
};

struct recording_record {
	uint64_t sequence;
	uint64_t tsc;			/* at the beginning */
	uint64_t rip;			/* guest's, of the hypercall instruction */
	uint64_t number;
	uint64_t args[6];
	int64_t result;
	uint64_t in_at, out_at;		/* in the data: pieces, one behind the other */
	uint32_t in_bytes, out_bytes;	/* of all of them; 0: none */
	uint32_t ticks;			/* TSC; UINT32_MAX: that or more */
	uint16_t kind, flags;
	uint64_t cr3;			/* the guest's, at the beginning */
};

/* In the data, at multiples of 8; its bytes follow, filled up to a multiple of 8. */
struct recording_piece {
	uint64_t gpa;
	uint32_t bytes;			/* at most RECORDING_PIECE_MAX */
	uint16_t argument;		/* the number of the argument that named it, from 0 */
	uint16_t reserved;
};

#define RECORDING_PIECES_MAX	(2 * (RECORDING_PIECE_MAX + (uint32_t)sizeof(struct recording_piece)))

_Static_assert(sizeof(struct recording_header) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct recording_record) == 128, "format");
_Static_assert(sizeof(struct recording_call) == 672, "format");
_Static_assert(sizeof(struct recording_device) == 56, "format");
_Static_assert(sizeof(struct recording_piece) == 16, "format");

/* What both sides agree on: where the parts of a file with these rings lie. */
void recording_layout(struct recording_header *h, uint64_t records, uint64_t data_bytes);

/* ---- the reader; plain libc, no jail ---- */

struct recording {
	int fd;
	struct recording_header header;	/* checked; a copy */
	uint8_t pieces[RECORDING_PIECES_MAX];
};

/* 0, or -errno with *why, a clause for the user.  The file is only read. */
int recording_open(struct recording *r, const char *path, const char **why);
/* The same for a descriptor, which becomes the recording's. */
int recording_attach(struct recording *r, int fd, const char **why);
void recording_close(struct recording *r);
/* Look again how far the writer is; 0 or -errno. */
int recording_refresh(struct recording *r, const char **why);

enum recording_state {
	RECORDING_GOOD,
	RECORDING_OPEN,			/* begun and not returned: the call runs, or ring3 ended in it */
	RECORDING_TORN,			/* ring3 ended while it was written, or is writing it */
	RECORDING_GONE,			/* overwritten by later ones */
	RECORDING_DAMAGED,		/* none of what a writer makes */
};

/* The first record that is not overwritten, as of the last refresh. */
uint64_t recording_first(const struct recording *r);
enum recording_state recording_read(const struct recording *r, uint64_t n,
				    struct recording_record *record);

/*
 * The pieces of a record's input (out false) or output, into r->pieces; then one after the other by
 * recording_piece_next(), *at being 0 at first.  false: none, overwritten or damaged; no more.
 */
bool recording_load(struct recording *r, const struct recording_record *record, bool out);
bool recording_piece_next(const struct recording *r, uint32_t loaded, uint32_t *at,
			  struct recording_piece *piece, const uint8_t **bytes);

/* Counts of number n < RECORDING_CALLS.  false: cannot be read. */
bool recording_calls(const struct recording *r, unsigned n, struct recording_call *call);

#endif
