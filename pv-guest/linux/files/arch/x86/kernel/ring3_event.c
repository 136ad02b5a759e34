// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring3's events: bits in the shared page, told of by one interrupt, as Linux interrupts.
 *
 * The interrupt takes all bits at once and handles each.  Every event is a hardware interrupt
 * number of one domain.  They are edges: a bit that is set again while its handler runs
 * interrupts again, and there is nothing to acknowledge.  The timer's event has no Linux
 * interrupt: it is the clock event device's own.
 *
 * An event is masked at ring3 (which keeps its bit) from its mapping to request_irq(), and
 * when it comes while disabled.
 */
#define pr_fmt(fmt) "ring3: " fmt

#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/mutex.h>
#include <asm/desc.h>
#include <asm/hardirq.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>
#include <asm/irq_vectors.h>

#include "ring3.h"

static struct irq_domain *domain __ro_after_init;
static DECLARE_BITMAP(used, RING3_EVENTS);
static DEFINE_MUTEX(used_lock);

static void ring3_events_take(struct ring3_vcpu_page *page, unsigned int word)
{
	unsigned long bits;
	unsigned int bit;

	if (!READ_ONCE(page->pending[word]))
		return;
	bits = xchg(&page->pending[word], 0);
	for_each_set_bit(bit, &bits, BITS_PER_LONG) {
		unsigned int event = word * BITS_PER_LONG + bit;

		if (event == RING3_EVENT_TIMER)
			ring3_timer_event();
		else if (domain)
			generic_handle_domain_irq(domain, event);
	}
}

DEFINE_IDTENTRY_SYSVEC(sysvec_ring3_callback)
{
	struct pt_regs *old = set_irq_regs(regs);
	struct ring3_vcpu_page *page = ring3_vcpu_page();
	unsigned int word;

	inc_irq_stat(irq_hv_callback_count);
	for (word = 0; word < ARRAY_SIZE(page->pending); word++)
		ring3_events_take(page, word);
	set_irq_regs(old);
}

static void ring3_event_mask(struct irq_data *data)
{
	ring3_call2(RING3_CALL_EVENT_MASK, data->hwirq, 1);
}

static void ring3_event_unmask(struct irq_data *data)
{
	ring3_call2(RING3_CALL_EVENT_MASK, data->hwirq, 0);
}

static void ring3_event_ack(struct irq_data *data)
{
}

static int ring3_event_retrigger(struct irq_data *data)
{
	set_bit(data->hwirq, (unsigned long *)ring3_vcpu_page()->pending);
	ring3_call0(RING3_CALL_EVENT_RETRY);
	return 1;
}

static struct irq_chip chip __ro_after_init = {
	.name		= "ring3",
	.irq_mask	= ring3_event_mask,
	.irq_unmask	= ring3_event_unmask,
	.irq_ack	= ring3_event_ack,
	.irq_retrigger	= ring3_event_retrigger,
	.flags		= IRQCHIP_SKIP_SET_WAKE,
};

static int ring3_event_map(struct irq_domain *d, unsigned int irq, irq_hw_number_t event)
{
	ring3_call2(RING3_CALL_EVENT_MASK, event, 1);
	irq_set_chip_and_handler_name(irq, &chip, handle_edge_irq, "event");
	irq_set_noprobe(irq);
	return 0;
}

static const struct irq_domain_ops domain_ops = {
	.map = ring3_event_map,
};

int ring3_event_alloc(void)
{
	unsigned int event;

	if (!domain)
		return -ENODEV;
	mutex_lock(&used_lock);
	event = find_next_zero_bit(used, RING3_EVENTS, RING3_EVENT_FIRST);
	if (event < RING3_EVENTS)
		__set_bit(event, used);
	mutex_unlock(&used_lock);
	return event < RING3_EVENTS ? event : -ENOSPC;
}
EXPORT_SYMBOL_GPL(ring3_event_alloc);

void ring3_event_free(unsigned int event)
{
	unsigned int irq = irq_find_mapping(domain, event);

	if (irq)
		irq_dispose_mapping(irq);
	mutex_lock(&used_lock);
	__clear_bit(event, used);
	mutex_unlock(&used_lock);
}
EXPORT_SYMBOL_GPL(ring3_event_free);

int ring3_event_irq(unsigned int event)
{
	unsigned int irq;

	if (!domain)
		return -ENODEV;
	irq = irq_create_mapping(domain, event);
	return irq ? irq : -ENOMEM;
}
EXPORT_SYMBOL_GPL(ring3_event_irq);

/* Before any other interrupt is: the timer needs it. */
void __init ring3_event_init(void)
{
	long result;

	if (!ring3_has(RING3_FEATURE_EVENTS))
		return;
	alloc_intr_gate(HYPERVISOR_CALLBACK_VECTOR, asm_sysvec_ring3_callback);
	result = ring3_call2(RING3_CALL_EVENT_SETUP, HYPERVISOR_CALLBACK_VECTOR, 0);
	if (result)
		ring3_give_up(RING3_FEATURE_EVENTS, "event_setup", result);
}

static int __init ring3_event_domain_init(void)
{
	if (!ring3_has(RING3_FEATURE_EVENTS))
		return 0;
	domain = irq_domain_add_linear(NULL, RING3_EVENTS, &domain_ops, NULL);
	return domain ? 0 : -ENOMEM;
}
core_initcall(ring3_event_domain_init);
