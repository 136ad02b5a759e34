// SPDX-License-Identifier: MIT
/*
 * The transport by hypercalls over a device that holds what it took until it is reset: removal and
 * reset of a queue, what each version is offered, and events in the page.
 */
#include "device_fakes.h"

#include <errno.h>

#include "base/arena.h"
#include "device/event.h"
#include "device/virtio_pv.h"
#include "memory/ram.h"

#define RING_RESET	(1ull << VIRTIO_F_RING_RESET)
#define VERSION_1	(1ull << VIRTIO_F_VERSION_1)
#define PAGE		0x8000u
#define DESC		0x10000u
#define AVAIL		0x11000u
#define USED		0x12000u
#define SETUP_EVENT	70u

static struct virtio devices[2];
static struct iovec iov[4];
static struct virtqueue_chain chain = { .iov = iov, .max = 4 };
static unsigned resets, queue_resets;
static bool holds;

static void on_notify(struct virtio *v, unsigned q)
{
	holds = virtqueue_take(&v->queue[q], &chain) || holds;
}

/* What it holds ends now, as requests do that are waited for. */
static void let_go(struct virtio *v)
{
	if (!holds)
		return;
	holds = false;
	virtqueue_push(&v->queue[0], &chain, 1);
	virtio_complete(v, 0);
}

static void on_reset(struct virtio *v)
{
	resets++;
	let_go(v);
}

static void on_queue_reset(struct virtio *v, unsigned q)
{
	ck_assert_uint_eq(q, 0);
	queue_resets++;
	let_go(v);
}

static const struct virtio_ops ops = {
	.type = 2, .name = "test", .notify = on_notify, .reset = on_reset, .queue_reset = on_queue_reset,
};

static const struct virtio_ops ops_plain = { .type = 4, .name = "plain", .notify = on_notify };

static struct ring3_vcpu_page *page(void)
{
	return (void *)(LAYOUT_RAM + PAGE);
}

static uint16_t *avail(void)
{
	return (void *)(LAYOUT_RAM + AVAIL);
}

static uint16_t used_index(void)
{
	return ((uint16_t *)(LAYOUT_RAM + USED))[1];
}

static void setup(void)
{
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(4 * MIB), 0);
	virtio_init(&devices[0], &ops, 0, 2, 8);
	virtio_init(&devices[1], &ops_plain, 0, 1, 8);
	ck_assert_int_eq(virtio_pv_add(&devices[0]), 0);
	ck_assert_int_eq(virtio_pv_add(&devices[1]), 0);
	event_set_page(PAGE);
}

static int64_t queue_enable(void)
{
	const struct ring3_queue q = { .entries = 8, .event = SETUP_EVENT, .desc = DESC, .avail = AVAIL,
				       .used = USED };

	memset((void *)(LAYOUT_RAM + DESC), 0, 3 * PAGE_SIZE);
	return virtio_pv_queue_setup(&devices[0], 0, &q);
}

/* Started, and one chain, of one byte to be written, with the device. */
static void in_flight(uint64_t features)
{
	uint64_t *desc = (void *)(LAYOUT_RAM + DESC);

	virtio_pv_status(&devices[0], 0);
	virtio_pv_status(&devices[0], 3);
	ck_assert_int_eq(virtio_pv_features(&devices[0], features), 0);
	ck_assert_int_eq(virtio_pv_status(&devices[0], 11), 11);
	ck_assert_int_eq(queue_enable(), 0);
	ck_assert_int_eq(virtio_pv_status(&devices[0], 15), 15);
	desc[0] = 0x20000;
	desc[1] = 1 | 2ull << 32;
	avail()[1]++;
	ck_assert_int_eq(virtio_pv_queue_kick(&devices[0], 0), 0);
	ck_assert(holds);
}

START_TEST(queue_reset)
{
	virtio_pv_accept(1);
	in_flight(VERSION_1);
	ck_assert_int_eq(virtio_pv_queue_reset(&devices[0], 0), -EINVAL);	/* not accepted */
	in_flight(VERSION_1 | RING_RESET);
	ck_assert_int_eq(virtio_pv_queue_reset(&devices[0], 1), -EINVAL);	/* not enabled */
	ck_assert_int_eq(virtio_pv_queue_reset(&devices[0], 2), -EINVAL);
	ck_assert_uint_eq(queue_resets, 0);
	ck_assert_int_eq(virtio_pv_queue_reset(&devices[0], 0), 0);
	ck_assert_uint_eq(queue_resets, 1);
	ck_assert(!holds);
	ck_assert_uint_eq(used_index(), 0);			/* not shown, not told */
	ck_assert_uint_eq(page()->pending[1], 0);
	ck_assert_int_eq(virtio_pv_queue_kick(&devices[0], 0), -EINVAL);
	ck_assert_int_eq(virtio_pv_status(&devices[0], RING3_STATUS_READ), 15);
	ck_assert_int_eq(queue_enable(), 0);
	avail()[1]++;
	ck_assert_int_eq(virtio_pv_queue_kick(&devices[0], 0), 0);
	let_go(&devices[0]);
	ck_assert_uint_eq(used_index(), 1);
	ck_assert_uint_eq(page()->pending[1], 1ull << (SETUP_EVENT - 64));
}
END_TEST

START_TEST(removal)
{
	struct ring3_device_info info = { .size = sizeof(info) };

	virtio_pv_accept(1);
	in_flight(VERSION_1);
	ck_assert_int_eq(virtio_pv_unplug(2), -ENODEV);
	ck_assert_int_eq(virtio_pv_unplug(UINT32_MAX), -ENODEV);
	ck_assert_int_eq(virtio_pv_unplug(0), 0);
	ck_assert(!holds);
	ck_assert_uint_eq(used_index(), 0);
	ck_assert_uint_eq(page()->pending[1], 0);
	ck_assert_uint_eq(page()->pending[0], 1u << RING3_EVENT_DEVICES);
	ck_assert_ptr_null(virtio_pv_device(0));
	ck_assert_ptr_eq(virtio_pv_device(1), &devices[1]);
	ck_assert_int_eq(virtio_pv_unplug(0), -ENODEV);
	virtio_pv_info(virtio_pv_device(1), &info);
	ck_assert_uint_eq(info.type, 4);
}
END_TEST

START_TEST(removal_untold)
{
	virtio_pv_accept(0);
	in_flight(VERSION_1);
	ck_assert_int_eq(virtio_pv_unplug(0), 0);
	ck_assert_uint_eq(page()->pending[0], 0);
	ck_assert_ptr_null(virtio_pv_device(0));
}
END_TEST

START_TEST(offers)
{
	struct ring3_device_info info;

	virtio_pv_accept(0);
	virtio_pv_info(&devices[0], &info);
	ck_assert(!(info.features & RING_RESET));
	ck_assert_int_eq(virtio_pv_features(&devices[0], VERSION_1 | RING_RESET), -EINVAL);
	virtio_pv_accept(1);
	virtio_pv_info(&devices[0], &info);
	ck_assert(info.features & RING_RESET);
	ck_assert_int_eq(virtio_pv_features(&devices[0], VERSION_1 | RING_RESET), 0);
	virtio_pv_info(&devices[1], &info);
	ck_assert(!(info.features & RING_RESET));		/* a device that cannot */
}
END_TEST

START_TEST(events_wait)
{
	event_set_page(0);
	ck_assert(!event_waits());
	event_mask(5, true);
	event_signal(5);
	ck_assert(!event_waits());
	event_mask(5, false);
	ck_assert(event_waits());			/* before there is a page */
	event_set_page(PAGE);
	ck_assert_uint_eq(page()->pending[0], 1u << 5);
	ck_assert(event_waits());
	event_mask(5, true);
	ck_assert(!event_waits());
	event_mask(5, false);
	page()->interrupts = 0;
	ck_assert(event_waits());			/* whether the guest is willing or not */
	page()->pending[0] = 0;
	ck_assert(!event_waits());
	event_signal(127);
	ck_assert(event_waits());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtio_pv");
	TCase *t = tcase_create("calls");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, queue_reset);
	tcase_add_test(t, removal);
	tcase_add_test(t, removal_untold);
	tcase_add_test(t, offers);
	tcase_add_test(t, events_wait);
	suite_add_tcase(s, t);
	return suite_run(s);
}
