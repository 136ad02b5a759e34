// SPDX-License-Identifier: MIT
/*
 * Fuzzes the device's side of a virtqueue: any descriptors, indirect tables, rings and
 * indices, in guest memory of which a second thread changes some words all the time,
 * as another CPU of the guest could.  Properties:
 *
 *  - what is taken is guest RAM: every iovec lies in it as a whole, and their number
 *    and sums are as stated;
 *  - no more chains are out than the queue has descriptors;
 *  - every call comes to an end, in a bounded number of steps;
 *  - only the used ring is written to (a push of nothing writes no buffer);
 *  - a broken queue gives nothing more, and works again after a start.
 *
 * Input: one byte of options, then operations of 16 bytes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "device/virtqueue.h"
#include "memory/ram.h"

#define RAM		(1 * MIB)
#define DESC		0x1000ul
#define AVAIL		0x3000ul
#define USED		0x4000ul
#define TABLES		0x6000ul	/* where indirect tables are likely to be */
#define TABLES_END	0x8000ul
#define SIZE_MAX_LOG	5
#define WORDS		4

#define check(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct operation {
	uint8_t kind, a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
};

static struct virtqueue q;
static struct iovec iov[VIRTQUEUE_SIZE_MAX];
static struct virtqueue_chain taken[1u << SIZE_MAX_LOG];
static unsigned out;			/* chains taken, not pushed */

/* ---- the other CPU ---- */

static struct { uint16_t *at; uint16_t value[2]; } words[WORDS];
static unsigned changing;		/* how many of them it may change now */
static bool busy;

static void *change(void *unused)
{
	(void)unused;
	for (unsigned turn = 0;; turn++) {
		if (!__atomic_load_n(&changing, __ATOMIC_ACQUIRE)) {
			usleep(20);
			continue;
		}
		__atomic_store_n(&busy, true, __ATOMIC_SEQ_CST);
		for (unsigned i = 0; i < __atomic_load_n(&changing, __ATOMIC_SEQ_CST); i++)
			__atomic_store_n(words[i].at, words[i].value[turn & 1], __ATOMIC_RELAXED);
		__atomic_store_n(&busy, false, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Nothing moves when it returns. */
static void change_stop(void)
{
	__atomic_store_n(&changing, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&busy, __ATOMIC_SEQ_CST))
		sched_yield();
}

/* ---- the device ---- */

static void *at(uint64_t gpa) { return (void *)(LAYOUT_RAM + gpa); }

static void start(uint8_t options)
{
	virtqueue_reset(&q);
	q.size_max = 1u << SIZE_MAX_LOG;
	q.size = (uint16_t)(1u << (options & 7) % (SIZE_MAX_LOG + 1));
	q.desc = GPA(DESC);
	q.avail = GPA(AVAIL);
	q.used = GPA(USED);
	check(virtqueue_start(&q, options & 8, options & 16));
	q.enabled = true;
	out = 0;
	memset(at(USED), 0, PAGE_SIZE);
}

static void chain_check(const struct virtqueue_chain *c)
{
	uint64_t sum[2] = { 0, 0 };

	check(c->head < q.size);
	check(c->out + c->in <= c->max);
	for (unsigned i = 0; i < c->out + c->in; i++) {
		uint64_t begin = (uint64_t)iov[i].iov_base - LAYOUT_DMA, n = iov[i].iov_len;

		check(n && begin < RAM && n <= RAM - begin);
		sum[i >= c->out] += n;
	}
	check(sum[0] == c->out_bytes && sum[1] == c->in_bytes);
	check(sum[0] + sum[1] <= UINT32_MAX);
}

static void take(unsigned max)
{
	bool broken = q.broken;
	struct virtqueue_chain c = { .iov = iov, .max = max };

	if (!virtqueue_take(&q, &c))
		return;
	check(!broken && out < q.size);
	chain_check(&c);
	taken[out++] = c;
}

static void push(uint32_t written)
{
	if (!out)
		return;
	/* The memory of its iovecs is another's by now: claim none as written. */
	taken[--out].in = 0;
	virtqueue_push(&q, &taken[out], written);
}

/* The guest writes somewhere: mostly where it matters. */
static void guest_write(const struct operation *op)
{
	static const uint64_t base[] = { DESC, AVAIL, USED, TABLES };
	uint64_t offset = op->b % 0x1000 & ~7ul;

	memcpy(at(base[op->a & 3] + offset % (op->a & 4 ? 64 : 0x1000)), &op->d, sizeof(op->d));
}

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* A chain that could be one, but for what `d` says: in the queue's table or in another. */
static void guest_describe(const struct operation *op)
{
	bool indirect = op->a & 8;
	uint64_t table = indirect ? TABLES + op->b % 64 * 16 : DESC;
	unsigned parts = 1 + (op->a & 7), first = indirect ? 0 : op->b % q.size;
	struct descriptor *all = at(table);

	for (unsigned i = 0; i < parts; i++) {
		unsigned n = indirect ? i : (first + i) % q.size;

		all[n] = (struct descriptor){
			.addr = (op->d >> i * 3) % RAM & ~15ul, .len = op->c >> (i * 2) & 0xfff,
			.flags = (uint16_t)((op->c >> i & 1 ? 2 : 0) | (i + 1 < parts ? 1 : 0)),
			.next = (uint16_t)(indirect ? i + 1 : (n + 1) % q.size),
		};
	}
	if (op->a & 16)
		all[first].flags ^= op->d >> 48;
	if (op->a & 32)
		all[first].addr = op->d;
	if (op->a & 64)
		all[first].len = op->c;
	if (indirect)
		*(struct descriptor *)at(DESC + op->b / 64 % q.size * 16) = (struct descriptor){
			.addr = table, .len = (op->a & 128 ? op->c & 0xff : parts) * 16, .flags = 4,
		};
}

static void guest_offer(const struct operation *op)
{
	uint16_t *avail = at(AVAIL);

	avail[2 + avail[1] % q.size] = op->b;
	avail[1]++;
}

static void change_start(const struct operation *op)
{
	static const uint64_t base[] = { DESC, DESC, TABLES, AVAIL };

	change_stop();
	for (unsigned i = 0; i < WORDS; i++) {
		words[i].at = at(base[op->a >> 2 * i & 3] + (op->b >> 3 * i & 31) * 2);
		words[i].value[0] = (uint16_t)(op->c >> (i * 4));
		words[i].value[1] = (uint16_t)(op->d >> (i * 16));
	}
	__atomic_store_n(&changing, op->kind >> 4 & 3, __ATOMIC_RELEASE);
}

static void operate(const struct operation *op)
{
	switch (op->kind & 15) {
	case 0: case 1: case 2:
		take(op->a & 1 ? op->b % (VIRTQUEUE_SIZE_MAX + 1) : VIRTQUEUE_SIZE_MAX);
		break;
	case 3:
		push(op->c);
		break;
	case 4:
		virtqueue_publish(&q);
		break;
	case 5:
		virtqueue_disable_notify(&q);
		break;
	case 6:
		virtqueue_enable_notify(&q);
		break;
	case 7:
		if (out) {
			virtqueue_untake(&q, 1);
			out--;
		}
		break;
	case 8:
		start(op->a);
		break;
	case 9: case 10:
		guest_write(op);
		break;
	case 11: case 12:
		guest_describe(op);
		break;
	case 13: case 14:
		guest_offer(op);
		break;
	case 15:
		change_start(op);
		break;
	}
}

/* What only the guest writes: checked where the other CPU is quiet. */
static uint64_t guest_sum(void)
{
	const uint64_t *p = at(DESC);
	uint64_t sum = 0;

	for (unsigned i = 0; i < (TABLES_END - DESC) / 8; i++)
		if (i < (USED - DESC) / 8 || i >= (USED + PAGE_SIZE - DESC) / 8)
			sum = sum * 31 + p[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct operation op;
	pthread_t other;

	if (!ready) {
		check(!arena_init() && !ram_init(RAM));
		check(!pthread_create(&other, NULL, change, NULL));
		ready = true;
	}
	if (!size || size > 8192)
		return 0;
	change_stop();
	memset(at(DESC), 0, TABLES_END - DESC);
	start(data[0]);
	for (data++, size--; size >= sizeof(op); size -= sizeof(op), data += sizeof(op)) {
		uint64_t before = 0;
		bool quiet = !changing;

		memcpy(&op, data, sizeof(op));
		if (quiet && (op.kind & 15) < 9)
			before = guest_sum();
		operate(&op);
		if (quiet && (op.kind & 15) < 9)
			check(guest_sum() == before);
	}
	change_stop();
	return 0;
}
