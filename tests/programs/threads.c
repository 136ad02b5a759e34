// SPDX-License-Identifier: MIT
/*
 * Threads: creation and joining, mutexes, condition variables, barriers and raw
 * futexes under contention, thread-local storage (FS base) across switches,
 * atomic operations, robust lists, signals to one thread, exit of a group.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define THREADS 16

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long plain, atomic_sum;
static _Thread_local long local = 5;
static _Thread_local char local_array[3000];

static void run_threads(void *(*entry)(void *), long threads)
{
	pthread_t t[64];

	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, entry, (void *)i))
			check_abort("pthread_create");
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

static void *counter(void *argument)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		plain++;
		if (i % 50 == 0)
			sched_yield();
		pthread_mutex_unlock(&mutex);
		__atomic_add_fetch(&atomic_sum, (long)argument, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static volatile int local_wrong;

static void *with_local(void *argument)
{
	local = (long)argument * 1000;
	memset(local_array, (int)(long)argument, sizeof(local_array));
	for (int i = 0; i < 1000; i++) {
		local++;
		if (i % 20 == 0)
			sched_yield();
		if (local != (long)argument * 1000 + i + 1 || local_array[i * 2] != (char)(long)argument)
			local_wrong = 1;
	}
	return NULL;
}

static long turn;

static void *take_turns(void *argument)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != (long)argument)
			pthread_cond_wait(&condition, &mutex);
		turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static long stage[THREADS];
static volatile int stage_wrong;

static void *in_step(void *argument)
{
	for (long i = 1; i < 100; i++) {
		stage[(long)argument] = i;
		pthread_barrier_wait(&barrier);
		for (int t = 0; t < THREADS; t++)
			if (stage[t] != i)
				stage_wrong = 1;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static uint32_t word;

static long futex(uint32_t *at, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, at, operation, value, timeout, NULL, 0);
}

static void *futex_pong(void *argument)
{
	(void)argument;
	for (uint32_t i = 0; i < 2000; i++) {
		while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != 2 * i + 1)
			futex(&word, FUTEX_WAIT_PRIVATE, 2 * i, NULL);
		__atomic_store_n(&word, 2 * i + 2, __ATOMIC_RELEASE);
		futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL);
	}
	return NULL;
}

static void futexes(void)
{
	pthread_t t;
	struct timespec short_time = { 0, 10000000 };

	pthread_create(&t, NULL, futex_pong, NULL);
	for (uint32_t i = 0; i < 2000; i++) {
		__atomic_store_n(&word, 2 * i + 1, __ATOMIC_RELEASE);
		futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL);
		while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != 2 * i + 2)
			futex(&word, FUTEX_WAIT_PRIVATE, 2 * i + 1, NULL);
	}
	pthread_join(t, NULL);
	expect_equal(word, 4000, "two thousand futex round trips");
	expect(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL) == -1 && errno == EAGAIN, "futex value differs");
	expect(futex(&word, FUTEX_WAIT_PRIVATE, 4000, &short_time) == -1 && errno == ETIMEDOUT, "futex times out");
	expect(futex((uint32_t *)8, FUTEX_WAIT_PRIVATE, 0, NULL) == -1 && errno == EFAULT, "futex at a bad address");
}

static volatile pthread_t signalled;
static volatile int stop;

static void on_signal(int number) { (void)number; signalled = pthread_self(); }

static void *spin(void *argument)
{
	(void)argument;
	while (!stop)
		;
	return NULL;
}

static void signal_one(void)
{
	pthread_t t[4];
	int wrong = 0;

	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, spin, NULL);
	for (int i = 0; i < 40; i++) {
		signalled = 0;
		pthread_kill(t[i % 4], SIGUSR1);
		while (!signalled)
			sched_yield();
		wrong += signalled != t[i % 4];
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	expect_equal(wrong, 0, "signals reach the thread they are for");
}

static pthread_mutex_t robust;

static void *die_holding(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&robust);
	return NULL;
}

static void robust_mutex(void)
{
	pthread_mutexattr_t attribute;

	pthread_mutexattr_init(&attribute);
	pthread_mutexattr_setrobust(&attribute, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attribute);
	run_threads(die_holding, 1);
	expect(pthread_mutex_lock(&robust) == EOWNERDEAD, "a dead owner is noticed");
}

static long compare_count;

static void *wide_compare(void *argument)
{
	static __int128 shared __attribute__((aligned(16)));

	(void)argument;
	for (int i = 0; i < 3000; i++) {
		uint64_t *half = (uint64_t *)&shared;
		uint64_t low = half[0], high = half[1];
		unsigned char done;

		do {
			__asm__ volatile("lock cmpxchg16b %1; setz %0"
					 : "=q"(done), "+m"(shared), "+a"(low), "+d"(high)
					 : "b"(low + 1), "c"(high + 2) : "cc", "memory");
		} while (!done);
		if (i % 100 == 0)
			sched_yield();
	}
	uint64_t *half = (uint64_t *)&shared;
	if (half[1] == 2 * half[0])
		__atomic_add_fetch(&compare_count, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	int status;

	run_threads(counter, THREADS);
	expect_equal(plain, 5000 * THREADS, "mutex");
	expect_equal(atomic_sum, 5000l * THREADS * (THREADS - 1) / 2, "atomic add");
	run_threads(with_local, THREADS);
	expect(!local_wrong && local == 5, "thread-local storage");
	run_threads(take_turns, THREADS);
	expect_equal(turn, 100 * THREADS, "condition variable");
	pthread_barrier_init(&barrier, NULL, THREADS);
	run_threads(in_step, THREADS);
	expect(!stage_wrong, "barrier");
	run_threads(wide_compare, 8);
	expect(compare_count >= 1, "cmpxchg16b");
	for (int i = 0; i < 20; i++)
		run_threads(with_local, 50);
	expect(!local_wrong, "a thousand threads");
	futexes();
	signal_one();
	robust_mutex();
	fflush(stdout);
	/* The group ends while its threads are busy. */
	pid_t pid = fork();

	if (!pid) {
		pthread_t t;

		stop = 0;
		for (int i = 0; i < 8; i++)
			pthread_create(&t, NULL, spin, NULL);
		usleep(5000);
		_exit(17);
	}
	expect(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 17, "exit ends busy threads");
	return check_result();
}
