/* SPDX-License-Identifier: MIT */
/*
 * Random requests against a model in memory: several at the same time, done in any
 * order, shortened, of odd memory, on disks of the host with sectors of any size.
 */
#include "block_fakes.h"

/* ---- a model: disjoint requests at the same time, in any order, shortened ---- */

struct step {
	struct request q;
	uint8_t *buffer;
	uint64_t from, length;
};

static void step_iovecs(struct step *s, unsigned *seed, bool odd)
{
	uint64_t left = s->length;
	uint8_t *at = s->buffer;
	unsigned n = 0;

	while (left) {
		uint64_t part = (unsigned)rand_r(seed) % 4000;

		if (!odd)
			part &= ~511ull;
		if (part > left || n == array_size(s->q.iov) - 1)
			part = left;
		s->q.iov[n++] = (struct iovec){ at, part };
		at += part + (odd ? 3 : 0);
		left -= part;
	}
	s->q.r.iov_count = n;
}

static void copy_iovecs(struct step *s, uint8_t *linear, bool out)
{
	for (unsigned i = 0; i < s->q.r.iov_count; i++) {
		if (out)
			memcpy(linear, s->q.iov[i].iov_base, s->q.iov[i].iov_len);
		else
			memcpy(s->q.iov[i].iov_base, linear, s->q.iov[i].iov_len);
		linear += s->q.iov[i].iov_len;
	}
}

static void model_run(struct block *b, unsigned rounds, bool odd)
{
	static uint8_t model[FILE_SIZE], check[FILE_SIZE], linear[WINDOW_SIZE];
	static struct step steps[16];
	unsigned seed = 7;

	memcpy(model, before, FILE_SIZE);
	fake_io_one = true;
	for (unsigned i = 0; i < array_size(steps); i++)
		steps[i].buffer = malloc(WINDOW_SIZE + 4096);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned n = 0, sector = (unsigned)rand_r(&seed) % 32;

		fake_io_short = rand_r(&seed) % 3 ? 0 : 512u * (1 + (unsigned)rand_r(&seed) % 40);
		if (fake_io_short && fake_io_short < fake_io_data_align)
			fake_io_short = fake_io_data_align;
		for (; n < array_size(steps) && sector < SECTORS; n++) {
			static const enum block_op ops[] = {
				BLOCK_READ, BLOCK_WRITE, BLOCK_WRITE, BLOCK_WRITE_ZEROES, BLOCK_FLUSH,
				BLOCK_DISCARD,
			};
			struct step *s = &steps[n];
			unsigned count = 1 + (unsigned)rand_r(&seed) % (rand_r(&seed) % 8 ? 20 : 400);
			enum block_op op = ops[(unsigned)rand_r(&seed) % array_size(ops)];

			if (count > SECTORS - sector)
				count = SECTORS - (unsigned)sector;
			s->from = WINDOW + sector * 512ull;
			s->length = count * 512ull;
			sector += count + (rand_r(&seed) % 2 ? 0 : (unsigned)rand_r(&seed) % 16);
			step_iovecs(s, &seed, odd);
			for (uint64_t i = 0; i < s->length; i++)
				linear[i] = (uint8_t)rand_r(&seed);
			copy_iovecs(s, linear, false);
			if (op == BLOCK_WRITE)
				memcpy(model + s->from, linear, s->length);
			if (op == BLOCK_WRITE_ZEROES || op == BLOCK_DISCARD)
				memset(model + s->from, 0, s->length);
			s->q.r.unmap = rand_r(&seed) % 2;
			submit(b, &s->q, op, s->from - WINDOW, op == BLOCK_FLUSH ? 0 : s->length);
		}
		fake_io_run();
		for (unsigned i = 0; i < n; i++) {
			ck_assert(steps[i].q.done);
			ck_assert_int_eq(steps[i].q.error, 0);
			if (steps[i].q.r.op != BLOCK_READ)
				continue;
			copy_iovecs(&steps[i], linear, true);
			ck_assert_mem_eq(linear, model + steps[i].from, steps[i].length);
		}
	}
	ck_assert_int_eq(pread(file, check, FILE_SIZE, 0), FILE_SIZE);
	ck_assert_mem_eq(check, model, FILE_SIZE);
	ck_assert_uint_eq(b->in_flight, 0);
}

START_TEST(model_any_alignment)
{
	model_run(disk(), 100, true);
}
END_TEST

START_TEST(model_sectors_of_512)
{
	model_run(strict_disk(512, 512), 80, false);
	ck_assert_uint_gt(fake_io_calls[IO_WRITE], 100);
}
END_TEST

START_TEST(model_sectors_of_512_odd_memory)
{
	model_run(strict_disk(4, 512), 80, true);
}
END_TEST

/* Neighbours in one block of the host, written at the same time, must all survive. */
START_TEST(model_sectors_of_4096)
{
	model_run(strict_disk(4096, 4096), 150, true);
}
END_TEST

static long no_fallocate(struct io_request *r)
{
	return r->op == IO_ALLOCATE ? -EOPNOTSUPP : 1;
}

/* (The model discards, too: that stays possible here by hand only.) */
START_TEST(model_zeroes_are_written)
{
	struct block *b = strict_disk(4096, 4096);
	uint8_t zero[512] = { 0 };

	fake_io_hook = no_fallocate;
	for (uint64_t length = 512; length <= WINDOW_SIZE; length += 17 * 512) {
		memset(memory, 0xaa, sizeof(memory));
		ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, WINDOW_SIZE), 0);
		ck_assert_int_eq(run(b, BLOCK_WRITE_ZEROES, WINDOW_SIZE - length, NULL, length), 0);
		ck_assert_int_eq(pread(file, memory, FILE_SIZE, 0), FILE_SIZE);
		ck_assert_mem_eq(memory, before, WINDOW);
		ck_assert_mem_eq(memory + WINDOW + WINDOW_SIZE, before + WINDOW + WINDOW_SIZE,
				 FILE_SIZE - WINDOW - WINDOW_SIZE);
		for (uint64_t i = 0; i < WINDOW_SIZE; i += 512) {
			memset(zero, i < WINDOW_SIZE - length ? 0xaa : 0, 512);
			ck_assert_mem_eq(memory + WINDOW + i, zero, 512);
		}
	}
	ck_assert(!b->can_zero_range);
	fake_io_hook = NULL;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("block_model");
	TCase *t = tcase_create("block_model");

	tcase_add_test(t, model_any_alignment);
	tcase_add_test(t, model_sectors_of_512);
	tcase_add_test(t, model_sectors_of_512_odd_memory);
	tcase_add_test(t, model_sectors_of_4096);
	tcase_add_test(t, model_zeroes_are_written);
	suite_add_tcase(s, t);
	return suite_run(s);
}
