/* SPDX-License-Identifier: MIT */
/* The virtio network card under test, between the driver of virtio_driver.h and the back-end of
 * net_fakes.h. */
#ifndef RING3_TESTS_NET_CARD_H
#define RING3_TESTS_NET_CARD_H

#include "device_fakes.h"
#include "net_fakes.h"
#include "virtio_driver.h"

#include "device/virtio_net.h"
#include "device/virtio_net_parts.h"

#define RXQ		0u
#define TXQ		1u
#define CTRLQ		2u
#define F(name)		BIT(VIRTIO_NET_F_##name)
/* What a full driver takes. */
#define ALL		(dev->offered & ~BIT(VIRTIO_F_EVENT_IDX) & ~BIT(VIRTIO_F_INDIRECT_DESC))

static const uint8_t card_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t other_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 };
static const uint8_t broadcast_mac[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t multicast_mac[6] = { 0x01, 0, 0x5e, 0, 0, 1 };
static uint8_t frame[FAKE_FRAME + 64];

static inline struct virtio_net *card(void)
{
	return container_of(dev, struct virtio_net, v);
}

static inline void card_add(void)
{
	struct machine_net config = { .device = NET_DEVICE_VIRTIO };

	memcpy(config.mac, card_mac, 6);
	ck_assert_int_eq(virtio_net_add(&config, &fake_net), 0);
}

/* A control command; the answer: 0 OK, 1 ERR, 0xee: none. */
static inline uint8_t card_command(uint8_t family, uint8_t command, const void *data, uint32_t bytes)
{
	uint64_t head = guest_alloc(2), body = guest_alloc(bytes + 1), ack = guest_alloc(1);
	struct driver_part parts[] = { { head, 2, false }, { body, bytes, false }, { ack, 1, true } };
	uint32_t id, len;

	*(uint8_t *)guest(head) = family;
	*((uint8_t *)guest(head) + 1) = command;
	memcpy(guest(body), data, bytes);
	*(uint8_t *)guest(ack) = 0xee;
	driver_offer(CTRLQ, parts, 3);
	driver_kick(CTRLQ);
	ck_assert(driver_used(CTRLQ, &id, &len));
	ck_assert_uint_eq(len, 1);
	return *(uint8_t *)guest(ack);
}

/* `count` receive buffers of `bytes` each, end to end from the address returned. */
static inline uint64_t card_buffers(unsigned count, uint32_t bytes)
{
	uint64_t at = guest_alloc((uint64_t)count * bytes);

	for (unsigned i = 0; i < count; i++)
		driver_offer_in(RXQ, at + (uint64_t)i * bytes, bytes);
	driver_kick(RXQ);
	return at;
}

/* Does a frame to `mac` get through?  Needs one receive buffer, and uses it if so. */
static inline bool card_accepts(const uint8_t *mac)
{
	uint32_t id, len;

	ck_assert(net_give(frame, frame_make(frame, mac, 46, 1)));
	net_batch_end();
	return driver_used(RXQ, &id, &len);
}

static inline uint64_t card_config(unsigned offset, unsigned size)
{
	return virtio_config_read(dev, offset, size);
}

#endif
