// SPDX-License-Identifier: MIT
/*
 * Calls about the shared page, events, devices and their queues: guest memory is read
 * and written here, once; what the values mean is device/'s business.
 */
#include <errno.h>

#include "device/event.h"
#include "device/page_clock.h"
#include "device/virtio_pv.h"
#include "hypercall/hypercall.h"
#include "memory/ram.h"

int64_t call_vcpu_page(const uint64_t *args)
{
	uint32_t known = hypercall_minor() ? sizeof(struct ring3_vcpu_page) : RING3_VCPU_PAGE_SIZE_0;
	struct ring3_vcpu_page page = { 0 };
	int64_t error;

	if (args[0] % PAGE_SIZE)
		return -EINVAL;
	if (args[0]) {
		if (!ram_contains(GPA(args[0]), PAGE_SIZE))
			return -EFAULT;
		error = hypercall_read_struct(args[0], &page, known, RING3_VCPU_PAGE_SIZE_0);
		if (error)
			return error;
	}
	event_set_page(args[0]);
	/* What lies behind the size that the guest gave is not ours to write. */
	page_clock_set(hypercall_accepted(RING3_FEATURE_CLOCK) && page.size >= sizeof(page) ? args[0] : 0);
	return 0;
}

int64_t call_event_setup(const uint64_t *args)
{
	if (args[1] || args[0] > 255 || (args[0] && args[0] < RING3_VECTOR_MIN))
		return -EINVAL;
	event_set_vector((uint8_t)args[0]);
	return 0;
}

int64_t call_event_mask(const uint64_t *args)
{
	if (args[0] >= RING3_EVENTS || args[1] > 1)
		return -EINVAL;
	event_mask((unsigned)args[0], args[1]);
	return 0;
}

int64_t call_event_retry(const uint64_t *args)
{
	(void)args;
	event_retry();
	return 0;
}

int64_t call_device_info(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);
	struct ring3_device_info info;
	int64_t error;
	uint32_t size;

	if (!v)
		return -ENODEV;
	error = hypercall_read_struct(args[1], &info, sizeof(info), sizeof(info));
	if (error)
		return error;
	size = info.size;
	virtio_pv_info(v, &info);
	if (size > sizeof(info))
		size = sizeof(info);
	return ram_write(GPA(args[1]), &info, size) ? 0 : -EFAULT;
}

int64_t call_device_features(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);

	return v ? virtio_pv_features(v, args[1]) : -ENODEV;
}

int64_t call_device_status(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);

	return v ? virtio_pv_status(v, (uint32_t)args[1]) : -ENODEV;
}

int64_t call_device_config(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);
	uint32_t offset = (uint32_t)args[1] & ~RING3_CONFIG_WRITE, length = (uint32_t)args[3];
	uint8_t bytes[VIRTIO_PV_CONFIG_MAX];
	int64_t error;

	if (!v)
		return -ENODEV;
	if (length > sizeof(bytes))
		return -EINVAL;
	if (args[1] & RING3_CONFIG_WRITE) {
		if (!ram_read(GPA(args[2]), bytes, length))
			return -EFAULT;
		return virtio_pv_config_write(v, offset, bytes, length);
	}
	error = virtio_pv_config_read(v, offset, bytes, length);
	if (error)
		return error;
	return ram_write(GPA(args[2]), bytes, length) ? 0 : -EFAULT;
}

int64_t call_queue_setup(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);
	struct ring3_queue setup;
	int64_t error;

	if (!v)
		return -ENODEV;
	error = hypercall_read_struct(args[2], &setup, sizeof(setup), sizeof(setup));
	return error ? error : virtio_pv_queue_setup(v, (uint32_t)args[1], &setup);
}

int64_t call_queue_kick(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);

	return v ? virtio_pv_queue_kick(v, (uint32_t)args[1]) : -ENODEV;
}

int64_t call_queue_reset(const uint64_t *args)
{
	struct virtio *v = virtio_pv_device((uint32_t)args[0]);

	return v ? virtio_pv_queue_reset(v, (uint32_t)args[1]) : -ENODEV;
}
