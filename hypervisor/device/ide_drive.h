/* SPDX-License-Identifier: MIT */
/*
 * What the files of the IDE controller share: drives, channels, and who calls whom.
 *
 *	ide.c		the PCI function, ports, resets		-> registers
 *	ide_registers.c	task file, status, interrupt line	-> commands, data
 *	ide_command.c	decoding of commands			-> identify, data, dma
 *	ide_identify.c	what a drive says about itself
 *	ide_data.c	commands that move sectors; PIO data port
 *	ide_dma.c	bus master: registers, PRD tables	-> data
 *	ide_trim.c	DATA SET MANAGEMENT			-> dma
 *	ide_block.c	one request of the back-end at a time
 *
 * A channel executes one command at a time, of the drive it was written to
 * (`active`), and has at most one request at the back-end.  While `phase` is not
 * IDE_IDLE only resets and the bus master registers change its state.
 */
#ifndef RING3_DEVICE_IDE_DRIVE_H
#define RING3_DEVICE_IDE_DRIVE_H

#include "device/ide.h"
#include "device/pci.h"

/* ATA/ATAPI-7 volume 1, 6.17 (status) and 6.11 (error) */
#define ATA_BSY		0x80u
#define ATA_DRDY	0x40u
#define ATA_DF		0x20u
#define ATA_DSC		0x10u
#define ATA_DRQ		0x08u
#define ATA_ERR		0x01u
#define ATA_READY	(ATA_DRDY | ATA_DSC)

#define ATA_UNC		0x40u
#define ATA_WP		0x40u		/* in answer to a write */
#define ATA_IDNF	0x10u
#define ATA_ABRT	0x04u

/* Device register, device control register */
#define ATA_DEV		0x10u
#define ATA_LBA		0x40u
#define ATA_NIEN	0x02u
#define ATA_SRST	0x04u
#define ATA_HOB		0x80u

#define IDE_MULTIPLE_MAX	16u		/* sectors; READ, WRITE MULTIPLE */
#define IDE_BUFFER_SECTORS	128u
#define IDE_TRIM_SECTORS	8u		/* of ranges; DATA SET MANAGEMENT */

/* What was written to a register last, and before that (<< 8): the high order byte of LBA48. */
struct ide_registers {
	uint16_t feature, count, low, mid, high;
};

struct ide_drive {
	struct block *block;			/* NULL: there is no such drive */
	uint64_t sectors;
	char serial[21];
	struct ide_registers reg;
	uint8_t status, error;
	bool interrupt;				/* INTRQ wants to be high */
	/* Settings */
	uint8_t multiple;			/* sectors; 0: not set */
	uint8_t transfer_mode;			/* of DMA, as SET FEATURES has it; 0: none */
	bool write_cache, look_ahead, revert;
	bool asleep;
	uint16_t cylinders;			/* of the geometry in use */
	uint8_t heads, track;
};

enum ide_phase {
	IDE_IDLE,
	IDE_BUSY,		/* at the back-end */
	IDE_DMA_WAIT,		/* DMA command: for the bus master, or for the reset that ends it */
	IDE_DATA_IN,		/* DRQ: the guest reads the data port */
	IDE_DATA_OUT,
};

enum ide_address { IDE_CHS, IDE_LBA28, IDE_LBA48 };

struct ide_channel {
	unsigned number;
	struct ide_drive drive[2];
	uint8_t device, control;
	bool line;				/* INTRQ, as the controller sees it */

	/* The command that is executed. */
	enum ide_phase phase;
	struct ide_drive *active;
	enum ide_address address;
	bool write, dma, verify;
	bool force;				/* on the medium before it is done */
	void (*data_done)(struct ide_channel *c);	/* data is not for the disk: ide_take_data() */
	uint64_t lba;				/* first sector not done */
	uint32_t left;				/* sectors not done, from there on */
	uint32_t step;				/* at most so many per request: less after an error */
	uint32_t block;				/* sectors per DRQ */
	uint8_t *buffer;			/* IDE_BUFFER_SECTORS */
	uint32_t filled, position, stop;	/* bytes of it: valid, moved, end of this DRQ */

	/* Bus master (PIIX3 2.5, SFF-8038i) */
	struct {
		uint8_t command, status;
		uint32_t table;
		/* The place in the table: entry's offset, and bytes of it that are done.  `next` is
		 * where the request in flight ends. */
		struct ide_dma_place { uint32_t entry, skip; bool end; } at, next;
	} master;

	/* Back-end */
	struct block_request request;
	void (*then)(struct ide_channel *c, int error);
	bool in_flight, cancelled;
	unsigned iov_count;
	struct iovec iov[IO_IOV_MAX];
};

/* ide.c */
extern struct pci_function ide_function;
bool ide_decodes(const struct ide_channel *c);	/* its ISA ports */

/* ide_registers.c */
extern const struct bus_ops ide_command_ops, ide_control_ops;
void ide_line_update(struct ide_channel *c);
/* End of the command in execution: status, interrupt.  error: bits of the error register. */
void ide_finish(struct ide_channel *c);
void ide_fail(struct ide_channel *c, unsigned error);
/* The same with the address of the sector in question in the registers. */
void ide_fail_at(struct ide_channel *c, unsigned error, uint64_t lba);
/* DRQ: the guest moves data between c->position and c->stop of the buffer. */
void ide_request_data(struct ide_channel *c, enum ide_phase phase, bool interrupt);
/* Signature and diagnostic code of both drives (ATA/ATAPI-7 volume 1, 9.12). */
void ide_signature(struct ide_channel *c);

/* ide_command.c */
void ide_command(struct ide_channel *c, uint8_t command);
void ide_flush(struct ide_channel *c);		/* what was written is on the medium; then finish */
void ide_drive_defaults(struct ide_drive *d);

/* ide_identify.c */
void ide_identify(const struct ide_drive *d, uint16_t words[256]);
void ide_geometry_default(struct ide_drive *d);

/*
 * ide_data.c.  ide_transfer() executes a command that moves sectors: address, write, dma, verify,
 * force, block, lba, left are set.
 */
void ide_transfer(struct ide_channel *c);
void ide_transfer_done(struct ide_channel *c);		/* all of its sectors are */
/* After an error of the back-end: true if smaller steps may tell which sector it is. */
bool ide_step_down(struct ide_channel *c, int error, uint32_t smallest);
void ide_give_data(struct ide_channel *c);		/* one sector in the buffer goes to the guest */
uint32_t ide_data_read(struct ide_channel *c, unsigned size);
void ide_data_write(struct ide_channel *c, unsigned size, uint32_t value);

/* ide_dma.c */
extern const struct bus_ops ide_master_ops;
void ide_dma_command(struct ide_channel *c);	/* write, lba, left, step or data_done are set */
void ide_dma_interrupt(struct ide_channel *c);	/* INTRQ has risen */

/* ide_block.c.  then() with 0 or -errno from io_poll(), unless the request is cancelled. */
void ide_block(struct ide_channel *c, enum block_op op, uint64_t lba, uint64_t sectors,
	       void (*then)(struct ide_channel *c, int error));	/* data: c->iov, c->iov_count */
void ide_block_buffer(struct ide_channel *c, enum block_op op, uint64_t lba, void *buffer, uint64_t sectors,
		      void (*then)(struct ide_channel *c, int error));
/* Wait for what is in flight: completing it (then() is called), or forgetting it. */
void ide_block_wait(struct ide_channel *c);
void ide_block_cancel(struct ide_channel *c);

/* ide_trim.c: DATA SET MANAGEMENT; feature and count are in the registers. */
void ide_trim(struct ide_channel *c);

#endif
