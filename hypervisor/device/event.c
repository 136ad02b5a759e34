// SPDX-License-Identifier: MIT
/*
 * Events: pending bits, masks, and whether an interrupt is owed for them.
 *
 * One interrupt tells of any number of events; it is owed from the first unmasked one
 * that comes until it is delivered.  Bits that were set before there was a page are
 * kept here and shown in it later.
 */
#include "device/event.h"

#include "abi/ring3_abi.h"
#include "machine/irq.h"
#include "memory/ram.h"

#define WORDS	(RING3_EVENTS / 64)

static struct {
	uint64_t page;			/* guest-physical; 0: none */
	struct ring3_vcpu_page *shared;	/* the same in the DMA view */
	uint64_t early[WORDS];
	uint64_t masked[WORDS];
	uint8_t vector;
	bool owed;
} events;

static void owe(void)
{
	if (!events.vector)
		return;
	events.owed = true;
	vcpu_kick();	/* also if it was owed: the guest may be willing only now */
}

static void page_set_bits(unsigned word, uint64_t bits)
{
	__atomic_fetch_or(&events.shared->pending[word], bits, __ATOMIC_SEQ_CST);
	ram_dma_written(GPA(events.page), sizeof(*events.shared));
}

void event_signal(unsigned event)
{
	uint64_t bit = 1ul << event % 64;
	unsigned word = event / 64;

	if (events.shared)
		page_set_bits(word, bit);
	else
		events.early[word] |= bit;
	if (!(events.masked[word] & bit))
		owe();
}

static bool page_has_unmasked(void)
{
	for (unsigned i = 0; events.shared && i < WORDS; i++)
		if (__atomic_load_n(&events.shared->pending[i], __ATOMIC_SEQ_CST) & ~events.masked[i])
			return true;
	return false;
}

bool event_waits(void)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (events.early[i] & ~events.masked[i])
			return true;
	return page_has_unmasked();
}

void event_retry(void)
{
	if (page_has_unmasked())
		owe();
}

void event_set_page(uint64_t page)
{
	events.page = page;
	events.shared = page ? ram_dma(GPA(page), PAGE_SIZE) : NULL;
	for (unsigned i = 0; events.shared && i < WORDS; i++) {
		if (events.early[i])
			page_set_bits(i, events.early[i]);
		events.early[i] = 0;
	}
	event_retry();
}

void event_set_vector(uint8_t vector)
{
	events.vector = vector;
	events.owed = false;
	event_retry();
}

void event_mask(unsigned event, bool masked)
{
	uint64_t bit = 1ul << event % 64, *word = &events.masked[event / 64];

	*word = masked ? *word | bit : *word & ~bit;
	if (!masked)
		event_retry();
}

bool event_pending(void)
{
	if (likely(!events.owed))
		return false;
	/* What the guest took by looking, or masked meanwhile, is no interrupt's business any more. */
	if (!event_waits()) {
		events.owed = false;
		return false;
	}
	if (!events.shared || *(volatile uint8_t *)&events.shared->interrupts)
		return true;
	/* Set before the flag is looked at again: the guest sets the flag, then looks here. */
	__atomic_store_n(&events.shared->waiting, 1, __ATOMIC_SEQ_CST);
	ram_dma_written(GPA(events.page), sizeof(*events.shared));
	return *(volatile uint8_t *)&events.shared->interrupts;
}

uint8_t event_take(void)
{
	events.owed = false;
	return events.vector;
}
