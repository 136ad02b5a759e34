/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network front-end's inside, shared by pvnet*.c only: a virtio network card (virtio 1.2,
 * 5.1) whose rings are kicked by hypercall.
 *
 * One pair of queues.  Life: probe() finds out what the card can and registers the interface;
 * pvnet_up() hands the rings to the device and starts it, pvnet_down() resets it and takes
 * everything back.  Opening and closing the interface, suspend, a change of ring sizes and
 * recovery from a broken device are these two and nothing else; both run under the RTNL.
 *
 * Counters are plain 64-bit numbers: ring3 is x86-64 only.
 *
 * Locks: the transmit ring belongs to the transmit queue's lock, the receive ring to its NAPI,
 * the control ring to control.lock.
 */
#ifndef RING3_PVNET_H
#define RING3_PVNET_H

#include <linux/bitmap.h>
#include <linux/netdevice.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_net.h>

#include "pvbus.h"
#include "pvring.h"

enum { PVNET_QUEUE_RX, PVNET_QUEUE_TX, PVNET_QUEUE_CONTROL };

#define PVNET_HEADER	sizeof(struct virtio_net_hdr_v1)

/* Entries of the longest chain to send: header, linear part, fragments. */
#define PVNET_TX_PARTS	(MAX_SKB_FRAGS + 2)

#define PVNET_MACS	64u	/* of one kind, that the device is told */
#define PVNET_ENTRIES	256u	/* of a ring, if nobody asks for something else */
#define PVNET_COPYBREAK	256u

/* Memory that frames are received into: what it is, and how much of it lies in the ring. */
struct pvnet_buffer {
	void *data;
	u32 size;		/* all of it, with head room and skb_shared_info */
};

struct pvnet_rx_stats {
	u64 packets, bytes;
	u64 copied;		/* packets that were copied out of their buffer */
	u64 merged;		/* packets of more than one buffer */
	u64 polls, interrupts, kicks, kick_errors;
	u64 drops;		/* no memory for a packet's skb */
	u64 length_errors, header_errors;
	u64 alloc_errors;	/* buffers that could not be had */
};

struct pvnet_tx_stats {
	u64 packets, bytes;
	u64 deferred;		/* packets whose kick was left to the end of a receive poll */
	u64 polls, interrupts, kicks, kick_errors;
	u64 drops;
	u64 stops;		/* the ring was full */
};

struct pvnet_rx {
	struct napi_struct napi;
	struct pvnet *pn;
	struct pvring *ring;
	struct pvnet_buffer *buffer;	/* of each slot that the device has */
	u16 *free;			/* stack of the other slots */
	unsigned int free_count;
	unsigned int posted;		/* bytes that the device has */
	unsigned int size;		/* of the next buffers */
	unsigned int typical;		/* length of frames, a moving average times 8 */
	struct page_frag_cache frags;
	bool kick_failed;
	struct pvnet_rx_stats stats;
	char name[24];			/* of its interrupt */
};

struct pvnet_tx {
	struct pvring *ring;
	struct sk_buff **skb;		/* of each slot that the device has */
	struct vring_desc *tables;	/* PVNET_TX_PARTS of each slot */
	u16 *free;			/* stack of the other slots */
	unsigned int free_count;
	int holder;			/* this CPU is in a receive poll, and kicks at its end; or -1 */
	bool owed;			/* such a kick */
	bool armed;			/* an interrupt will come */
	bool kick_failed;
	struct pvnet *pn;
	struct napi_struct napi;
	struct pvnet_tx_stats stats;
	char name[24];			/* of its interrupt */
};

struct pvnet_control {
	spinlock_t lock;		/* BH */
	struct pvring *ring;		/* NULL: there is no such queue */
	struct pvnet_command *command;
	bool live;			/* between start and reset, and answers */
};

struct pvnet {
	struct pvnet_tx tx;
	struct pvnet_rx rx;
	struct net_device *dev;
	struct pv_device *pdev;
	bool mergeable;
	bool fresh;			/* the device is just before its start */
	bool up;			/* it runs; RTNL */
	u64 recoveries;
	bool stuck;			/* it could not be reset: it may still have our memory */
	unsigned int copybreak;
	unsigned int failures;		/* recoveries in a row, and the last one's time */
	unsigned long failed;
	unsigned int rx_entries, tx_entries;	/* wanted; powers of two */
	u32 speed;
	u8 duplex;
	struct timer_list nudge;	/* tries again what failed: a kick, an allocation */
	struct delayed_work changed;
	struct delayed_work recovery;
	struct pvnet_control control;
	unsigned long vlans[BITS_TO_LONGS(VLAN_N_VID)];
};

extern const struct ethtool_ops pvnet_ethtool_ops;

/* ---- pvnet.c ---- */

/* RTNL.  Start the device with empty rings, stop it and free what was in them.  0 or -errno. */
int pvnet_up(struct pvnet *pn);
void pvnet_down(struct pvnet *pn);

/* RTNL, not while up.  Rings of rx_entries and tx_entries, where there are others or none. */
int pvnet_rings_create(struct pvnet *pn);

/* Poll both rings again soon, which tries again what failed.  Any context. */
void pvnet_nudge(struct pvnet *pn);

/* A ring is broken: start again.  Any context. */
void pvnet_broken(struct pvnet *pn);

/* ---- pvnet_rx.c ---- */
unsigned int pvnet_rx_mtu_max(bool mergeable);
int pvnet_rx_create(struct pvnet_rx *rx, unsigned int entries);
void pvnet_rx_destroy(struct pvnet_rx *rx);
int pvnet_rx_poll(struct napi_struct *napi, int budget);
/* Give the device buffers; false: not even one could be had. */
bool pvnet_rx_fill(struct pvnet_rx *rx, gfp_t gfp);
/* The device has none of them any more. */
void pvnet_rx_empty(struct pvnet_rx *rx);

/* ---- pvnet_tx.c ---- */
int pvnet_tx_create(struct pvnet_tx *tx, unsigned int entries);
void pvnet_tx_destroy(struct pvnet_tx *tx);
int pvnet_tx_poll(struct napi_struct *napi, int budget);
netdev_tx_t pvnet_tx_start(struct sk_buff *skb, struct net_device *dev);
/* The kicks that pvnet_tx_start() put off while tx->holder was this CPU. */
void pvnet_tx_flush(struct pvnet_tx *tx);
/* The device runs, with an empty ring: packets may come. */
void pvnet_tx_open(struct pvnet_tx *tx);
/* The queue is disabled, and the device has nothing any more. */
void pvnet_tx_empty(struct pvnet_tx *tx);

/* ---- pvnet_control.c ---- */
int pvnet_control_create(struct pvnet *pn);
void pvnet_control_destroy(struct pvnet *pn);
/*
 * Commands, if the device has them (else 0) and runs (else 0: pvnet_control_start() will say it).
 * -EINVAL: it refused; -ETIMEDOUT, -EIO.
 */
int pvnet_control_mac(struct pvnet *pn, const u8 *mac);
int pvnet_control_vlan(struct pvnet *pn, u16 id, bool add);
int pvnet_control_offloads(struct pvnet *pn, netdev_features_t features);
/* Under the address lock. */
void pvnet_control_rx_mode(struct net_device *dev);
/* The device was started: tell it everything again that it forgot.  It is about to be reset. */
void pvnet_control_start(struct pvnet *pn);
void pvnet_control_stop(struct pvnet *pn);

#endif
