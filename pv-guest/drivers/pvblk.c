// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks of ring3 (virtio 1.2, 5.2, by hypercalls): the life of one.
 *
 * Trouble.  A kick that fails, a ring that the device broke, a device that wants a reset or does
 * not answer: all end in the disk's work, which resets the device, gives it everything again that
 * was in flight, and fails requests that were lost too often.  Where that does not help, and where
 * the device is gone, the disk is dead: its requests fail, those in flight too, and nothing hangs.
 *
 * Locks: `life` is held by whoever repairs the device, starts or stops it.  Never while waiting for
 * requests to end by themselves, since they may need a repair for that.  The disk outlives its
 * device as long as it is open.
 */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "pvblk.h"

#define PVBLK_MINORS	16u
#define PVBLK_REPAIRS	5u	/* tries to set the device up again */

static unsigned int queue_depth = 128;
module_param(queue_depth, uint, 0444);
MODULE_PARM_DESC(queue_depth, "Requests of a queue that the device has at most");

static unsigned int queues_max;
module_param_named(queues, queues_max, uint, 0444);
MODULE_PARM_DESC(queues, "Queues of a disk at most; 0: one for each CPU");

static unsigned int read_queues;
module_param(read_queues, uint, 0444);
MODULE_PARM_DESC(read_queues, "Queues of a disk that are for reads alone, beside the others");

static int major;
static DEFINE_IDA(numbers);
static struct workqueue_struct *workqueue;

/* ---- rings ---- */

static void rings_destroy(struct pvblk *blk)
{
	for (unsigned int i = 0; i < blk->queue_count; i++)
		pvring_destroy(blk->queues[i].ring);
	kfree(blk->queues);
	blk->queues = NULL;
}

static int ring_create(struct pvblk *blk, struct pvblk_queue *queue, unsigned int index)
{
	struct pvring_config config = {
		.index = index,
		.entries = max(queue_depth, 4u),
		.handler = pvblk_interrupt,
		.name = queue->name,
		.data = queue,
	};
	struct pvring *ring;

	queue->blk = blk;
	spin_lock_init(&queue->lock);
	snprintf(queue->name, sizeof(queue->name), "%s-%u", dev_name(&blk->dev->dev), index);
	ring = pvring_create(blk->dev, &config);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	queue->ring = ring;
	return 0;
}

static int rings_create(struct pvblk *blk)
{
	struct pv_device *dev = blk->dev;
	unsigned int count = 1, most;
	int error = 0;

	if (pv_has(dev, VIRTIO_BLK_F_MQ))
		count = pv_to_cpu16(blk->config.num_queues);
	most = min(count, dev->queues);
	count = min3(most, min_not_zero(queues_max, nr_cpu_ids), nr_cpu_ids);
	/* The others come first, and are at least one. */
	blk->read_queues = min(read_queues, most ? most - 1 : 0);
	count = min(count, most - blk->read_queues) + blk->read_queues;
	if (!count || !pv_has(dev, VIRTIO_RING_F_INDIRECT_DESC)) {
		dev_err(&dev->dev, "has no queues, or no indirect descriptors\n");
		return -EINVAL;
	}
	blk->queues = kcalloc(count, sizeof(*blk->queues), GFP_KERNEL);
	if (!blk->queues)
		return -ENOMEM;
	blk->queue_count = count;
	for (unsigned int i = 0; i < count && !error; i++)
		error = ring_create(blk, &blk->queues[i], i);
	if (error) {
		dev_err(&dev->dev, "no rings (%d)\n", error);
		rings_destroy(blk);
		return error;
	}
	/* A chain is not longer than its ring (virtio 1.2, 2.7.5.3.1). */
	blk->segments = min(blk->segments, max(blk->queues[0].ring->entries, 3u) - PVBLK_DATA);
	return 0;
}

/* From FEATURES_OK to DRIVER_OK. */
static int device_begin(struct pvblk *blk)
{
	int error = pvblk_cache_restore(blk);

	for (unsigned int i = 0; i < blk->queue_count && !error; i++)
		error = pvring_enable(blk->queues[i].ring);
	return error ? error : pv_device_start(blk->dev);
}

/* ---- trouble ---- */

void pvblk_trouble(struct pvblk *blk, const char *what, int error)
{
	if (!test_and_set_bit(0, &blk->trouble))
		dev_err_ratelimited(&blk->dev->dev, "%s (%d)\n", what, error);
	queue_work(workqueue, &blk->work);
}

static void pvblk_changed(struct pv_device *dev)
{
	struct pvblk *blk = dev->priv;

	queue_work(workqueue, &blk->work);
}

/* The device is reset, or gone: nothing is in use. */
static int device_again(struct pvblk *blk)
{
	int error = -EIO;

	for (unsigned int tries = 0; error && error != -ENODEV && tries < PVBLK_REPAIRS; tries++) {
		error = pv_device_restart(blk->dev);
		if (!error)
			error = device_begin(blk);
	}
	return error;
}

/* `life` is held. */
static void device_repair(struct pvblk *blk)
{
	struct request_queue *q = blk->disk->queue;
	int error;

	clear_bit(0, &blk->trouble);
	blk_mq_quiesce_queue(q);
	for (unsigned int i = 0; i < blk->queue_count; i++)
		pvring_irq_disable(blk->queues[i].ring);
	error = pv_device_reset(blk->dev);
	for (unsigned int i = 0; i < blk->queue_count; i++)
		pvblk_take(&blk->queues[i]);
	if (!error)
		error = device_again(blk);
	WRITE_ONCE(blk->dead, error);
	dev_notice_ratelimited(&blk->dev->dev, "[%s] %s (%d)\n", blk->disk->disk_name,
			       error ? "is dead" : "was set up again", error);
	pvblk_cancel(blk, !error);
	for (unsigned int i = 0; i < blk->queue_count; i++)
		pvring_irq_enable(blk->queues[i].ring);
	blk_mq_unquiesce_queue(q);
	blk_mq_kick_requeue_list(q);
}

static void pvblk_work(struct work_struct *work)
{
	struct pvblk *blk = container_of(work, struct pvblk, work);

	mutex_lock(&blk->life);
	if (blk->running && !blk->dead) {
		if (test_bit(0, &blk->trouble) || pv_device_gone(blk->dev) ||
		    pv_device_broken(blk->dev))
			device_repair(blk);
		else
			pvblk_capacity_update(blk);
	}
	mutex_unlock(&blk->life);
}

static void running_set(struct pvblk *blk, bool running)
{
	mutex_lock(&blk->life);
	blk->running = running;
	mutex_unlock(&blk->life);
}

/* ---- probe, remove ---- */

static int disk_create(struct pvblk *blk)
{
	struct blk_mq_tag_set *tags = &blk->tags;
	int error;

	tags->ops = &pvblk_mq_ops;
	tags->queue_depth = blk->queues[0].ring->entries;
	tags->nr_hw_queues = blk->queue_count;
	tags->nr_maps = blk->read_queues ? HCTX_TYPE_READ + 1 : 1;
	tags->numa_node = NUMA_NO_NODE;
	/* A scheduler would only make two context switches out of none: the host has one. */
	tags->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	tags->cmd_size = pvblk_request_size(blk->segments);
	tags->driver_data = blk;
	error = blk_mq_alloc_tag_set(tags);
	if (error)
		return error;
	blk->disk = blk_mq_alloc_disk(tags, blk);
	if (IS_ERR(blk->disk)) {
		blk_mq_free_tag_set(tags);
		return PTR_ERR(blk->disk);
	}
	pvblk_name(blk->number, blk->disk->disk_name, DISK_NAME_LEN);
	blk->disk->major = major;
	blk->disk->first_minor = blk->number * PVBLK_MINORS;
	blk->disk->minors = PVBLK_MINORS;
	blk->disk->fops = &pvblk_fops;
	blk->disk->private_data = blk;
	return 0;
}

/* The disk shows up.  Its first requests may need the work already. */
static int disk_begin(struct pvblk *blk)
{
	int error;

	blk->running = true;
	error = device_begin(blk);
	if (!error)
		error = device_add_disk(&blk->dev->dev, blk->disk, pvblk_groups);
	if (!error)
		return 0;
	dev_err(&blk->dev->dev, "no disk (%d)\n", error);
	running_set(blk, false);
	pv_device_reset(blk->dev);
	cancel_work_sync(&blk->work);
	return error;
}

void pvblk_free(struct pvblk *blk)
{
	ida_free(&numbers, blk->number);
	mutex_destroy(&blk->life);
	kfree(blk);
}

static int pvblk_setup(struct pvblk *blk)
{
	int error = pvblk_config_read(blk);

	if (!error)
		error = rings_create(blk);
	if (error)
		return error;
	error = disk_create(blk);
	if (error)
		goto out_rings;
	error = pvblk_limits_set(blk);
	if (!error)
		error = disk_begin(blk);
	if (!error)
		return 0;
	put_disk(blk->disk);
	blk_mq_free_tag_set(&blk->tags);
out_rings:
	rings_destroy(blk);
	return error;
}

static int pvblk_probe(struct pv_device *dev)
{
	struct pvblk *blk = kzalloc(sizeof(*blk), GFP_KERNEL);
	int error;

	if (!blk)
		return -ENOMEM;
	blk->number = ida_alloc_max(&numbers, MINORMASK / PVBLK_MINORS, GFP_KERNEL);
	if (blk->number < 0) {
		error = blk->number;
		kfree(blk);
		return error;
	}
	blk->dev = dev;
	blk->cache = -1;
	mutex_init(&blk->life);
	INIT_WORK(&blk->work, pvblk_work);
	dev->priv = blk;
	error = pvblk_setup(blk);
	if (error)
		pvblk_free(blk);
	return error;
}

static void pvblk_remove(struct pv_device *dev)
{
	struct pvblk *blk = dev->priv;
	struct gendisk *disk = blk->disk;

	if (pv_device_gone(dev)) {
		mutex_lock(&blk->life);
		if (!blk->dead)
			device_repair(blk);
		mutex_unlock(&blk->life);
		blk_mark_disk_dead(disk);
	}
	/* Waits for requests; the work repairs what they need, or fails them. */
	del_gendisk(disk);
	running_set(blk, false);
	pv_device_reset(dev);
	cancel_work_sync(&blk->work);
	rings_destroy(blk);
	blk_mq_free_tag_set(&blk->tags);
	put_disk(disk);
}

/* ---- suspend, shutdown ---- */

/* Nothing comes any more, and nothing is in flight; what is asked for waits. */
static int pvblk_freeze(struct pv_device *dev)
{
	struct pvblk *blk = dev->priv;
	struct request_queue *q = blk->disk->queue;

	blk_mq_freeze_queue(q);
	blk_mq_quiesce_queue(q);
	blk_mq_unfreeze_queue(q);
	running_set(blk, false);
	return 0;
}

static int pvblk_restore(struct pv_device *dev)
{
	struct pvblk *blk = dev->priv;

	mutex_lock(&blk->life);
	blk->running = true;
	if (blk->dead || device_begin(blk))
		device_repair(blk);
	else
		pvblk_capacity_update(blk);
	mutex_unlock(&blk->life);
	blk_mq_unquiesce_queue(blk->disk->queue);
	return 0;
}

static void pvblk_shutdown(struct pv_device *dev)
{
	struct pvblk *blk = dev->priv;

	blk_mq_quiesce_queue(blk->disk->queue);
	running_set(blk, false);
}

static struct pv_driver pvblk_driver = {
	.driver.name = "pvblk",
	.type = VIRTIO_ID_BLOCK,
	.features = BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) | BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
		    BIT_ULL(VIRTIO_BLK_F_GEOMETRY) | BIT_ULL(VIRTIO_BLK_F_RO) |
		    BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_FLUSH) |
		    BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) |
		    BIT_ULL(VIRTIO_BLK_F_MQ) | BIT_ULL(VIRTIO_BLK_F_DISCARD) |
		    BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES),
	.probe = pvblk_probe,
	.remove = pvblk_remove,
	.changed = pvblk_changed,
	.freeze = pvblk_freeze,
	.restore = pvblk_restore,
	.shutdown = pvblk_shutdown,
};

static int __init pvblk_init(void)
{
	int error;

	workqueue = alloc_workqueue("pvblk", WQ_MEM_RECLAIM, 0);
	if (!workqueue)
		return -ENOMEM;
	major = register_blkdev(0, "pvblk");
	error = major < 0 ? major : pv_driver_register(&pvblk_driver);
	if (!error)
		return 0;
	if (major > 0)
		unregister_blkdev(major, "pvblk");
	destroy_workqueue(workqueue);
	return error;
}

static void __exit pvblk_exit(void)
{
	pv_driver_unregister(&pvblk_driver);
	unregister_blkdev(major, "pvblk");
	destroy_workqueue(workqueue);
	ida_destroy(&numbers);
}

module_init(pvblk_init);
module_exit(pvblk_exit);

MODULE_ALIAS("ring3:t00000002");
MODULE_DESCRIPTION("Paravirtual disks of ring3");
MODULE_LICENSE("GPL");
