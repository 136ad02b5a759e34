// SPDX-License-Identifier: MIT
/*
 * --disk and --net, by getsubopt(3): keys in any order, each at most once but
 * hostfwd.  What must be there and what excludes what is checked at the end.
 */
#include "cli/device_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "cli/options.h"

#define SECTOR		512
#define SERIAL_MAX	20	/* what ATA and virtio-blk have room for */
#define HOSTFWDS	16u

const char options_device_help[] =
"  --disk file=FILE   a disk, from an image file or block device; repeatable.  Also:\n"
"                       device=virtio|ide|pv      (default virtio; pv: --pv ring3)\n"
"                       cache=none|writeback      O_DIRECT (default), or the host's cache\n"
"                       readonly\n"
"                       offset=BYTES,size=BYTES   a window of the file\n"
"                       iops=N,bps=BYTES          limits per second\n"
"                       serial=TEXT\n"
"                       queues=N                  of virtio and pv (default 1; up to 16)\n"
"                       null=SIZE                 instead of file: stores nothing\n"
"  --net WHERE        a network card; repeatable.  WHERE:\n"
"                       user[,hostfwd=tcp:[ADDR]:PORT-:PORT]...  through the host's sockets\n"
"                       tap=NAME                  a tap interface of the host\n"
"                       switch=NAME               with your other machines on that switch\n"
"                       socket=PATH               a stream socket (QEMU's, passt's)\n"
"                       null                      nowhere\n"
"                     Also: device=virtio|e1000|pv, mac=XX:XX:XX:XX:XX:XX\n"
"  --rng              a virtio entropy source\n"
"  --io ENGINE        how the host is asked: uring or threads (default: uring if possible)\n";

static int refuse(const char *option, const char *key, const char *value, const char *want)
{
	if (value)
		log_error("%s %s=%s is not understood; give %s", option, key, value, want);
	else
		log_error("%s %s needs a value; give %s", option, key, want);
	return -EINVAL;
}

static char *copy_string(const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		log_error("no memory for the options");
	return copy;
}

/* Bytes, with an optional unit. */
static bool parse_bytes(const char *text, uint64_t *out)
{
	size_t length = text ? strlen(text) : 0;
	char *end;

	if (!length || !isdigit((unsigned char)*text))
		return false;
	if (!isdigit((unsigned char)text[length - 1]))
		return options_size(text, out);
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end;
}

static bool parse_word(const char *value, const char *const *words, unsigned *out)
{
	for (unsigned i = 0; value && words[i]; i++) {
		if (!strcmp(value, words[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* ---- disks ---- */

enum disk_key {
	KEY_FILE, KEY_NULL_SIZE, KEY_DISK_DEVICE, KEY_CACHE, KEY_READONLY, KEY_OFFSET, KEY_SIZE,
	KEY_IOPS, KEY_BPS, KEY_SERIAL, KEY_QUEUES,
};

static char *const disk_keys[] = {
	"file", "null", "device", "cache", "readonly", "offset", "size", "iops", "bps", "serial",
	"queues", NULL
};
static const char *const disk_devices[] = { "virtio", "ide", "pv", NULL };
static const char *const disk_caches[] = { "none", "writeback", NULL };

static int disk_number(const char *key, const char *value, uint64_t multiple, uint64_t *out)
{
	if (!parse_bytes(value, out))
		return refuse("--disk", key, value, "a number, such as 4096 or 1G");
	if (*out % multiple || (!*out && multiple == 1)) {
		log_error("--disk %s=%s: give %s", key, value,
			  multiple > 1 ? "a multiple of 512" : "a number above 0");
		return -EINVAL;
	}
	return 0;
}

static int disk_serial(struct machine_disk *disk, const char *value)
{
	size_t length = value ? strlen(value) : 0;

	for (size_t i = 0; i < length; i++) {
		if (!isgraph((unsigned char)value[i]))
			length = 0;
	}
	if (!length || length > SERIAL_MAX)
		return refuse("--disk", "serial", value, "1 to 20 printable characters");
	free(disk->serial);
	disk->serial = copy_string(value);
	return disk->serial ? 0 : -ENOMEM;
}

static int disk_queues(struct machine_disk *disk, const char *value)
{
	uint64_t queues;

	if (!parse_bytes(value, &queues) || !queues || queues > MACHINE_DISK_QUEUES)
		return refuse("--disk", "queues", value, "a number from 1 to 16");
	disk->queues = (unsigned)queues;
	return 0;
}

static int disk_key(struct machine_disk *disk, int key, const char *value)
{
	struct block_config *b = &disk->backend;
	const char *name = disk_keys[key];
	unsigned word;

	switch ((enum disk_key)key) {
	case KEY_FILE:
		if (!value || !*value)
			return refuse("--disk", name, NULL, "a file name");
		b->path = copy_string(value);
		return b->path ? 0 : -ENOMEM;
	case KEY_NULL_SIZE:
		return disk_number(name, value, SECTOR, &b->null_size);
	case KEY_DISK_DEVICE:
		if (!parse_word(value, disk_devices, &word))
			return refuse("--disk", name, value, "virtio, ide or pv");
		disk->device = (enum disk_device)word;
		return 0;
	case KEY_CACHE:
		if (!parse_word(value, disk_caches, &word))
			return refuse("--disk", name, value, "none or writeback");
		b->cache = (enum block_cache)word;
		return 0;
	case KEY_READONLY:
		if (value && strcmp(value, "on") && strcmp(value, "off"))
			return refuse("--disk", name, value, "readonly alone, on or off");
		b->readonly = !value || !strcmp(value, "on");
		return 0;
	case KEY_OFFSET:
		return disk_number(name, value, SECTOR, &b->offset);
	case KEY_SIZE:
		return disk_number(name, value, SECTOR, &b->size);
	case KEY_IOPS:
		return disk_number(name, value, 1, &b->iops);
	case KEY_BPS:
		return disk_number(name, value, 1, &b->bps);
	case KEY_SERIAL:
		return disk_serial(disk, value);
	case KEY_QUEUES:
		return disk_queues(disk, value);
	}
	return -EINVAL;
}

static int disk_parse(struct machine_disk *disk, char *text)
{
	char *value;
	int error = 0;

	while (*text && !error) {
		int key = getsubopt(&text, disk_keys, &value);

		if (key >= 0) {
			error = disk_key(disk, key, value);
		} else if (!strchr(value, '=') && !disk->backend.path && *value) {
			error = disk_key(disk, KEY_FILE, value);	/* --disk FILE,... */
		} else {
			log_error("--disk does not know \"%s\"; see ring3 run --help", value);
			error = -EINVAL;
		}
	}
	return error;
}

static int disk_check(const struct machine_disk *disk)
{
	const struct block_config *b = &disk->backend;

	if (disk->queues && disk->device == DISK_IDE) {
		log_error("--disk: an IDE disk has no queues");
		return -EINVAL;
	}
	if (b->path && b->null_size) {
		log_error("--disk: file and null exclude each other");
		return -EINVAL;
	}
	if (!b->path && !b->null_size) {
		log_error("--disk needs file=FILE; see ring3 run --help");
		return -EINVAL;
	}
	return 0;
}

int options_add_disk(struct machine_config *config, const char *value)
{
	struct machine_disk *disk = &config->disk[config->disks];
	char *text;
	int error;

	if (config->disks == MACHINE_DISKS) {
		log_error("too many disks; at most %u", MACHINE_DISKS);
		return -EINVAL;
	}
	text = copy_string(value);
	if (!text)
		return -ENOMEM;
	error = disk_parse(disk, text);
	free(text);
	if (!error)
		error = disk_check(disk);
	config->disks++;
	return error;
}

/* ---- network cards ---- */

enum net_key {
	KEY_USER, KEY_TAP, KEY_SOCKET, KEY_SWITCH, KEY_NULL, KEY_HOSTFWD, KEY_NET_DEVICE, KEY_MAC,
};

static char *const net_keys[] = {
	"user", "tap", "socket", "switch", "null", "hostfwd", "device", "mac", NULL
};
static const char *const net_devices[] = { "virtio", "e1000", "pv", NULL };

/* While the words of one --net are read. */
struct net_parse {
	struct machine_net *net;
	bool placed, has_mac;
	unsigned hostfwds;
};

static int net_place(struct net_parse *p, enum net_kind kind, const char *name, const char *value)
{
	bool wants = kind != NET_USER && kind != NET_NULL;

	if (p->placed) {
		log_error("--net: one place for a card; \"%s\" is a second one", name);
		return -EINVAL;
	}
	if (wants != (value && *value))
		return refuse("--net", name, wants ? NULL : value,
			      wants ? "a name or path" : "it without a value");
	p->placed = true;
	p->net->backend.kind = kind;
	if (wants)
		p->net->backend.where = copy_string(value);
	return wants && !p->net->backend.where ? -ENOMEM : 0;
}

static int net_hostfwd(struct net_parse *p, const char *value)
{
	struct net_config *b = &p->net->backend;

	if (!value || (strncmp(value, "tcp:", 4) && strncmp(value, "udp:", 4)) || !strchr(value, '-'))
		return refuse("--net", "hostfwd", value, "tcp:[ADDRESS]:PORT-[ADDRESS]:PORT");
	if (p->hostfwds == HOSTFWDS) {
		log_error("--net: at most %u hostfwd", HOSTFWDS);
		return -EINVAL;
	}
	if (!b->hostfwd)
		b->hostfwd = calloc(HOSTFWDS + 1, sizeof(*b->hostfwd));
	if (!b->hostfwd)
		return -ENOMEM;
	b->hostfwd[p->hostfwds] = copy_string(value);
	return b->hostfwd[p->hostfwds++] ? 0 : -ENOMEM;
}

static int net_mac(struct net_parse *p, const char *value)
{
	uint8_t *m = p->net->mac;
	int used = 0;

	if (!value || sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3],
			     &m[4], &m[5], &used) != 6 || value[used])
		return refuse("--net", "mac", value, "six bytes such as 52:54:00:12:34:56");
	if (m[0] & 1)
		return refuse("--net", "mac", value, "the address of one card, no multicast address");
	p->has_mac = true;
	return 0;
}

static int net_key(struct net_parse *p, int key, const char *value)
{
	unsigned word;

	switch ((enum net_key)key) {
	case KEY_USER:
		return net_place(p, NET_USER, "user", value);
	case KEY_TAP:
		return net_place(p, NET_TAP, "tap", value);
	case KEY_SOCKET:
		return net_place(p, NET_SOCKET, "socket", value);
	case KEY_SWITCH:
		return net_place(p, NET_SWITCH, "switch", value);
	case KEY_NULL:
		return net_place(p, NET_NULL, "null", value);
	case KEY_HOSTFWD:
		return net_hostfwd(p, value);
	case KEY_NET_DEVICE:
		if (!parse_word(value, net_devices, &word))
			return refuse("--net", "device", value, "virtio, e1000 or pv");
		p->net->device = (enum net_device)word;
		return 0;
	case KEY_MAC:
		return net_mac(p, value);
	}
	return -EINVAL;
}

/* Of the range that virtual machines use; the same after a reset of the guest. */
static int net_random_mac(uint8_t mac[6])
{
	mac[0] = 0x52;
	mac[1] = 0x54;
	mac[2] = 0x00;
	return getrandom(mac + 3, 3, 0) == 3 ? 0 : -EIO;
}

static int net_check(struct net_parse *p)
{
	if (!p->placed) {
		log_error("--net needs user, tap=NAME, switch=NAME or socket=PATH; see ring3 run --help");
		return -EINVAL;
	}
	if (p->hostfwds && p->net->backend.kind != NET_USER) {
		log_error("--net: hostfwd is for user");
		return -EINVAL;
	}
	return p->has_mac ? 0 : net_random_mac(p->net->mac);
}

int options_add_net(struct machine_config *config, const char *value)
{
	struct net_parse p = { .net = &config->net[config->nets] };
	char *text, *rest, *word;
	int error = 0;

	if (config->nets == MACHINE_NETS) {
		log_error("too many network cards; at most %u", MACHINE_NETS);
		return -EINVAL;
	}
	text = rest = copy_string(value);
	if (!text)
		return -ENOMEM;
	while (*rest && !error) {
		int key = getsubopt(&rest, net_keys, &word);

		if (key >= 0) {
			error = net_key(&p, key, word);
		} else {
			log_error("--net does not know \"%s\"; see ring3 run --help", word);
			error = -EINVAL;
		}
	}
	free(text);
	config->nets++;
	return error ? error : net_check(&p);
}

int options_check_devices(const struct machine_config *config)
{
	bool pv = false;

	for (unsigned i = 0; i < config->disks; i++)
		pv |= config->disk[i].device == DISK_PV;
	for (unsigned i = 0; i < config->nets; i++)
		pv |= config->net[i].device == NET_DEVICE_PV;
	if (!pv || config->pv == MACHINE_PV_RING3)
		return 0;
	log_error("device=pv is reached by ring3's hypercalls; give --pv ring3, too");
	return -EINVAL;
}
