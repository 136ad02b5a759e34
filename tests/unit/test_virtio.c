/* SPDX-License-Identifier: MIT */
/*
 * A virtio device's life, without a transport's registers: what virtio 1.2 demands
 * of every device in chapters 2, 3 and 6 (each test names the section).
 */
#include "device_fakes.h"
#include "virtio_driver.h"

#define F_FIRST		5
#define F_NEEDS_FIRST	6
#define OFFERED		(BIT(F_FIRST) | BIT(F_NEEDS_FIRST))
#define SIZE		8u

static struct virtio device;
static struct {
	unsigned notified[2], started, resets, config_reads;
	uint64_t config_written;
	bool take, complete_later, complete_in_reset;
} seen;

static void on_notify(struct virtio *v, unsigned n)
{
	struct iovec iov[4];
	struct virtqueue_chain chain = { .iov = iov, .max = 4 };

	seen.notified[n]++;
	while (seen.take && virtqueue_take(&v->queue[n], &chain))
		virtqueue_push(&v->queue[n], &chain, 1);
	if (!seen.complete_later)
		virtio_complete(v, n);
}

static void on_start(struct virtio *v)
{
	ck_assert(virtio_has(v, VIRTIO_F_VERSION_1));
	seen.started++;
}

static void on_reset(struct virtio *v)
{
	seen.resets++;
	if (seen.complete_in_reset)
		on_notify(v, 0);
}

static uint64_t on_config_read(struct virtio *v, unsigned offset, unsigned size)
{
	(void)v;
	seen.config_reads++;
	return offset * 16 + size;
}

static void on_config_write(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	(void)v;
	(void)size;
	seen.config_written = value << 8 | offset;
}

static bool on_features(struct virtio *v, uint64_t features)
{
	(void)v;
	return !(features & BIT(F_NEEDS_FIRST)) || (features & BIT(F_FIRST));
}

static const struct virtio_ops ops = {
	.type = 4, .name = "test", .notify = on_notify, .start = on_start, .reset = on_reset,
	.config_size = 10, .config_read = on_config_read, .config_write = on_config_write,
	.check_features = on_features,
};

static void setup(void)
{
	virtio_init(&device, &ops, OFFERED, 2, 64);
	ck_assert_int_eq(virtio_pci_add(&device), 0);
	seen.take = true;
}

/* ---- 2.1 status, 3.1 initialization ---- */

/* 2.1.2: the device MUST initialize status to 0 upon reset. */
START_TEST(test_reset_clears_status)
{
	ck_assert_uint_eq(dev->status, 0);
	ck_assert(driver_start(OFFERED, SIZE));
	ck_assert_uint_eq(dev->status, 15);
	virtio_write_status(dev, 0);
	ck_assert_uint_eq(dev->status, 0);
	ck_assert_uint_eq(dev->features, 0);
	ck_assert_uint_eq(seen.resets, 2);		/* driver_start() began with one */
	ck_assert(!dev->queue[0].enabled);
	ck_assert_uint_eq(dev->queue[0].size, 64);
	ck_assert_uint_eq(dev->queue[0].desc.v, 0);
}
END_TEST

/* 2.1.1: a driver cannot clear bits one by one, and 2.1: the device's own bit is not its to set. */
START_TEST(test_status_bits)
{
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER);
	virtio_write_status(dev, S_ACKNOWLEDGE);
	ck_assert_uint_eq(dev->status, S_ACKNOWLEDGE | S_DRIVER);
	virtio_write_status(dev, S_NEEDS_RESET | S_ACKNOWLEDGE);
	ck_assert_uint_eq(dev->status, S_ACKNOWLEDGE | S_DRIVER);
	virtio_write_status(dev, 128);			/* FAILED */
	ck_assert_uint_eq(dev->status, 128 | S_ACKNOWLEDGE | S_DRIVER);
}
END_TEST

/* 2.1.2: the device MUST NOT consume buffers or notify the driver before DRIVER_OK. */
START_TEST(test_nothing_before_driver_ok)
{
	uint32_t id, len;

	ck_assert(driver_negotiate(0));
	driver_queue_setup(0, SIZE);
	driver_offer_in(0, 0x1000, 16);
	driver_kick(0);
	virtio_complete(dev, 0);
	virtio_config_changed(dev);
	ck_assert_uint_eq(seen.notified[0], 0);
	ck_assert_uint_eq(irqs[0] + config_irqs, 0);
	ck_assert(!driver_used(0, &id, &len));
	/* What came early is not forgotten, though. */
	driver_ok();
	ck_assert_uint_eq(seen.started, 1);
	ck_assert(driver_used(0, &id, &len));
	ck_assert_uint_eq(irqs[0], 1);
}
END_TEST

/* 3.1.1: DRIVER_OK counts only behind FEATURES_OK. */
START_TEST(test_driver_ok_without_features)
{
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
	ck_assert_uint_eq(dev->status & S_DRIVER_OK, 0);
	ck_assert(!virtio_running(dev));
	ck_assert_uint_eq(seen.started, 0);
	virtio_set_features(dev, BIT(VIRTIO_F_VERSION_1));
	virtio_write_status(dev, S_FEATURES_OK | S_DRIVER_OK);	/* both in one write */
	ck_assert(virtio_running(dev));
	ck_assert_uint_eq(seen.started, 1);
	virtio_write_status(dev, S_FEATURES_OK | S_DRIVER_OK);
	ck_assert_uint_eq(seen.started, 1);
}
END_TEST

/* 2.1.2: having set DEVICE_NEEDS_RESET with DRIVER_OK set, the device MUST send a configuration
 * change notification. */
START_TEST(test_needs_reset)
{
	virtio_break(dev, "did nothing at all");
	ck_assert_uint_eq(dev->status, S_NEEDS_RESET);
	ck_assert_uint_eq(config_irqs, 0);		/* no DRIVER_OK */
	ck_assert(driver_start(0, SIZE));
	driver_make_available(0, SIZE);			/* no such descriptor */
	seen.complete_later = true;
	driver_kick(0);
	seen.complete_later = false;
	ck_assert_uint_eq(dev->status & S_NEEDS_RESET, S_NEEDS_RESET);
	ck_assert_uint_eq(config_irqs, 1);
	ck_assert(!virtio_running(dev));
	driver_kick(0);
	driver_kick(1);
	ck_assert_uint_eq(seen.notified[0], 1);
	ck_assert_uint_eq(seen.notified[1], 0);
	virtio_break(dev, "again");
	ck_assert_uint_eq(config_irqs, 1);
	/* And a reset is what it needed. */
	ck_assert(driver_start(0, SIZE));
	driver_offer_in(0, 0x1000, 16);
	driver_kick(0);
	ck_assert_uint_eq(driver_used_count(0), 1);
}
END_TEST

/* A queue found broken outside a kick (by a device that takes buffers when data come). */
START_TEST(test_broken_at_completion)
{
	ck_assert(driver_start(0, SIZE));
	dev->queue[1].broken = true;
	virtio_complete(dev, 1);
	ck_assert_uint_eq(dev->status & S_NEEDS_RESET, S_NEEDS_RESET);
	ck_assert_uint_eq(irqs[1], 0);
}
END_TEST

/* ---- 2.2 features ---- */

/* 6.1: VIRTIO_F_VERSION_1 MUST be offered; the ring's features are, and nothing that is not made. */
START_TEST(test_offered)
{
	ck_assert_uint_eq(dev->offered, OFFERED | BIT(28) | BIT(29) | BIT(32));
}
END_TEST

/* 2.2.2: any valid subset SHOULD be accepted, else FEATURES_OK MUST NOT be set. */
START_TEST(test_features)
{
	static const struct { uint64_t features; bool ok; } cases[] = {
		{ 0, true },
		{ BIT(F_FIRST), true },
		{ OFFERED, true },
		{ OFFERED | BIT(28) | BIT(29), true },
		{ BIT(F_NEEDS_FIRST), false },		/* without what it needs */
		{ BIT(7), false },			/* not offered */
		{ BIT(33), false },
		{ BIT(63), false },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		ck_assert_msg(driver_negotiate(cases[i].features) == cases[i].ok, "case %u", i);
		ck_assert_uint_eq(dev->features, cases[i].features | BIT(32));
	}
	/* After a refusal the driver may offer less. */
	virtio_set_features(dev, BIT(32));
	virtio_write_status(dev, S_FEATURES_OK);
	ck_assert_uint_eq(dev->status & S_FEATURES_OK, S_FEATURES_OK);
}
END_TEST

/* 6.2: a driver that does not accept VERSION_1 is a legacy one. */
START_TEST(test_legacy_driver)
{
	virtio_set_features(dev, OFFERED);
	virtio_write_status(dev, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	ck_assert_uint_eq(dev->status, S_ACKNOWLEDGE | S_DRIVER);
}
END_TEST

/* 2.2: "the only way to renegotiate is to reset the device". */
START_TEST(test_no_renegotiation)
{
	ck_assert(driver_negotiate(BIT(F_FIRST)));
	virtio_set_features(dev, BIT(32) | OFFERED | BIT(7));
	ck_assert_uint_eq(dev->features, BIT(32) | BIT(F_FIRST));
	virtio_write_status(dev, 0);
	virtio_set_features(dev, BIT(32));
	ck_assert_uint_eq(dev->features, BIT(32));
}
END_TEST

/* ---- 2.4 reset ---- */

/* 2.4.1: after reset no notifications, no access to the queues, until it is initialized again. */
START_TEST(test_quiet_after_reset)
{
	ck_assert(driver_start(0, SIZE));
	driver_offer_in(0, 0x1000, 16);
	virtio_write_status(dev, 0);
	driver_kick(0);
	virtio_complete(dev, 0);
	virtio_config_changed(dev);
	ck_assert_uint_eq(seen.notified[0], 0);
	ck_assert_uint_eq(driver_used_count(0), 0);
	ck_assert_uint_eq(irqs[0] + config_irqs, 0);
}
END_TEST

/* The same for what a device completes while it is reset. */
START_TEST(test_quiet_during_reset)
{
	ck_assert(driver_start(0, SIZE));
	driver_offer_in(0, 0x1000, 16);
	seen.complete_in_reset = true;
	virtio_write_status(dev, 0);
	ck_assert_uint_eq(driver_used_count(0), 0);
	ck_assert_uint_eq(irqs[0], 0);
}
END_TEST

/* ---- 2.5 configuration space ---- */

/* 2.5.3: the device MUST allow reading any field before FEATURES_OK. */
START_TEST(test_config_before_features)
{
	ck_assert_uint_eq(virtio_config_read(dev, 4, 4), 0x44);
	virtio_config_write(dev, 8, 2, 0x1234);
	ck_assert_uint_eq(seen.config_written, 0x123408);
}
END_TEST

START_TEST(test_config_bounds)
{
	static const struct { unsigned offset, size; } outside[] = {
		{ 8, 4 }, { 10, 1 }, { 9, 2 }, { 4095, 1 }, { UINT32_MAX, 1 }, { UINT32_MAX - 3, 8 },
	};

	for (unsigned i = 0; i < array_size(outside); i++) {
		ck_assert_uint_eq(virtio_config_read(dev, outside[i].offset, outside[i].size), 0);
		virtio_config_write(dev, outside[i].offset, outside[i].size, 1);
	}
	ck_assert_uint_eq(seen.config_reads, 0);
	ck_assert_uint_eq(seen.config_written, 0);
	ck_assert_uint_eq(virtio_config_read(dev, 8, 2), 0x82);
}
END_TEST

/* 2.5, 4.1.4.3.1: a changed generation after a changed value was read, however many changes. */
START_TEST(test_config_generation)
{
	uint8_t before;

	ck_assert(driver_start(0, SIZE));
	virtio_config_read(dev, 0, 4);
	before = dev->config_generation;
	virtio_config_read(dev, 0, 4);
	ck_assert_uint_eq(dev->config_generation, before);
	for (unsigned i = 0; i < 256; i++)
		virtio_config_changed(dev);
	ck_assert_uint_eq(config_irqs, 256);
	virtio_config_read(dev, 0, 4);
	ck_assert_uint_ne(dev->config_generation, before);
	before = dev->config_generation;
	virtio_config_read(dev, 0, 4);
	ck_assert_uint_eq(dev->config_generation, before);
}
END_TEST

/* ---- queues ---- */

START_TEST(test_queue_refused)
{
	ck_assert(!virtio_enable_queue(dev, 0));		/* no features agreed on */
	ck_assert_uint_eq(dev->status, 0);
	ck_assert(driver_negotiate(0));
	ck_assert(!virtio_enable_queue(dev, 2));		/* no such queue */
	ck_assert(!virtio_enable_queue(dev, UINT32_MAX));
	ck_assert_uint_eq(dev->status & S_NEEDS_RESET, 0);
	dev->queue[0].desc = GPA(8);
	ck_assert(!virtio_enable_queue(dev, 0));
	ck_assert_uint_eq(dev->status & S_NEEDS_RESET, S_NEEDS_RESET);
	driver_kick(2);
	driver_kick(UINT32_MAX);
}
END_TEST

/* 2.3: kicks of queues that are not set up, and of others than the one that has buffers. */
START_TEST(test_kick_is_for_one_queue)
{
	ck_assert(driver_negotiate(0));
	driver_queue_setup(1, SIZE);
	driver_ok();
	driver_kick(0);
	ck_assert_uint_eq(seen.notified[0], 0);
	driver_offer_in(1, 0x1000, 16);
	driver_kick(1);
	ck_assert_uint_eq(seen.notified[1], 1);
	ck_assert_uint_eq(irqs[1], 1);
	ck_assert_uint_eq(irqs[0], 0);
	virtio_enable_queue(dev, 1);			/* again: as it is */
	ck_assert_uint_eq(dev->queue[1].last_avail, 1);
}
END_TEST

/* The transport took memory access away (bus mastering off): quiet, then on from there. */
START_TEST(test_suspended)
{
	ck_assert(driver_start(0, SIZE));
	dev->suspended = true;
	driver_offer_in(0, 0x1000, 16);
	driver_kick(0);
	ck_assert_uint_eq(seen.notified[0], 0);
	virtio_resume(dev);
	ck_assert_uint_eq(seen.notified[0], 0);
	dev->suspended = false;
	virtio_resume(dev);
	ck_assert_uint_eq(seen.notified[0], 1);
	ck_assert_uint_eq(driver_used_count(0), 1);
}
END_TEST

/* The same for what was under way and ends meanwhile. */
START_TEST(test_completed_while_suspended)
{
	struct iovec iov[4];
	struct virtqueue_chain chain = { .iov = iov, .max = 4 };

	ck_assert(driver_start(0, SIZE));
	driver_offer_in(0, 0x1000, 16);
	ck_assert(virtqueue_take(&dev->queue[0], &chain));
	dev->suspended = true;
	virtqueue_push(&dev->queue[0], &chain, 16);
	virtio_complete(dev, 0);
	ck_assert_uint_eq(driver_used_count(0), 0);
	ck_assert_uint_eq(irqs[0], 0);
	dev->suspended = false;
	virtio_resume(dev);
	ck_assert_uint_eq(driver_used_count(0), 1);
	ck_assert_uint_eq(irqs[0], 1);
	ck_assert_uint_eq(seen.notified[0], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio");
	TCase *t = tcase_create("core");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_reset_clears_status);
	tcase_add_test(t, test_status_bits);
	tcase_add_test(t, test_nothing_before_driver_ok);
	tcase_add_test(t, test_driver_ok_without_features);
	tcase_add_test(t, test_needs_reset);
	tcase_add_test(t, test_broken_at_completion);
	tcase_add_test(t, test_offered);
	tcase_add_test(t, test_features);
	tcase_add_test(t, test_legacy_driver);
	tcase_add_test(t, test_no_renegotiation);
	tcase_add_test(t, test_quiet_after_reset);
	tcase_add_test(t, test_quiet_during_reset);
	tcase_add_test(t, test_config_before_features);
	tcase_add_test(t, test_config_bounds);
	tcase_add_test(t, test_config_generation);
	tcase_add_test(t, test_queue_refused);
	tcase_add_test(t, test_kick_is_for_one_queue);
	tcase_add_test(t, test_suspended);
	tcase_add_test(t, test_completed_while_suspended);
	suite_add_tcase(s, t);
	return suite_run(s);
}
