// SPDX-License-Identifier: MIT
/*
 * Benchmarks of user code that asks nothing of the kernel while it is measured:
 * what direct execution should run at the host's own speed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

static uint64_t bench_integer(unsigned long n)
{
	uint64_t a = 0x9e3779b97f4a7c15ULL, b = 1, begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		for (unsigned j = 0; j < 1000; j++) {
			a ^= a << 13;
			a ^= a >> 7;
			a ^= a << 17;
			b = b * 6364136223846793005ULL + (a % ((b | 1) & 0xffff));
			if (b & 64)
				b = (b << 9) | (b >> 55);
		}
	}
	BENCH_USE(b);
	return bench_now() - begin;
}

#define SIEVE_SIZE (1u << 18)
static unsigned char sieve[SIEVE_SIZE];

static uint64_t bench_sieve(unsigned long n)
{
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		unsigned count = 0;

		memset(sieve, 1, sizeof(sieve));
		for (unsigned p = 2; p < SIEVE_SIZE; p++) {
			if (!sieve[p])
				continue;
			count++;
			for (unsigned q = 2 * p; q < SIEVE_SIZE; q += p)
				sieve[q] = 0;
		}
		BENCH_USE(count);
	}
	return bench_now() - begin;
}

#define MATRIX 128
static double matrix_a[MATRIX][MATRIX], matrix_b[MATRIX][MATRIX], matrix_c[MATRIX][MATRIX];

static uint64_t bench_matrix(unsigned long n)
{
	for (int i = 0; i < MATRIX; i++)
		for (int j = 0; j < MATRIX; j++) {
			matrix_a[i][j] = i + j * 0.5;
			matrix_b[i][j] = i - j * 0.25;
		}
	uint64_t begin = bench_now();

	for (unsigned long r = 0; r < n; r++) {
		memset(matrix_c, 0, sizeof(matrix_c));
		for (int i = 0; i < MATRIX; i++)
			for (int k = 0; k < MATRIX; k++) {
				double f = matrix_a[i][k];

				for (int j = 0; j < MATRIX; j++)
					matrix_c[i][j] += f * matrix_b[k][j];
			}
		BENCH_USE(&matrix_c[0][0]);
	}
	return bench_now() - begin;
}

#define STREAM_SIZE (16u << 20)

static uint64_t bench_memcpy(unsigned long n)
{
	static char *from, *to;

	if (!from) {
		from = malloc(STREAM_SIZE);
		to = malloc(STREAM_SIZE);
		if (!from || !to)
			bench_die("malloc");
		memset(from, 1, STREAM_SIZE);
		memset(to, 2, STREAM_SIZE);
	}
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		memcpy(to, from, STREAM_SIZE);
		BENCH_USE(to);
	}
	return bench_now() - begin;
}

#define CHASE_NODES (1u << 18)

static uint64_t bench_chase(unsigned long n)
{
	static void **nodes;

	if (!nodes) {
		unsigned *order = malloc(CHASE_NODES * sizeof(*order));
		uint64_t r = 12345;

		nodes = malloc(CHASE_NODES * sizeof(*nodes));
		if (!nodes || !order)
			bench_die("malloc");
		for (unsigned i = 0; i < CHASE_NODES; i++)
			order[i] = i;
		for (unsigned i = CHASE_NODES - 1; i; i--) {
			r = r * 6364136223846793005ULL + 1442695040888963407ULL;
			unsigned j = (unsigned)(r >> 33) % (i + 1), t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		for (unsigned i = 0; i < CHASE_NODES; i++)
			nodes[order[i]] = &nodes[order[(i + 1) % CHASE_NODES]];
		free(order);
	}
	void **p = (void **)nodes[0];
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		for (unsigned j = 0; j < 1000; j++)
			p = (void **)*p;
	BENCH_USE(p);
	return bench_now() - begin;
}

static __attribute__((noinline)) long call_add(long x) { return x + 3; }
static __attribute__((noinline)) long call_xor(long x) { return x ^ 0x55; }
static __attribute__((noinline)) long call_rot(long x) { return (x << 3) | ((x >> 61) & 7); }
static __attribute__((noinline)) long call_not(long x) { return ~x; }

static uint64_t bench_indirect(unsigned long n)
{
	static long (*volatile table[4])(long) = { call_add, call_xor, call_rot, call_not };
	long x = 1;
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++)
		for (unsigned j = 0; j < 1000; j++)
			x = table[j & 3](x);
	BENCH_USE(x);
	return bench_now() - begin;
}

/* Write `mov rcx, rounds; 1: imul rax, rax, k; add rax, c; dec rcx; jnz 1b; ret` at p. */
static void jit_emit(unsigned char *p, uint32_t rounds, uint32_t k, uint32_t c)
{
	static const unsigned char loop[] = {
		0xb9, 0, 0, 0, 0, 0x48, 0x89, 0xf8, 0x48, 0x69, 0xc0, 0, 0, 0, 0,
		0x48, 0x05, 0, 0, 0, 0, 0xff, 0xc9, 0x75, 0xef, 0xc3,
	};

	memcpy(p, loop, sizeof(loop));
	memcpy(p + 1, &rounds, 4);
	memcpy(p + 11, &k, 4);
	memcpy(p + 17, &c, 4);
}

#define JIT_SIZE 65536u

static unsigned char *jit_buffer(void)
{
	static unsigned char *buffer;

	if (!buffer) {
		buffer = mmap(NULL, JIT_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (buffer == MAP_FAILED)
			bench_die("mmap of writable code");
	}
	return buffer;
}

/* A compiler that emits 64 functions over 64 KiB, then runs them for a while. */
static uint64_t bench_jit(unsigned long n)
{
	unsigned char *buffer = jit_buffer();
	long x = 1;
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		for (unsigned f = 0; f < 64; f++)
			jit_emit(buffer + f * 1024, 10000, (uint32_t)(i * 2 + 3), f);
		for (unsigned pass = 0; pass < 50; pass++)
			for (unsigned f = 0; f < 64; f++)
				x = ((long (*)(long))(void *)(buffer + f * 1024))(x);
	}
	BENCH_USE(x);
	return bench_now() - begin;
}

/* The worst case: one function rewritten before every call. */
static uint64_t bench_jit_rewrite(unsigned long n)
{
	unsigned char *buffer = jit_buffer();
	long x = 1;
	uint64_t begin = bench_now();

	for (unsigned long i = 0; i < n; i++) {
		jit_emit(buffer, 100, (uint32_t)(i * 2 + 3), 1);
		x = ((long (*)(long))(void *)buffer)(x);
	}
	BENCH_USE(x);
	return bench_now() - begin;
}

const struct benchmark bench_user[] = {
	{ "integer", "1000 rounds of shift, xor, multiply, divide", "us", 1, bench_integer },
	{ "sieve", "primes below 262144", "ms", 1, bench_sieve },
	{ "matrix", "128x128 double matrix product", "ms", 1, bench_matrix },
	{ "memcpy", "copy of 16 MiB", "ms", 1, bench_memcpy },
	{ "chase", "1000 dependent loads over 2 MiB", "us", 1, bench_chase },
	{ "indirect", "1000 calls through a table", "us", 1, bench_indirect },
	{ "jit", "write 64 functions, run each 50 times 10000 rounds", "ms", 1, bench_jit },
	{ "jit-rewrite", "rewrite one function, run it 100 rounds", "us", 1, bench_jit_rewrite },
	{ 0 },
};
