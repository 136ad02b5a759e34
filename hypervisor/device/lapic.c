/* SPDX-License-Identifier: MIT */
/*
 * The local APIC (SDM vol. 3, chapter 11).
 *
 * One processor, ID 0: messages to anyone else vanish, as they would on a board
 * with one socket.  Interrupts wait in IRR until their class exceeds that of the
 * processor priority (PPR: the higher of TPR and the class in service); the CPU
 * takes them with irq_acknowledge() and ends them with EOI, which for level-
 * triggered ones (TMR) is passed on to the I/O APIC.
 *
 * `pending` caches the answer to "what is deliverable now", recomputed on each
 * change, because the vCPU loop asks far more often than anything changes.
 */
#include "device/lapic.h"

#include <string.h>

#include "base/log.h"
#include "device/ioapic.h"
#include "device/irq.h"
#include "device/lapic_timer.h"
#include "device/stop.h"
#include "machine/bus.h"

#define BASE_BSP		(1u << 8)
#define BASE_EXTD		(1u << 10)
#define BASE_ENABLE		(1u << 11)
#define BASE_ADDR		0x0000000ffffff000UL

/* Registers by their offset in the page, divided by 16: the x2APIC MSR number. */
enum {
	R_ID = 0x02, R_VERSION = 0x03, R_TPR = 0x08, R_APR = 0x09, R_PPR = 0x0a, R_EOI = 0x0b,
	R_RRD = 0x0c, R_LDR = 0x0d, R_DFR = 0x0e, R_SVR = 0x0f, R_ISR = 0x10, R_TMR = 0x18,
	R_IRR = 0x20, R_ESR = 0x28, R_ICR = 0x30, R_ICR2 = 0x31, R_LVT_TIMER = 0x32,
	R_LVT_THERMAL = 0x33, R_LVT_PERF = 0x34, R_LVT_LINT0 = 0x35, R_LVT_LINT1 = 0x36,
	R_LVT_ERROR = 0x37, R_INITIAL = 0x38, R_CURRENT = 0x39, R_DIVIDE = 0x3e, R_SELF = 0x3f,
};

#define VERSION			0x00050014u	/* integrated, LVT entries 0..5 */
#define LVT_COUNT		6
#define LVT_MASKED		(1u << 16)
#define LVT_MODE(lvt)		(((lvt) >> 8) & 7)
#define LVT_TIMER_MODE(lvt)	(((lvt) >> 17) & 3)
#define SVR_ENABLED		(1u << 8)
#define ESR_SEND_VECTOR		(1u << 5)
#define ESR_RECEIVE_VECTOR	(1u << 6)
#define ESR_REGISTER		(1u << 7)

static const uint32_t lvt_writable[LVT_COUNT] = {
	0x000700ff, 0x000107ff, 0x000107ff, 0x0001a7ff, 0x0001a7ff, 0x000100ff,
};

static struct {
	uint64_t base;
	uint32_t tpr, ldr, dfr, svr, esr, esr_noted, icr, icr2;
	uint32_t lvt[LVT_COUNT];
	uint32_t isr[8], irr[8], tmr[8];
	int pending;
} apic;

static bool x2apic(void)
{
	return apic.base & BASE_EXTD;
}

static bool enabled(void)
{
	return (apic.base & BASE_ENABLE) && (apic.svr & SVR_ENABLED);
}

/* ---- priorities ---- */

static int highest(const uint32_t set[8])
{
	for (int i = 7; i >= 0; i--)
		if (set[i])
			return i * 32 + 31 - __builtin_clz(set[i]);
	return -1;
}

static bool test(const uint32_t set[8], uint8_t v)
{
	return set[v / 32] >> (v % 32) & 1;
}

static void assign(uint32_t set[8], uint8_t v, bool value)
{
	uint32_t bit = 1u << (v % 32);

	set[v / 32] = value ? set[v / 32] | bit : set[v / 32] & ~bit;
}

static uint32_t ppr(void)
{
	int v = highest(apic.isr);
	uint32_t in_service = v < 0 ? 0 : (uint32_t)v & 0xf0;

	return (apic.tpr & 0xf0) >= in_service ? apic.tpr : in_service;
}

static void update(void)
{
	int v = enabled() ? highest(apic.irr) : -1;

	if (v >= 0 && ((uint32_t)v & 0xf0) <= (ppr() & 0xf0))
		v = -1;
	apic.pending = v;
	if (v >= 0)
		vcpu_kick();
}

static void lvt_fire(unsigned index);

static void note_error(uint32_t bit)
{
	bool news = !(apic.esr_noted & bit);

	apic.esr_noted |= bit;
	/* Once per error until software looks: the error vector itself may be illegal. */
	if (news)
		lvt_fire(R_LVT_ERROR - R_LVT_TIMER);
}

static void accept(uint8_t vector, bool level)
{
	if (!enabled())
		return;
	if (vector < 16) {
		note_error(ESR_RECEIVE_VECTOR);
		return;
	}
	assign(apic.irr, vector, true);
	assign(apic.tmr, vector, level);
	update();
}

static void deliver(enum lapic_mode mode, uint8_t vector, bool level)
{
	switch (mode) {
	case LAPIC_FIXED:
	case LAPIC_LOWEST:
		accept(vector, level);
		break;
	case LAPIC_NMI:
		irq_nmi();
		break;
	case LAPIC_INIT:
		device_stop(MACHINE_REBOOT, 0, "INIT sent to the only processor");
		break;
	case LAPIC_SMI:		/* no SMM */
	case LAPIC_STARTUP:	/* ignored unless waiting for it */
	case LAPIC_EXTINT:
		break;
	}
}

static void lvt_fire(unsigned index)
{
	uint32_t lvt = apic.lvt[index];

	if ((lvt & LVT_MASKED) || !(apic.base & BASE_ENABLE))
		return;
	/* Timer and error entries have no delivery mode: those bits read as fixed. */
	deliver(LVT_MODE(lvt), lvt & 0xff, false);
}

static bool destination_matches(unsigned destination, bool logical)
{
	if (!logical)
		return destination == 0 || destination == 0xff ||
		       (x2apic() && destination == UINT32_MAX);
	if (x2apic())	/* logical ID: cluster 0, first of it */
		return (destination >> 16 == 0 && destination & 1) || destination == UINT32_MAX;

	uint32_t id = apic.ldr >> 24;

	if (apic.dfr >> 28 == 0xf)
		return destination & id;
	return ((destination >> 4) == (id >> 4) || (destination >> 4) == 0xf) &&
	       (destination & id & 0xf);
}

void lapic_message(unsigned destination, bool logical, enum lapic_mode mode, uint8_t vector,
		   bool level)
{
	/* INTR messages need the bus interface; with the APIC off only its pins remain. */
	if ((apic.base & BASE_ENABLE) && destination_matches(destination, logical))
		deliver(mode, vector, level);
}

static void icr_send(uint32_t low, uint32_t destination)
{
	enum lapic_mode mode = (low >> 8) & 7;
	uint8_t vector = low & 0xff;
	unsigned shorthand = (low >> 18) & 3;

	if ((mode == LAPIC_FIXED || mode == LAPIC_LOWEST) && vector < 16) {
		note_error(ESR_SEND_VECTOR);
		return;
	}
	/* INIT level de-assert is for processors long gone; to oneself it is invalid. */
	if (mode == LAPIC_INIT && (!(low & (1u << 14)) || shorthand))
		return;
	if (shorthand == 3)
		return;		/* all but self: nobody */
	if (shorthand || destination_matches(destination, low & (1u << 11)))
		deliver(mode, vector, false);
}

static void eoi(void)
{
	int v = highest(apic.isr);

	if (v < 0)
		return;
	assign(apic.isr, (uint8_t)v, false);
	update();
	if (test(apic.tmr, (uint8_t)v))
		ioapic_eoi((uint8_t)v);
}

static void timer_fire(void)
{
	lvt_fire(0);
}

/* ---- registers ---- */

static void lvt_write(unsigned index, uint32_t value)
{
	value &= lvt_writable[index];
	if (!(apic.svr & SVR_ENABLED))
		value |= LVT_MASKED;
	apic.lvt[index] = value;
	if (index == 0)
		lapic_timer_set_mode(LVT_TIMER_MODE(value));
	/* Unmasking LINT0 as ExtINT: a request of the 8259 may be waiting. */
	if (index == R_LVT_LINT0 - R_LVT_TIMER && irq_pending())
		vcpu_kick();
}

static void svr_write(uint32_t value)
{
	apic.svr = value & 0x1ff;
	if (!(apic.svr & SVR_ENABLED))
		for (unsigned i = 0; i < LVT_COUNT; i++)
			apic.lvt[i] |= LVT_MASKED;
	update();
}

/* false: no such register. */
static bool register_read(unsigned reg, uint32_t *value)
{
	switch (reg) {
	case R_ID:		*value = 0; break;
	case R_VERSION:		*value = VERSION; break;
	case R_TPR:		*value = apic.tpr; break;
	case R_APR:		*value = 0; break;
	case R_PPR:		*value = ppr(); break;
	case R_EOI:		*value = 0; break;
	case R_RRD:		*value = 0; break;
	case R_LDR:		*value = x2apic() ? 1 : apic.ldr; break;
	case R_DFR:		*value = apic.dfr; break;
	case R_SVR:		*value = apic.svr; break;
	case R_ISR ... R_ISR + 7: *value = apic.isr[reg - R_ISR]; break;
	case R_TMR ... R_TMR + 7: *value = apic.tmr[reg - R_TMR]; break;
	case R_IRR ... R_IRR + 7: *value = apic.irr[reg - R_IRR]; break;
	case R_ESR:		*value = apic.esr; break;
	case R_ICR:		*value = apic.icr; break;
	case R_ICR2:		*value = apic.icr2; break;
	case R_LVT_TIMER ... R_LVT_ERROR: *value = apic.lvt[reg - R_LVT_TIMER]; break;
	case R_INITIAL:		*value = lapic_timer_initial(); break;
	case R_CURRENT:		*value = lapic_timer_count(); break;
	case R_DIVIDE:		*value = lapic_timer_divide(); break;
	default:		*value = 0; return false;
	}
	return true;
}

static bool register_write(unsigned reg, uint32_t value)
{
	switch (reg) {
	case R_ID:
		break;
	case R_TPR:
		apic.tpr = value & 0xff;
		update();
		break;
	case R_EOI:
		eoi();
		break;
	case R_LDR:
		apic.ldr = value & 0xff000000;
		break;
	case R_DFR:
		apic.dfr = value | 0x0fffffff;
		break;
	case R_SVR:
		svr_write(value);
		break;
	case R_ESR:
		apic.esr = apic.esr_noted;
		apic.esr_noted = 0;
		break;
	case R_ICR:
		apic.icr = value & 0xccfff;
		icr_send(value, apic.icr2 >> 24);
		break;
	case R_ICR2:
		apic.icr2 = value & 0xff000000;
		break;
	case R_LVT_TIMER ... R_LVT_ERROR:
		lvt_write(reg - R_LVT_TIMER, value);
		break;
	case R_INITIAL:
		lapic_timer_set_initial(value);
		break;
	case R_DIVIDE:
		lapic_timer_set_divide(value);
		break;
	default:
		return false;
	}
	return true;
}

static uint64_t page_read(void *device, uint64_t offset, unsigned size)
{
	uint32_t value;

	(void)device;
	if (!register_read((unsigned)(offset >> 4), &value))
		note_error(ESR_REGISTER);
	if ((offset & 15) + size > 4 && (offset & 15))
		return 0;
	return value >> ((offset & 3) * 8);
}

static void page_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	/* The manual leaves other sizes and alignments undefined: nothing happens. */
	if ((offset & 15) || size < 4)
		return;
	if (!register_write((unsigned)(offset >> 4), (uint32_t)value))
		note_error(ESR_REGISTER);
}

static const struct bus_ops page_ops = { .read = page_read, .write = page_write };

int lapic_x2apic_read(uint32_t msr, uint64_t *value)
{
	unsigned reg = msr - 0x800;
	uint32_t low;

	if (!x2apic() || reg == R_DFR || reg == R_ICR2 || reg == R_EOI || reg == R_APR ||
	    reg == R_RRD || !register_read(reg, &low))
		return -1;
	*value = low;
	if (reg == R_ICR)
		*value |= (uint64_t)apic.icr2 << 32;
	return 0;
}

int lapic_x2apic_write(uint32_t msr, uint64_t value)
{
	unsigned reg = msr - 0x800;

	if (!x2apic())
		return -1;
	switch (reg) {
	case R_ICR:
		apic.icr = value & 0xccfff;
		apic.icr2 = (uint32_t)(value >> 32);
		icr_send((uint32_t)value, apic.icr2);
		return 0;
	case R_SELF:
		if (value >> 8)
			return -1;
		icr_send((uint32_t)value | 1u << 18, 0);
		return 0;
	case R_EOI:
	case R_ESR:
		if (value)
			return -1;
		break;
	case R_TPR:
		if (value >> 8)
			return -1;
		break;
	case R_ID:
	case R_LDR:
	case R_DFR:
	case R_ICR2:
		return -1;
	default:
		if (value >> 32)
			return -1;
		break;
	}
	return register_write(reg, (uint32_t)value) ? 0 : -1;
}

static void reset_registers(void)
{
	uint64_t base = apic.base;

	memset(&apic, 0, sizeof(apic));
	lapic_timer_reset();
	apic.base = base;
	apic.dfr = UINT32_MAX;
	apic.svr = 0xff;
	apic.pending = -1;
	for (unsigned i = 0; i < LVT_COUNT; i++)
		apic.lvt[i] = LVT_MASKED;
}

uint64_t lapic_get_base(void)
{
	return apic.base;
}

static bool page_visible(uint64_t base)
{
	return (base & (BASE_ENABLE | BASE_EXTD)) == BASE_ENABLE;
}

int lapic_set_base(uint64_t value)
{
	uint64_t old = apic.base;

	if (value & ~(BASE_ADDR | BASE_BSP | BASE_EXTD | BASE_ENABLE))
		return -1;
	/* Legal transitions: SDM vol. 3, figure 11-27. */
	if ((value & BASE_EXTD) && !(value & BASE_ENABLE))
		return -1;
	if ((value & BASE_EXTD) && !(old & BASE_ENABLE))
		return -1;
	if ((old & BASE_EXTD) && (value & BASE_ENABLE) && !(value & BASE_EXTD))
		return -1;

	if (page_visible(old) && ((old ^ value) & (BASE_ADDR | BASE_ENABLE | BASE_EXTD)))
		bus_remove_mmio(&apic, GPA(old & BASE_ADDR));
	apic.base = value;
	if (page_visible(value) && (!page_visible(old) || ((old ^ value) & BASE_ADDR)) &&
	    bus_add_mmio(GPA(value & BASE_ADDR), PAGE_SIZE, &page_ops, &apic, "lapic"))
		log_warn("the guest moved its local APIC onto another device, at %#lx",
			 (unsigned long)(value & BASE_ADDR));
	if ((old & BASE_ENABLE) && !(value & BASE_ENABLE))
		reset_registers();
	update();
	return 0;
}

uint64_t lapic_get_tpr(void)
{
	return apic.tpr >> 4;
}

void lapic_set_tpr(uint64_t cr8)
{
	apic.tpr = (uint32_t)(cr8 & 15) << 4;
	update();
}

/* ---- towards the CPU and the 8259 ---- */

bool lapic_accepts_extint(void)
{
	uint32_t lint0 = apic.lvt[R_LVT_LINT0 - R_LVT_TIMER];

	return !(apic.base & BASE_ENABLE) ||
	       (!(lint0 & LVT_MASKED) && LVT_MODE(lint0) == LAPIC_EXTINT);
}

void lapic_lint0_edge(void)
{
	if (LVT_MODE(apic.lvt[R_LVT_LINT0 - R_LVT_TIMER]) != LAPIC_EXTINT)
		lvt_fire(R_LVT_LINT0 - R_LVT_TIMER);
}

int lapic_pending(void)
{
	return apic.pending;
}

bool lapic_requested(uint8_t vector)
{
	return test(apic.irr, vector);
}

int lapic_acknowledge(void)
{
	int v = apic.pending;

	if (v < 0)
		return -1;
	assign(apic.irr, (uint8_t)v, false);
	assign(apic.isr, (uint8_t)v, true);
	update();
	return v;
}

int lapic_init(void)
{
	lapic_timer_init(timer_fire);
	apic.base = LAPIC_DEFAULT_BASE | BASE_BSP | BASE_ENABLE;
	reset_registers();
	apic.svr = SVR_ENABLED | 0xff;
	apic.lvt[R_LVT_LINT0 - R_LVT_TIMER] = LAPIC_EXTINT << 8;
	apic.lvt[R_LVT_LINT1 - R_LVT_TIMER] = LAPIC_NMI << 8;
	return bus_add_mmio(GPA(LAPIC_DEFAULT_BASE), PAGE_SIZE, &page_ops, &apic, "lapic");
}
