// SPDX-License-Identifier: MIT
/*
 * Errors of the host in words, without libc: strerror() is not for the jail.
 */
#include "hostio/block_error.h"

#include <errno.h>

#include "base/log.h"
#include "hostio/block_disk.h"

static const char *error_text(int error)
{
	switch (error) {
	case EIO: return "input/output error";
	case ENOSPC: return "no space left on device";
	case EDQUOT: return "disk quota exceeded";
	case EFBIG: return "file too large";
	case EROFS: return "read-only file system";
	case ENODATA: return "the file has become shorter";
	case ENOMEM: return "out of memory";
	case ENODEV: case ENXIO: return "no such device";
	case EINVAL: return "invalid argument";
	case EPERM: return "operation not permitted";
	case EOPNOTSUPP: return "operation not supported";
	case ETXTBSY: return "file in use as swap or program";
	case ESTALE: return "stale file handle";
	case EBADF: return "bad file descriptor";
	case EREMOTEIO: return "remote I/O error";
	case ETIMEDOUT: return "timed out";
	default: return NULL;
	}
}

int block_error_say(const struct block_request *r, int error)
{
	static const char *const what[] = {
		[BLOCK_READ] = "read", [BLOCK_WRITE] = "write", [BLOCK_FLUSH] = "flush",
		[BLOCK_DISCARD] = "discard", [BLOCK_WRITE_ZEROES] = "write-zeroes",
	};
	unsigned number = (unsigned)-error;
	struct block *b = r->block;
	unsigned kind = r->op == BLOCK_WRITE_ZEROES ? BLOCK_WRITE : r->op;
	uint64_t *said = &b->said[kind][number / 64 % array_size(b->said[kind])];
	const char *text = error_text((int)number);
	uint64_t bit = 1ull << number % 64;

	if (!(*said & bit)) {
		*said |= bit;
		if (text)
			log_warn("disk %s: %s error at byte %lu: %s", b->name, what[r->op],
				 r->offset + r->completed, text);
		else
			log_warn("disk %s: %s error at byte %lu: error %u", b->name, what[r->op],
				 r->offset + r->completed, number);
	}
	return error == -ENODATA ? -EIO : error;
}
