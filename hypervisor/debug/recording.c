// SPDX-License-Identifier: MIT
/*
 * The reader of recordings, and the layout that it shares with the writer; see recording.h.
 *
 * Every number from the file is checked before it is used as a size, an offset or an index,
 * against the layout worked out anew from the two sizes of the rings: there is only one valid
 * header for them.  Sequences and positions are only ever compared.
 */
#include "debug/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES	100u		/* until a record that is being written holds still */

static bool power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

void recording_layout(struct recording_header *h, uint64_t records, uint64_t data_bytes)
{
	memcpy(h->magic, RECORDING_MAGIC, sizeof(h->magic));
	h->format = RECORDING_FORMAT;
	h->header_bytes = sizeof(*h);
	h->call_bytes = sizeof(struct recording_call);
	h->record_bytes = sizeof(struct recording_record);
	h->calls_at = PAGE_SIZE;
	h->calls = RECORDING_CALLS;
	h->records_at = align_up(h->calls_at + h->calls * sizeof(struct recording_call), PAGE_SIZE);
	h->records = records;
	h->data_at = align_up(h->records_at + records * sizeof(struct recording_record), PAGE_SIZE);
	h->data_bytes = data_bytes;
	h->file_bytes = h->data_at + data_bytes;
}

static bool read_at(int fd, void *to, size_t bytes, uint64_t at)
{
	return pread(fd, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static const char *header_fault(const struct recording_header *h, uint64_t file_bytes)
{
	struct recording_header want = { .format = 0 };

	if (memcmp(h->magic, RECORDING_MAGIC, sizeof(h->magic)))
		return "it is no recording of hypercalls";
	if (h->format != RECORDING_FORMAT)
		return "it has the format of another version of ring3";
	if (!power_of_two(h->records) || h->records < RECORDING_RECORDS_MIN ||
	    h->records > RECORDING_RECORDS_MAX || !power_of_two(h->data_bytes) ||
	    h->data_bytes < RECORDING_DATA_MIN || h->data_bytes > RECORDING_DATA_MAX)
		return "its header is damaged";
	recording_layout(&want, h->records, h->data_bytes);
	if (memcmp(h, &want, offsetof(struct recording_header, abi_version)))
		return "its header is damaged";
	if (file_bytes < h->file_bytes)
		return "it is truncated";
	if (h->devices > RECORDING_DEVICES)
		return "its header is damaged";
	for (unsigned i = 0; i < h->devices; i++)
		if (!memchr(h->device[i].serial, 0, sizeof(h->device[i].serial)))
			return "its header is damaged";
	return NULL;
}

int recording_refresh(struct recording *r, const char **why)
{
	struct recording_header h;
	struct stat st;

	*why = "it cannot be read";
	if (fstat(r->fd, &st) < 0)
		return -errno;
	*why = "it is no recording of hypercalls";
	if (!S_ISREG(st.st_mode) || !read_at(r->fd, &h, sizeof(h), 0))
		return -EINVAL;
	*why = header_fault(&h, (uint64_t)st.st_size);
	if (*why)
		return -EINVAL;
	r->header = h;
	return 0;
}

int recording_attach(struct recording *r, int fd, const char **why)
{
	int error;

	r->fd = fd;
	error = recording_refresh(r, why);
	if (error)
		recording_close(r);
	return error;
}

int recording_open(struct recording *r, const char *path, const char **why)
{
	/* Not to wait for a writer of a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		*why = strerror(errno);
		r->fd = -1;
		return -errno;
	}
	return recording_attach(r, fd, why);
}

void recording_close(struct recording *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

uint64_t recording_first(const struct recording *r)
{
	const struct recording_header *h = &r->header;

	return h->records_begun > h->records ? h->records_begun - h->records : 0;
}

static enum recording_state record_judge(const struct recording *r, uint64_t n,
					 const struct recording_record *record)
{
	uint64_t number = record->sequence / 4;

	if (record->sequence < 4 * n)
		return n + 1 == r->header.records_begun ? RECORDING_TORN : RECORDING_DAMAGED;
	if (number != n)
		return (number - n) % r->header.records ? RECORDING_DAMAGED : RECORDING_GONE;
	switch (record->sequence % 4) {
	case RECORDING_PHASE_TORN:
		return RECORDING_TORN;
	case RECORDING_PHASE_BEGUN: case RECORDING_PHASE_DONE:
		break;
	default:
		return RECORDING_DAMAGED;
	}
	if (record->kind > RECORDING_K_BOOT || record->in_bytes > RECORDING_PIECES_MAX ||
	    record->out_bytes > RECORDING_PIECES_MAX)
		return RECORDING_DAMAGED;
	return record->sequence % 4 == RECORDING_PHASE_DONE ? RECORDING_GOOD : RECORDING_OPEN;
}

enum recording_state recording_read(const struct recording *r, uint64_t n,
				    struct recording_record *record)
{
	const struct recording_header *h = &r->header;
	uint64_t at = h->records_at + n % h->records * sizeof(*record);
	struct recording_record again;

	/* 4 * n must not wrap: nobody makes that many. */
	if (n >= 1ull << 61)
		return RECORDING_DAMAGED;
	for (unsigned i = 0; i < TRIES; i++) {
		if (!read_at(r->fd, record, sizeof(*record), at) ||
		    !read_at(r->fd, &again, sizeof(again), at))
			return RECORDING_DAMAGED;
		if (!memcmp(record, &again, sizeof(again)))
			return record_judge(r, n, record);
	}
	return RECORDING_TORN;
}

bool recording_load(struct recording *r, const struct recording_record *record, bool out)
{
	const struct recording_header *h = &r->header;
	uint64_t at = out ? record->out_at : record->in_at, begun;
	uint32_t bytes = out ? record->out_bytes : record->in_bytes;
	uint64_t slot = at % h->data_bytes;

	if (!bytes || bytes > sizeof(r->pieces) || bytes > h->data_bytes - slot || at % 8)
		return false;
	if (!read_at(r->fd, r->pieces, bytes, h->data_at + slot) ||
	    !read_at(r->fd, &begun, sizeof(begun), offsetof(struct recording_header, data_begun)))
		return false;
	return at + bytes > at && at + bytes <= begun && begun - at <= h->data_bytes;
}

bool recording_piece_next(const struct recording *r, uint32_t loaded, uint32_t *at,
			  struct recording_piece *piece, const uint8_t **bytes)
{
	uint32_t left = loaded > sizeof(r->pieces) || *at > loaded ? 0 : loaded - *at;

	if (left < sizeof(*piece))
		return false;
	memcpy(piece, r->pieces + *at, sizeof(*piece));
	left -= (uint32_t)sizeof(*piece);
	if (piece->bytes > RECORDING_PIECE_MAX || align_up(piece->bytes, 8) > left)
		return false;
	*bytes = r->pieces + *at + sizeof(*piece);
	*at += (uint32_t)(sizeof(*piece) + align_up(piece->bytes, 8));
	return true;
}

bool recording_calls(const struct recording *r, unsigned n, struct recording_call *call)
{
	return n < RECORDING_CALLS &&
	       read_at(r->fd, call, sizeof(*call), r->header.calls_at + n * sizeof(*call));
}
