// SPDX-License-Identifier: MIT
/*
 * Fuzzes the e1000 as a hostile guest and a hostile network reach it: any register
 * with any value, rings of any descriptors, frames of any content and length, time,
 * a back-end that is full and asks late.  Properties:
 *
 *  - what it sends lies in guest RAM or in the card, and is as long as it says, with
 *    an offload header whose offsets lie within the frame;
 *  - the room it offers lies there, too, and holds the longest frame;
 *  - it always comes to an end, and works again after a reset.
 *
 * Input: operations of 8 bytes: kind, three selectors, a value.
 */
#include <stdlib.h>
#include <string.h>

#include "unit/device_fakes.h"
#include "net_fakes.h"

#include "base/arena.h"
#include "device/e1000.h"
#include "device/e1000_device.h"
#include "memory/ram.h"

#define RAM		(2 * MIB)
#define RING		64u
#define TX_RING		0x10000u
#define RX_RING		0x20000u
#define DATA		0x40000u

#define check(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct e1000 *card;
static uint64_t base;

bool net_link(const struct net *n) { (void)n; return true; }

void net_stop(struct net *n)
{
	n->running = false;
	n->again = NULL;
}

void irq_set(unsigned gsi, bool asserted) { (void)gsi; (void)asserted; }
void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }
void irq_message(uint64_t address, uint32_t value) { (void)address; (void)value; }

static bool within(const void *p, size_t bytes, const void *of, size_t size)
{
	uint64_t at = (uint64_t)p - (uint64_t)of;

	return at <= size && bytes <= size - at;
}

static bool is_ours(const void *p, size_t bytes)
{
	static const uint8_t zero[E1000_FRAME_MIN];

	return within(p, bytes, (void *)LAYOUT_DMA, RAM) || within(p, bytes, card, sizeof(*card)) ||
	       within(p, bytes, card->tx.staged, E1000_TX_BYTES) ||
	       within(p, bytes, card->rx.sink, NET_FRAME_MAX) ||
	       (bytes < E1000_FRAME_MIN && !memcmp(p, zero, bytes));	/* padding */
}

bool net_send(struct net *n, const struct iovec *iov, unsigned iov_count, size_t bytes)
{
	const struct virtio_net_hdr_v1 *offload = iov[0].iov_base;
	size_t sum = 0;

	check(iov_count && iov_count <= IO_IOV_MAX && iov[0].iov_len == NET_HEADER);
	check(bytes >= NET_HEADER + 14 && bytes <= NET_HEADER + E1000_TX_BYTES + E1000_VLAN);
	for (unsigned i = 0; i < iov_count; i++) {
		check(is_ours(iov[i].iov_base, iov[i].iov_len));
		sum += iov[i].iov_len;
	}
	check(sum == bytes);
	if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		check(NET_HEADER + offload->csum_start + offload->csum_offset + 2u <= bytes);
	if (offload->gso_type) {
		check(offload->gso_size && NET_HEADER + offload->hdr_len < bytes);
		check(bytes <= NET_HEADER + NET_FRAME_MAX);
	}
	frames++;
	return !n->full;
}

static void *at(uint64_t gpa)
{
	return (void *)(LAYOUT_DMA + gpa);
}

static void set(unsigned offset, uint32_t value)
{
	bus_mmio_write(GPA(base + offset), 4, value);
}

static void start(void)
{
	set(E1000_CTRL, CTRL_RST);
	set(E1000_CTRL, CTRL_SLU | CTRL_VME);
	set(E1000_TDBAL, TX_RING);
	set(E1000_TDLEN, RING * 16);
	set(E1000_TCTL, TCTL_EN | TCTL_PSP);
	set(E1000_RDBAL, RX_RING);
	set(E1000_RDLEN, RING * 16);
	set(E1000_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM);
	set(E1000_IMS, ~0u);
	net.full = false;
	memset(at(TX_RING), 0, 0x30000);
	for (unsigned i = 0; i < RING; i++)
		((uint64_t *)at(RX_RING))[2 * i] = DATA + i * 2048;
	set(E1000_RDT, RING - 1);
}

/* A frame of the network's. */
static void receive(const struct operation *op)
{
	static const uint16_t lengths[] = { 0, 14, 59, 60, 1514, 1518, 9014, 65535 };
	struct iovec iov[256];
	size_t bytes = NET_HEADER + lengths[op->a % 8] + (op->a & 0x80 ? op->value % 64 : 0), left = bytes;
	size_t room = 0;
	unsigned count;

	if (!net.running)
		return;
	count = net.client->room(net.device, iov, 1 + op->b);
	check(count <= 1u + op->b);
	for (unsigned i = 0; i < count; i++) {
		size_t n = min_u64(left, iov[i].iov_len);

		check(is_ours(iov[i].iov_base, iov[i].iov_len));
		memset(iov[i].iov_base, i ? op->c : 0, n);
		if (i == 1 && n >= 60 && op->a & 0x40) {
			/* Something that looks like IP, over TCP or UDP, perhaps tagged. */
			memcpy((uint8_t *)iov[1].iov_base + 12, op->c & 1 ? "\x81\x00\x12\x34\x08\x00\x45" :
			       op->c & 2 ? "\x86\xdd\x60" : "\x08\x00\x45", op->c & 1 ? 7 : 3);
			memcpy((uint8_t *)iov[1].iov_base + 16, &op->value, 4);
			((uint8_t *)iov[1].iov_base)[op->c & 2 ? 20 : 23] = op->c & 4 ? 6 : 17;
		}
		left -= n;
		room += iov[i].iov_len;
	}
	if (!count)
		return;
	check(room >= NET_HEADER + NET_FRAME_MAX && !left);
	net.client->received(net.device, bytes);
	if (op->b & 1)
		net.client->batch_end(net.device);
}

/* Of all of them, those that matter more often. */
static unsigned register_of(const struct operation *op)
{
	static const uint16_t often[] = {
		E1000_CTRL, E1000_EECD, E1000_EERD, E1000_MDIC, E1000_ICR, E1000_ICS, E1000_IMS,
		E1000_IMC, E1000_ITR, E1000_RCTL, E1000_TCTL, E1000_RDBAL, E1000_RDLEN, E1000_RDH,
		E1000_RDT, E1000_RDTR, E1000_RADV, E1000_TDBAL, E1000_TDBAH, E1000_TDLEN, E1000_TDH,
		E1000_TDT, E1000_TIDV, E1000_TADV, E1000_RXCSUM, E1000_VET, E1000_RDBAH,
	};

	return op->a & 0x80 ? (op->a | (unsigned)op->b << 8 | (unsigned)op->c << 16) & 0x1fffc :
	       often[op->a % array_size(often)];
}

static void pass_time(uint64_t ns)
{
	uint64_t end = fake_now + ns;

	for (unsigned fires = 0; timers_next() <= end; fires++) {
		check(fires < 100000);
		fake_now = max_u64(fake_now, timers_next());
		timers_run(fake_now);
	}
	fake_now = end;
}

static void operate(const struct operation *op)
{
	uint64_t *descriptor;

	switch (op->kind % 10) {
	case 0:
		set(register_of(op), op->value);
		break;
	case 1:
		bus_mmio_read(GPA(base + register_of(op)), 1u << (op->value & 3));
		break;
	case 2:		/* a data descriptor; length and address within reason, mostly */
		descriptor = (uint64_t *)at(TX_RING) + 2 * (op->a % RING);
		descriptor[0] = op->value & 0x80000000 ? op->value : DATA + (op->value & 0xffff);
		descriptor[1] = (op->value >> 16 & 0x7fff) | (uint64_t)op->b << 24 | 1 << 20 |
				(uint64_t)op->c << 40;
		break;
	case 3:		/* a context */
		descriptor = (uint64_t *)at(TX_RING) + 2 * (op->a % RING);
		descriptor[0] = 14 | 24 << 8 | 33 << 16 | 34ull << 32 | 50ull << 40;
		descriptor[1] = 54ull << 40 | (uint64_t)(op->value & 0xffff) << 48 |
				(uint64_t)(op->b | TXD_DEXT) << 24;
		((uint8_t *)descriptor)[op->c % 16] ^= (uint8_t)(op->value >> 16);
		break;
	case 4:		/* any descriptor */
		descriptor = (uint64_t *)at(op->kind & 0x80 ? TX_RING : RX_RING) + 2 * (op->a % RING);
		memcpy((uint8_t *)descriptor + op->b % 13, &op->value, 4);
		break;
	case 5:
		set(E1000_TDT, op->a % RING);
		break;
	case 6:
		set(E1000_RDT, op->a % RING);
		break;
	case 7:
		receive(op);
		break;
	case 8:
		pass_time(op->value % 1000000);
		net.full = op->a & 1;
		if (net.again) {
			void (*again)(void *device) = net.again;

			net.again = NULL;
			again(net.device);
		}
		break;
	case 9:
		if (op->a & 1)
			start();
		else
			net.client->link(net.device, op->a & 2);
		break;
	}
}

static void make(void)
{
	static const struct machine_net config = { .mac = { 0x52, 0x54, 0, 1, 2, 3 } };

	check(!arena_init() && !ram_init(RAM) && !e1000_add(&config, &net));
	pci_assign();
	card = net.device;
	pci_config_write(&card->pci, 4, 2, 7);
	base = card->pci.bar[0].base;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!card)
		make();
	start();
	for (; size >= sizeof(struct operation); data += sizeof(struct operation)) {
		struct operation op;

		memcpy(&op, data, sizeof(op));
		operate(&op);
		size -= sizeof(op);
	}
	/* After a reset it sends and receives as if nothing had been. */
	start();
	set(E1000_TDH, 0);
	frames = 0;
	((uint64_t *)at(TX_RING))[0] = DATA;
	((uint64_t *)at(TX_RING))[1] = 100 | (uint64_t)(TXD_EOP | TXD_IFCS) << 24;
	set(E1000_MDIC, MDIC_WRITE | 1u << 21 | 0x9140);
	set(E1000_TDT, 1);
	check(frames == 1);
	receive(&(struct operation){ .a = 3, .b = 255, .c = 0xff });
	check(((uint64_t *)at(RX_RING))[1] >> 32 & RXD_DD);
	return 0;
}
