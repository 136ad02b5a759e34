// SPDX-License-Identifier: MIT
/*
 * Opening a disk: what can be refused is refused here, with one sentence that
 * names the file and says what to do.
 *
 * Learns what the host's reads and writes must be aligned to, whether holes can be
 * punched, and locks the window: a lock of the open file (OFD) over exactly these
 * bytes, shared when read-only, so that windows of one file that do not overlap are
 * independent disks.  Runs with libc, before the jail.
 */
#include "hostio/block.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "hostio/block_disk.h"

#define ALIGN_MAX	4096u
#define LOCK_TRIES	150u		/* a machine that has just ended lets go of its files late: */
#define LOCK_WAIT_US	20000u		/* its io_uring is taken apart by the kernel at leisure */

struct opening {
	const struct block_config *config;
	struct block *block;
	int fd;
	bool device;			/* block device */
	dev_t number;
	uint64_t file_size;
};

static const char *path(const struct opening *o)
{
	return o->config->path;
}

static int file_open(struct opening *o)
{
	const struct block_config *c = o->config;
	int flags = (c->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	if (stat(c->path, &st) < 0) {
		log_error("cannot use disk %s: %s", c->path, strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		log_error("disk %s is neither a file nor a block device; give one that is", c->path);
		return -EINVAL;
	}
	if (c->cache == BLOCK_CACHE_NONE)
		flags |= O_DIRECT;
	o->fd = open(c->path, flags);
	if (o->fd < 0 && errno == EINVAL && (flags & O_DIRECT)) {
		log_error("the file system of disk %s does not support O_DIRECT; give cache=writeback",
			  c->path);
		return -EINVAL;
	}
	if (o->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM) && !c->readonly) {
		log_error("cannot write disk %s: %s; give readonly, or make it writable", c->path,
			  strerror(errno));
		return -EACCES;
	}
	if (o->fd < 0) {
		log_error("cannot open disk %s: %s", c->path, strerror(errno));
		return -errno;
	}
	/* What it is now, not what the name was a moment ago. */
	if (fstat(o->fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return -EINVAL;
	o->device = S_ISBLK(st.st_mode);
	o->number = st.st_rdev;
	o->file_size = (uint64_t)st.st_size;
	if (o->device && ioctl(o->fd, BLKGETSIZE64, &o->file_size) < 0) {
		log_error("cannot tell the size of disk %s: %s", c->path, strerror(errno));
		return -errno;
	}
	o->block->physical = st.st_blksize >= ALIGN_MAX ? ALIGN_MAX : BLOCK_SECTOR;
	return 0;
}

static int window_check(struct opening *o)
{
	const struct block_config *c = o->config;
	struct block *b = o->block;

	if ((c->offset | c->size) % BLOCK_SECTOR) {
		log_error("disk %s: offset and size must be multiples of 512", c->path);
		return -EINVAL;
	}
	if (c->offset >= o->file_size || c->size > o->file_size - c->offset) {
		log_error("disk %s has %lu bytes, which do not hold a window of %lu at %lu; make it larger"
			  " or the window smaller", c->path, o->file_size, c->size, c->offset);
		return -EINVAL;
	}
	b->offset = c->offset;
	b->size = c->size ? c->size : o->file_size - c->offset;
	if (b->size < BLOCK_SECTOR) {
		log_error("disk %s is smaller than one sector of 512 bytes; make it larger", c->path);
		return -EINVAL;
	}
	if (b->size % BLOCK_SECTOR) {
		log_warn("disk %s: its last %lu bytes are no whole sector and are not used", c->path,
			 b->size % BLOCK_SECTOR);
		b->size -= b->size % BLOCK_SECTOR;
	}
	return 0;
}

/* Where nobody says it: the smallest length at which the host reads from an odd multiple of it. */
static unsigned align_probe(const struct opening *o)
{
	void *memory = mmap(NULL, 2 * ALIGN_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned align = BLOCK_SECTOR;

	if (memory == MAP_FAILED)
		return ALIGN_MAX;
	while (align < ALIGN_MAX && pread(o->fd, memory, align, align) < 0)
		align *= 2;
	munmap(memory, 2 * ALIGN_MAX);
	return align;
}

static int align_learn(struct opening *o)
{
	struct block *b = o->block;
	struct statx stx = { 0 };
	int sector = 0;

	b->memory_align = b->data_align = b->allocate_align = 1;
	if (o->device) {
		unsigned physical = 0;

		if (ioctl(o->fd, BLKSSZGET, &sector) < 0 || sector < (int)BLOCK_SECTOR)
			sector = ALIGN_MAX;
		b->allocate_align = (unsigned)sector;
		if (ioctl(o->fd, BLKPBSZGET, &physical) == 0)
			b->physical = physical >= ALIGN_MAX ? ALIGN_MAX : BLOCK_SECTOR;
	}
	if (o->config->cache != BLOCK_CACHE_NONE)
		return 0;
#ifdef STATX_DIOALIGN
	if (syscall(SYS_statx, o->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN)) {
		if (!stx.stx_dio_offset_align) {
			log_error("disk %s: its file system does not do O_DIRECT on it; give cache=writeback",
				  path(o));
			return -EINVAL;
		}
		b->data_align = stx.stx_dio_offset_align;
		b->memory_align = stx.stx_dio_mem_align ? stx.stx_dio_mem_align : b->data_align;
	} else
#endif
	{
		/* Older hosts want of memory what they want of offsets. */
		b->data_align = sector ? (unsigned)sector : align_probe(o);
		b->memory_align = b->data_align;
	}
	b->data_align = (unsigned)max_u64(b->data_align, BLOCK_SECTOR);
	if (b->data_align > ALIGN_MAX || b->memory_align > ALIGN_MAX) {
		log_error("disk %s: the host wants blocks of %u bytes for O_DIRECT; give cache=writeback",
			  path(o), b->data_align);
		return -EINVAL;
	}
	b->physical = (unsigned)max_u64(b->physical, b->data_align > BLOCK_SECTOR ? ALIGN_MAX : 0);
	if ((b->offset | b->size) % b->data_align) {
		log_error("disk %s: the host reads and writes it in blocks of %u bytes, which its window or"
			  " size is no multiple of; give cache=writeback", path(o), b->data_align);
		return -EINVAL;
	}
	return 0;
}

static uint64_t sysfs_number(dev_t number, const char *what)
{
	char name[128], text[32] = "";
	int fd;

	/* A partition's queue is its disk's. */
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/queue/%s", major(number), minor(number), what);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/../queue/%s", major(number),
			 minor(number), what);
		fd = open(name, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

static void discard_learn(struct opening *o)
{
	struct block *b = o->block;

	b->can_zero_range = !b->readonly;
	if (b->readonly)
		return;
	/* Beyond the end of a file there is nothing to lose; on a device such a hole is zeroes that
	 * the device makes itself. */
	if (o->device)
		b->can_discard = sysfs_number(o->number, "write_zeroes_max_bytes") > 0;
	else
		b->can_discard = fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   (off_t)align_up(o->file_size, ALIGN_MAX), ALIGN_MAX) == 0;
}

static int window_lock(const struct opening *o)
{
	const struct block *b = o->block;
	struct flock lock = {
		.l_type = b->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET,
		.l_start = (off_t)b->offset, .l_len = (off_t)b->size,
	};

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(o->fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES) {
			log_warn("disk %s cannot be locked (%s): see that no other machine uses it", path(o),
				 strerror(errno));
			return 0;
		}
		usleep(LOCK_WAIT_US);
	}
	log_error("disk %s is in use, by another machine or another --disk; give %s", path(o),
		  b->readonly ? "one that nobody writes" : "each its own file or window");
	return -EBUSY;
}

static const char *name_copy(const char *name)
{
	char *copy = arena_alloc(strlen(name) + 1, 1);

	return strcpy(copy, name);
}

static int null_open(struct block *b, const struct block_config *c)
{
	if (c->null_size % BLOCK_SECTOR) {
		log_error("the size of a null disk must be a multiple of 512");
		return -EINVAL;
	}
	b->null = true;
	b->name = "null";
	b->size = c->null_size;
	b->physical = BLOCK_SECTOR;
	return 0;
}

static int file_init(struct block *b, const struct block_config *c)
{
	struct opening o = { .config = c, .block = b, .fd = -1 };
	int r = file_open(&o);

	if (!r)
		r = window_check(&o);
	if (!r)
		r = align_learn(&o);
	if (!r)
		r = window_lock(&o);
	if (!r) {
		discard_learn(&o);
		b->file = io_add_file(o.fd);
		if (b->file < 0) {
			log_error("disk %s: too many disks; give fewer", c->path);
			r = b->file;
		}
	}
	if (r) {
		if (o.fd >= 0)
			close(o.fd);
		return r;
	}
	if (b->offset % b->physical)
		b->physical = BLOCK_SECTOR;
	b->name = name_copy(c->path);
	b->cached = c->cache != BLOCK_CACHE_NONE;
	block_file_init();
	return 0;
}

struct block *block_open(const struct block_config *config)
{
	struct block *b;

	if (arena_init() < 0) {
		log_error("the host does not give memory for the disks");
		return NULL;
	}
	b = arena_alloc(sizeof(*b), 64);
	b->readonly = config->readonly;
	b->limit = (struct block_limit){ .iops = config->iops, .bps = config->bps };
	block_queue_init(&b->delayed);
	block_queue_init(&b->held);
	if (config->null_size ? null_open(b, config) : file_init(b, config))
		return NULL;
	return b;
}
