// SPDX-License-Identifier: MIT
/*
 * Files to be loaded.  Owns their mappings; knows no format.  Start-up only.
 */
#include "boot/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

int image_open(struct image *image, const char *path, const char *what)
{
	struct stat st;
	void *data;
	int error, fd;

	*image = (struct image){ .path = path };
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		error = errno;
		log_error("cannot open the %s \"%s\": %s", what, path, strerror(error));
		goto out;
	}
	error = EINVAL;
	if (!S_ISREG(st.st_mode)) {
		log_error("the %s \"%s\" is not a regular file", what, path);
		goto out;
	}
	if (st.st_size == 0) {
		log_error("the %s \"%s\" is empty; fetch or build it again", what, path);
		goto out;
	}
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		error = errno;
		log_error("cannot read the %s \"%s\": %s", what, path, strerror(error));
		goto out;
	}
	image->data = data;
	image->size = (size_t)st.st_size;
	error = 0;
out:
	if (fd >= 0)
		close(fd);
	return -error;
}

void image_close(struct image *image)
{
	if (image->data)
		munmap((void *)(uintptr_t)image->data, image->size);
	image->data = NULL;
	image->size = 0;
}

bool image_read(const struct image *image, uint64_t offset, void *buf, size_t size)
{
	if (offset > image->size || size > image->size - offset)
		return false;
	memcpy(buf, image->data + offset, size);
	return true;
}
