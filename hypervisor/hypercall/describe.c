// SPDX-License-Identifier: MIT
/*
 * What a recording says of the machine it was made on: enough to make one like it, with
 * back-ends that lead nowhere, for a replay (hypercall/replay.c).
 *
 * Start-up, once for each time the machine boots: configuration and devices are the same then.
 */
#include <string.h>

#include "debug/recorder.h"
#include "device/virtio_pv.h"
#include "hypercall/hypercall.h"
#include "machine/abi.h"

static void disk_describe(struct recording_device *d, const struct machine_disk *disk, struct virtio *v)
{
	/* virtio 1.2, 5.2.4: sectors of 512 bytes. */
	d->bytes = virtio_config_read(v, 0, 8) * 512;
	d->flags = (disk->backend.readonly ? RECORDING_READONLY : 0) |
		   (disk->backend.path ? 0 : RECORDING_NULL);
	if (disk->serial)
		strncpy(d->serial, disk->serial, sizeof(d->serial) - 1);
}

/* The next device on the list, if it is of that type. */
static struct recording_device *device_next(struct recording_header *h, uint32_t type, struct virtio **v)
{
	struct recording_device *d = &h->device[h->devices];

	*v = virtio_pv_device(h->devices);
	if (!*v || (*v)->ops->type != type || h->devices == RECORDING_DEVICES)
		return NULL;
	*d = (struct recording_device){ .type = type, .offered = (*v)->offered };
	h->devices++;
	return d;
}

void hypercall_describe(const struct machine_config *config)
{
	struct recording_header *h = recorder_header();
	struct recording_device *d;
	struct virtio *v = NULL;

	if (!h)
		return;
	h->abi_version = abi_newest();
	h->abi_presented = abi_version();
	h->abi_hidden = config->abi.hidden;
	h->memory = config->memory;
	h->devices = 0;
	for (unsigned i = 0; i < config->disks; i++) {
		d = config->disk[i].device == DISK_PV ? device_next(h, 2, &v) : NULL;
		if (d)
			disk_describe(d, &config->disk[i], v);
	}
	for (unsigned i = 0; i < config->nets; i++) {
		d = config->net[i].device == NET_DEVICE_PV ? device_next(h, 1, &v) : NULL;
		if (d)
			memcpy(d->mac, config->net[i].mac, sizeof(config->net[i].mac));
	}
	recorder_boot();
}
