/* SPDX-License-Identifier: MIT */
/* Frames that arrive at the card of e1000_card.h, and what its driver finds of them. */
#ifndef RING3_TESTS_E1000_ARRIVALS_H
#define RING3_TESTS_E1000_ARRIVALS_H

#include "e1000_card.h"

static uint8_t frame[FAKE_FRAME + 64];
static uint8_t received[E1000_LONG_MAX + 64];

static inline uint8_t *body(void)
{
	return frame + NET_HEADER;
}

/* A frame of `bytes` arrives.  Was there room? */
static inline bool arrive(size_t bytes)
{
	bool room = net_give(frame, NET_HEADER + bytes);

	net_batch_end();
	return room;
}

/* The frame that starts in descriptor `first` (buffers of `size`), into received[]; its last word. */
static inline uint64_t collect(unsigned first, unsigned size, size_t *bytes)
{
	uint64_t word;

	*bytes = 0;
	do {
		word = rx_descriptor(first)[1];
		ck_assert(RX_STATUS(word) & RXD_DD);
		ck_assert_uint_le(RX_LENGTH(word), size);
		memcpy(received + *bytes, guest(rx_buffer(first)), RX_LENGTH(word));
		*bytes += RX_LENGTH(word);
		first++;
	} while (!(RX_STATUS(word) & RXD_EOP));
	return word;
}

#endif
