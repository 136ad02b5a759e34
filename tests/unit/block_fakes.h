/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the block back-end over the fake engine share; each includes this
 * once: a disk that is a window of a file, its requests, the clock; log_fakes.h.
 */
#ifndef RING3_TESTS_BLOCK_FAKES_H
#define RING3_TESTS_BLOCK_FAKES_H

#include "block_requests.h"
#include "fake_io.h"
#include "log_fakes.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "hostio/block_disk.h"

#define FILE_SIZE	(512 * KIB)
#define WINDOW		(64 * KIB)		/* offset */
#define WINDOW_SIZE	(384 * KIB)
#define SECTORS		(WINDOW_SIZE / 512)

static uint64_t now = 1000000000;

uint64_t clock_ns(void) { return now; }

static char path[64];
static int file;
static uint8_t before[FILE_SIZE];

static inline struct block *disk_open(struct block_config config)
{
	struct block *b;
	unsigned seed = 3;

	strcpy(path, "/tmp/test_block_XXXXXX");
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	for (unsigned i = 0; i < FILE_SIZE; i++)
		before[i] = (uint8_t)rand_r(&seed);
	ck_assert_int_eq(pwrite(file, before, FILE_SIZE, 0), FILE_SIZE);
	config.path = path;
	config.cache = BLOCK_CACHE_WRITEBACK;
	b = block_open(&config);
	unlink(path);
	ck_assert_ptr_nonnull(b);
	return b;
}

static inline struct block *disk(void)
{
	return disk_open((struct block_config){ .offset = WINDOW, .size = WINDOW_SIZE });
}

/* As if the host's disk had such sectors, with O_DIRECT. */
static inline struct block *strict_disk(unsigned memory, unsigned data)
{
	struct block *b = disk();

	b->memory_align = memory;
	b->data_align = data;
	fake_io_memory_align = memory;
	fake_io_data_align = data;
	return b;
}

/* ---- requests ---- */

static inline int run(struct block *b, enum block_op op, uint64_t offset, void *memory, uint64_t length)
{
	struct request q = { .iov = { { memory, length } }, .r = { .iov_count = 1 } };

	submit(b, &q, op, offset, length);
	fake_io_run();
	ck_assert(q.done);
	ck_assert_uint_eq(b->in_flight, 0);
	return q.error;
}

static uint8_t memory[FILE_SIZE] __attribute__((aligned(4096)));

#endif
