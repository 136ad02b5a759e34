// SPDX-License-Identifier: MIT
/*
 * Arguments of every call: upper halves of 32-bit ones, addresses outside RAM or misaligned,
 * structures shorter than the first version and longer than the last, devices and queues that
 * are not there, each refused with the error that the reference names.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"

#define NOWHERE	(1ul << 45)

static uint64_t page_pa;
static uint32_t *page;

static void shared_page(void)
{
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, page_pa + 8, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, NOWHERE, 0, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, -4096ul, 0, 0, 0), HYPERCALL_EFAULT);
	page[0] = RING3_VCPU_PAGE_SIZE_0 - 1;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, page_pa, 0, 0, 0), HYPERCALL_EINVAL);
	page[0] = 4097;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, page_pa, 0, 0, 0), HYPERCALL_E2BIG);
	page[0] = 4096;
	page[1000] = 1;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, page_pa, 0, 0, 0), HYPERCALL_E2BIG, "unknown, not zero");
	page[1000] = 0;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, page_pa, 0, 0, 0), 0, "unknown, but zero");
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, 0, 0, 0, 0), 0);
}

static void events(void)
{
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, 31, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, 256, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, 1ul << 32, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, 64, 1, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, 0, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_EVENT_MASK, RING3_EVENTS, 0, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_MASK, 0, 2, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_EVENT_RETRY, 0, 0, 0, 0), 0);
}

static void console(void)
{
	static const char text[] = "console_write\n";
	uint64_t pa = virt_to_phys(text);

	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, pa, sizeof(text) - 1, 0, 0), sizeof(text) - 1);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, pa, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, pa, 1ul << 32, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, NOWHERE, 1, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_WRITE, -1ul, 2, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_READ, NOWHERE, 1, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_CONSOLE_READ, page_pa, 64, 0, 0), 0, "nobody types");
}

static void device(uint64_t n, uint32_t type)
{
	struct ring3_device_info *info = (void *)page;
	struct ring3_queue *queue = (void *)page;

	for (unsigned i = 0; i < 1024; i++)
		page[i] = 0;
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, n, page_pa, 0, 0), HYPERCALL_EINVAL, "size 0");
	info->size = sizeof(*info);
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, n, page_pa + 4, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, n, NOWHERE, 0, 0), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_DEVICE_INFO, n, page_pa, 0, 0), 0);
	expect_equal(info->type, type);
	expect_equal(info->size, sizeof(*info));
	expect(info->queues && info->config_size && info->features >> 32 & 1);
	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, n, 0, page_pa, info->config_size + 1),
		     HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, n, info->config_size, page_pa, 1),
		     HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, n, 0x7fffffff, page_pa, 1), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, n, 0, NOWHERE, 1), HYPERCALL_EFAULT);
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, n, 1ul << 62, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0x101, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, RING3_STATUS_READ, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 3, 0, 0), 3);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0xb, 0, 0), 3, "no VERSION_1, no FEATURES_OK");
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, n, 1ul << 32, 0, 0), 0);
	*queue = (struct ring3_queue){ .size = sizeof(*queue), .entries = 16, .desc = page_pa + 1024,
				       .avail = page_pa + 2048, .used = page_pa + 3072 };
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 0, page_pa, 0), HYPERCALL_EINVAL, "too early");
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0xb, 0, 0), 0xb);
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, n, 1ul << 32, 0, 0), HYPERCALL_EBUSY);
	expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, n, 0, 0, 0), HYPERCALL_EINVAL, "not enabled");
#define REFUSED(field, value, error)								\
	do {											\
		struct ring3_queue saved = *queue;						\
		queue->field = (value);								\
		expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 0, page_pa, 0), error, #field);	\
		*queue = saved;									\
	} while (0)
	REFUSED(entries, 0, HYPERCALL_EINVAL);
	REFUSED(entries, 3, HYPERCALL_EINVAL);
	REFUSED(entries, 1u << 31, HYPERCALL_EINVAL);
	REFUSED(flags, 1, HYPERCALL_EINVAL);
	REFUSED(event, RING3_EVENTS, HYPERCALL_EINVAL);
	REFUSED(desc, page_pa + 8, HYPERCALL_EINVAL);
	REFUSED(avail, page_pa + 1, HYPERCALL_EINVAL);
	REFUSED(used, page_pa + 2, HYPERCALL_EINVAL);
	REFUSED(desc, NOWHERE, HYPERCALL_EFAULT);
	REFUSED(avail, -16ul, HYPERCALL_EFAULT);
	REFUSED(used, NOWHERE, HYPERCALL_EFAULT);
	REFUSED(size, sizeof(*queue) - 8, HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 1000, page_pa, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, RING3_QUEUE_CONFIG, page_pa, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 0, page_pa, 0), 0);
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 0, page_pa, 0), HYPERCALL_EBUSY);
	expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, n, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, n, 1000, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, RING3_STATUS_READ, 0, 0), 0xb, "nothing broke");
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, n, 0, 0, 0), HYPERCALL_EINVAL, "reset");
}

void test_main(void)
{
	ring3_accept();
	page_pa = page_alloc();
	page = phys_to_virt(page_pa);
	shared_page();
	events();
	console();
	device(0, 2);
	device(1, 1);
	for (unsigned call = RING3_CALL_DEVICE_INFO; call <= RING3_CALL_QUEUE_RESET; call++) {
		expect_equal(ring3_call(call, 2, 0, page_pa, 0), HYPERCALL_ENODEV, "call %u", call);
		expect_equal(ring3_call(call, 1ul << 32, 0, 0, 0), HYPERCALL_EINVAL, "call %u", call);
	}
}
