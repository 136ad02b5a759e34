// SPDX-License-Identifier: MIT
/*
 * A structure begins with its size, as the guest knows it: less than its first version is -EINVAL,
 * more than ring3 knows is good if it is zero and -E2BIG if not, and nothing is written beyond
 * what the guest said.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, FEATURE(VCPU_PAGE) | FEATURE(DEVICES) | FEATURE(QUEUES));
CASE_MACHINE("--disk null=64M,device=pv");

static uint64_t pa;
static uint8_t *bytes;
static uint32_t *size;

static void fill(uint32_t given, uint32_t from, uint8_t with)
{
	for (unsigned i = 0; i < 2 * PAGE_SIZE; i++)
		bytes[i] = i < from ? 0 : with;
	*size = given;
}

static int64_t vcpu_page(void)
{
	int64_t r = CALL(VCPU_PAGE, pa);

	if (!r)
		CALLS(0, VCPU_PAGE, 0);
	return r;
}

static int64_t device_info(void)
{
	return CALL(DEVICE_INFO, 0, pa);
}

/* Of a queue that cannot be set up (before FEATURES_OK): -EINVAL is a structure that was read. */
static int64_t queue_config(void)
{
	((struct ring3_queue *)bytes)->event = 3;
	return CALL(QUEUE_SETUP, 0, RING3_QUEUE_CONFIG, pa);
}

static void sizes(int64_t (*call)(void), uint32_t first, uint32_t known, const char *name)
{
	for (uint32_t n = 0; n < first; n++) {
		fill(n, PAGE_SIZE, 0);
		expect_equal(call(), HYPERCALL_EINVAL, "%s of %u bytes", name, n);
	}
	fill(first, PAGE_SIZE, 0);
	expect_equal(call(), 0, "%s of its first version", name);
	fill(known, known, 0xff);
	expect_equal(call(), 0, "%s with something else behind it", name);
	fill(known + 8, PAGE_SIZE, 0);
	expect_equal(call(), 0, "%s that is longer, with zeros", name);
	fill(4096, 2 * PAGE_SIZE, 0);
	expect_equal(call(), 0, "%s of 4096 bytes", name);
	for (uint32_t at = known; at < 4096; at += at < known + 16 ? 1 : 61) {
		fill(4096, PAGE_SIZE, 0);
		bytes[at] = 1;
		expect_equal(call(), HYPERCALL_E2BIG, "%s, byte %u", name, at);
	}
	fill(known + 8, PAGE_SIZE, 0);
	bytes[known + 7] = 0x80;
	expect_equal(call(), HYPERCALL_E2BIG, "%s, last byte", name);
	fill(~0u, PAGE_SIZE, 0);
	expect_equal(call(), HYPERCALL_E2BIG, "%s that is endless", name);
	fill(first, first, 0xa5);
	expect_equal(call(), 0, "%s", name);
	for (uint32_t i = first; i < 2 * PAGE_SIZE; i++)
		if (!expect_equal(bytes[i], 0xa5, "%s: byte %u was written", name, i))
			break;
}

static void end_of_ram(void)
{
	uint64_t last = case_ram_end() - 8;
	uint32_t *p = phys_to_virt(last);

	p[0] = sizeof(struct ring3_device_info);
	p[1] = 0;
	CALLS(HYPERCALL_EFAULT, DEVICE_INFO, 0, last);
	p[0] = sizeof(struct ring3_queue);
	CALLS(HYPERCALL_EFAULT, QUEUE_SETUP, 0, 0, last);
	for (unsigned i = 1; i < 8; i++) {
		CALLS(HYPERCALL_EINVAL, DEVICE_INFO, 0, pa + i);
		CALLS(HYPERCALL_EINVAL, QUEUE_SETUP, 0, 0, pa + i);
		CALLS(HYPERCALL_EINVAL, VCPU_PAGE, pa + i);
	}
}

void test_main(void)
{
	uint32_t page_known;

	case_begin();
	pa = page_alloc_aligned(2 * PAGE_SIZE, PAGE_SIZE);
	bytes = phys_to_virt(pa);
	size = phys_to_virt(pa);
	page_known = case_version & 0xffff ? sizeof(struct ring3_vcpu_page) : RING3_VCPU_PAGE_SIZE_0;
	sizes(vcpu_page, RING3_VCPU_PAGE_SIZE_0, page_known, "vcpu_page");
	sizes(device_info, sizeof(struct ring3_device_info), sizeof(struct ring3_device_info), "device_info");
	sizes(queue_config, sizeof(struct ring3_queue), sizeof(struct ring3_queue), "queue");
	end_of_ram();
}
