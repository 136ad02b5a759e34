/* SPDX-License-Identifier: MIT */
/*
 * A small e1000 driver, for tests that include this once: the card, PCI, bus and
 * guest RAM are the real ones, the back-end is that of net_fakes.h.
 */
#ifndef RING3_TESTS_E1000_CARD_H
#define RING3_TESTS_E1000_CARD_H

#include "device_fakes.h"
#include "net_fakes.h"

#include "base/arena.h"
#include "device/e1000.h"
#include "device/e1000_device.h"
#include "device/pci.h"
#include "memory/ram.h"

#define CARD_RAM	(32 * MIB)
#define CARD_RING	256u
#define CARD_TX_RING	0x10000u
#define CARD_RX_RING	0x20000u
#define CARD_TX_DATA	0x100000u
#define CARD_RX_DATA	0x800000u

static const uint8_t card_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t other_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 };
static const uint8_t broadcast_mac[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static bool irq_line[24];
static unsigned irq_edges;
static struct pci_function *card_pci;
static uint64_t card_base;
static uint16_t card_port;
static unsigned tx_tail, rx_tail;

void irq_set(unsigned gsi, bool asserted)
{
	irq_edges += asserted && !irq_line[gsi];
	irq_line[gsi] = asserted;
}

void pic_set(unsigned irq, bool asserted) { (void)irq; (void)asserted; }
void irq_message(uint64_t address, uint32_t data) { (void)address; (void)data; }

static inline uint32_t get(unsigned offset)
{
	return (uint32_t)bus_mmio_read(GPA(card_base + offset), 4);
}

static inline void set(unsigned offset, uint32_t value)
{
	bus_mmio_write(GPA(card_base + offset), 4, value);
}

static inline struct e1000 *card(void)
{
	return container_of(card_pci, struct e1000, pci);
}

static inline bool card_interrupts(void)
{
	for (unsigned i = 0; i < array_size(irq_line); i++)
		if (irq_line[i])
			return true;
	return false;
}

static inline uint8_t *guest(uint64_t gpa)
{
	return ram_dma(GPA(gpa), 1);
}

/* The machine with one card, found and switched on by its firmware. */
static inline void card_add(void)
{
	struct machine_net config = { .device = NET_DEVICE_E1000 };

	memcpy(config.mac, card_mac, 6);
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(CARD_RAM), 0);
	ck_assert_int_eq(e1000_add(&config, &fake_net), 0);
	pci_assign();
	for (unsigned slot = 0; slot < PCI_SLOTS && !card_pci; slot++) {
		card_pci = pci_find(slot, 0);
		if (card_pci && pci_config_read(card_pci, 0, 4) != 0x100e8086)
			card_pci = NULL;
	}
	ck_assert_ptr_nonnull(card_pci);
	pci_config_write(card_pci, 4, 2, 7);
	card_base = pci_config_read(card_pci, 0x10, 4) & ~15u;
	card_port = (uint16_t)(pci_config_read(card_pci, 0x14, 4) & ~3u);
}

/* Rings, filters and enables as a driver sets them up; no interrupt is delayed. */
static inline void card_start(void)
{
	set(E1000_CTRL, CTRL_FD | CTRL_SLU);
	set(E1000_TDBAL, CARD_TX_RING);
	set(E1000_TDLEN, CARD_RING * 16);
	set(E1000_TCTL, TCTL_EN | TCTL_PSP);
	set(E1000_RDBAL, CARD_RX_RING);
	set(E1000_RDLEN, CARD_RING * 16);
	set(E1000_RCTL, RCTL_EN | RCTL_BAM);
	set(E1000_IMS, ICR_TXDW | ICR_RXT0 | ICR_LSC);
	get(E1000_ICR);
}

/* ---- transmit ---- */

static inline uint64_t *tx_descriptor(unsigned i)
{
	return (uint64_t *)guest(CARD_TX_RING + i % CARD_RING * 16);
}

static inline void tx_put(uint64_t low, uint64_t high)
{
	tx_descriptor(tx_tail)[0] = low;
	tx_descriptor(tx_tail)[1] = high;
	tx_tail = (tx_tail + 1) % CARD_RING;
}

static inline void tx_kick(void)
{
	set(E1000_TDT, tx_tail);
}

/* Is the descriptor before the tail, `back` of them, written back? */
static inline bool tx_done(unsigned back)
{
	return tx_descriptor(tx_tail + CARD_RING - back)[1] & TXD_DD;
}

#define TX_COMMAND(c)	((uint64_t)(c) << 24)
#define TX_LAST		TX_COMMAND(TXD_EOP | TXD_IFCS | TXD_RS)
#define TX_DATA		(TX_COMMAND(TXD_DEXT) | TXD_DTYP_DATA << 20)
#define TX_OPTIONS(o)	((uint64_t)(o) << 40)

/* Copy to the guest at CARD_TX_DATA + offset. */
static inline uint64_t tx_data(const void *from, size_t bytes, size_t offset)
{
	memcpy(guest(CARD_TX_DATA + offset), from, bytes);
	return CARD_TX_DATA + offset;
}

struct tx_context {
	uint8_t ipcss, ipcso, tucss, tucso, header;
	uint16_t ipcse, tucse, mss;
	uint8_t command;		/* TXD_TUCMD_*, TXD_TSE */
};

static inline void tx_context(const struct tx_context *c)
{
	tx_put((uint64_t)c->ipcss | (uint64_t)c->ipcso << 8 | (uint64_t)c->ipcse << 16 |
	       (uint64_t)c->tucss << 32 | (uint64_t)c->tucso << 40 | (uint64_t)c->tucse << 48,
	       TX_COMMAND(TXD_DEXT | c->command) | (uint64_t)c->header << 40 | (uint64_t)c->mss << 48);
}

static inline const struct virtio_net_hdr_v1 *sent_offload(void)
{
	return (const struct virtio_net_hdr_v1 *)fake_net.frame;
}

static inline const uint8_t *sent(void)
{
	return fake_net.frame + NET_HEADER;
}

static inline size_t sent_bytes(void)
{
	return fake_net.bytes - NET_HEADER;
}

/* ---- receive ---- */

static inline uint64_t rx_buffer(unsigned i)
{
	return CARD_RX_DATA + i % CARD_RING * 0x4000ul;
}

static inline uint64_t *rx_descriptor(unsigned i)
{
	return (uint64_t *)guest(CARD_RX_RING + i % CARD_RING * 16);
}

static inline void rx_offer(unsigned n)
{
	for (; n; n--, rx_tail = (rx_tail + 1) % CARD_RING) {
		rx_descriptor(rx_tail)[0] = rx_buffer(rx_tail);
		rx_descriptor(rx_tail)[1] = 0;
	}
	set(E1000_RDT, rx_tail);
}

#define RX_LENGTH(w)	((unsigned)(w) & 0xffff)
#define RX_SUM(w)	((unsigned)((w) >> 16) & 0xffff)
#define RX_STATUS(w)	((unsigned)((w) >> 32) & 0xff)
#define RX_ERRORS(w)	((unsigned)((w) >> 40) & 0xff)
#define RX_SPECIAL(w)	((unsigned)((w) >> 48))

/* ---- frames ---- */

static inline uint32_t reference_sum(const uint8_t *p, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

/* The sum of the pseudo-header of the packet at `ip`, for `length` bytes of `protocol`. */
static inline uint32_t pseudo_sum(const uint8_t *ip, unsigned protocol, size_t length)
{
	uint32_t sum = ip[0] >> 4 == 4 ? reference_sum(ip + 12, 8, 0) : reference_sum(ip + 8, 32, 0);

	sum += protocol + (uint32_t)length;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Ethernet, IPv4 (20) or IPv6 (40) and TCP (20) or UDP (8) headers, payload; no checksums.  The length. */
static inline size_t packet_make(uint8_t *to, const uint8_t *destination, bool v6, unsigned protocol,
				 size_t payload)
{
	size_t upper = protocol == 6 ? 20 : 8, network = v6 ? 40 : 20;
	uint8_t *ip = to + 14, *l4 = ip + network;

	memset(to, 0, 14 + network + upper);
	memcpy(to, destination, 6);
	memcpy(to + 6, other_mac, 6);
	put16(to + 12, v6 ? 0x86dd : 0x0800);
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)(upper + payload));
		ip[6] = (uint8_t)protocol;
		ip[7] = 64;
		for (unsigned i = 8; i < 40; i++)
			ip[i] = (uint8_t)(i * 11);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(20 + upper + payload));
		put16(ip + 4, 0xfffe);
		ip[8] = 64;
		ip[9] = (uint8_t)protocol;
		memcpy(ip + 12, "\x0a\x09\x00\x02\x0a\x09\x00\x01", 8);
	}
	put16(l4, 0x1234);
	put16(l4 + 2, 0x5678);
	if (protocol == 6) {
		memcpy(l4 + 4, "\xff\xff\xf0\x00\x01\x02\x03\x04", 8);
		l4[12] = 0x50;
		l4[13] = 0x19;		/* FIN, PSH, ACK */
		put16(l4 + 14, 0x7210);
	} else {
		put16(l4 + 4, (unsigned)(upper + payload));
	}
	for (size_t i = 0; i < payload; i++)
		l4[upper + i] = (uint8_t)(i * 7 + (i >> 8) + 3);
	return 14 + network + upper + payload;
}

/* The context that Linux makes for such a packet. */
static inline void tx_context_for(uint8_t command, bool v6, unsigned protocol, uint16_t mss)
{
	uint8_t ip = 14, l4 = (uint8_t)(ip + (v6 ? 40 : 20));
	struct tx_context c = {
		.ipcss = ip, .ipcso = (uint8_t)(ip + 10), .ipcse = (uint16_t)(v6 ? 0 : l4 - 1),
		.tucss = l4, .tucso = (uint8_t)(l4 + (protocol == 6 ? 16 : 6)), .mss = mss,
		.header = (uint8_t)(l4 + (protocol == 6 ? 20 : 8)),
		.command = (uint8_t)(command | (protocol == 6 ? TXD_TUCMD_TCP : 0) |
				     (v6 ? 0 : TXD_TUCMD_IP)),
	};

	tx_context(&c);
}

/* Where its TCP or UDP checksum stands. */
static inline uint8_t *packet_checksum(uint8_t *p, bool v6, unsigned protocol)
{
	return p + 14 + (v6 ? 40 : 20) + (protocol == 6 ? 16 : 6);
}

/* Are all checksums of this packet right (VLAN tag or not, padding or not)? */
static inline bool packet_is_good(const uint8_t *p)
{
	const uint8_t *ip = p + (get16(p + 12) == 0x8100 ? 18 : 14);
	bool v6 = ip[0] >> 4 == 6;
	unsigned protocol = v6 ? ip[6] : ip[9];
	size_t length = v6 ? get16(ip + 4) : get16(ip + 2) - 20;
	const uint8_t *l4 = ip + (v6 ? 40 : 20);

	if (!v6 && reference_sum(ip, 20, 0) != 0xffff)
		return false;
	if (protocol == 17 && get16(l4 + 4) != length)
		return false;
	return reference_sum(l4, length, pseudo_sum(ip, protocol, length)) == 0xffff;
}

#endif
