/* SPDX-License-Identifier: MIT */
/* Text on COM1, polled: %s %c %d %u %x %lx %lu %ld %p with width and zero padding. */
#ifndef GUEST_PRINT_H
#define GUEST_PRINT_H

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
