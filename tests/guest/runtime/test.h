/* SPDX-License-Identifier: MIT */
/*
 * What a test is: test_main(), which returns or calls one of the ends below.
 *
 * Five outcomes, told apart (after XTF):
 *   success   everything expected was seen
 *   skip      this machine cannot show it; the reason is printed
 *   error     the test itself cannot work: a bug of the test or the runtime
 *   failure   the machine under test is wrong
 *   crash     an exception nobody expected
 * Each leaves by port 0xf4 with its code; a loader's exit status is (code << 1) | 1.
 */
#ifndef GUEST_TEST_H
#define GUEST_TEST_H

#include "cpu.h"
#include "print.h"

enum test_outcome {
	TEST_SUCCESS = 0x10, TEST_SKIP, TEST_ERROR, TEST_FAILURE, TEST_CRASH
};

void test_main(void);

_Noreturn void test_end(enum test_outcome outcome);
#define test_skip(...) \
	do { print("skip: "); print(__VA_ARGS__); print("\n"); test_end(TEST_SKIP); } while (0)
#define test_error(...) \
	do { print("error: %s:%d: ", __FILE__, __LINE__); print(__VA_ARGS__); print("\n"); \
		test_end(TEST_ERROR); } while (0)

/* A failure is noted and the test goes on; the outcome is decided when it returns.  After 20
 * of them the test ends. */
void test_failed(void);
/* Running under QEMU's TCG, whose known mistakes are not failures. */
bool test_on_tcg(void);
/* Word `name=` of the command line as a number, or `otherwise`. */
uint64_t test_option(const char *name, uint64_t otherwise);

#define expect(cond, ...)						\
	({								\
		bool expect_ok_ = (cond);				\
		if (!expect_ok_) {					\
			print("failure: %s:%d: %s: ", __FILE__, __LINE__, #cond); \
			print(" " __VA_ARGS__);				\
			print("\n");					\
			test_failed();					\
		}							\
		expect_ok_;						\
	})

#define expect_equal(got, want, ...)					\
	({								\
		uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want); \
		if (got_ != want_) {					\
			print("failure: %s:%d: %s is %lx, expected %lx: ", __FILE__, __LINE__, \
			      #got, got_, want_);			\
			print(" " __VA_ARGS__);				\
			print("\n");					\
			test_failed();					\
		}							\
		got_ == want_;						\
	})

/* For what TCG is known to get wrong: there, a difference is only printed. */
#define expect_but_tcg(reason, cond, ...)				\
	do {								\
		if (test_on_tcg()) {					\
			if (!(cond))					\
				print("known difference of TCG (%s): %s\n", reason, #cond); \
		} else {						\
			expect(cond, __VA_ARGS__);			\
		}							\
	} while (0)

#endif
