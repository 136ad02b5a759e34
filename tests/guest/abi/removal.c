// SPDX-License-Identifier: MIT
/*
 * Devices are pulled out (tests/abi/removal presses the keys when this asks for it) while their queues
 * have requests in flight: an event tells of it, nothing is written or told any more, each call about
 * the device says -ENODEV, and the other device does not notice.  Of version 1.0 (accept=0) the guest
 * knows no such event, and gets none.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"
#include "virtio.h"

#define FLIGHT	16u
#define STRIDE	2048u
#define EVENT	80u

static volatile struct ring3_vcpu_page *shared;
static bool told;
static volatile struct virtq_avail *avail;
static volatile struct virtq_used *used;
static uint8_t *memory;
static uint64_t setup_pa;

static int64_t device_start(uint64_t n)
{
	struct ring3_queue *setup = phys_to_virt(setup_pa = page_alloc());
	uint64_t desc_pa = page_alloc(), avail_pa = page_alloc(), used_pa = page_alloc();
	uint64_t pa = page_alloc_aligned(FLIGHT * STRIDE, PAGE_SIZE);
	volatile struct virtq_desc *desc = phys_to_virt(desc_pa);

	avail = phys_to_virt(avail_pa);
	used = phys_to_virt(used_pa);
	memory = phys_to_virt(pa);
	*setup = (struct ring3_queue){ .size = sizeof(*setup), .entries = VIRTIO_ENTRIES, .event = EVENT,
				       .desc = desc_pa, .avail = avail_pa, .used = used_pa };
	for (unsigned i = 0; i < FLIGHT; i++, pa += STRIDE) {
		((uint32_t *)phys_to_virt(pa))[2] = i;
		desc[3 * i] = (struct virtq_desc){ pa, 16, VIRTQ_NEXT, (uint16_t)(3 * i + 1) };
		desc[3 * i + 1] = (struct virtq_desc){ pa + 512, 512, VIRTQ_NEXT | VIRTQ_WRITE,
						       (uint16_t)(3 * i + 2) };
		desc[3 * i + 2] = (struct virtq_desc){ pa + 1024, 1, VIRTQ_WRITE, 0 };
	}
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 3, 0, 0), 3);
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, n, 1ul << 32, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0xb, 0, 0), 0xb);
	expect_equal(ring3_call(RING3_CALL_QUEUE_SETUP, n, 0, setup_pa, 0), 0);
	return ring3_call(RING3_CALL_DEVICE_STATUS, n, 0xf, 0, 0);
}

/* As many reads as there is room for, until the device goes. */
static void requests_until_gone(uint64_t n)
{
	static const uint64_t event = 1ul << RING3_EVENT_DEVICES;
	uint64_t end = cpu_tsc() + 20000 * time_tsc_khz(), rounds = 0;
	uint16_t queued = 0;

	while (!(shared->pending[0] & event) && ring3_call(RING3_CALL_QUEUE_KICK, n, 0, 0, 0) == 0 &&
	       cpu_tsc() < end) {
		while ((uint16_t)(queued - used->idx) < FLIGHT) {
			avail->ring[queued % VIRTIO_ENTRIES] = (uint16_t)(queued % FLIGHT * 3);
			queued++;
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			avail->idx = queued;
			rounds++;
		}
	}
	print("%lu requests, %u not answered\n", rounds, (unsigned)(uint16_t)(queued - used->idx));
	expect(rounds > FLIGHT, "the device worked");
	expect_equal(shared->pending[0], told ? event : 0, "the event");
	shared->pending[0] = 0;
}

static void gone(uint64_t n)
{
	unsigned last = told ? RING3_CALL_QUEUE_RESET : RING3_CALL_QUEUE_KICK;
	uint16_t idx = used->idx;

	shared->pending[1] = 0;
	for (unsigned i = 0; i < FLIGHT * STRIDE; i++)
		memory[i] = 0xee;
	time_delay_us(20000);
	expect_equal(used->idx, idx, "nothing is shown");
	expect_equal(shared->pending[1], 0, "nothing is told");
	for (unsigned i = 0; i < FLIGHT * STRIDE; i++)
		if (!expect(memory[i] == 0xee, "written: byte %u", i))
			break;
	for (unsigned call = RING3_CALL_DEVICE_INFO; call <= last; call++)
		expect_equal(ring3_call(call, n, 0, setup_pa, 0), HYPERCALL_ENODEV, "call %u", call);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n, 0, 0, 0), HYPERCALL_ENODEV, "it does not come back");
}

void test_main(void)
{
	uint64_t pa, accept = test_option("accept", RING3_ABI_MINOR);

	ring3_need();
	expect_equal(ring3_call(RING3_CALL_VERSION, 1 << 16 | accept,
				accept ? RING3_FEATURES_ALL : RING3_FEATURES_SINCE_0, 0, 0), 0);
	told = accept > 0;
	shared = phys_to_virt(pa = page_alloc());
	shared->size = accept ? sizeof(*shared) : RING3_VCPU_PAGE_SIZE_0;
	expect_equal(ring3_call(RING3_CALL_VCPU_PAGE, pa, 0, 0, 0), 0);
	time_tsc_khz();
	for (uint64_t n = 0; n < 2; n++) {
		expect_equal(device_start(n), 0xf);
		print("remove %lu\n", n);
		requests_until_gone(n);
		gone(n);
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, n ^ 1, RING3_STATUS_READ, 0, 0),
			     n ? HYPERCALL_ENODEV : 0, "the other");
	}
	expect_equal(cpuid(ring3_base() + RING3_CPUID_LIMITS, 0).ecx, 2, "the number of places stays");
}
