/* SPDX-License-Identifier: MIT */
/*
 * CPL3: code in section ".user" of the image is mapped at USER_TEXT, four pages of data at
 * USER_DATA (the kernel's view: user_data), a stack below USER_STACK.
 */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "page.h"
#include "trap.h"

#define USER_TEXT	0x40000000ul
#define USER_DATA	0x40200000ul
#define USER_DATA_PAGES	16
#define USER_STACK	0x40300000ul
#define USER_FREE	0x40400000ul	/* the test's own */

#define user_code	__attribute__((section(".user"), noinline, used))
/* An assembly program: user_program(name, "text") makes `extern char name[]`. */
#define user_program(name, text)					\
	extern char name[];						\
	__asm__(".pushsection .user, \"ax\"\n.balign 16\n.globl " #name "\n" #name ":\n" text	\
		"\n.popsection")

/* The same in compatibility mode; on pages without 64-bit code, as in real programs. */
#define user_program32(name, text)					\
	extern char name[];						\
	__asm__(".pushsection .user32, \"ax\"\n.code32\n.balign 16\n.globl " #name "\n" #name ":\n" text \
		"\n.code64\n.popsection")

extern char user_image_start[], user_image_end[];
extern uint8_t *user_data;

/* Map the three areas in the current address space; once per space. */
void user_init(void);
void user_map_into(uint64_t root);
static inline uint64_t user_address(const void *symbol)
{
	return USER_TEXT + (uint64_t)((const char *)symbol - user_image_start);
}

/* Registers for and after CPL3.  Set by user_prepare() to something sane. */
extern struct trap_frame user_frame;
void user_prepare(uint64_t rip);
/* Run user_frame until a trap that no trap_handler takes, or SYSCALL: its vector (TRAP_SYSCALL).
 * user_frame holds the registers then, trap_last the rest. */
int user_enter(void);
/* The usual: prepare for a symbol in .user with up to three arguments, and run. */
int user_run(const void *symbol, uint64_t a, uint64_t b, uint64_t c);

/* Called for SYSCALL; true: SYSRET with the frame's registers (RCX, R11 from rip, rflags). */
extern bool (*volatile user_syscall)(struct trap_frame *f);

/* For trap.c. */
_Noreturn void user_exit(struct trap_frame *f);

#endif
