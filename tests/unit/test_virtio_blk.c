/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk as a driver sees it: what virtio 1.2 demands of block devices, quoted at
 * each test, and what becomes of requests that break the rules.
 */
#include "virtio_blk_driver.h"

/* ---- 5.2.3, 5.2.4, 5.2.5: what the device says of itself ---- */

START_TEST(device_id_is_2)
{
	ck_assert_uint_eq(dev->ops->type, 2);
}
END_TEST

/* "Devices SHOULD always offer VIRTIO_BLK_F_FLUSH, and MUST offer it if they offer
 * VIRTIO_BLK_F_CONFIG_WCE." (5.2.5.2) */
START_TEST(flush_is_offered)
{
	ck_assert(dev->offered & F(FLUSH));
	ck_assert(dev->offered & F(CONFIG_WCE));
}
END_TEST

/* "If the device that is being initialized is not a zoned device, the device SHOULD NOT offer the
 * VIRTIO_BLK_F_ZONED feature." (5.2.5.2)  "The flag [LIFETIME] MUST NOT be offered if the device is
 * backed by storage for which the lifetime metrics ... cannot be obtained" (5.2.6.2)
 * Legacy's BARRIER and SCSI, and SECURE_ERASE, which a file cannot promise, neither. */
START_TEST(what_a_file_cannot_do_is_not_offered)
{
	ck_assert(!(dev->offered & (BIT(F_ZONED) | BIT(F_LIFETIME) | BIT(0) | BIT(7) |
				    F(SECURE_ERASE))));
}
END_TEST

/* "The device SHOULD accept any valid subset of features the driver accepts, otherwise it MUST fail to
 * set the FEATURES_OK device status bit" (2.2.2) */
START_TEST(any_subset_of_features_is_accepted)
{
	for (unsigned bit = 0; bit < 24; bit++) {
		if (!(dev->offered >> bit & 1))
			continue;
		ck_assert(driver_negotiate(BIT(bit)));
		ck_assert(driver_negotiate((dev->offered & 0xffffff) & ~BIT(bit)));
	}
	ck_assert(!driver_negotiate(BIT(F_ZONED)));
}
END_TEST

/* "If VIRTIO_BLK_F_CONFIG_WCE is negotiated but VIRTIO_BLK_F_FLUSH is not, the device MUST
 * initialize writeback to 0." (5.2.5.2) */
START_TEST(writeback_starts_as_0_without_flush)
{
	ck_assert(driver_negotiate(F(CONFIG_WCE)));
	ck_assert_uint_eq(config_get().wce, 0);
	ck_assert(driver_negotiate(F(CONFIG_WCE) | F(FLUSH)));
	ck_assert_uint_eq(config_get().wce, 1);
}
END_TEST

/* "The device MUST initialize padding bytes unused0 and unused1 to 0." (5.2.5.2) */
START_TEST(padding_is_0)
{
	struct virtio_blk_config c;

	start(USUAL);
	c = config_get();
	ck_assert_uint_eq(c.unused, 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(c.unused1[i], 0);
}
END_TEST

START_TEST(configuration_is_the_disks)
{
	struct virtio_blk_config c;

	start(USUAL);
	c = config_get();
	ck_assert_uint_eq(c.capacity, DISK / 512);
	ck_assert_uint_eq(c.blk_size, 512);
	ck_assert_uint_eq(512u << c.physical_block_exp, block_physical_size(disk));
	ck_assert_uint_eq(c.alignment_offset, 0);
	ck_assert_uint_eq(c.num_queues, 1);
	/* Header and status need descriptors, too; what fits must not break the device. */
	ck_assert_uint_le(c.seg_max, dev->queue[0].size_max - 2u);
	ck_assert_uint_ge(c.max_discard_seg, 1);
	ck_assert_uint_ge(c.max_write_zeroes_seg, 1);
	ck_assert_uint_ge(c.max_discard_sectors, 8);
	/* Any width, and nothing behind the end. */
	ck_assert_uint_eq(dev->ops->config_read(dev, 0, 8), DISK / 512);
	ck_assert_uint_eq(dev->ops->config_read(dev, 0, 4), DISK / 512);
	ck_assert_uint_eq(dev->ops->config_read(dev, 20, 4), 512);
}
END_TEST

/* "the driver MAY switch to writethrough or writeback mode by writing respectively 0 and 1 to the
 * writeback field" (5.2.6.1), if CONFIG_WCE was negotiated; nothing else can be written. */
START_TEST(other_fields_cannot_be_written)
{
	struct virtio_blk_config before, after;

	start(USUAL | F(CONFIG_WCE));
	before = config_get();
	for (unsigned i = 0; i < dev->ops->config_size; i++)
		if (i != offsetof(struct virtio_blk_config, wce))
			dev->ops->config_write(dev, i, 1, ~before.capacity);
	after = config_get();
	ck_assert_mem_eq(&before, &after, sizeof(before));
	writeback_set(0);
	ck_assert_uint_eq(config_get().wce, 0);
	writeback_set(1);
	ck_assert_uint_eq(config_get().wce, 1);
	/* Not without the feature; and a reset forgets. */
	writeback_set(0);
	start(USUAL);
	ck_assert_uint_eq(config_get().wce, 1);
	writeback_set(0);
	ck_assert_uint_eq(config_get().wce, 1);
}
END_TEST

/* "The device SHOULD clear the write_zeroes_may_unmap field ... if and only if a write zeroes
 * request cannot result in deallocating one or more sectors." (5.2.6.2) */
START_TEST(may_unmap_says_whether_holes_can_be)
{
	start(USUAL);
	ck_assert_uint_eq(config_get().write_zeroes_may_unmap, block_can_discard(disk));
	disk->can_discard = false;
	ck_assert_uint_eq(config_get().write_zeroes_may_unmap, 0);
	disk->can_discard = true;
	ck_assert_uint_eq(config_get().write_zeroes_may_unmap, 1);
}
END_TEST

/* ---- 5.2.6: requests ---- */

START_TEST(reads)
{
	start(USUAL);
	for (uint64_t sector = 0; sector < DISK / 512; sector += 397) {
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, sector, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_mem_eq(data(), content + sector * 512, 512);
		ck_assert_uint_eq(used_length, 513);
	}
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, DISK), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data(), content, DISK);
	disk_is(content);
}
END_TEST

START_TEST(writes)
{
	start(USUAL);
	for (uint64_t sector = 0; sector < DISK / 512; sector += 397) {
		memset(data(), (int)sector, 512);
		memset(content + sector * 512, (int)sector, 512);
		ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, sector, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(used_length, 1);	/* the status, and nothing else */
	}
	disk_is(content);
}
END_TEST

/* "A driver MUST NOT submit a request which would cause a read or write beyond capacity."
 * "The length of data MUST be a multiple of 512 bytes" (5.2.6.1): an error, and nothing done. */
START_TEST(beyond_capacity_and_odd_lengths_are_errors)
{
	static const struct { uint64_t sector; uint32_t length; } bad[] = {
		{ DISK / 512, 512 }, { DISK / 512 - 1, 1024 }, { ~0ull, 512 }, { 1ull << 55, 512 },
		{ (1ull << 55) - 1, 1024 }, { 0x8000000000000000, 512 }, { 0, 511 }, { 0, 513 }, { 0, 1 },
		{ DISK / 512 + 1, 0 },
	};

	start(USUAL);
	memset(data(), 0xee, DISK);
	for (unsigned i = 0; i < array_size(bad); i++) {
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, bad[i].sector, DATA, bad[i].length),
				  VIRTIO_BLK_S_IOERR);
		ck_assert_uint_le(used_length, 1);
		ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, bad[i].sector, DATA, bad[i].length),
				  VIRTIO_BLK_S_IOERR);
	}
	disk_is(content);
	for (unsigned i = 0; i < 4096; i++)
		ck_assert_uint_eq(((uint8_t *)data())[i], 0xee);
	ck_assert(!(dev->status & S_NEEDS_RESET));
}
END_TEST

/* "A device MUST set the status byte to VIRTIO_BLK_S_IOERR for a write request if the
 * VIRTIO_BLK_F_RO feature if offered, and MUST NOT write any data." (5.2.6.2)  Accepted or not. */
START_TEST(read_only)
{
	ck_assert(dev->offered & F(RO));
	for (unsigned accepted = 0; accepted < 2; accepted++) {
		start(F(FLUSH) | (accepted ? F(RO) : 0));
		memset(data(), 0, 4096);
		ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, 0, DATA, 4096), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_ne(run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
		ck_assert_uint_ne(run_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 4096), VIRTIO_BLK_S_OK);
		ck_assert_mem_eq(data(), content, 4096);
	}
	disk_is(content);
	ck_assert_uint_eq(fake_io_calls[IO_WRITE] + fake_io_calls[IO_ALLOCATE], 0);
}
END_TEST

START_TEST(writable_does_not_say_read_only)
{
	ck_assert(!(dev->offered & F(RO)));
}
END_TEST

/* "The device MUST set the status byte to VIRTIO_BLK_S_UNSUPP for discard, secure erase and write
 * zeroes commands if any unknown flag is set.  Furthermore, the device MUST set the status byte to
 * VIRTIO_BLK_S_UNSUPP for discard commands if the unmap flag is set." (5.2.6.2) */
START_TEST(unknown_flags_are_unsupported)
{
	start(USUAL);
	for (unsigned bit = 0; bit < 32; bit++) {
		ck_assert_uint_eq(run_range(VIRTIO_BLK_T_DISCARD, 0, 8, 1u << bit), VIRTIO_BLK_S_UNSUPP);
		if (bit)
			ck_assert_uint_eq(run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1u << bit),
					  VIRTIO_BLK_S_UNSUPP);
		ck_assert_uint_eq(run_range(VIRTIO_BLK_T_SECURE_ERASE, 0, 8, 1u << bit),
				  VIRTIO_BLK_S_UNSUPP);
	}
	disk_is(content);
}
END_TEST

/* One bad range among good ones: none is touched, and the flag decides (5.2.6.2). */
START_TEST(ranges_are_checked_before_any_is_done)
{
	struct virtio_blk_discard_write_zeroes r[3] = { { 0, 8, 0 }, { DISK / 512, 1, 0 }, { 8, 8, 2 } };

	start(USUAL);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 48), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, r, 32), VIRTIO_BLK_S_IOERR);
	disk_is(content);
}
END_TEST

START_TEST(ranges_out_of_bounds_are_errors)
{
	static const struct { uint64_t sector; uint32_t n; } bad[] = {
		{ DISK / 512, 1 }, { DISK / 512 - 1, 2 }, { ~0ull, 1 }, { ~0ull, ~0u }, { 0, ~0u },
		{ 1ull << 55, 1 }, { 0, DISK / 512 + 1 },
	};

	start(USUAL);
	for (unsigned i = 0; i < array_size(bad); i++) {
		ck_assert_uint_eq(run_range(VIRTIO_BLK_T_DISCARD, bad[i].sector, bad[i].n, 0),
				  VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(run_range(VIRTIO_BLK_T_WRITE_ZEROES, bad[i].sector, bad[i].n, 0),
				  VIRTIO_BLK_S_IOERR);
	}
	disk_is(content);
}
END_TEST

/* "The length of data MUST be a multiple of the size of struct virtio_blk_discard_write_zeroes",
 * "MUST NOT contain more than max_discard_seg ... segments" (5.2.6.1): errors, nothing done. */
START_TEST(range_lists_of_wrong_length_are_errors)
{
	static struct virtio_blk_discard_write_zeroes many[300];
	uint32_t limit;

	start(USUAL);
	for (unsigned i = 0; i < array_size(many); i++)
		many[i] = (struct virtio_blk_discard_write_zeroes){ i, 1, 0 };
	limit = config_get().max_write_zeroes_seg;
	ck_assert_uint_lt(limit, array_size(many));
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, many, 15), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, many, 17), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, many, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, many, (limit + 1) * 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_DISCARD, many, sizeof(many)), VIRTIO_BLK_S_IOERR);
	disk_is(content);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_WRITE_ZEROES, many, limit * 16), VIRTIO_BLK_S_OK);
	memset(content, 0, limit * 512);
	disk_is(content);
}
END_TEST

/* "After a write zeroes command is completed, reads of the specified ranges of sectors MUST return
 * zeroes.  This is true independent of whether unmap was set or clear." (5.2.6.2) */
START_TEST(write_zeroes_reads_as_zeroes)
{
	static const uint8_t zeroes[8 * 512];

	start(USUAL);
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		uint64_t sector = 1000 + unmap * 100 + unmap;

		ck_assert_uint_eq(run_range(VIRTIO_BLK_T_WRITE_ZEROES, sector, 8, unmap), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, sector, DATA, 4096), VIRTIO_BLK_S_OK);
		ck_assert_mem_eq(data(), zeroes, 4096);
		memset(content + sector * 512, 0, 4096);
	}
	disk_is(content);
}
END_TEST

/* "the device MAY deallocate the specified range" (5.2.6.2), and no other. */
START_TEST(discard_touches_its_range_only)
{
	struct virtio_blk_discard_write_zeroes r[2] = { { 1024, 64, 0 }, { 2048, 8, 0 } };
	static uint8_t now[DISK];

	start(USUAL);
	ck_assert_uint_eq(run_ranges(VIRTIO_BLK_T_DISCARD, r, sizeof(r)), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(fake_io_calls[IO_ALLOCATE], 2);
	ck_assert_int_eq(pread(file, now, DISK, 0), DISK);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(now + r[i].sector * 512, content + r[i].sector * 512, r[i].num_sectors * 512);
	}
	ck_assert_mem_eq(now, content, DISK);
}
END_TEST

/* "The device ID string is a NUL-padded ASCII string up to 20 bytes long.  If the string is 20 bytes
 * long then there is no NUL terminator." (5.2.6) */
START_TEST(id)
{
	start(USUAL);
	memset(data(), 0xee, 64);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, DATA, 20), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data(), serial, 20);
	ck_assert_uint_eq(used_length, 21);
	/* Drivers MUST ask for 20; less and more do no harm. */
	memset(data(), 0xee, 64);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, DATA, 4), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data(), "SERI\xee\xee\xee", 7);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, DATA, 32), VIRTIO_BLK_S_OK);
	ck_assert_uint_le(used_length, 20);
	ck_assert_mem_eq(data(), "SERIAL-of-20-letters\xee\xee", 22);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_GET_ID, 0, 0, 0), VIRTIO_BLK_S_OK);
}
END_TEST

/* "VIRTIO_BLK_S_UNSUPP for a request unsupported by device" (5.2.6); "If the VIRTIO_BLK_F_ZONED
 * feature is not negotiated, the device MUST reject VIRTIO_BLK_T_ZONE_REPORT ... with
 * VIRTIO_BLK_S_UNSUPP status" (types 15 to 26).  SCSI commands and barriers are legacy's. */
START_TEST(unknown_types_are_unsupported)
{
	static const uint32_t types[] = {
		2, 3, 5, 6, 7, 9, T_GET_LIFETIME, 12, VIRTIO_BLK_T_SECURE_ERASE, 15, 16, 18, 20, 22, 24,
		26, 27, 0x80000000, 0x80000001, 0xffffffff, 0x01000000,
	};

	start(USUAL);
	for (unsigned i = 0; i < array_size(types); i++) {
		ck_assert_uint_eq(run(types[i], 0, DATA, 512), VIRTIO_BLK_S_UNSUPP);
		ck_assert_uint_eq(run(types[i], 0, 0, 0), VIRTIO_BLK_S_UNSUPP);
	}
	disk_is(content);
}
END_TEST

/* ---- 5.2.6.2: when writes are stable ---- */

static unsigned syncs_of_a_write(void)
{
	unsigned before = fake_io_calls[IO_SYNC];

	ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_OK);
	return fake_io_calls[IO_SYNC] - before;
}

/* Case 1: "neither VIRTIO_BLK_F_CONFIG_WCE nor VIRTIO_BLK_F_FLUSH feature were negotiated, but
 * VIRTIO_BLK_F_FLUSH was offered": "the device MUST ensure that stable writes are committed to it,
 * before reporting completion of the write" */
START_TEST(stable_1_without_features)
{
	start(0);
	ck_assert_uint_eq(syncs_of_a_write(), 1);
	ck_assert_uint_eq(run_range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(fake_io_calls[IO_SYNC], 2);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(fake_io_calls[IO_SYNC], 2);
}
END_TEST

/* Case 2: "CONFIG_WCE was negotiated and the writeback field was 0 all the time" */
START_TEST(stable_2_writeback_turned_off)
{
	start(F(CONFIG_WCE) | F(FLUSH));
	ck_assert_uint_eq(syncs_of_a_write(), 0);
	writeback_set(0);
	ck_assert_uint_eq(syncs_of_a_write(), 1);
	writeback_set(1);
	ck_assert_uint_eq(syncs_of_a_write(), 0);
	start(F(CONFIG_WCE));
	ck_assert_uint_eq(syncs_of_a_write(), 1);
}
END_TEST

/* In both, the write is reported only after the flush, and fails with it. */
static long sync_fails(struct io_request *r)
{
	ck_assert_uint_eq(status(), 0xff);
	return r->op == IO_SYNC ? -EIO : 1;
}

START_TEST(stable_writes_fail_with_their_flush)
{
	start(0);
	fake_io_hook = sync_fails;
	ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_IOERR);
}
END_TEST

/* Case 3: "a VIRTIO_BLK_T_FLUSH request is sent after the write is completed and is completed
 * itself" */
START_TEST(stable_3_flush)
{
	start(F(FLUSH));
	ck_assert_uint_eq(syncs_of_a_write(), 0);
	ck_assert_uint_eq(run(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(fake_io_calls[IO_SYNC], 1);
	fake_io_hook = sync_fails;
	ck_assert_uint_eq(run(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_IOERR);
}
END_TEST

/* ---- errors of the host ---- */

START_TEST(errors_of_the_host_are_io_errors)
{
	static const int errors[] = { EIO, ENOSPC, EINVAL, EFAULT, EBADF, EROFS };
	unsigned irq;

	start(USUAL);
	fake_io_hook = host_fails;
	for (unsigned i = 0; i < array_size(errors); i++) {
		host_error = -errors[i];
		irq = irqs[0];
		ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 4096), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(used_length, 0);	/* not that the data was written */
		ck_assert_uint_eq(run(VIRTIO_BLK_T_OUT, 0, DATA, 4096), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(irqs[0], irq + 2);
	}
	fake_io_hook = NULL;
	ck_assert_uint_eq(run(VIRTIO_BLK_T_IN, 0, DATA, 4096), VIRTIO_BLK_S_OK);
	ck_assert(!(dev->status & S_NEEDS_RESET));
}
END_TEST

START_TEST(a_failing_range_is_an_error)
{
	start(USUAL);
	fake_io_hook = host_fails;
	host_error = -EIO;
	ck_assert_uint_eq(run_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(run_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_blk");
	TCase *t = tcase_create("disk"), *readonly = tcase_create("readonly");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_checked_fixture(readonly, setup_readonly, NULL);
	suite_add_tcase(s, t);
	suite_add_tcase(s, readonly);
	tcase_add_test(t, device_id_is_2);
	tcase_add_test(t, flush_is_offered);
	tcase_add_test(t, what_a_file_cannot_do_is_not_offered);
	tcase_add_test(t, any_subset_of_features_is_accepted);
	tcase_add_test(t, writeback_starts_as_0_without_flush);
	tcase_add_test(t, padding_is_0);
	tcase_add_test(t, configuration_is_the_disks);
	tcase_add_test(t, other_fields_cannot_be_written);
	tcase_add_test(t, may_unmap_says_whether_holes_can_be);
	tcase_add_test(t, reads);
	tcase_add_test(t, writes);
	tcase_add_test(t, beyond_capacity_and_odd_lengths_are_errors);
	tcase_add_test(readonly, read_only);
	tcase_add_test(t, writable_does_not_say_read_only);
	tcase_add_test(t, unknown_flags_are_unsupported);
	tcase_add_test(t, ranges_are_checked_before_any_is_done);
	tcase_add_test(t, ranges_out_of_bounds_are_errors);
	tcase_add_test(t, range_lists_of_wrong_length_are_errors);
	tcase_add_test(t, write_zeroes_reads_as_zeroes);
	tcase_add_test(t, discard_touches_its_range_only);
	tcase_add_test(t, id);
	tcase_add_test(t, unknown_types_are_unsupported);
	tcase_add_test(t, stable_1_without_features);
	tcase_add_test(t, stable_2_writeback_turned_off);
	tcase_add_test(t, stable_writes_fail_with_their_flush);
	tcase_add_test(t, stable_3_flush);
	tcase_add_test(t, errors_of_the_host_are_io_errors);
	tcase_add_test(t, a_failing_range_is_an_error);
	return suite_run(s);
}
