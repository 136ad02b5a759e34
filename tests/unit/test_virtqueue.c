/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues from the device's side: what virtio 1.2 demands of it (2.7; each
 * test names the section), and what a guest does that it must not.
 */
#include "device_fakes.h"
#include "virtio_driver.h"

#define SIZE	8u

static struct virtio device;
static struct virtqueue *q;
static struct iovec iov[VIRTQUEUE_SIZE_MAX];
static struct virtqueue_chain chain;

static void on_notify(struct virtio *v, unsigned n)
{
	(void)v;
	(void)n;
}

static const struct virtio_ops ops = { .type = 4, .name = "test", .notify = on_notify };

static void start(uint64_t features, uint16_t size)
{
	virtio_init(&device, &ops, 0, 1, VIRTQUEUE_SIZE_MAX);
	ck_assert_int_eq(virtio_pci_add(&device), 0);
	ck_assert(driver_start(features, size));
	q = &device.queue[0];
	ck_assert(q->enabled);
	chain = (struct virtqueue_chain){ .iov = iov, .max = array_size(iov) };
}

#define ALL	(BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_INDIRECT_DESC))

static void setup(void) { start(ALL, SIZE); }

static uint16_t *used(void) { return guest(dq[0].used); }
static uint16_t *avail(void) { return guest(dq[0].avail); }
#define USED_FLAGS	(used()[0])
#define USED_INDEX	(used()[1])
#define AVAIL_EVENT	(used()[2 + 4 * dq[0].size])
#define AVAIL_FLAGS	(avail()[0])
#define USED_EVENT	(avail()[2 + dq[0].size])

static void desc(unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*driver_desc(0, i) = (struct driver_desc){ addr, len, flags, next };
}

/* Offer head 0 and see it refused, for good. */
static void refused(void)
{
	driver_make_available(0, 0);
	ck_assert(!virtqueue_take(q, &chain));
	ck_assert(q->broken);
	desc(0, 0x1000, 16, 0, 0);
	ck_assert(!virtqueue_take(q, &chain));
}

static void *dma(uint64_t addr) { return (void *)(LAYOUT_DMA + addr); }

/* ---- start ---- */

/* 2.7: alignments of 16, 2 and 4; the size is a power of two, at most what was offered. */
START_TEST(test_start)
{
	struct virtqueue s = { .size_max = 256 };
	static const struct { uint16_t size; uint64_t desc, avail, used; bool ok; } cases[] = {
		{ 256, 0x1000, 0x3000, 0x4000, true },
		{ 1, 0x1010, 0x3002, 0x4004, true },
		{ 0, 0x1000, 0x3000, 0x4000, false },
		{ 3, 0x1000, 0x3000, 0x4000, false },
		{ 512, 0x1000, 0x3000, 0x4000, false },
		{ 8, 0x1008, 0x3000, 0x4000, false },
		{ 8, 0x1000, 0x3001, 0x4000, false },
		{ 8, 0x1000, 0x3000, 0x4002, false },
		/* Exactly at the end of RAM, and beyond it. */
		{ 8, DRIVER_RAM - 128, 0x3000, 0x4000, true },
		{ 8, DRIVER_RAM - 112, 0x3000, 0x4000, false },
		{ 8, 0x1000, DRIVER_RAM - 22, 0x4000, true },
		{ 8, 0x1000, DRIVER_RAM - 20, 0x4000, false },
		{ 8, 0x1000, 0x3000, DRIVER_RAM - 72, true },
		{ 8, 0x1000, 0x3000, DRIVER_RAM - 68, false },
		{ 8, DRIVER_RAM, 0x3000, 0x4000, false },
		{ 8, 0x1000, 0xfffffffffffffff0, 0x4000, false },
		{ 8, 0x1000, 0x3000, 0xfffffffffffffffc, false },
	};

	for (unsigned i = 0; i < array_size(cases); i++) {
		s.size = cases[i].size;
		s.desc = GPA(cases[i].desc);
		s.avail = GPA(cases[i].avail);
		s.used = GPA(cases[i].used);
		ck_assert_msg(virtqueue_start(&s, true, true) == cases[i].ok, "case %u", i);
	}
	virtqueue_reset(&s);
	ck_assert_uint_eq(s.size, 256);
	ck_assert_uint_eq(s.vector, 0xffff);
	ck_assert(!s.enabled);
	ck_assert(!virtqueue_take(&s, &chain));
	ck_assert(!virtqueue_publish(&s));
	ck_assert(!virtqueue_enable_notify(&s));
	virtqueue_disable_notify(&s);
	virtqueue_push(&s, &chain, 0);
}
END_TEST

/* ---- chains ---- */

/* 2.7.4: device-readable parts, then device-writable ones; no assumption about their number. */
START_TEST(test_chain)
{
	desc(0, 0x1000, 16, D_NEXT, 5);
	desc(5, 0x3000, 100, D_NEXT, 2);
	desc(2, 0x5000, 4096, D_NEXT | D_WRITE, 7);
	desc(7, 0x8000, 1, D_WRITE, 0);
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.head, 0);
	ck_assert_uint_eq(chain.out, 2);
	ck_assert_uint_eq(chain.in, 2);
	ck_assert_uint_eq(chain.out_bytes, 116);
	ck_assert_uint_eq(chain.in_bytes, 4097);
	ck_assert_ptr_eq(iov[0].iov_base, dma(0x1000));
	ck_assert_ptr_eq(iov[1].iov_base, dma(0x3000));
	ck_assert_ptr_eq(iov[2].iov_base, dma(0x5000));
	ck_assert_ptr_eq(iov[3].iov_base, dma(0x8000));
	ck_assert_uint_eq(iov[1].iov_len, 100);
	ck_assert_uint_eq(iov[3].iov_len, 1);
	ck_assert(!virtqueue_take(q, &chain));
	ck_assert(!q->broken);
}
END_TEST

START_TEST(test_parts_are_merged)
{
	desc(0, 0x1000, 16, D_NEXT, 1);
	desc(1, 0x1010, 16, D_NEXT, 2);
	desc(2, 0x1020, 16, D_NEXT | D_WRITE, 3);	/* next to it, but of the other kind */
	desc(3, 0x1030, 0, D_NEXT | D_WRITE, 4);	/* nothing */
	desc(4, 0x1030, 16, D_NEXT | D_WRITE, 5);
	desc(5, 0x1020, 16, D_WRITE, 0);		/* backwards: not merged */
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.out, 1);
	ck_assert_uint_eq(chain.in, 2);
	ck_assert_uint_eq(iov[0].iov_len, 32);
	ck_assert_uint_eq(iov[1].iov_len, 32);
	ck_assert_ptr_eq(iov[1].iov_base, dma(0x1020));
	ck_assert_uint_eq(chain.in_bytes, 48);
}
END_TEST

static uint64_t indirect_table(unsigned n, uint64_t stride)
{
	uint64_t at = guest_alloc(16ul * n);
	struct driver_desc *d = guest(at);

	for (unsigned i = 0; i < n; i++)
		d[i] = (struct driver_desc){ 0x10000 + i * stride, 8, D_WRITE | (i + 1 < n ? D_NEXT : 0),
					     (uint16_t)(i + 1) };
	return at;
}

/* 2.7.5.3.2: the write-only flag of the descriptor that refers to the table MUST be ignored. */
START_TEST(test_indirect)
{
	uint64_t table = indirect_table(3, 64);

	for (unsigned flags = 0; flags <= D_WRITE; flags += D_WRITE) {
		desc(0, table, 48, (uint16_t)(D_INDIRECT | flags), 0);
		driver_make_available(0, 0);
		ck_assert(virtqueue_take(q, &chain));
		ck_assert_uint_eq(chain.out, 0);
		ck_assert_uint_eq(chain.in, 3);
		ck_assert_ptr_eq(iov[2].iov_base, dma(0x10080));
	}
	((struct driver_desc *)guest(table))[0].flags = D_NEXT;	/* readable */
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.out, 1);
}
END_TEST

/* 2.7.5.3.2: normal chained descriptors followed by a single indirect one MUST be handled. */
START_TEST(test_indirect_after_direct)
{
	desc(3, 0x1000, 16, D_NEXT, 4);
	desc(4, 0x2000, 16, D_NEXT, 5);
	desc(5, indirect_table(2, 64), 32, D_INDIRECT, 0);
	driver_make_available(0, 3);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_uint_eq(chain.out, 2);
	ck_assert_uint_eq(chain.in, 2);
	ck_assert_uint_eq(chain.in_bytes, 16);
}
END_TEST

START_TEST(test_indirect_largest)
{
	desc(0, indirect_table(VIRTQUEUE_SIZE_MAX, 64), VIRTQUEUE_SIZE_MAX * 16, D_INDIRECT, 0);
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.in, VIRTQUEUE_SIZE_MAX);
	desc(0, indirect_table(VIRTQUEUE_SIZE_MAX + 1, 8), (VIRTQUEUE_SIZE_MAX + 1) * 16, D_INDIRECT, 0);
	refused();
}
END_TEST

/* Each ends in a queue that gives nothing more. */
START_TEST(test_refused)
{
	uint64_t table = indirect_table(4, 64);
	struct driver_desc *t = guest(table);

	switch (_i) {
	case 0:		/* 2.7.4.2: readable behind writable */
		desc(0, 0x1000, 16, D_WRITE | D_NEXT, 1);
		desc(1, 0x2000, 16, 0, 0);
		break;
	case 1:		/* a loop (2.7.5.2) */
		desc(0, 0x1000, 16, D_NEXT, 1);
		desc(1, 0x2000, 16, D_NEXT, 0);
		break;
	case 2:		/* a loop of nothing */
		desc(0, 0x1000, 0, D_NEXT, 0);
		break;
	case 3:		/* a successor outside the table */
		desc(0, 0x1000, 16, D_NEXT, SIZE);
		break;
	case 4:		/* not RAM */
		desc(0, DRIVER_RAM, 16, 0, 0);
		break;
	case 5:
		desc(0, DRIVER_RAM - 8, 16, 0, 0);
		break;
	case 6:
		desc(0, UINT64_MAX - 7, 16, 0, 0);
		break;
	case 7:
		desc(0, 0xfee00000, 16, D_WRITE, 0);
		break;
	case 8:		/* 2.7.5.3.1: with a successor */
		desc(0, table, 64, D_INDIRECT | D_NEXT, 1);
		break;
	case 9:		/* 2.7.5.3.1: a table within a table */
		t[1] = (struct driver_desc){ indirect_table(1, 0), 16, D_INDIRECT, 0 };
		desc(0, table, 64, D_INDIRECT, 0);
		break;
	case 10:	/* lengths that are no table */
		desc(0, table, 0, D_INDIRECT, 0);
		break;
	case 11:
		desc(0, indirect_table(1, 0), 24, D_INDIRECT, 0);
		break;
	case 12:	/* a table outside RAM */
		desc(0, DRIVER_RAM - 48, 64, D_INDIRECT, 0);
		break;
	case 13:	/* a successor outside the indirect table */
		t[3] = (struct driver_desc){ 0x1000, 16, D_NEXT | D_WRITE, 4 };
		desc(0, table, 64, D_INDIRECT, 0);
		break;
	case 14:	/* a loop in it */
		t[3] = (struct driver_desc){ 0x1000, 16, D_NEXT | D_WRITE, 3 };
		desc(0, table, 64, D_INDIRECT, 0);
		break;
	case 15:	/* more parts than the caller has room for */
		chain.max = 3;
		desc(0, table, 64, D_INDIRECT, 0);
		break;
	}
	refused();
}
END_TEST
#define REFUSED_CASES	16

/* 2.7.5.2: not more than 2^32 bytes in total. */
START_TEST(test_refused_too_long)
{
	unsigned n = (unsigned)(4 * GIB / DRIVER_RAM) + 1;
	uint64_t table = guest_alloc(16ul * n);
	struct driver_desc *t = guest(table);

	for (unsigned i = 0; i < n; i++)
		t[i] = (struct driver_desc){ 0, DRIVER_RAM, D_WRITE | (i + 1 < n ? D_NEXT : 0),
					     (uint16_t)(i + 1) };
	desc(0, table, 16 * n, D_INDIRECT, 0);
	refused();
}
END_TEST

/* 2.7.5.3.1: not negotiated. */
START_TEST(test_refused_indirect)
{
	start(0, SIZE);
	desc(0, indirect_table(1, 0), 16, D_INDIRECT, 0);
	refused();
}
END_TEST

START_TEST(test_refused_head)
{
	driver_make_available(0, SIZE);
	ck_assert(!virtqueue_take(q, &chain));
	ck_assert(q->broken);
}
END_TEST

/* 2.7.6: the index went further than there are descriptors, or back. */
START_TEST(test_refused_index)
{
	desc(0, 0x1000, 16, 0, 0);
	avail()[1] = _i ? 0xffff : SIZE + 1;
	ck_assert(!virtqueue_take(q, &chain));
	ck_assert(q->broken);
}
END_TEST

/* One descriptor used over and over: more chains than the queue has room for. */
START_TEST(test_refused_in_flight)
{
	desc(0, 0x1000, 16, D_WRITE, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		driver_make_available(0, 0);
		ck_assert(virtqueue_take(q, &chain));
	}
	virtqueue_push(q, &chain, 0);
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));		/* there was room for one */
	driver_make_available(0, 0);
	ck_assert(!virtqueue_take(q, &chain));
	ck_assert(q->broken);
}
END_TEST

START_TEST(test_untake)
{
	for (uint16_t i = 0; i < 3; i++) {
		desc(i, 0x1000, 16, 0, 0);
		driver_make_available(0, i);
	}
	ck_assert(!virtqueue_empty(q));
	for (unsigned i = 0; i < 3; i++)
		ck_assert(virtqueue_take(q, &chain));
	ck_assert(virtqueue_empty(q));
	virtqueue_untake(q, 2);
	ck_assert(!virtqueue_empty(q));
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(chain.head, 1);
}
END_TEST

/* ---- used ring ---- */

/* 2.7.8.2: len MUST be set before the index is. */
START_TEST(test_used)
{
	uint32_t id, len;

	desc(3, 0x1000, 64, D_WRITE, 0);
	driver_make_available(0, 3);
	ck_assert(virtqueue_take(q, &chain));
	virtqueue_push(q, &chain, 42);
	ck_assert_uint_eq(USED_INDEX, 0);
	ck_assert_uint_eq(((uint32_t *)used())[2], 42);
	virtqueue_publish(q);
	ck_assert(driver_used(0, &id, &len));
	ck_assert_uint_eq(id, 3);
	ck_assert_uint_eq(len, 42);
	ck_assert(!driver_used(0, &id, &len));
	ck_assert(!virtqueue_publish(q));		/* nothing new: nothing to say */
}
END_TEST

/* 2.7.6, 2.7.8: indices are free-running and wrap at 65536; entries modulo the queue size. */
START_TEST(test_indices_wrap)
{
	uint32_t id, len;

	for (unsigned i = 0; i < 70000; i++) {
		uint16_t head = (uint16_t)(i % SIZE);

		desc(head, 0x1000, 64, D_WRITE, 0);
		driver_make_available(0, head);
		ck_assert(virtqueue_take(q, &chain));
		ck_assert_uint_eq(chain.head, head);
		virtqueue_push(q, &chain, i);
		USED_EVENT = (uint16_t)i;
		ck_assert(virtqueue_publish(q));	/* each is the event */
		ck_assert(driver_used(0, &id, &len));
		ck_assert_uint_eq(id, head);
		ck_assert_uint_eq(len, i);
	}
	ck_assert_uint_eq(USED_INDEX, 70000 % 65536);
}
END_TEST

/* Complete `n` chains in one go; was the driver to be told? */
static bool complete(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		desc(0, 0x1000, 16, D_WRITE, 0);
		driver_make_available(0, 0);
		ck_assert(virtqueue_take(q, &chain));
		virtqueue_push(q, &chain, 16);
	}
	return virtqueue_publish(q);
}

/* 2.7.7.2: without EVENT_IDX, flags 0 MUST, flags 1 SHOULD NOT notify; used_event MUST be ignored. */
START_TEST(test_suppression_by_flags)
{
	start(0, SIZE);
	USED_EVENT = 100;
	ck_assert(complete(1));
	ck_assert(!virtqueue_publish(q));	/* nothing new */
	AVAIL_FLAGS = 1;
	USED_EVENT = 1;
	ck_assert(!complete(1));
	ck_assert(!complete(3));
	AVAIL_FLAGS = 0;
	ck_assert(complete(1));
}
END_TEST

/* 2.7.7.2: with EVENT_IDX, MUST notify for the entry at used_event; flags' bit MUST be ignored. */
START_TEST(test_suppression_by_event)
{
	AVAIL_FLAGS = 1;
	USED_EVENT = 0;
	ck_assert(complete(1));			/* "after the first buffer" */
	ck_assert(!complete(1));
	ck_assert(!complete(4));
	USED_EVENT = 8;				/* used index now 6: entries 6, 7, 8 */
	ck_assert(!complete(2));
	ck_assert(complete(1));
	USED_EVENT = 10;			/* in the middle of the batch 9..12 */
	ck_assert(complete(4));
	USED_EVENT = 12;			/* the last one published: past */
	ck_assert(!complete(1));
	USED_EVENT = 13 + SIZE;			/* all at once, just not reached */
	ck_assert_uint_eq(USED_INDEX, 14);
	ck_assert(!complete(SIZE - 1));
	ck_assert(complete(1));
}
END_TEST

/* 2.7.10.2: without EVENT_IDX flags MUST be 0 or 1. */
START_TEST(test_notify_by_flags)
{
	start(0, SIZE);
	virtqueue_disable_notify(q);
	ck_assert_uint_eq(USED_FLAGS, 1);
	ck_assert(!virtqueue_enable_notify(q));
	ck_assert_uint_eq(USED_FLAGS, 0);
	ck_assert_uint_eq(AVAIL_EVENT, 0);
	virtqueue_disable_notify(q);
	desc(0, 0x1000, 16, 0, 0);
	driver_make_available(0, 0);
	ck_assert(virtqueue_enable_notify(q));		/* look again */
	ck_assert(virtqueue_take(q, &chain));
	ck_assert(!virtqueue_enable_notify(q));
}
END_TEST

/* 2.7.10.2: with EVENT_IDX flags MUST be 0; avail_event says from which entry on. */
START_TEST(test_notify_by_event)
{
	virtqueue_disable_notify(q);
	ck_assert_uint_eq(USED_FLAGS, 0);
	complete(3);
	ck_assert_uint_eq(AVAIL_EVENT, 0);
	ck_assert(!virtqueue_enable_notify(q));
	ck_assert_uint_eq(AVAIL_EVENT, 3);
	ck_assert_uint_eq(USED_FLAGS, 0);
	driver_make_available(0, 0);
	ck_assert(virtqueue_enable_notify(q));
	ck_assert_uint_eq(AVAIL_EVENT, 3);
}
END_TEST

/* 2.7.10.2: spurious notifications MUST be handled: nothing is there, nothing happens. */
START_TEST(test_spurious_notification)
{
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!virtqueue_take(q, &chain));
	ck_assert(!q->broken);
	ck_assert_uint_eq(USED_INDEX, 0);
}
END_TEST

/* ---- memory that is code ---- */

static uint64_t dropped[16];
static unsigned drops;

static void on_drop(gpa_t page)
{
	dropped[drops++ % 16] = page.v;
	ram_mark_code(page, false);
}

/* Translated code of pages that the device wrote is dropped, of others not. */
START_TEST(test_code_pages)
{
	ram_code_written = on_drop;
	drops = 0;
	desc(0, 0x20000, 16, D_NEXT, 1);
	desc(1, 0x22000, PAGE_SIZE, D_NEXT | D_WRITE, 2);
	desc(2, 0x25000, 2 * PAGE_SIZE, D_WRITE, 0);
	for (uint64_t page = 0x20000; page < 0x28000; page += PAGE_SIZE)
		ram_mark_code(GPA(page), true);
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	ck_assert_uint_eq(drops, 0);
	virtqueue_push(q, &chain, PAGE_SIZE + 1);
	ck_assert_uint_eq(drops, 2);
	ck_assert_uint_eq(dropped[0], 0x22000);
	ck_assert_uint_eq(dropped[1], 0x25000);
	ck_assert(ram_is_code(GPA(0x20000)) && ram_is_code(GPA(0x26000)));
	/* A used ring among code. */
	ram_mark_code(GPA(dq[0].used), true);
	virtqueue_publish(q);
	ck_assert_uint_eq(drops, 3);
	ram_mark_code(GPA(dq[0].used), true);
	virtqueue_enable_notify(q);
	ck_assert_uint_eq(drops, 4);
	/* More claimed than there was room for. */
	driver_make_available(0, 0);
	ck_assert(virtqueue_take(q, &chain));
	virtqueue_push(q, &chain, UINT32_MAX);
	ck_assert(!ram_is_code(GPA(0x26000)));
	ck_assert(ram_is_code(GPA(0x27000)) && ram_is_code(GPA(0x20000)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtqueue");
	TCase *t = tcase_create("split");

	if (driver_ram())
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_start);
	tcase_add_test(t, test_chain);
	tcase_add_test(t, test_parts_are_merged);
	tcase_add_test(t, test_indirect);
	tcase_add_test(t, test_indirect_after_direct);
	tcase_add_test(t, test_indirect_largest);
	tcase_add_loop_test(t, test_refused, 0, REFUSED_CASES);
	tcase_add_test(t, test_refused_too_long);
	tcase_add_test(t, test_refused_indirect);
	tcase_add_test(t, test_refused_head);
	tcase_add_loop_test(t, test_refused_index, 0, 2);
	tcase_add_test(t, test_refused_in_flight);
	tcase_add_test(t, test_untake);
	tcase_add_test(t, test_used);
	tcase_add_test(t, test_indices_wrap);
	tcase_add_test(t, test_suppression_by_flags);
	tcase_add_test(t, test_suppression_by_event);
	tcase_add_test(t, test_notify_by_flags);
	tcase_add_test(t, test_notify_by_event);
	tcase_add_test(t, test_spurious_notification);
	tcase_add_test(t, test_code_pages);
	suite_add_tcase(s, t);
	return suite_run(s);
}
