/* SPDX-License-Identifier: MIT */
/*
 * Which Ethernet address was last seen behind which port of a switch.
 *
 * A fixed number of places, several for each hash; an address that finds its places
 * taken replaces the one unused for longest.  A port that makes up addresses
 * replaces its own first, so it cannot make others' be forgotten for long.
 */
#ifndef RING3_HOSTIO_SWITCH_TABLE_H
#define RING3_HOSTIO_SWITCH_TABLE_H

#include "base/types.h"

#define SWITCH_BUCKETS		256u
#define SWITCH_WAYS		8u
#define SWITCH_PORT_WAYS	2u	/* of a bucket, for one port */
#define SWITCH_AGE_S		300u

struct switch_entry {
	uint64_t address;		/* 48 bits; 0: free */
	uint64_t seen;			/* seconds */
	unsigned port;
};

struct switch_table {
	struct switch_entry bucket[SWITCH_BUCKETS][SWITCH_WAYS];
};

/* A frame with this source came from a port.  Group addresses are not learnt. */
void switch_table_learn(struct switch_table *t, const uint8_t *source, unsigned port, uint64_t now);
/* The port of a destination, or -1: send it everywhere. */
int switch_table_find(const struct switch_table *t, const uint8_t *destination, uint64_t now);
/* The port is closed. */
void switch_table_forget(struct switch_table *t, unsigned port);

#endif
