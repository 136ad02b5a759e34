// SPDX-License-Identifier: MIT
/*
 * A disk without a bus: found, set up and kicked by hypercalls.  What the image holds is read, what
 * is written is read back, and each completion comes as an event: one interrupt of the chosen
 * vector, no EOI, held back by RFLAGS.IF, by the page's flag and by the event's mask.  A queue that
 * was reset with requests in flight touches nothing any more, and works again in other memory.
 */
#include "page.h"
#include "ring3.h"
#include "test.h"
#include "time.h"
#include "trap.h"
#include "virtio.h"

#define VECTOR	0x61
#define EVENT	70

static volatile struct ring3_vcpu_page *shared;
static volatile struct virtq_desc *desc;
static volatile struct virtq_avail *avail;
static volatile struct virtq_used *used;
static uint64_t desc_pa, avail_pa, used_pa, data_pa;
static volatile uint64_t interrupts, taken;

static bool event_interrupt(struct trap_frame *f)
{
	(void)f;
	interrupts++;
	taken |= __atomic_exchange_n(&shared->pending[1], 0, __ATOMIC_SEQ_CST);
	return true;
}

static int64_t queue_start(void)
{
	uint64_t setup_pa = page_alloc();
	struct ring3_queue *setup = phys_to_virt(setup_pa);

	desc = phys_to_virt(desc_pa = page_alloc());
	avail = phys_to_virt(avail_pa = page_alloc());
	used = phys_to_virt(used_pa = page_alloc());
	*setup = (struct ring3_queue){ .size = sizeof(*setup), .entries = VIRTIO_ENTRIES, .event = EVENT,
				       .desc = desc_pa, .avail = avail_pa, .used = used_pa };
	return ring3_call(RING3_CALL_QUEUE_SETUP, 0, 0, setup_pa, 0);
}

static void disk_start(uint64_t features)
{
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 3, 0, 0), 3);
	expect_equal(ring3_call(RING3_CALL_DEVICE_FEATURES, 0, features, 0, 0), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0xb, 0, 0), 0xb);
	expect_equal(queue_start(), 0);
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0xf, 0, 0), 0xf);
}

/* One request of 512 bytes; true: used within two seconds. */
static bool request(uint32_t type, uint64_t sector)
{
	uint32_t *header = phys_to_virt(data_pa);
	volatile uint8_t *status = (uint8_t *)phys_to_virt(data_pa) + 1024;
	uint16_t before = used->idx;

	header[0] = type;
	header[1] = 0;
	header[2] = (uint32_t)sector;
	header[3] = 0;
	*status = 0xff;
	desc[0] = (struct virtq_desc){ data_pa, 16, VIRTQ_NEXT, 1 };
	desc[1] = (struct virtq_desc){ data_pa + 512, 512, VIRTQ_NEXT | (type ? 0 : VIRTQ_WRITE), 2 };
	desc[2] = (struct virtq_desc){ data_pa + 1024, 1, VIRTQ_WRITE, 0 };
	avail->ring[avail->idx % VIRTIO_ENTRIES] = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail->idx = (uint16_t)(avail->idx + 1);
	expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, 0, 0, 0, 0), 0);
	for (unsigned i = 0; i < 20000 && used->idx == before; i++)
		time_delay_us(100);
	expect_equal(*status, 0, "status of request %u, sector %lu", type, sector);
	return expect_equal(used->idx, (uint16_t)(before + 1));
}

static void contents(void)
{
	uint8_t *data = (uint8_t *)phys_to_virt(data_pa) + 512;

	for (uint64_t sector = 0; sector < 2048; sector += 227) {
		if (!request(0, sector))
			return;
		expect(data[0] == sector % 127 + 1 && data[511] == sector % 127 + 1, "sector %lu: %u", sector,
		       data[0]);
	}
	for (unsigned i = 0; i < 512; i++)
		data[i] = (uint8_t)(i * 3);
	request(1, 77);
	for (unsigned i = 0; i < 512; i++)
		data[i] = 0;
	request(0, 77);
	for (unsigned i = 0; i < 512; i++)
		if (!expect(data[i] == (uint8_t)(i * 3), "byte %u", i))
			break;
	request(0, 78);
	expect_equal(data[0], 79, "the sector behind");
}

/* A request ends with interrupts held back in one way; then `let` lets it through. */
#define HELD(hold, let, why)								\
	do {										\
		uint64_t start = interrupts;						\
		hold;									\
		request(0, 5);								\
		time_delay_us(2000);							\
		expect_equal(interrupts, start, "held back: " why);			\
		expect(shared->pending[1] & 1ul << (EVENT - 64), "pending: " why);	\
		let;									\
		expect(time_wait(&interrupts, start + 1, 1000), "let through: " why);	\
		expect_equal(interrupts, start + 1, "once: " why);			\
	} while (0)

static void flag_clear(void)
{
	shared->interrupts = 0;
}

static void flag_set(void)
{
	expect_equal(shared->waiting, 1, "waiting");
	shared->waiting = 0;
	shared->interrupts = 1;
	ring3_call(RING3_CALL_EVENT_RETRY, 0, 0, 0, 0);
}

static void events(void)
{
	uint64_t before = interrupts;

	cpu_sti();
	request(0, 9);
	expect(time_wait(&interrupts, before + 1, 1000), "an interrupt");
	expect_equal(taken, 1ul << (EVENT - 64));
	request(0, 9);
	expect(time_wait(&interrupts, before + 2, 1000), "another, without EOI");
	HELD(cpu_cli(), cpu_sti(), "RFLAGS.IF");
	HELD(ring3_call(RING3_CALL_EVENT_MASK, EVENT, 1, 0, 0),
	     ring3_call(RING3_CALL_EVENT_MASK, EVENT, 0, 0, 0), "event_mask");
	HELD(flag_clear(), flag_set(), "the page's flag");
	HELD(ring3_call(RING3_CALL_EVENT_SETUP, 0, 0, 0, 0),
	     ring3_call(RING3_CALL_EVENT_SETUP, VECTOR, 0, 0, 0), "no vector");
	cpu_cli();
}

static uint64_t queue_reset(void)
{
	return (uint64_t)ring3_call(RING3_CALL_QUEUE_RESET, 0, 0, 0, 0);
}

#define FLIGHT	20u
#define STRIDE	2048u

/* Reads of one sector each, made available at once; their memory. */
static uint8_t *flight_start(void)
{
	uint64_t pa = page_alloc_aligned(FLIGHT * STRIDE, PAGE_SIZE);
	uint8_t *memory = phys_to_virt(pa);

	for (unsigned i = 0; i < FLIGHT; i++, pa += STRIDE) {
		uint32_t *header = phys_to_virt(pa);

		header[2] = i;
		desc[3 * i] = (struct virtq_desc){ pa, 16, VIRTQ_NEXT, (uint16_t)(3 * i + 1) };
		desc[3 * i + 1] = (struct virtq_desc){ pa + 512, 512, VIRTQ_NEXT | VIRTQ_WRITE,
						       (uint16_t)(3 * i + 2) };
		desc[3 * i + 2] = (struct virtq_desc){ pa + 1024, 1, VIRTQ_WRITE, 0 };
		memory[i * STRIDE + 1024] = 0xff;
		avail->ring[(avail->idx + i) % VIRTIO_ENTRIES] = (uint16_t)(3 * i);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail->idx = (uint16_t)(avail->idx + FLIGHT);
	return memory;
}

static void resets(void)
{
	expect_equal(queue_reset(), HYPERCALL_EINVAL, "not accepted");
	disk_start(1ul << 32 | 1ul << 40);
	request(0, 3);
	for (unsigned round = 0; round < 10; round++) {
		uint8_t *memory = flight_start();
		volatile struct virtq_used *old = used;
		uint64_t events = shared->pending[1];
		uint16_t idx;

		expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, 0, 0, 0, 0), 0);
		expect_equal(queue_reset(), 0);
		idx = old->idx;
		shared->pending[1] = events;
		for (unsigned i = 0; i < FLIGHT * STRIDE; i++)
			memory[i] = 0xee;
		time_delay_us(5000);
		expect_equal(old->idx, idx, "nothing is shown any more");
		expect_equal(shared->pending[1], events, "nor told");
		for (unsigned i = 0; i < FLIGHT * STRIDE; i++)
			if (!expect(memory[i] == 0xee, "written after the reset: byte %u", i))
				return;
		expect_equal(queue_reset(), HYPERCALL_EINVAL, "not enabled");
		expect_equal(ring3_call(RING3_CALL_QUEUE_KICK, 0, 0, 0, 0), HYPERCALL_EINVAL);
		expect_equal(queue_start(), 0, "enabled again");
		for (unsigned i = 0; i < 4; i++)
			request(0, i * 100);
		expect_equal(used->idx, 4);
		expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, RING3_STATUS_READ, 0, 0), 0xf);
	}
	expect_equal(ring3_call(RING3_CALL_QUEUE_RESET, 0, 1000, 0, 0), HYPERCALL_EINVAL);
	expect_equal(ring3_call(RING3_CALL_QUEUE_RESET, 1, 0, 0, 0), HYPERCALL_ENODEV);
}

static void capacity(void)
{
	uint64_t pa = page_alloc();

	expect_equal(ring3_call(RING3_CALL_DEVICE_CONFIG, 0, 0, pa, 8), 0);
	expect_equal(*(uint64_t *)phys_to_virt(pa), 2048, "sectors");
}

void test_main(void)
{
	ring3_accept();
	shared = ring3_share();
	trap_handler[VECTOR] = event_interrupt;
	expect_equal(ring3_call(RING3_CALL_EVENT_SETUP, VECTOR, 0, 0, 0), 0);
	data_pa = page_alloc();
	capacity();
	disk_start(1ul << 32);
	cpu_cli();
	contents();
	expect_equal(interrupts, 0, "with interrupts off");
	cpu_sti();
	time_delay_us(1000);
	cpu_cli();
	expect_equal(interrupts, 1, "one for all that came");
	events();
	resets();
	expect_equal(ring3_call(RING3_CALL_DEVICE_STATUS, 0, 0, 0, 0), 0);
}
