// SPDX-License-Identifier: MIT
/*
 * Disks, network cards, entropy source.  Knows of each device model only how it is
 * added, and of each back-end only how it is opened.
 */
#include "device/peripherals.h"

#include <errno.h>

#include "base/arena.h"
#include "base/log.h"
#include "device/e1000.h"
#include "device/ide.h"
#include "device/virtio_blk.h"
#include "device/virtio_net.h"
#include "device/virtio_rng.h"
#include "hostio/block.h"
#include "hostio/net.h"
#include "machine/timer.h"

/* A limit of rate: the back-end knows when it wants to go on, the machine has the timers. */
static void disk_alarm(void *timer, uint64_t deadline_ns)
{
	timer_arm(timer, deadline_ns);
}

static void disk_alarm_expired(void *block)
{
	block_alarm_expired(block);
}

static void disk_limit(struct block *b)
{
	struct timer *timer;

	if (!block_limited(b))
		return;
	timer = arena_alloc(sizeof(*timer), 8);
	timer_init(timer, disk_alarm_expired, b);
	block_set_alarm(b, disk_alarm, timer);
}

static int disk_add(const struct machine_disk *disk)
{
	struct block *b = block_open(&disk->backend);
	int error = -ENOSYS;

	if (!b)
		return -EIO;	/* said */
	disk_limit(b);
	switch (disk->device) {
	case DISK_VIRTIO: case DISK_PV:
		error = virtio_blk_add(disk, b);
		break;
	case DISK_IDE:
		error = ide_add(disk, b);
		if (error == -ENOSPC)
			log_error("there is room for four IDE disks; give the others device=virtio");
		break;
	}
	return error;
}

static int net_add(const struct machine_net *card)
{
	struct net *n = net_open(&card->backend);
	int error = -ENOSYS;

	if (!n)
		return -EIO;	/* said */
	switch (card->device) {
	case NET_DEVICE_VIRTIO: case NET_DEVICE_PV:
		error = virtio_net_add(card, n);
		break;
	case NET_DEVICE_E1000:
		error = e1000_add(card, n);
		break;
	}
	return error;
}

int peripherals_init(const struct machine_config *config)
{
	int error = 0;

	for (unsigned i = 0; i < config->disks && !error; i++)
		error = disk_add(&config->disk[i]);
	for (unsigned i = 0; i < config->nets && !error; i++)
		error = net_add(&config->net[i]);
	if (!error && config->rng)
		error = virtio_rng_add();
	return error;
}
