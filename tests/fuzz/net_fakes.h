/* SPDX-License-Identifier: MIT */
/*
 * The network back-end of fuzzers of network cards, each of which includes this once and has
 * net_send(), net_link() and net_stop() of its own.
 */
#ifndef RING3_FUZZ_NET_FAKES_H
#define RING3_FUZZ_NET_FAKES_H

#include "hostio/net.h"

struct operation {
	uint8_t kind, a, b, c;
	uint32_t value;
};

static struct net {
	const struct net_client *client;
	void *device;
	void (*again)(void *device);
	bool full, running;
} net;
static uint64_t frames;

void net_attach(struct net *n, const struct net_client *client, void *device)
{
	n->client = client;
	n->device = device;
}

void net_flush(struct net *n) { (void)n; }
void net_wait(struct net *n, void (*again)(void *device)) { n->again = again; }
void net_set_rx(struct net *n, unsigned rx_flags) { (void)n; (void)rx_flags; }
void net_room(struct net *n) { n->running = true; }

#endif
