/* SPDX-License-Identifier: MIT */
/*
 * Memory that a machine may be told to write to, between guards that it may not: for tests that
 * give devices or calls random addresses.
 */
#ifndef GUEST_SANDBOX_H
#define GUEST_SANDBOX_H

#include "cpu.h"

/* `size` zeroed bytes, page-aligned, with filled guards on both sides; their physical address. */
uint64_t sandbox_make(uint64_t size);
/* A failure if a guard was written to. */
void sandbox_check(void);

#endif
