// SPDX-License-Identifier: MIT
/*
 * A channel's request at the back-end.  There is one at a time, as an IDE cable
 * carries one command; so the request and its iovecs lie in the channel.
 *
 * Memory that the host wrote for the guest is said to have been written before
 * anybody hears of the completion, also if the command was forgotten meanwhile.
 */
#include "base/log.h"
#include "device/ide_drive.h"
#include "memory/ram.h"

static void completed(struct block_request *r, int error)
{
	struct ide_channel *c = container_of(r, struct ide_channel, request);

	if (r->op == BLOCK_READ && c->dma)
		for (unsigned i = 0; i < r->iov_count; i++)
			ram_dma_pointer_written(c->iov[i].iov_base, c->iov[i].iov_len);
	c->in_flight = false;
	if (!c->cancelled)
		c->then(c, error);
}

void ide_block(struct ide_channel *c, enum block_op op, uint64_t lba, uint64_t sectors,
	       void (*then)(struct ide_channel *c, int error))
{
	bool data = op == BLOCK_READ || op == BLOCK_WRITE;

	bug_on(c->in_flight);
	c->in_flight = true;
	c->then = then;
	c->phase = IDE_BUSY;
	c->active->status = ATA_BSY;
	c->request = (struct block_request){
		.op = op, .iov = c->iov, .iov_count = data ? c->iov_count : 0,
		.offset = lba * BLOCK_SECTOR, .length = sectors * BLOCK_SECTOR, .done = completed,
	};
	block_submit(c->active->block, &c->request);
	io_flush();
}

void ide_block_buffer(struct ide_channel *c, enum block_op op, uint64_t lba, void *buffer, uint64_t sectors,
		      void (*then)(struct ide_channel *c, int error))
{
	c->iov[0] = (struct iovec){ buffer, sectors * BLOCK_SECTOR };
	c->iov_count = 1;
	ide_block(c, op, lba, sectors, then);
}

void ide_block_wait(struct ide_channel *c)
{
	if (c->in_flight)
		block_drain(c->active->block);
}

void ide_block_cancel(struct ide_channel *c)
{
	c->cancelled = true;
	ide_block_wait(c);
	c->cancelled = false;
}
