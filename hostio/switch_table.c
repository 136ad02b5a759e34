// SPDX-License-Identifier: MIT
/* The switch's memory of addresses. */
#include "hostio/switch_table.h"

#define GROUP_BIT	1u	/* in the first byte: broadcast or multicast */

static uint64_t address_of(const uint8_t *p)
{
	uint64_t a = 0;

	for (unsigned i = 0; i < 6; i++)
		a = a << 8 | p[i];
	return a;
}

static unsigned address_bucket(uint64_t address)
{
	return (unsigned)(address * 0x9e3779b97f4a7c15ul >> 32) % SWITCH_BUCKETS;
}

/* The place for a new address of a port: its own oldest one if it has its share, else free, else
 * the oldest. */
static struct switch_entry *table_place(struct switch_entry *bucket, unsigned port)
{
	struct switch_entry *own = NULL, *any = &bucket[0], *e;
	unsigned share = 0;

	for (unsigned i = 0; i < SWITCH_WAYS; i++) {
		e = &bucket[i];
		if (e->address && e->port == port) {
			share++;
			if (!own || e->seen < own->seen)
				own = e;
		}
		if (any->address && (!e->address || e->seen < any->seen))
			any = e;
	}
	return share >= SWITCH_PORT_WAYS ? own : any;
}

void switch_table_learn(struct switch_table *t, const uint8_t *source, unsigned port, uint64_t now)
{
	uint64_t address = address_of(source);
	struct switch_entry *bucket = t->bucket[address_bucket(address)], *e = NULL;

	if (source[0] & GROUP_BIT || !address)
		return;
	for (unsigned i = 0; i < SWITCH_WAYS && !e; i++) {
		if (bucket[i].address == address)
			e = &bucket[i];
	}
	if (!e)
		e = table_place(bucket, port);
	*e = (struct switch_entry){ address, now, port };
}

int switch_table_find(const struct switch_table *t, const uint8_t *destination, uint64_t now)
{
	uint64_t address = address_of(destination);
	const struct switch_entry *bucket = t->bucket[address_bucket(address)];

	if (destination[0] & GROUP_BIT)
		return -1;
	for (unsigned i = 0; i < SWITCH_WAYS; i++) {
		if (address && bucket[i].address == address && now - bucket[i].seen < SWITCH_AGE_S)
			return (int)bucket[i].port;
	}
	return -1;
}

void switch_table_forget(struct switch_table *t, unsigned port)
{
	for (unsigned b = 0; b < SWITCH_BUCKETS; b++) {
		for (unsigned i = 0; i < SWITCH_WAYS; i++) {
			if (t->bucket[b][i].port == port)
				t->bucket[b][i].address = 0;
		}
	}
}
