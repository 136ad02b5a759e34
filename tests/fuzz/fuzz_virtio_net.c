// SPDX-License-Identifier: MIT
/*
 * Fuzzes the virtio network card as a hostile guest and a hostile network reach it:
 * any descriptors, rings and commands, frames of any header and length, resets, a
 * back-end that is full, asks late, or offers few iovecs.  Properties:
 *
 *  - the card only hands out memory of guest RAM and its own overflow, and after
 *    a reset none;
 *  - what it sends is as long as it says;
 *  - the answer to a control command is written, or the device has stopped;
 *  - it always comes to an end, and works again after a reset.
 *
 * Input: operations of 8 bytes: kind, three selectors, a value.
 */
#include <stdlib.h>
#include <string.h>

#include "net_fakes.h"

#include "base/arena.h"
#include "device/virtio.h"
#include "device/virtio_net.h"
#include "device/virtio_net_parts.h"
#include "memory/ram.h"

#define RAM		(2 * MIB)
#define QUEUES		3u
#define QUEUE_SIZE	16u
#define RINGS		0x10000ul	/* 4 KiB for each queue: descriptors, available, used */
#define DATA		0x20000ul

#define check(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct virtio *dev;

bool net_passes_offloads(const struct net *n) { (void)n; return true; }
bool net_link(const struct net *n) { return !n->full; }
void net_stop(struct net *n) { n->running = false; }

static bool in_ram(const void *p, size_t len)
{
	uint64_t at = (uint64_t)p - LAYOUT_DMA;

	return at < RAM && len <= RAM - at;
}

bool net_send(struct net *n, const struct iovec *iov, unsigned iov_count, size_t bytes)
{
	size_t sum = 0;

	check(iov_count && iov_count <= IO_IOV_MAX && bytes >= NET_HEADER + 14 &&
	      bytes <= NET_HEADER + NET_FRAME_MAX);
	check(virtio_running(dev));
	for (unsigned i = 0; i < iov_count; i++) {
		check(in_ram(iov[i].iov_base, iov[i].iov_len) ||
		      (!i && iov[i].iov_len == NET_HEADER));
		sum += iov[i].iov_len;
	}
	check(sum == bytes);
	frames++;
	return !n->full;
}

static void interrupt(struct virtio *v, unsigned q)
{
	check(virtio_running(v) && q < QUEUES);
}

static void config_changed(struct virtio *v) { (void)v; }

static const struct virtio_transport transport = {
	.interrupt = interrupt, .config_changed = config_changed,
};

int virtio_pci_add(struct virtio *v)
{
	v->transport = &transport;
	dev = v;
	return 0;
}

static void *at(uint64_t gpa)
{
	return (void *)(LAYOUT_RAM + gpa);
}

static void start(uint32_t features)
{
	/* The lowest 24 bits by the input, the others not. */
	uint64_t offered = dev->offered & ~(features & 0xffffffull);

	virtio_write_status(dev, 0);
	check(!net.running);
	memset(at(RINGS), 0, QUEUES * 0x1000);
	virtio_write_status(dev, 3);
	virtio_set_features(dev, offered);
	virtio_write_status(dev, 11);
	for (unsigned q = 0; q < QUEUES; q++) {
		dev->queue[q].size = QUEUE_SIZE;
		dev->queue[q].desc = GPA(RINGS + q * 0x1000);
		dev->queue[q].avail = GPA(RINGS + q * 0x1000 + 0x400);
		dev->queue[q].used = GPA(RINGS + q * 0x1000 + 0x800);
		virtio_enable_queue(dev, q);
	}
	virtio_write_status(dev, 15);
}

/* A frame of the network's, whose header is any. */
static void receive(const struct operation *op)
{
	static struct iovec iov[256];
	static const uint16_t lengths[] = { 0, 14, 26, 72, 1526, 1527, 4096, 65535 };
	size_t bytes = lengths[op->a % 8] + (op->a & 0x80 ? op->value % 64 : 0), left;
	unsigned count = net.client->room(net.device, iov, 2 + op->b % 255);

	check(!count || virtio_running(dev));
	if (!count)
		return;
	left = bytes;
	for (unsigned i = 0; i < count; i++) {
		size_t n = min_u64(left, iov[i].iov_len);

		check(in_ram(iov[i].iov_base, iov[i].iov_len) || i == count - 1);
		memset(iov[i].iov_base, i ? op->c : 0, n);
		if (!i && n >= 8) {
			memcpy(iov[i].iov_base, &op->value, 4);
			((uint8_t *)iov[i].iov_base)[4] = op->c;
		}
		left -= n;
	}
	if (!left)
		net.client->received(net.device, bytes);
	if (op->b & 1)
		net.client->batch_end(net.device);
}

/* A control command that is well formed as a chain, and must be answered. */
static void command(const struct operation *op)
{
	struct descriptor *desc = at(RINGS + 0x2000);
	uint16_t *avail = at(RINGS + 0x2400);
	uint8_t *data = at(DATA);

	data[0] = op->a % 8;
	data[1] = op->b % 8;
	memcpy(data + 2, &op->value, 4);
	data[0x1000] = 0xee;
	desc[0].addr = DATA;
	desc[0].len = op->c;
	desc[0].flags = 1;
	desc[0].next = 1;
	desc[1].addr = DATA + 0x1000;
	desc[1].len = 1;
	desc[1].flags = 2;
	avail[2 + avail[1] % QUEUE_SIZE] = 0;
	avail[1]++;
	virtio_kick(dev, 2);
	if (virtio_running(dev) && virtio_has(dev, 17) && avail[1] == dev->queue[2].last_avail)
		check(data[0x1000] <= 1);
}

/* A word of the rings: descriptors that point at data, at each other, anywhere. */
static void scribble(const struct operation *op)
{
	static const uint64_t bases[] = { DATA, RINGS, 0, RAM - 64, ~0ull - 64, 1ull << 40 };
	uint64_t *word = at(RINGS + (op->a % QUEUES) * 0x1000 + op->b % 64 * 8u);

	if (op->b & 0x80)
		*word = bases[op->c % 6] + op->value % 0x20000;
	else
		*word = (op->value & 0x1ffff) | (uint64_t)(op->c & 7) << 32 |
			(uint64_t)(op->c >> 3 & 15) << 48;
}

static void available(const struct operation *op)
{
	unsigned q = op->a % QUEUES;
	uint16_t *avail = at(RINGS + q * 0x1000 + 0x400);

	for (unsigned n = op->b % 8 + 1; n; n--) {
		avail[2 + avail[1] % QUEUE_SIZE] = (uint16_t)((op->c + n) % 17);
		avail[1]++;
	}
	avail[2 + QUEUE_SIZE] = (uint16_t)op->value;	/* used_event */
}

static void operate(const struct operation *op)
{
	switch (op->kind % 10) {
	case 0:
		start(op->value);
		break;
	case 1:
	case 2:
		receive(op);
		break;
	case 3:
		command(op);
		break;
	case 4:
		scribble(op);
		break;
	case 5:
		available(op);
		break;
	case 6:
		virtio_kick(dev, op->a % (QUEUES + 1));
		break;
	case 7:
		net.full = op->a & 1;
		if (net.again && op->a & 2)
			net.again(net.device);
		break;
	case 8:
		net.client->link(net.device, op->a & 1);
		dev->suspended = (op->a & 6) == 6;
		break;
	default:
		virtio_config_read(dev, op->a % 64, 1u << (op->b & 3));
		virtio_config_write(dev, op->a % 64, 1u << (op->b & 3), op->value);
	}
}

/* Frames go both ways after a reset, whatever went before. */
static void works_again(void)
{
	const struct operation receive_one = { .a = 3, .b = 255, .value = 0 };
	struct descriptor *desc;
	uint64_t before = frames;
	uint16_t *avail;

	net.full = dev->suspended = false;
	start(0);
	for (unsigned q = 0; q < 2; q++) {
		desc = at(RINGS + q * 0x1000);
		avail = at(RINGS + q * 0x1000 + 0x400);
		desc[0].addr = DATA;
		desc[0].len = 2048;
		desc[0].flags = q ? 0 : 2;
		memset(at(DATA), 0, 2048);
		avail[1] = 1;
		virtio_kick(dev, q);
	}
	check(frames == before + 1 && dev->queue[1].used_index == 1);
	/* Promiscuous, for the frame is addressed to nobody. */
	container_of(dev, struct virtio_net, v)->filter.promiscuous = true;
	receive(&receive_one);
	check(dev->queue[0].used_index == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine_net config = { .mac = { 2, 0, 0, 0, 0, 1 } };
	struct operation op;

	if (!dev) {
		check(!arena_init() && !ram_init(RAM));
		check(!virtio_net_add(&config, &net));
	}
	net.full = dev->suspended = false;
	net.again = NULL;
	memset(at(0), 0, RAM);
	start(0);
	for (size_t i = 0; i + sizeof(op) <= size && i < 4096; i += sizeof(op)) {
		memcpy(&op, data + i, sizeof(op));
		operate(&op);
	}
	works_again();
	return 0;
}
