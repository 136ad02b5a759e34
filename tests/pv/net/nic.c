// SPDX-License-Identifier: MIT
/*
 * What ethtool would do, for guests that are a busybox:
 *
 *	nic IF info				driver, bus address, link, speed
 *	nic IF stats				a line "NAME VALUE" for each counter
 *	nic IF feature NAME			on or off
 *	nic IF feature NAME on|off		e.g. tx-tcp-segmentation; fails if it stays as it is
 *	nic IF ring				receive and transmit entries
 *	nic IF ring RX TX
 *	nic IF copybreak BYTES
 *	nic IF frames FROM TO STEP		sends a frame of each length (EtherType 88b5)
 *
 * Status 0, or 1 with the reason.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd;
static const char *name;

static void fail(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *zeroed(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		fail("calloc");
	return p;
}

static int call(void *data)
{
	struct ifreq r = { .ifr_data = data };

	strncpy(r.ifr_name, name, sizeof(r.ifr_name) - 1);
	return ioctl(fd, SIOCETHTOOL, &r);
}

static uint32_t strings_count(uint32_t set)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << set } };

	if (call(&info) || !info.head.sset_mask)
		fail("ETHTOOL_GSSET_INFO");
	return info.count;
}

static struct ethtool_gstrings *strings(uint32_t set)
{
	uint32_t count = strings_count(set);
	struct ethtool_gstrings *s = zeroed(sizeof(*s) + (count + 1ul) * ETH_GSTRING_LEN);

	s->cmd = ETHTOOL_GSTRINGS;
	s->string_set = set;
	s->len = count;
	if (call(s))
		fail("ETHTOOL_GSTRINGS");
	return s;
}

static int stats(void)
{
	struct ethtool_gstrings *s = strings(ETH_SS_STATS);
	struct ethtool_stats *values = zeroed(sizeof(*values) + s->len * sizeof(uint64_t));

	values->cmd = ETHTOOL_GSTATS;
	values->n_stats = s->len;
	if (call(values))
		fail("ETHTOOL_GSTATS");
	for (uint32_t i = 0; i < s->len; i++)
		printf("%.*s %llu\n", ETH_GSTRING_LEN, s->data + i * ETH_GSTRING_LEN,
		       (unsigned long long)values->data[i]);
	return 0;
}

static uint32_t feature_bits(uint32_t blocks, uint32_t block)
{
	struct ethtool_gfeatures *g = zeroed(sizeof(*g) + blocks * sizeof(g->features[0]));
	uint32_t bits;

	g->cmd = ETHTOOL_GFEATURES;
	g->size = blocks;
	if (call(g))
		fail("ETHTOOL_GFEATURES");
	bits = g->features[block].active;
	free(g);
	return bits;
}

static int feature(const char *which, const char *state)
{
	struct ethtool_gstrings *s = strings(ETH_SS_FEATURES);
	uint32_t blocks = (s->len + 31) / 32, bit;
	struct ethtool_sfeatures *set = zeroed(sizeof(*set) + blocks * sizeof(set->features[0]));

	for (bit = 0; bit < s->len; bit++)
		if (!strncmp((char *)s->data + bit * ETH_GSTRING_LEN, which, ETH_GSTRING_LEN))
			break;
	if (bit == s->len) {
		printf("failed: no feature %s\n", which);
		return 1;
	}
	if (!state) {
		puts(feature_bits(blocks, bit / 32) >> bit % 32 & 1 ? "on" : "off");
		return 0;
	}
	set->cmd = ETHTOOL_SFEATURES;
	set->size = blocks;
	set->features[bit / 32].valid = 1u << bit % 32;
	set->features[bit / 32].requested = strcmp(state, "on") ? 0 : 1u << bit % 32;
	if (call(set) < 0)
		fail("ETHTOOL_SFEATURES");
	if ((feature_bits(blocks, bit / 32) >> bit % 32 & 1) != !strcmp(state, "on")) {
		printf("failed: %s does not become %s\n", which, state);
		return 1;
	}
	return 0;
}

static int ring(const char *rx, const char *tx)
{
	struct ethtool_ringparam r = { .cmd = ETHTOOL_GRINGPARAM };

	if (call(&r))
		fail("ETHTOOL_GRINGPARAM");
	if (!rx || !tx) {
		printf("%u %u\n", r.rx_pending, r.tx_pending);
		return 0;
	}
	r.cmd = ETHTOOL_SRINGPARAM;
	r.rx_pending = (uint32_t)atoi(rx);
	r.tx_pending = (uint32_t)atoi(tx);
	if (call(&r))
		fail("ETHTOOL_SRINGPARAM");
	return 0;
}

static int copybreak(const char *bytes)
{
	struct {
		struct ethtool_tunable head;
		uint32_t value;
	} t = { .head = { .cmd = ETHTOOL_STUNABLE, .id = ETHTOOL_RX_COPYBREAK,
			  .type_id = ETHTOOL_TUNABLE_U32, .len = 4 } };

	t.value = (uint32_t)atoi(bytes);
	if (call(&t))
		fail("ETHTOOL_STUNABLE");
	return 0;
}

static int info(void)
{
	struct ethtool_drvinfo d = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value link = { .cmd = ETHTOOL_GLINK };
	struct {
		struct ethtool_link_settings head;
		uint32_t masks[3 * 127];
	} settings = { .head = { .cmd = ETHTOOL_GLINKSETTINGS } };

	if (call(&d) || call(&link) || call(&settings))
		fail("ethtool");
	/* The first call tells how long the masks are. */
	settings.head.link_mode_masks_nwords = (__s8)-settings.head.link_mode_masks_nwords;
	settings.head.cmd = ETHTOOL_GLINKSETTINGS;
	if (call(&settings))
		fail("ETHTOOL_GLINKSETTINGS");
	printf("driver %s bus %s link %u speed %u duplex %u\n", d.driver, d.bus_info, link.data,
	       settings.head.speed, settings.head.duplex);
	return 0;
}

/* Lengths without a header of the device's, with Ethernet's. */
static int frames(unsigned from, unsigned to, unsigned step)
{
	static uint8_t frame[1 << 16];
	int s = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
	struct sockaddr_ll to_card = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name) };

	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5;
	if (s < 0)
		fail("AF_PACKET");
	for (unsigned n = from; n <= to; n += step)
		if (sendto(s, frame, n, 0, (struct sockaddr *)&to_card, sizeof(to_card)) != (ssize_t)n)
			fail("sendto");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	name = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "info"))
		return info();
	if (!strcmp(what, "stats"))
		return stats();
	if (!strcmp(what, "feature") && argc > 3)
		return feature(argv[3], argv[4]);
	if (!strcmp(what, "ring"))
		return ring(argv[3], argc > 4 ? argv[4] : NULL);
	if (!strcmp(what, "copybreak") && argc > 3)
		return copybreak(argv[3]);
	if (!strcmp(what, "frames") && argc > 5)
		return frames((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
	printf("failed: usage: nic IF info|stats|feature|ring|copybreak|frames ...\n");
	return 1;
}
