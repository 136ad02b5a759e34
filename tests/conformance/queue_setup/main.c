// SPDX-License-Identifier: MIT
/*
 * queue_setup: a queue is enabled once, after FEATURES_OK, with a size, an event and three places
 * that fit; all else is refused with the error that the reference names, and breaks nothing: the
 * queue can be set up afterwards, and works.
 */
#include "block.h"

CASE_NEEDS(0, FEATURE(DEVICES) | FEATURE(QUEUES));
CASE_MACHINE("--disk file={image},device=pv");

static struct block b;

#define REFUSED(field, value, error)							\
	do {										\
		struct ring3_queue saved_ = *b.setup;					\
		b.setup->field = (value);						\
		expect_equal(CALL(QUEUE_SETUP, 0, 0, b.setup_pa), error, #field " %lx", (uint64_t)(value)); \
		*b.setup = saved_;							\
	} while (0)

static void refused(void)
{
	for (uint32_t n = 0; n < 40; n++)
		if (n & (n - 1) || !n)
			REFUSED(entries, n, HYPERCALL_EINVAL);
	for (uint32_t n = 12; n < 32; n++)
		REFUSED(entries, 1u << n, HYPERCALL_EINVAL);
	for (uint32_t n = 0; n < 32; n++)
		REFUSED(flags, 1u << n, HYPERCALL_EINVAL);
	REFUSED(event, RING3_EVENTS, HYPERCALL_EINVAL);
	REFUSED(event, 1u << 31, HYPERCALL_EINVAL);
	for (unsigned n = 1; n < 16; n++)
		REFUSED(desc, b.setup->desc + n, HYPERCALL_EINVAL);
	REFUSED(avail, b.setup->avail + 1, HYPERCALL_EINVAL);
	for (unsigned n = 1; n < 4; n++)
		REFUSED(used, b.setup->used + n, HYPERCALL_EINVAL);
	REFUSED(desc, NOT_RAM, HYPERCALL_EFAULT);
	REFUSED(avail, NOT_RAM, HYPERCALL_EFAULT);
	REFUSED(used, NOT_RAM, HYPERCALL_EFAULT);
	REFUSED(desc, case_ram_end() - 16 * VIRTIO_ENTRIES + 16, HYPERCALL_EFAULT);
	REFUSED(avail, case_ram_end() - 2 * VIRTIO_ENTRIES, HYPERCALL_EFAULT);
	REFUSED(used, case_ram_end() - 8 * VIRTIO_ENTRIES, HYPERCALL_EFAULT);
	REFUSED(desc, -16ul, HYPERCALL_EFAULT);
	REFUSED(avail, -2ul, HYPERCALL_EFAULT);
	REFUSED(used, -4ul, HYPERCALL_EFAULT);
	REFUSED(desc, 0xfee00000, HYPERCALL_EFAULT);
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 1, b.setup_pa);
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 1u << 31, b.setup_pa);
}

static void config_event(void)
{
	uint64_t pa = page_alloc();
	struct ring3_queue *q = phys_to_virt(pa);

	*q = (struct ring3_queue){ .size = sizeof(*q), .event = 33 };
	CALLS(0, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	CALLS(0, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	q->event = RING3_EVENT_NONE;
	CALLS(0, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	q->event = RING3_EVENTS;
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	*q = (struct ring3_queue){ .size = sizeof(*q), .entries = 1 };
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	*q = (struct ring3_queue){ .size = sizeof(*q), .used = pa };
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
	*q = (struct ring3_queue){ .size = sizeof(*q), .flags = 1 };
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
}

void test_main(void)
{
	case_begin();
	block_memory(&b, RING3_EVENT_NONE);
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, b.setup_pa);
	CALLS(3, DEVICE_STATUS, 0, 3);
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, b.setup_pa);
	expect(device_begin(0, VERSION_1), "FEATURES_OK");
	CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, 0);
	refused();
	config_event();
	CALLS(11, DEVICE_STATUS, 0, RING3_STATUS_READ);
	CALLS(0, QUEUE_SETUP, 0, 0, b.setup_pa);
	CALLS(HYPERCALL_EBUSY, QUEUE_SETUP, 0, 0, b.setup_pa);
	CALLS(15, DEVICE_STATUS, 0, 15);
	CALLS(HYPERCALL_EBUSY, QUEUE_SETUP, 0, 0, b.setup_pa);
	CALLS(0, QUEUE_KICK, 0, 0);
	CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, 1);
	CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, RING3_QUEUE_CONFIG);
	expect(block_request(&b, 0, 3), "a read");
	expect_equal(b.data[0], 4, "sector 3");
	/* Gone with a reset, and set up again. */
	CALLS(0, DEVICE_STATUS, 0, 0);
	CALLS(HYPERCALL_EINVAL, QUEUE_KICK, 0, 0);
	CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, b.setup_pa);
	for (b.setup->entries = 4; b.setup->entries <= VIRTIO_ENTRIES; b.setup->entries *= 4) {
		expect(block_start(&b, VERSION_1), "with %u entries", b.setup->entries);
		if (b.setup->entries == VIRTIO_ENTRIES)
			expect(block_request(&b, 0, 5) && b.data[511] == 6, "works");
	}
}
