// SPDX-License-Identifier: MIT
/*
 * virtio-rng: the guest's buffers are filled by the host's getrandom().
 *
 * Work per kick is bounded: the queue's RNG_QUEUE buffers, of which each gets RNG_BUFFER_MAX
 * bytes at most; the device may always use less than the entire buffer (5.4.6.2),
 * and the driver asks again.  A host without entropy yet (it can only be
 * booting itself) is asked again by a timer, for a buffer must not go back empty.
 */
#include "device/virtio_rng.h"

#include <linux/random.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "device/virtio.h"
#include "machine/timer.h"

#define RNG_QUEUE	16u
#define RNG_BUFFER_MAX	4096u
#define RNG_RETRY_NS	10000000u

static struct virtio rng;
static struct timer rng_retry;
static struct iovec rng_iov[VIRTQUEUE_SIZE_MAX];

/* How many bytes could be had; 0: none now. */
static uint32_t rng_fill(const struct virtqueue_chain *chain)
{
	uint32_t filled = 0;

	for (unsigned i = 0; i < chain->in && filled < RNG_BUFFER_MAX; i++) {
		const struct iovec *part = &chain->iov[chain->out + i];
		size_t want = min_u64(part->iov_len, RNG_BUFFER_MAX - filled);
		long n = hostcall3(SYS_getrandom, (long)part->iov_base, (long)want, GRND_NONBLOCK);

		if (n > 0)
			filled += (uint32_t)n;
		if (n != (long)want)
			break;
	}
	return filled;
}

static void rng_notify(struct virtio *v, unsigned q)
{
	struct virtqueue *queue = &v->queue[q];
	struct virtqueue_chain chain = { .iov = rng_iov, .max = array_size(rng_iov) };

	while (virtqueue_take(queue, &chain)) {
		uint32_t filled;

		if (chain.out || !chain.in_bytes) {	/* 5.4.6.1 forbids the driver that */
			virtio_break(v, "asked for entropy without a buffer to write it to");
			return;
		}
		filled = rng_fill(&chain);
		if (!filled) {
			virtqueue_untake(queue, 1);
			timer_arm(&rng_retry, clock_ns() + RNG_RETRY_NS);
			break;
		}
		virtqueue_push(queue, &chain, filled);
	}
	virtio_complete(v, q);
	virtqueue_enable_notify(queue);
}

static void rng_again(void *device)
{
	virtio_kick(device, 0);
}

static void rng_reset(struct virtio *v)
{
	(void)v;
	timer_cancel(&rng_retry);
}

static const struct virtio_ops rng_ops = {
	.type = 4,
	.name = "virtio-rng",
	.notify = rng_notify,
	.reset = rng_reset,
};

int virtio_rng_add(void)
{
	timer_init(&rng_retry, rng_again, &rng);
	virtio_init(&rng, &rng_ops, 0, 1, RNG_QUEUE);
	return virtio_pci_add(&rng);
}
