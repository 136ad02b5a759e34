/* SPDX-License-Identifier: MIT */
/*
 * A driver of virtio-blk, for the tests that include this once: a disk in a file, the
 * fake engine under it, requests as most drivers frame them.
 */
#ifndef RING3_TESTS_VIRTIO_BLK_DRIVER_H
#define RING3_TESTS_VIRTIO_BLK_DRIVER_H

#include "device_fakes.h"
#include "fake_io.h"
#include "virtio_driver.h"

#include <linux/virtio_blk.h>

#include "device/virtio_blk.h"
#include "hostio/block_disk.h"

#define DISK		(4 * MIB)
#define DATA		(4 * MIB)	/* guest memory for data, behind the driver's heap */
#define F(name)		BIT(VIRTIO_BLK_F_##name)
#define QUEUE		64
#define HEADER		16

#define T_GET_LIFETIME	10
#define F_LIFETIME	15
#define F_ZONED		17

static int file;
static struct block *disk;
static uint8_t content[DISK];
static char serial[] = "SERIAL-of-20-letters";

static inline void device_open(struct block_config config, unsigned queues)
{
	struct machine_disk m = { .serial = serial };
	char path[] = "/tmp/test_virtio_blk_XXXXXX";

	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	for (unsigned i = 0; i < DISK; i++)
		content[i] = (uint8_t)(i * 7 + i / 512);
	ck_assert_int_eq(pwrite(file, content, DISK, 0), DISK);
	config.path = path;
	config.cache = BLOCK_CACHE_WRITEBACK;
	disk = block_open(&config);
	unlink(path);
	ck_assert_ptr_nonnull(disk);
	virtio_pci_add(virtio_blk_create(&m, disk, queues));
}

static inline void setup(void) { device_open((struct block_config){ 0 }, 1); }
static inline void setup_readonly(void) { device_open((struct block_config){ .readonly = true }, 1); }
static inline void setup_queues(void) { device_open((struct block_config){ 0 }, 4); }

static inline void start(uint64_t features)
{
	ck_assert(driver_start(features, QUEUE));
}

#define USUAL	(F(FLUSH) | F(SEG_MAX) | F(BLK_SIZE) | F(DISCARD) | F(WRITE_ZEROES))

/* ---- the driver's requests ---- */

static struct { uint64_t header, status; } last;

static inline void header_write(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	last.header = guest_alloc(HEADER);
	last.status = guest_alloc(1);
	memcpy(guest(last.header), &h, HEADER);
	*(uint8_t *)guest(last.status) = 0xff;
}

/* As most drivers frame them. */
static inline void offer(unsigned q, uint32_t type, uint64_t sector, uint64_t data, uint32_t length)
{
	struct driver_part parts[3];
	unsigned n = 0;

	header_write(type, sector);
	parts[n++] = (struct driver_part){ last.header, HEADER, false };
	if (length)
		parts[n++] = (struct driver_part){ data, length, type != VIRTIO_BLK_T_OUT &&
			type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES &&
			type != VIRTIO_BLK_T_SECURE_ERASE };
	parts[n++] = (struct driver_part){ last.status, 1, true };
	driver_offer(q, parts, n);
}

static inline uint8_t status(void)
{
	return *(uint8_t *)guest(last.status);
}

static uint32_t used_length;

static inline uint8_t run(uint32_t type, uint64_t sector, uint64_t data, uint32_t length)
{
	uint32_t id;

	offer(0, type, sector, data, length);
	driver_kick(0);
	fake_io_run();
	ck_assert(driver_used(0, &id, &used_length));
	ck_assert_uint_ne(status(), 0xff);
	return status();
}

static inline uint8_t run_ranges(uint32_t type, const struct virtio_blk_discard_write_zeroes *r,
				 uint32_t bytes)
{
	memcpy(guest(DATA), r, bytes);
	return run(type, 0, DATA, bytes);
}

static inline uint8_t run_range(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = { sector, n, flags };

	return run_ranges(type, &r, sizeof(r));
}

static struct virtio_blk_config config_get(void)
{
	struct virtio_blk_config c = { 0 };

	for (unsigned i = 0; i < dev->ops->config_size; i++)
		((uint8_t *)&c)[i] = (uint8_t)dev->ops->config_read(dev, i, 1);
	return c;
}

static inline void writeback_set(uint8_t value)
{
	dev->ops->config_write(dev, offsetof(struct virtio_blk_config, wce), 1, value);
}

static inline void disk_is(const uint8_t *expected)
{
	static uint8_t now[DISK];

	ck_assert_int_eq(pread(file, now, DISK, 0), DISK);
	ck_assert_mem_eq(now, expected, DISK);
}

static inline void *data(void) { return guest(DATA); }

static int host_error;
static inline long host_fails(struct io_request *r)
{
	(void)r;
	return host_error;
}

#endif
