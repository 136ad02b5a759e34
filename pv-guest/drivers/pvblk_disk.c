// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk is and says of itself: size, limits, geometry, serial number, cache.
 *
 * The configuration is read once, at probe(); of what may change later, the size is asked for
 * again, and the cache's mode whenever somebody wants to know.  Values that the device
 * gives are checked, or cut to what the driver can do.
 */
#include <linux/hdreg.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>

#include "pvblk.h"

int pvblk_config_read(struct pvblk *blk)
{
	struct pv_device *dev = blk->dev;
	u32 segments = 1, ranges = 1;
	int error;

	error = pv_config_read(dev, 0, &blk->config,
			       min_t(u32, dev->config_size, sizeof(blk->config)));
	if (error) {
		dev_err(&dev->dev, "does not tell its configuration (%d)\n", error);
		return error;
	}
	if (pv_has(dev, VIRTIO_BLK_F_SEG_MAX))
		segments = pv_to_cpu32(blk->config.seg_max);
	if (pv_has(dev, VIRTIO_BLK_F_DISCARD))
		ranges = pv_to_cpu32(blk->config.max_discard_seg);
	blk->segments = clamp(segments, 1u, PVBLK_SEGMENTS);
	blk->ranges = clamp(ranges, 1u, PVBLK_RANGES);
	return 0;
}

/* ---- size ---- */

static void capacity_set(struct pvblk *blk, u64 sectors)
{
	char binary[12], decimal[12];

	if (sectors == get_capacity(blk->disk))
		return;
	string_get_size(sectors, SECTOR_SIZE, STRING_UNITS_2, binary, sizeof(binary));
	string_get_size(sectors, SECTOR_SIZE, STRING_UNITS_10, decimal, sizeof(decimal));
	dev_notice(&blk->dev->dev, "[%s] %llu sectors of %d bytes (%s/%s)\n", blk->disk->disk_name,
		   sectors, SECTOR_SIZE, decimal, binary);
	set_capacity_and_notify(blk->disk, sectors);
}

void pvblk_capacity_update(struct pvblk *blk)
{
	__virtio64 capacity;
	int error;

	error = pv_config_read(blk->dev, offsetof(struct virtio_blk_config, capacity), &capacity,
			       sizeof(capacity));
	if (error) {
		dev_err(&blk->dev->dev, "does not tell its size (%d)\n", error);
		return;
	}
	capacity_set(blk, pv_to_cpu64(capacity));
}

/* ---- limits ---- */

static void topology_set(struct pvblk *blk, u32 block)
{
	const struct virtio_blk_config *c = &blk->config;
	struct request_queue *q = blk->disk->queue;

	if (!pv_has(blk->dev, VIRTIO_BLK_F_TOPOLOGY))
		return;
	if (c->physical_block_exp && c->physical_block_exp < 16)
		blk_queue_physical_block_size(q, block << c->physical_block_exp);
	if (c->alignment_offset)
		blk_queue_alignment_offset(q, block * c->alignment_offset);
	if (pv_to_cpu16(c->min_io_size))
		blk_queue_io_min(q, block * pv_to_cpu16(c->min_io_size));
	if (pv_to_cpu32(c->opt_io_size))
		blk_queue_io_opt(q, block * pv_to_cpu32(c->opt_io_size));
}

static void discard_set(struct pvblk *blk, u32 block)
{
	const struct virtio_blk_config *c = &blk->config;
	struct request_queue *q = blk->disk->queue;
	u32 most, unit;

	if (pv_has(blk->dev, VIRTIO_BLK_F_DISCARD)) {
		most = pv_to_cpu32(c->max_discard_sectors);
		unit = pv_to_cpu32(c->discard_sector_alignment);
		blk_queue_max_discard_sectors(q, most ?: UINT_MAX);
		blk_queue_max_discard_segments(q, blk->ranges);
		q->limits.discard_granularity = unit ? unit << SECTOR_SHIFT : block;
	}
	if (pv_has(blk->dev, VIRTIO_BLK_F_WRITE_ZEROES)) {
		most = pv_to_cpu32(c->max_write_zeroes_sectors);
		blk_queue_max_write_zeroes_sectors(q, most ?: UINT_MAX);
	}
}

static u8 cache_default(struct pvblk *blk)
{
	return pv_has(blk->dev, VIRTIO_BLK_F_CONFIG_WCE) ? !!blk->config.wce :
		pv_has(blk->dev, VIRTIO_BLK_F_FLUSH);
}

int pvblk_limits_set(struct pvblk *blk)
{
	struct request_queue *q = blk->disk->queue;
	u32 block = SECTOR_SIZE, part = UINT_MAX;

	if (pv_has(blk->dev, VIRTIO_BLK_F_BLK_SIZE)) {
		block = pv_to_cpu32(blk->config.blk_size);
		if (blk_validate_block_size(block)) {
			dev_err(&blk->dev->dev, "has blocks of %u bytes\n", block);
			return -EINVAL;
		}
		blk_queue_logical_block_size(q, block);
	}
	if (pv_has(blk->dev, VIRTIO_BLK_F_SIZE_MAX))
		part = max_t(u32, pv_to_cpu32(blk->config.size_max), PAGE_SIZE);
	blk_queue_max_segments(q, blk->segments);
	blk_queue_max_segment_size(q, part);
	/* A part may lie anywhere, and be as long as it likes: parts are never cut for it. */
	blk_queue_segment_boundary(q, ULONG_MAX);
	blk_queue_max_hw_sectors(q, UINT_MAX);
	topology_set(blk, block);
	discard_set(blk, block);
	blk_queue_write_cache(q, cache_default(blk), false);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	if (pv_has(blk->dev, VIRTIO_BLK_F_RO))
		set_disk_ro(blk->disk, true);
	capacity_set(blk, pv_to_cpu64(blk->config.capacity));
	return 0;
}

void pvblk_name(int number, char *name, size_t size)
{
	char letters[8];
	unsigned int i = sizeof(letters) - 1;

	letters[i] = '\0';
	do {
		letters[--i] = 'a' + number % 26;
		number = number / 26 - 1;
	} while (number >= 0 && i);
	snprintf(name, size, "pvb%s", letters + i);
}

/* ---- block_device_operations ---- */

/* For partitioning tools.  Also after the device went, while somebody has the disk open. */
static int pvblk_getgeo(struct block_device *bdev, struct hd_geometry *geo)
{
	const struct pvblk *blk = bdev->bd_disk->private_data;

	if (blk->config.geometry.heads) {
		geo->cylinders = pv_to_cpu16(blk->config.geometry.cylinders);
		geo->heads = blk->config.geometry.heads;
		geo->sectors = blk->config.geometry.sectors;
	} else {
		/* As sd does. */
		geo->heads = 64;
		geo->sectors = 32;
		geo->cylinders = get_capacity(bdev->bd_disk) >> 11;
	}
	return 0;
}

static void pvblk_free_disk(struct gendisk *disk)
{
	pvblk_free(disk->private_data);
}

const struct block_device_operations pvblk_fops = {
	.owner = THIS_MODULE,
	.getgeo = pvblk_getgeo,
	.free_disk = pvblk_free_disk,
};

/* ---- attributes ---- */

static struct pvblk *to_pvblk(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct request_queue *q = dev_to_disk(dev)->queue;
	struct request *rq;
	int error;

	rq = blk_mq_alloc_request(q, REQ_OP_DRV_IN, 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	/* buf is a page; the device ends shorter ones by a 0, which may not be there. */
	buf[VIRTIO_BLK_ID_BYTES] = '\0';
	error = blk_rq_map_kern(q, rq, buf, VIRTIO_BLK_ID_BYTES, GFP_KERNEL);
	if (!error)
		error = blk_status_to_errno(blk_execute_rq(rq, false));
	blk_mq_free_request(rq);
	return error ? error : strlen(buf);
}
static DEVICE_ATTR_RO(serial);

static const char *const cache_types[] = { "write through", "write back" };

static int cache_write(struct pvblk *blk, u8 cache)
{
	return pv_config_write(blk->dev, offsetof(struct virtio_blk_config, wce), &cache,
			       sizeof(cache));
}

/* As the device has it; without one that can be asked, as it should have it. */
static bool cache_mode(struct pvblk *blk)
{
	u8 cache = blk->cache < 0 ? cache_default(blk) : blk->cache;

	mutex_lock(&blk->life);
	if (blk->running && !blk->dead && pv_has(blk->dev, VIRTIO_BLK_F_CONFIG_WCE))
		pv_config_read(blk->dev, offsetof(struct virtio_blk_config, wce), &cache,
			       sizeof(cache));
	mutex_unlock(&blk->life);
	return cache;
}

int pvblk_cache_restore(struct pvblk *blk)
{
	return blk->cache < 0 ? 0 : cache_write(blk, blk->cache);
}

static ssize_t cache_type_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", cache_types[cache_mode(to_pvblk(dev))]);
}

static ssize_t cache_type_store(struct device *dev, struct device_attribute *attr, const char *buf,
				size_t count)
{
	struct pvblk *blk = to_pvblk(dev);
	int cache = sysfs_match_string(cache_types, buf), error = -ENODEV;

	if (cache < 0)
		return cache;
	mutex_lock(&blk->life);
	if (blk->running)
		error = cache_write(blk, cache);
	if (!error) {
		blk->cache = cache;
		blk_queue_write_cache(blk->disk->queue, cache, false);
	}
	mutex_unlock(&blk->life);
	return error ? error : count;
}
static DEVICE_ATTR_RW(cache_type);

static struct attribute *pvblk_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_cache_type.attr,
	NULL,
};

static umode_t pvblk_attr_mode(struct kobject *kobj, struct attribute *attr, int n)
{
	struct pvblk *blk = to_pvblk(kobj_to_dev(kobj));

	if (attr == &dev_attr_cache_type.attr && !pv_has(blk->dev, VIRTIO_BLK_F_CONFIG_WCE))
		return 0444;
	return attr->mode;
}

static const struct attribute_group pvblk_group = {
	.attrs = pvblk_attrs,
	.is_visible = pvblk_attr_mode,
};

const struct attribute_group *pvblk_groups[] = { &pvblk_group, NULL };
