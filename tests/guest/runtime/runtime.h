/* SPDX-License-Identifier: MIT */
/*
 * The image: where it is linked and what the loader said.
 */
#ifndef GUEST_RUNTIME_H
#define GUEST_RUNTIME_H

#include "cpu.h"

extern char image_end[];
extern const char *runtime_command_line;
/* What the loader left in EAX and EBX. */
extern uint32_t runtime_magic;
extern uint64_t runtime_info;

void runtime_start(uint32_t magic, uint64_t info);

void *memset(void *d, int c, size_t n);
void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
