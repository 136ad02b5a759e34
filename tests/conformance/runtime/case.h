/* SPDX-License-Identifier: MIT */
/*
 * What a conformance case is: a test kernel (tests/guest/runtime) in a folder of its own, whose
 * first comment says what it proves, and which says in these forms what it needs.
 *
 *   CASE_NEEDS(1, FEATURE(EVENTS) | FEATURE(CPU));	minor version and features without which
 *							case_begin() skips
 *   CASE_MACHINE("--disk null=64M,device=pv");		options of `ring3 run`
 *   CASE_ABI("fail=trace:EIO:1");			more for --abi
 *   CASE_RUN("reason=1", "reboot");			a run: command line and outcome; several
 *							runs, several lines (without: "", "success")
 *   CASE_INPUT("typed");				what is typed on the console once the case
 *							has printed "type now"
 *   CASE_CONSOLE("text");				what the console must show in the end
 *   CASE_REBOOTS;					the machine starts again after a reset
 *   CASE_BASE;						proves what no feature changes: run with all
 *							of them only
 *   CASE_EVERY;					run with every set of features there is
 * tests/conformance/run reads these lines, too, and knows from them which outcome is due.
 *
 * The runner says on the command line what the machine was told to offer: version=, features=
 * (checked by the case `discovery`), which the guest is to accept: accept=, and with which
 * instruction to enter: entry=1 (VMCALL) or 2 (VMMCALL).
 *
 * Every call made through CALL() is checked for what holds of all calls: no register but RAX
 * has changed, no flag, no XMM register, and the result is not in the range that no call uses.
 * Argument registers that a call does not have hold junk.
 */
#ifndef CONFORMANCE_CASE_H
#define CONFORMANCE_CASE_H

#include "abi/abi_grammar.h"
#include "ring3.h"
#include "runtime.h"
#include "test.h"

#define FEATURE(name)		(1ull << RING3_FEATURE_##name)
#define CASE_NEEDS(minor, mask)	const uint64_t case_needs = (mask), case_needs_minor = (minor)
#define CASE_MACHINE(options)	_Static_assert(sizeof(options), "")
#define CASE_ABI(options)	_Static_assert(sizeof(options), "")
#define CASE_INPUT(text)	_Static_assert(sizeof(text), "")
#define CASE_CONSOLE(text)	_Static_assert(sizeof(text), "")
#define CASE_RUN(line, outcome)	_Static_assert(sizeof(line) && sizeof(outcome), "")
#define CASE_BASE		_Static_assert(1, "")
#define CASE_REBOOTS		_Static_assert(1, "")
#define CASE_EVERY		_Static_assert(1, "")

#define HYPERCALL_EIO	(-5)
#define NOT_RAM		(1ul << 38)	/* within an address, but no machine of these tests has RAM there */

extern const uint64_t case_needs, case_needs_minor;
/* From the command line, and what the guest accepted in the end. */
extern uint64_t case_version, case_features;

/* First thing: find ring3, accept version and features.  Skips if not all that is needed is there. */
void case_begin(void);
/* For cases that negotiate themselves: the same without accepting; case_version and case_features
 * are what is to be accepted. */
void case_find(void);

/* ---- calls ---- */

/* A call by number with `count` arguments; the result.  Checks what is said above. */
int64_t case_call(uint64_t number, const uint64_t *args, unsigned count);
#define CASE_ARGS(...)	((const uint64_t[]){ 0, ##__VA_ARGS__ })
#define CALL_NUMBER(number, ...)						\
	case_call(number, CASE_ARGS(__VA_ARGS__) + 1, sizeof(CASE_ARGS(__VA_ARGS__)) / 8 - 1)
#define CALL(name, ...)		CALL_NUMBER(RING3_CALL_##name, ##__VA_ARGS__)
/* The usual assertion: CALL and its result. */
#define CALLS(want, name, ...)	expect_equal(CALL(name, ##__VA_ARGS__), want, "%s%s", "", #name)

/* As the list abi/ring3.abi has them. */
struct case_call {
	const char *name;
	int8_t feature;			/* -1: always */
	uint8_t since, args;
	uint8_t mask32, mask_gpa;	/* bit n: argument n has 32 bits, or is an address */
	bool known;
};
#define CASE_CALLS	64u		/* numbers below are looked up */
extern const struct case_call case_calls[CASE_CALLS];
/* Does it exist now, with what was accepted? */
bool case_call_exists(uint64_t number);

/* ---- registers ---- */

/* Offsets are known to enter.S. */
struct case_state {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
	uint64_t rsp;			/* out: how far it moved */
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags;
	uint8_t xmm[16][16];
};
void case_enter(const struct case_state *in, struct case_state *out, bool vmmcall);
bool case_vmmcall(void);

/* ---- memory that calls are told of ---- */

/* The end of RAM that calls may know: the first address beyond low RAM. */
uint64_t case_ram_end(void);
/* The shared page, made and announced; events interrupt (if IF is set) by `vector`, 0: not. */
volatile struct ring3_vcpu_page *case_page(void);

/* ---- events ---- */

#define CASE_VECTOR	0x71u
/* What the handler of CASE_VECTOR saw: how often it ran, and the bits it took. */
extern volatile uint64_t case_interrupts, case_taken[2];
/* Shares a page, chooses CASE_VECTOR, and handles it. */
volatile struct ring3_vcpu_page *case_events(void);
/* Interrupts on until *counter >= value, or ms passed; off afterwards. */
bool case_wait(volatile uint64_t *counter, uint64_t value, uint64_t ms);
bool case_pending(unsigned event);
/* With interrupts on so many more of CASE_VECTOR's come, and no other behind them. */
void case_expect_more(unsigned more, const char *why);

#endif
