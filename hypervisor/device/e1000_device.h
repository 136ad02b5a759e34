/* SPDX-License-Identifier: MIT */
/*
 * One card, and what its parts (e1000*.c) ask of each other.  Nobody else includes this.
 *
 *	e1000.c			the bus: registers by address, reset
 *	e1000_interrupt.c	causes, masks, throttling, delays
 *	e1000_eeprom.c, e1000_phy.c
 *	e1000_transmit.c	the ring of transmit descriptors; e1000_offload.c: one frame
 *	e1000_receive.c		the ring of receive descriptors; e1000_filter.c: which frames
 *	e1000_checksum.c	sums
 *	e1000_statistics.c	counters
 */
#ifndef RING3_DEVICE_E1000_DEVICE_H
#define RING3_DEVICE_E1000_DEVICE_H

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "device/e1000_regs.h"
#include "device/pci.h"
#include "hostio/net.h"
#include "machine/timer.h"

#define E1000_EEPROM_WORDS	64u
#define E1000_FRAME_MIN		60u		/* without FCS; shorter ones are padded */
#define E1000_FCS		4u
#define E1000_FRAME_MAX		1522u		/* with FCS and VLAN tag, unless RCTL.LPE */
#define E1000_LONG_MAX		16384u
#define E1000_VLAN		4u
#define E1000_HEADER_MAX	(256u + 2)	/* what an 8-bit offset of a checksum can reach */
#define E1000_TX_PIECES		256u		/* beyond that a frame is copied together */
#define E1000_TX_BYTES		(256u * 1024)	/* of one frame, before segmentation and tag */
#define E1000_RX_PIECES		(E1000_LONG_MAX / 256 + 1)

/* Microwire serial EEPROM, 64 words, bit by bit (5.3, 13.4.3). */
struct e1000_eeprom {
	uint16_t word[E1000_EEPROM_WORDS];
	uint32_t eecd;			/* as last written */
	uint32_t in;			/* bits shifted in since the start bit, which leads them */
	unsigned bits;			/* how many of them; 0: waiting for a start bit */
	uint32_t out;			/* left-aligned at bit 16: next is bit 16 */
	bool reading, writable;
	unsigned address;		/* of the word that follows, while reading */
};

struct e1000_phy {
	uint16_t reg[32];
	bool wire;			/* the back-end's link */
	bool was_down;			/* since the status register was read: latches low */
	unsigned speed;			/* 0: 10, 1: 100, 2: 1000 */
	bool full_duplex;
};

/* RDTR/RADV, TIDV/TADV: packet timer, restarted by each frame, and absolute timer. */
struct e1000_delay {
	struct timer timer;
	uint64_t packet, absolute;	/* ns; deadlines */
	uint32_t cause;
};

struct e1000_context {
	uint8_t ipcss, ipcso, tucss, tucso;
	uint16_t ipcse, tucse;
	uint8_t header;			/* bytes */
	uint16_t mss;
	bool tcp, ipv4;
};

/* What one frame asks for, collected from its descriptors. */
struct e1000_tx_frame {
	struct iovec piece[E1000_TX_PIECES];	/* in the DMA view, or `staged` */
	unsigned pieces;
	uint32_t bytes;
	bool begun, bad, segment, ip_checksum, checksum, vlan, fcs;
	uint16_t tag;
	struct e1000_context context;
	uint32_t sent;				/* payload bytes of a segmented frame */
	/* Status words to write back when the frame is gone. */
	volatile uint64_t *report[E1000_TX_PIECES];
	unsigned reports;
	bool report_now;			/* one of them without IDE */
};

struct e1000_tx {
	struct e1000_context context, tso_context;
	struct e1000_tx_frame frame;
	bool blocked;				/* the frame is complete and waits for net_wait() */
	bool report, report_now;		/* write-backs since the last interrupt cause */
	bool flush;				/* sent since the last net_flush() */
	struct virtio_net_hdr_v1 offload;
	uint8_t header[E1000_HEADER_MAX + E1000_VLAN];
	struct iovec out[E1000_TX_PIECES + 4];
	uint8_t *staged;			/* E1000_TX_BYTES */
};

struct e1000_rx {
	struct virtio_net_hdr_v1 offload;
	bool starved;				/* room() said 0: tell net_room() */
	unsigned pieces;			/* offered; 0: none */
	uint32_t buffer_bytes;			/* of each */
	struct iovec piece[E1000_RX_PIECES];
	volatile uint64_t *report[E1000_RX_PIECES];
	unsigned head;				/* of the first piece */
	unsigned count;				/* of the ring then */
	bool got;				/* since the last batch_end() */
	uint8_t *sink;				/* for frames too long, and buffers outside RAM */
};

struct e1000 {
	struct pci_function pci;
	struct net *net;
	uint32_t io_address;
	uint32_t reg[E1000_STORED / 4];
	struct e1000_eeprom eeprom;
	struct e1000_phy phy;
	struct timer throttle;
	uint64_t interrupted;		/* ns, the last one */
	bool asserted;
	struct e1000_delay tx_delay, rx_delay;
	struct e1000_tx tx;
	struct e1000_rx rx;
};

static inline uint32_t *e1000_reg(struct e1000 *d, unsigned offset)
{
	return &d->reg[offset / 4];
}

/* A descriptor ring in RAM as its registers (RDBAL.. or TDBAL..) say. */
struct e1000_ring {
	uint64_t *at;			/* two words a descriptor; NULL: unusable */
	unsigned count, head, tail;
};
struct e1000_ring e1000_ring(struct e1000 *d, unsigned base);

/* ---- interrupt ---- */
void e1000_interrupt_init(struct e1000 *d);
void e1000_interrupt_reset(struct e1000 *d);
/* Note causes; e1000_interrupt_update() at the end of a batch. */
static inline void e1000_cause(struct e1000 *d, uint32_t causes)
{
	*e1000_reg(d, E1000_ICR) |= causes;
}
void e1000_interrupt_update(struct e1000 *d);
uint32_t e1000_interrupt_read(struct e1000 *d);		/* ICR: reading clears */
/* The cause of a delay will be noted after so many units of 1.024 us (0: of packet, at once). */
void e1000_delay_start(struct e1000 *d, struct e1000_delay *delay, uint32_t packet, uint32_t absolute);
void e1000_delay_flush(struct e1000 *d, struct e1000_delay *delay);

/* ---- EEPROM, PHY ---- */
void e1000_eeprom_init(struct e1000_eeprom *e, const uint8_t mac[6]);
uint32_t e1000_eecd_read(const struct e1000_eeprom *e);
void e1000_eecd_write(struct e1000_eeprom *e, uint32_t value);
uint32_t e1000_eerd_write(const struct e1000_eeprom *e, uint32_t value);	/* what it reads then */

void e1000_phy_init(struct e1000_phy *p, bool wire);
void e1000_phy_reset(struct e1000_phy *p);
uint32_t e1000_mdic_write(struct e1000_phy *p, uint32_t value);		/* what it reads then */
void e1000_phy_wire(struct e1000_phy *p, bool up);
bool e1000_phy_link(const struct e1000_phy *p);
bool e1000_phy_loopback(const struct e1000_phy *p);

/* ---- transmit ---- */
void e1000_transmit_reset(struct e1000 *d);
void e1000_transmit(struct e1000 *d);			/* from TDH to TDT */
void e1000_transmit_wait(struct e1000 *d);		/* if it is blocked: for room */
/* Send d->tx.frame; false: no room, ask again later, it goes on where it stopped. */
bool e1000_frame_send(struct e1000 *d);

/* ---- receive ---- */
void e1000_receive_reset(struct e1000 *d);
/* RCTL, RDT, bus mastering or the like changed: there may be room now. */
void e1000_receive_wake(struct e1000 *d);
unsigned e1000_room(void *device, struct iovec *iov, unsigned max);
void e1000_received(void *device, size_t bytes);
void e1000_batch_end(void *device);
/* A frame of the card itself comes back (iov[0] is the offload header). */
void e1000_loop_back(struct e1000 *d, const struct iovec *iov, unsigned count, size_t bytes);
/* Is the frame for us?  Sets *inexact where a hash said so. */
bool e1000_filter(struct e1000 *d, const uint8_t destination[6], bool *inexact);
bool e1000_filter_vlan(struct e1000 *d, uint16_t tag);

/* ---- sums ---- */
/* Internet checksum's sum, not folded, of `bytes` at `from` of a frame in pieces; as in memory. */
uint64_t e1000_sum(const struct iovec *piece, unsigned pieces, size_t from, size_t bytes);
uint16_t e1000_fold(uint64_t sum);
uint32_t e1000_crc(const struct iovec *piece, unsigned pieces, size_t bytes);
/* Verdict on a received frame (RXCSUM): status | errors << 8 | packet checksum << 16. */
uint32_t e1000_verify(const struct iovec *piece, unsigned pieces, size_t bytes, uint32_t rxcsum);
/* Copy `bytes` at `from` of a frame in pieces. */
void e1000_gather(void *to, const struct iovec *piece, unsigned pieces, size_t from, size_t bytes);
/* The same as iovecs: how many of them. */
unsigned e1000_slice(struct iovec *to, const struct iovec *piece, unsigned pieces, size_t from,
		     size_t bytes);

/* ---- statistics ---- */
uint32_t e1000_statistic_read(struct e1000 *d, unsigned offset);
void e1000_count(struct e1000 *d, enum e1000_statistic which, uint32_t n);
void e1000_count_octets(struct e1000 *d, enum e1000_statistic low, uint64_t n);
/* `frames` frames of `bytes` each, FCS included, to one destination. */
void e1000_count_sent(struct e1000 *d, const uint8_t destination[6], uint32_t bytes, uint32_t frames);
void e1000_count_received(struct e1000 *d, const uint8_t destination[6], uint32_t bytes);

#endif
