/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bus of ring3's paravirtual devices: virtio devices (virtio 1.2) that are found, set up
 * and driven by hypercalls instead of by registers (docs/abi.md of ring3).
 *
 * pvbus.c finds devices, brings each through reset and feature negotiation up to FEATURES_OK
 * before its driver's probe() or restore() is called, and tells drivers of changes.  Drivers
 * create their rings (pvring.h) then, and call pv_device_start(), which sets DRIVER_OK.
 *
 * A device can go at any moment: every function here then says -ENODEV, and its driver's
 * remove() is called soon.
 */
#ifndef RING3_PVBUS_H
#define RING3_PVBUS_H

#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/pm.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio_byteorder.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>

struct pv_device {
	struct device dev;
	u32 index;			/* ring3's number of it */
	u32 type;			/* VIRTIO_ID_* */
	u64 offered;			/* by the device */
	u64 features;			/* agreed on; valid from probe() on */
	u32 queues;			/* numbered from 0 */
	u32 queue_size;			/* most entries of one */
	u32 config_size;		/* bytes of configuration space */
	void *priv;			/* the driver's */

	/* pvbus.c's: */
	bool gone;
	bool started;			/* under lock: changed() may be called */
	spinlock_t lock;
	struct mutex config_lock;	/* the buffer */
	void *buffer;			/* for structures of calls: guest-physically contiguous */
	int config_event;
	int config_irq;
};

struct pv_driver {
	struct device_driver driver;
	u32 type;			/* of the devices it drives */
	u64 features;			/* bits that it can use, without those of the ring */
	/* FEATURES_OK is set.  0, after pv_device_start(), or -errno, with the device reset. */
	int (*probe)(struct pv_device *dev);
	/* Also of a device that is gone.  What stops the device is pv_device_reset(). */
	void (*remove)(struct pv_device *dev);
	/*
	 * The configuration changed, the device wants a reset, or it is gone: look which.  In any
	 * context, under a spinlock: must not sleep, nor start or reset the device.  Never before
	 * pv_device_start() nor after pv_device_reset().
	 */
	void (*changed)(struct pv_device *dev);
	/* Suspend: afterwards nothing is in flight; the bus resets the device. */
	int (*freeze)(struct pv_device *dev);
	/* FEATURES_OK is set, with the same features as before; as probe(). */
	int (*restore)(struct pv_device *dev);
	/* Reboot or kexec: the bus resets the device afterwards; may be NULL. */
	void (*shutdown)(struct pv_device *dev);
};

static inline struct pv_device *to_pv_device(struct device *dev)
{
	return container_of(dev, struct pv_device, dev);
}

int __pv_driver_register(struct pv_driver *driver, struct module *owner);
void pv_driver_unregister(struct pv_driver *driver);

#define pv_driver_register(d) __pv_driver_register(d, THIS_MODULE)
#define module_pv_driver(d) module_driver(d, pv_driver_register, pv_driver_unregister)

/* bit: VIRTIO_*_F_* */
static inline bool pv_has(const struct pv_device *dev, unsigned int bit)
{
	return dev->features & BIT_ULL(bit);
}

/* Did ring3 take the device away?  Its memory is nobody's but ours then. */
static inline bool pv_device_gone(const struct pv_device *dev)
{
	return READ_ONCE(dev->gone);
}

/* Sets DRIVER_OK, and changed() may be called from now on.  0 or -errno. */
int pv_device_start(struct pv_device *dev);

/*
 * Resets the device: when this returns, its queues do not exist, no memory of theirs is in use,
 * changed() does not run.  0, or -ENODEV (gone, with the same guarantees), or another
 * -errno: the hypervisor refuses, and nothing is guaranteed.  May sleep.
 */
int pv_device_reset(struct pv_device *dev);

/* Reset, then again up to FEATURES_OK with the same features, for recovery.  0 or -errno. */
int pv_device_restart(struct pv_device *dev);

/* Does it want a reset (VIRTIO_CONFIG_S_NEEDS_RESET)?  Any context. */
bool pv_device_broken(struct pv_device *dev);

/* A call of the driver's own said -ENODEV: have the bus look.  Any context. */
void pv_device_lost(struct pv_device *dev);

/* Bytes of configuration space, at most 256, all of one moment.  0 or -errno; may sleep. */
int pv_config_read(struct pv_device *dev, unsigned int offset, void *buffer, unsigned int length);
int pv_config_write(struct pv_device *dev, unsigned int offset, const void *buffer,
		    unsigned int length);

/*
 * For pvring.c: queue_setup with this structure, of queue `queue` or RING3_QUEUE_CONFIG.  0 or
 * -errno; may sleep.
 */
struct ring3_queue;
int pv_queue_setup(struct pv_device *dev, u32 queue, const struct ring3_queue *setup);

/* virtio 1.x is little-endian; these name that for sparse. */
#define pv_to_cpu16(x) __virtio16_to_cpu(true, x)
#define pv_to_cpu32(x) __virtio32_to_cpu(true, x)
#define pv_to_cpu64(x) __virtio64_to_cpu(true, x)
#define cpu_to_pv16(x) __cpu_to_virtio16(true, x)
#define cpu_to_pv32(x) __cpu_to_virtio32(true, x)
#define cpu_to_pv64(x) __cpu_to_virtio64(true, x)

#endif
