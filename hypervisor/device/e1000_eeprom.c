// SPDX-License-Identifier: MIT
/*
 * The card's EEPROM: 64 words behind a Microwire bus that the driver toggles bit by
 * bit through EECD, or reads word by word through EERD (SDM 5.3 to 5.6, 13.4.3,
 * 13.4.4; the part is a 93C46).
 *
 * A command is a start bit, two bits of opcode and six of address, taken at rising
 * clock edges while selected.  Written words live as long as the machine.
 */
#include "device/e1000_device.h"

#include <string.h>

#define WORD_COMPATIBILITY	0x03
#define WORD_PBA		0x08	/* two words: the board's part number */
#define WORD_CONTROL1		0x0a
#define WORD_SUBSYSTEM		0x0b
#define WORD_SUBVENDOR		0x0c
#define WORD_DEVICE		0x0d
#define WORD_VENDOR		0x0e
#define WORD_CONTROL2		0x0f
#define WORD_CHECKSUM		0x3f
#define CHECKSUM		0xbaba	/* of words 0 .. 0x3f (5.6.35) */

#define COMMAND_BITS	9u		/* start, opcode, address */
#define OPCODE_EXTENDED	4u		/* with the start bit; the others: */
#define OPCODE_WRITE	5u
#define OPCODE_READ	6u
#define OPCODE_ERASE	7u

void e1000_eeprom_init(struct e1000_eeprom *e, const uint8_t mac[6])
{
	uint16_t sum = 0;

	memset(e, 0, sizeof(*e));
	memset(e->word, 0xff, sizeof(e->word));
	for (unsigned i = 0; i < 3; i++)
		e->word[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
	e->word[WORD_COMPATIBILITY] = 0;
	e->word[WORD_PBA] = 0x3000;
	e->word[WORD_PBA + 1] = 0x1000;
	e->word[WORD_CONTROL1] = 0x640b;	/* subsystem and vendor are loaded from here */
	e->word[WORD_SUBSYSTEM] = 0x001e;
	e->word[WORD_SUBVENDOR] = 0x8086;
	e->word[WORD_DEVICE] = 0x100e;
	e->word[WORD_VENDOR] = 0x8086;
	e->word[WORD_CONTROL2] = 0x3040;
	for (unsigned i = 0x10; i < WORD_CHECKSUM; i++)
		e->word[i] = 0;			/* no wake-up, no management */
	for (unsigned i = 0; i < WORD_CHECKSUM; i++)
		sum = (uint16_t)(sum + e->word[i]);
	e->word[WORD_CHECKSUM] = (uint16_t)(CHECKSUM - sum);
}

static void extended(struct e1000_eeprom *e, unsigned address)
{
	switch (address >> 4) {			/* EWDS, WRAL, ERAL, EWEN */
	case 0:
		e->writable = false;
		break;
	case 2:
		if (e->writable)
			memset(e->word, 0xff, sizeof(e->word));
		break;
	case 3:
		e->writable = true;
		break;
	}
}

static void shifted_in(struct e1000_eeprom *e)
{
	unsigned opcode = e->in >> (e->bits - 3), address;

	if (e->bits < COMMAND_BITS)
		return;
	address = e->in >> (e->bits - COMMAND_BITS) & (E1000_EEPROM_WORDS - 1);
	if (e->bits == COMMAND_BITS && opcode == OPCODE_READ) {
		e->reading = true;
		e->address = address;
		e->out = e->word[address];	/* a zero bit comes first */
	} else if (e->bits == COMMAND_BITS && opcode == OPCODE_ERASE) {
		if (e->writable)
			e->word[address] = 0xffff;
	} else if (e->bits == COMMAND_BITS && opcode == OPCODE_EXTENDED) {
		extended(e, address);
	} else if (e->bits == COMMAND_BITS + 16 && e->writable) {
		if (opcode == OPCODE_WRITE)
			e->word[address] = (uint16_t)e->in;
		else if (opcode == OPCODE_EXTENDED && address >> 4 == 1)
			for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++)
				e->word[i] = (uint16_t)e->in;
	}
}

static void clock_rises(struct e1000_eeprom *e, unsigned bit)
{
	if (e->reading) {
		e->out <<= 1;
		/* The last bit is out: the next word follows of itself. */
		if (++e->bits == COMMAND_BITS + 16) {
			e->bits = COMMAND_BITS;
			e->address = (e->address + 1) % E1000_EEPROM_WORDS;
			e->out |= e->word[e->address];
		}
		return;
	}
	if ((!e->bits && !bit) || e->bits > COMMAND_BITS + 16)
		return;
	e->in = e->in << 1 | bit;
	e->bits++;
	if (e->bits >= 3)
		shifted_in(e);
}

void e1000_eecd_write(struct e1000_eeprom *e, uint32_t value)
{
	uint32_t before = e->eecd;

	e->eecd = value & (EECD_SK | EECD_CS | EECD_DI | EECD_REQ);
	if (!(value & EECD_CS)) {
		e->bits = 0;
		e->in = 0;
		e->reading = false;
	} else if (~before & value & EECD_SK) {
		clock_rises(e, !!(value & EECD_DI));
	}
}

uint32_t e1000_eecd_read(const struct e1000_eeprom *e)
{
	uint32_t value = e->eecd | EECD_PRES;

	if (value & EECD_REQ)
		value |= EECD_GNT;
	/* What is not being read shows that the last write is done. */
	if (e->reading ? e->out >> 16 & 1 : 1)
		value |= EECD_DO;
	return value;
}

uint32_t e1000_eerd_write(const struct e1000_eeprom *e, uint32_t value)
{
	unsigned address = value >> 8 & 0xff;

	if (!(value & EERD_START))
		return value & 0xff00;
	return (value & 0xff00) | EERD_DONE | (uint32_t)e->word[address % E1000_EEPROM_WORDS] << 16;
}
