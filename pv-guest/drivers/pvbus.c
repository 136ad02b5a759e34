// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bus of ring3's paravirtual devices: which there are, which driver drives each, and the
 * life of a device from reset to DRIVER_OK (virtio 1.2, 3.1) and back.
 *
 * Devices have fixed numbers.  EVENT_DEVICES says that one went: all numbers are asked for
 * then, in a work of our own (scan), which also finds what may have come.  A device counts as gone
 * only when device_info says so: an odd answer to another call is that call's failure.
 *
 * Locks: scan_mutex for the table of devices; a device's `lock` for `gone` and `started`, that is,
 * for whether its driver's changed() may run.  Rings are pvring.c's; what devices do, the drivers'.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/processor.h>
#include <asm/ring3.h>

#include "pvring.h"

#define PV_DEVICES	64u		/* more are not looked for */
#define PV_BUFFER	256u		/* bytes: device_config moves no more at once */
#define PV_TRIES	5u		/* of calls that must not fail */

#define STATUS_DRIVER	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define STATUS_FEATURES	(STATUS_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static struct pv_device *devices[PV_DEVICES];
static DEFINE_MUTEX(scan_mutex);

static struct pv_driver *to_pv_driver(struct device_driver *driver)
{
	return container_of(driver, struct pv_driver, driver);
}

static struct pv_driver *pv_device_driver(struct pv_device *dev)
{
	return dev->dev.driver ? to_pv_driver(dev->dev.driver) : NULL;
}

/* ---- calls ---- */

/*
 * Nothing here is asked for often, so what fails is tried again.  -ENODEV, too: one alone is not to
 * be believed.
 */
static int device_call(u32 call, u32 index, u64 a, u64 b, u64 c)
{
	unsigned int tries = 0;
	int result;

	do {
		result = ring3_call4(call, index, a, b, c);
	} while (result < 0 && ++tries < PV_TRIES);
	return result;
}

static int info_read(u32 index, struct ring3_device_info *info)
{
	*info = (struct ring3_device_info){ .size = sizeof(*info) };
	return device_call(RING3_CALL_DEVICE_INFO, index, virt_to_phys(info), 0, 0);
}

static int status_set(struct pv_device *dev, u32 status)
{
	return device_call(RING3_CALL_DEVICE_STATUS, dev->index, status, 0, 0);
}

/* -ENODEV of one call alone is not to be believed: memory is given away by it. */
static bool really_gone(struct pv_device *dev)
{
	int error;

	mutex_lock(&dev->config_lock);
	error = info_read(dev->index, dev->buffer);
	mutex_unlock(&dev->config_lock);
	return error == -ENODEV;
}

static int config_call(struct pv_device *dev, u32 offset, unsigned int length)
{
	int error = device_call(RING3_CALL_DEVICE_CONFIG, dev->index, offset,
				virt_to_phys(dev->buffer), length);

	if (error == -ENODEV)
		pv_device_lost(dev);
	return error;
}

int pv_config_read(struct pv_device *dev, unsigned int offset, void *buffer, unsigned int length)
{
	int error;

	if (length > PV_BUFFER)
		return -EINVAL;
	mutex_lock(&dev->config_lock);
	error = config_call(dev, offset, length);
	if (!error)
		memcpy(buffer, dev->buffer, length);
	mutex_unlock(&dev->config_lock);
	return error;
}
EXPORT_SYMBOL_GPL(pv_config_read);

int pv_config_write(struct pv_device *dev, unsigned int offset, const void *buffer,
		    unsigned int length)
{
	int error;

	if (length > PV_BUFFER)
		return -EINVAL;
	mutex_lock(&dev->config_lock);
	memcpy(dev->buffer, buffer, length);
	error = config_call(dev, offset | RING3_CONFIG_WRITE, length);
	mutex_unlock(&dev->config_lock);
	return error;
}
EXPORT_SYMBOL_GPL(pv_config_write);

int pv_queue_setup(struct pv_device *dev, u32 queue, const struct ring3_queue *setup)
{
	int error;

	mutex_lock(&dev->config_lock);
	memcpy(dev->buffer, setup, sizeof(*setup));
	error = device_call(RING3_CALL_QUEUE_SETUP, dev->index, queue, virt_to_phys(dev->buffer), 0);
	mutex_unlock(&dev->config_lock);
	return error;
}
EXPORT_SYMBOL_GPL(pv_queue_setup);

/* ---- the life of a device ---- */

static void started_set(struct pv_device *dev, bool started)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	dev->started = started;
	spin_unlock_irqrestore(&dev->lock, flags);
}

static void driver_tell(struct pv_device *dev, bool gone)
{
	struct pv_driver *driver;
	unsigned long flags;

	spin_lock_irqsave(&dev->lock, flags);
	if (gone)
		WRITE_ONCE(dev->gone, true);
	driver = pv_device_driver(dev);
	if (dev->started && driver && driver->changed)
		driver->changed(dev);
	spin_unlock_irqrestore(&dev->lock, flags);
}

int pv_device_reset(struct pv_device *dev)
{
	unsigned int tries = 0;
	int status;

	started_set(dev, false);
	do {
		if (tries)
			msleep(20);
		status = status_set(dev, 0);
		if (status == -ENODEV && really_gone(dev)) {
			pv_device_lost(dev);
			return -ENODEV;
		}
	} while (status && ++tries < PV_TRIES);
	if (status)
		dev_err(&dev->dev, "cannot be reset (%d)\n", status);
	return status > 0 ? -EIO : status;
}
EXPORT_SYMBOL_GPL(pv_device_reset);

/* From reset to FEATURES_OK. */
static int features_agree(struct pv_device *dev)
{
	int status = status_set(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE);

	if (status >= 0)
		status = status_set(dev, STATUS_DRIVER);
	if (status >= 0)
		status = device_call(RING3_CALL_DEVICE_FEATURES, dev->index, dev->features, 0, 0);
	if (status >= 0)
		status = status_set(dev, STATUS_FEATURES);
	if (status < 0)
		return status;
	return status & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENODEV;
}

static int device_prepare(struct pv_device *dev)
{
	int error = features_agree(dev);

	if (error)
		dev_err(&dev->dev, "does not agree on features %#llx (%d)\n", dev->features, error);
	return error;
}

int pv_device_restart(struct pv_device *dev)
{
	int error = pv_device_reset(dev);

	return error ? error : device_prepare(dev);
}
EXPORT_SYMBOL_GPL(pv_device_restart);

int pv_device_start(struct pv_device *dev)
{
	struct ring3_queue config = { .size = sizeof(config), .event = dev->config_event };
	int status = 0;

	if (dev->config_event >= 0)
		status = pv_queue_setup(dev, RING3_QUEUE_CONFIG, &config);
	if (status >= 0) {
		started_set(dev, true);
		status = status_set(dev, STATUS_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK);
	}
	if (status < 0) {
		started_set(dev, false);
		dev_err(&dev->dev, "cannot be started (%d)\n", status);
		return status;
	}
	if (pv_device_gone(dev))	/* it went while changed() was not to be called */
		driver_tell(dev, true);
	return 0;
}
EXPORT_SYMBOL_GPL(pv_device_start);

bool pv_device_broken(struct pv_device *dev)
{
	int status = status_set(dev, RING3_STATUS_READ);

	return status >= 0 && status & VIRTIO_CONFIG_S_NEEDS_RESET;
}
EXPORT_SYMBOL_GPL(pv_device_broken);

static irqreturn_t config_interrupt(int irq, void *data)
{
	driver_tell(data, false);
	return IRQ_HANDLED;
}

static int config_event_get(struct pv_device *dev)
{
	int error;

	dev->config_event = ring3_event_alloc();
	if (dev->config_event < 0)
		return dev->config_event;
	dev->config_irq = ring3_event_irq(dev->config_event);
	error = dev->config_irq;
	if (error >= 0)
		error = request_irq(dev->config_irq, config_interrupt, 0, dev_name(&dev->dev), dev);
	if (error < 0) {
		ring3_event_free(dev->config_event);
		dev->config_event = -1;
	}
	return error;
}

static void config_event_put(struct pv_device *dev)
{
	if (dev->config_event < 0)
		return;
	free_irq(dev->config_irq, dev);
	ring3_event_free(dev->config_event);
	dev->config_event = -1;
}

/* ---- the bus ---- */

static int pv_bus_match(struct device *dev, struct device_driver *driver)
{
	return to_pv_device(dev)->type == to_pv_driver(driver)->type;
}

static int pv_bus_uevent(struct device *dev, struct kobj_uevent_env *env)
{
	return add_uevent_var(env, "MODALIAS=ring3:t%08X", to_pv_device(dev)->type);
}

static int pv_bus_probe(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);
	struct pv_driver *driver = pv_device_driver(dev);
	int error;

	dev->features = dev->offered & (driver->features | PVRING_FEATURES);
	if (!pv_has(dev, VIRTIO_F_VERSION_1)) {
		dev_err(device, "is not a device of virtio 1\n");
		return -ENODEV;
	}
	error = config_event_get(dev);
	if (error < 0)
		dev_warn(device, "no event for changes (%d)\n", error);
	error = pv_device_restart(dev);
	if (!error)
		error = driver->probe(dev);
	if (!error)
		return 0;
	pv_device_reset(dev);
	config_event_put(dev);
	return error;
}

static void pv_bus_remove(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);

	pv_device_driver(dev)->remove(dev);
	pv_device_reset(dev);
	config_event_put(dev);
}

/* What comes next, kexec's kernel too, finds devices that leave its memory alone. */
static void pv_bus_shutdown(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);
	struct pv_driver *driver = pv_device_driver(dev);

	if (driver && driver->shutdown)
		driver->shutdown(dev);
	pv_device_reset(dev);
}

static int __maybe_unused pv_bus_suspend(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);
	struct pv_driver *driver = pv_device_driver(dev);
	int error;

	if (!driver || !driver->freeze)
		return 0;
	error = driver->freeze(dev);
	if (!error)
		error = pv_device_reset(dev);
	return error == -ENODEV ? 0 : error;
}

static int __maybe_unused pv_bus_resume(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);
	struct pv_driver *driver = pv_device_driver(dev);

	if (!driver || !driver->restore)
		return 0;
	/* It may be another boot's device after hibernation: the driver hears of it either way. */
	if (pv_device_restart(dev))
		dev_err(device, "did not come back\n");
	return driver->restore(dev);
}

static SIMPLE_DEV_PM_OPS(pv_bus_pm, pv_bus_suspend, pv_bus_resume);

#define PV_ATTRIBUTE(name, format, expression)						\
static ssize_t name##_show(struct device *device, struct device_attribute *attr, char *buf)\
{											\
	struct pv_device *dev = to_pv_device(device);					\
											\
	return sysfs_emit(buf, format "\n", expression);				\
}											\
static DEVICE_ATTR_RO(name)

PV_ATTRIBUTE(index, "%u", dev->index);
PV_ATTRIBUTE(type, "%u", dev->type);
PV_ATTRIBUTE(queues, "%u", dev->queues);
PV_ATTRIBUTE(offered, "%#llx", dev->offered);
PV_ATTRIBUTE(features, "%#llx", dev->features);
PV_ATTRIBUTE(status, "%d", status_set(dev, RING3_STATUS_READ));
PV_ATTRIBUTE(modalias, "ring3:t%08X", dev->type);

static struct attribute *pv_attrs[] = {
	&dev_attr_index.attr,
	&dev_attr_type.attr,
	&dev_attr_queues.attr,
	&dev_attr_offered.attr,
	&dev_attr_features.attr,
	&dev_attr_status.attr,
	&dev_attr_modalias.attr,
	NULL,
};
ATTRIBUTE_GROUPS(pv);

static struct bus_type pv_bus = {
	.name = "ring3",
	.dev_groups = pv_groups,
	.match = pv_bus_match,
	.uevent = pv_bus_uevent,
	.probe = pv_bus_probe,
	.remove = pv_bus_remove,
	.shutdown = pv_bus_shutdown,
	.pm = &pv_bus_pm,
};

int __pv_driver_register(struct pv_driver *driver, struct module *owner)
{
	if (!ring3_has(RING3_FEATURE_DEVICES) || !ring3_has(RING3_FEATURE_QUEUES))
		return -ENODEV;
	driver->driver.bus = &pv_bus;
	driver->driver.owner = owner;
	return driver_register(&driver->driver);
}
EXPORT_SYMBOL_GPL(__pv_driver_register);

void pv_driver_unregister(struct pv_driver *driver)
{
	driver_unregister(&driver->driver);
}
EXPORT_SYMBOL_GPL(pv_driver_unregister);

/* ---- which devices there are ---- */

static void pv_device_release(struct device *device)
{
	struct pv_device *dev = to_pv_device(device);

	kfree(dev->buffer);
	kfree(dev);
}

static struct pv_device *pv_device_add(u32 index, const struct ring3_device_info *info)
{
	struct pv_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	dev->buffer = kzalloc(PV_BUFFER, GFP_KERNEL);
	if (!dev->buffer) {
		kfree(dev);
		return NULL;
	}
	dev->index = index;
	dev->type = info->type;
	dev->offered = info->features;
	dev->queues = info->queues;
	dev->queue_size = info->queue_size;
	dev->config_size = info->config_size;
	dev->config_event = -1;
	spin_lock_init(&dev->lock);
	mutex_init(&dev->config_lock);
	dev->dev.bus = &pv_bus;
	dev->dev.release = pv_device_release;
	dev_set_name(&dev->dev, "ring3-%u", index);
	if (device_register(&dev->dev)) {
		put_device(&dev->dev);
		return NULL;
	}
	return dev;
}

static void scan_one(u32 index, struct ring3_device_info *info)
{
	struct pv_device *dev = devices[index];
	int error = info_read(index, info);

	if (!error && !dev) {
		devices[index] = pv_device_add(index, info);
		if (!devices[index])
			pr_err("ring3: device %u cannot be added\n", index);
	} else if (error == -ENODEV && dev) {
		dev_notice(&dev->dev, "is gone\n");
		devices[index] = NULL;
		driver_tell(dev, true);
		device_unregister(&dev->dev);
	} else if (error && error != -ENODEV) {
		pr_err("ring3: device %u cannot be asked for (%d)\n", index, error);
	}
}

static u32 device_limit(void)
{
	u32 base = hypervisor_cpuid_base("Ring3Ring3R3", RING3_CPUID_LIMITS);

	return base ? min(cpuid_ecx(base + RING3_CPUID_LIMITS), PV_DEVICES) : 0;
}

static void scan(struct work_struct *work)
{
	struct ring3_device_info *info = kmalloc(sizeof(*info), GFP_KERNEL);
	u32 limit = device_limit();

	if (!info)
		return;
	mutex_lock(&scan_mutex);
	for (u32 index = 0; index < PV_DEVICES; index++)
		if (index < limit || devices[index])
			scan_one(index, info);
	mutex_unlock(&scan_mutex);
	kfree(info);
}

static DECLARE_WORK(scan_work, scan);

void pv_device_lost(struct pv_device *dev)
{
	/* Not while the machine sleeps. */
	queue_work(system_freezable_wq, &scan_work);
}
EXPORT_SYMBOL_GPL(pv_device_lost);

static irqreturn_t devices_interrupt(int irq, void *data)
{
	queue_work(system_freezable_wq, &scan_work);
	return IRQ_HANDLED;
}

static int __init pv_bus_init(void)
{
	int error, irq;

	if (!ring3_has(RING3_FEATURE_DEVICES) || !ring3_has(RING3_FEATURE_QUEUES))
		return 0;
	error = bus_register(&pv_bus);
	if (error)
		return error;
	scan(NULL);
	irq = ring3_event_irq(RING3_EVENT_DEVICES);
	error = irq < 0 ? irq : request_irq(irq, devices_interrupt, 0, "ring3-devices", devices);
	if (error)
		pr_warn("ring3: not told when devices go (%d)\n", error);
	return 0;
}
subsys_initcall(pv_bus_init);
