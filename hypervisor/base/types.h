/* SPDX-License-Identifier: MIT */
/*
 * Wrapped address types and the smallest shared vocabulary.
 *
 * Three kinds of address exist and never mix: what the guest's instructions
 * name (gva_t), what the guest's page tables yield (gpa_t), and pointers of
 * this process (plain C pointers, or hva_t where an address in some *other*
 * host process is meant).  A gpa_t becomes a pointer only in memory/ram.c.
 */
#ifndef RING3_BASE_TYPES_H
#define RING3_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t v; } gva_t;
typedef struct { uint64_t v; } gpa_t;
typedef struct { uint64_t v; } hva_t;

#define GVA(x) ((gva_t){ (uint64_t)(x) })
#define GPA(x) ((gpa_t){ (uint64_t)(x) })
#define HVA(x) ((hva_t){ (uint64_t)(x) })

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define KIB		(1UL << 10)
#define MIB		(1UL << 20)
#define GIB		(1UL << 30)
#define TIB		(1UL << 40)

#define array_size(a)	(sizeof(a) / sizeof((a)[0]))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

static inline uint64_t align_down(uint64_t x, uint64_t a) { return x & ~(a - 1); }
static inline uint64_t align_up(uint64_t x, uint64_t a) { return (x + a - 1) & ~(a - 1); }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

#endif
