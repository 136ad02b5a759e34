// SPDX-License-Identifier: MIT
/*
 * Finding ring3, accepting what the runner said, and the check that is part of every call.
 */
#include "case.h"

#include "page.h"
#include "time.h"
#include "trap.h"

uint64_t case_version, case_features;
volatile uint64_t case_interrupts, case_taken[2];

static uint64_t entry;
static volatile struct ring3_vcpu_page *shared;

const struct case_call case_calls[CASE_CALLS] = {
#define GRAMMAR_CALL(number, call_name, feature_bit, minor, arguments, of_32_bits, of_addresses)	\
	[number] = { .name = #call_name, .feature = feature_bit, .since = minor, .args = arguments,	\
		     .mask32 = of_32_bits, .mask_gpa = of_addresses, .known = true },
#include "abi/abi_grammar.h"
};

bool case_call_exists(uint64_t number)
{
	const struct case_call *c = &case_calls[number < CASE_CALLS ? number : CASE_CALLS - 1];

	if (!c->known || c->since > (case_version & 0xffff))
		return false;
	return c->feature < 0 || case_features >> c->feature & 1;
}

void case_find(void)
{
	uint32_t base;
	struct cpuid r;

	entry = test_option("entry", 1);
	ring3_need();
	base = ring3_base();
	r = cpuid(base + RING3_CPUID_FEATURES, 0);
	case_features = (r.eax | (uint64_t)r.ebx << 32) & test_option("accept", ~0ul);
	case_version = cpuid(base + RING3_CPUID_VERSION, 0).eax;
}

void case_begin(void)
{
	case_find();
	if (CALL(VERSION, case_version, case_features))
		test_error("the version was not accepted");
	if (case_needs & ~case_features)
		test_skip("features %lx are not there", case_needs & ~case_features);
	if (case_needs_minor > (case_version & 0xffff))
		test_skip("version %lx is too old", case_version);
}

bool case_vmmcall(void)
{
	return entry == RING3_ENTRY_VMMCALL;
}

/* ---- one call ---- */

static uint64_t junk(unsigned i)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state = state * 6364136223846793005ul + 2 * i + 1;
	return state;
}

static const struct { const char *name; uint16_t offset; } registers[] = {
#define REGISTER(name) { #name, offsetof(struct case_state, name) }
	REGISTER(rbx), REGISTER(rcx), REGISTER(rdx), REGISTER(rsi), REGISTER(rdi), REGISTER(rbp),
	REGISTER(r8), REGISTER(r9), REGISTER(r10), REGISTER(r11), REGISTER(r12), REGISTER(r13),
	REGISTER(r14), REGISTER(r15), REGISTER(rflags),
};

static void preserved(uint64_t number, const struct case_state *in, const struct case_state *out)
{
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		uint64_t was = *(const uint64_t *)((const char *)in + registers[i].offset);
		uint64_t is = *(const uint64_t *)((const char *)out + registers[i].offset);

		expect(was == is, "call %lx changed %s from %lx to %lx", number, registers[i].name, was, is);
	}
	expect(!out->rsp, "call %lx moved RSP by %lx", number, out->rsp);
	for (unsigned i = 0; i < 16; i++)
		for (unsigned n = 0; n < 16; n++)
			if (!expect(in->xmm[i][n] == out->xmm[i][n], "call %lx: XMM%u", number, i))
				return;
}

int64_t case_call(uint64_t number, const uint64_t *args, unsigned count)
{
	static unsigned calls;
	struct case_state in, out;
	uint64_t a[6];

	for (unsigned i = 0; i < 6; i++)
		a[i] = i < count ? args[i] : junk(i);
	for (uint64_t *p = (uint64_t *)&in; p < (uint64_t *)(&in + 1); p++)
		*p = junk(7);
	in.rax = number;
	in.rdi = a[0];
	in.rsi = a[1];
	in.rdx = a[2];
	in.r10 = a[3];
	in.r8 = a[4];
	in.r9 = a[5];
	in.rflags = (flags_read() & FLAG_IF) | 2 | (calls++ & 1 ? FLAG_ARITH | FLAG_DF : 0);
	case_enter(&in, &out, case_vmmcall());
	preserved(number, &in, &out);
	expect((int64_t)out.rax >= -4095, "call %lx: no error is %ld", number, (int64_t)out.rax);
	return (int64_t)out.rax;
}

/* ---- memory ---- */

uint64_t case_ram_end(void)
{
	/* The runner gives each case the same memory: tests/conformance/run. */
	return test_option("memory", 64) << 20;
}

volatile struct ring3_vcpu_page *case_page(void)
{
	uint64_t pa = page_alloc();

	shared = phys_to_virt(pa);
	shared->size = case_version & 0xffff ? sizeof(*shared) : RING3_VCPU_PAGE_SIZE_0;
	shared->interrupts = 1;
	CALLS(0, VCPU_PAGE, pa);
	return shared;
}

/* ---- events ---- */

static bool event_interrupt(struct trap_frame *f)
{
	(void)f;
	case_interrupts++;
	for (unsigned i = 0; i < 2; i++)
		case_taken[i] |= __atomic_exchange_n(&shared->pending[i], 0, __ATOMIC_SEQ_CST);
	return true;
}

volatile struct ring3_vcpu_page *case_events(void)
{
	cpu_cli();
	case_page();
	trap_handler[CASE_VECTOR] = event_interrupt;
	CALLS(0, EVENT_SETUP, CASE_VECTOR, 0);
	return shared;
}

bool case_wait(volatile uint64_t *counter, uint64_t value, uint64_t ms)
{
	bool came = time_wait(counter, value, ms);

	cpu_cli();
	return came;
}

bool case_pending(unsigned event)
{
	return shared->pending[event / 64] >> event % 64 & 1;
}

void case_expect_more(unsigned more, const char *why)
{
	uint64_t before = case_interrupts;

	if (more)
		case_wait(&case_interrupts, before + more, 2000);
	cpu_sti();
	time_delay_us(300);
	cpu_cli();
	expect_equal(case_interrupts, before + more, "%s", why);
}
