/* SPDX-License-Identifier: MIT */
/*
 * A file to be loaded, mapped read-only; or, in tests and fuzzers, any bytes.
 */
#ifndef RING3_BOOT_IMAGE_H
#define RING3_BOOT_IMAGE_H

#include "base/types.h"

struct image {
	const char *path;	/* for messages; not owned */
	const uint8_t *data;
	size_t size;		/* never 0 after image_open() */
};

/* `what` names the file's role in messages: "kernel", "initrd", "module".
 * 0, or -errno with one sentence said. */
int image_open(struct image *image, const char *path, const char *what);
void image_close(struct image *image);

/* A copy of `size` bytes at `offset`; false when the file ends before. */
bool image_read(const struct image *image, uint64_t offset, void *buf, size_t size);

#endif
