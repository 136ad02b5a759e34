// SPDX-License-Identifier: MIT
/*
 * What the host's kernel executes for a user world: a seccomp filter.
 *
 * Allowed are the stub's gates, each from its own address only and with the
 * arguments it uses; every other system call is the guest program's own and
 * comes back as SIGSYS.  A guest program can jump to a gate with arguments of
 * its choice.  What it gains:
 *
 *  wake, wait     a futex call on the baton's word: it waits in the stub, where
 *                 the kick signal finds it
 *  yield          nothing
 *  prove          its world is known to be stopped, and is (stub.S)
 *  altstack       the stack it has anyway: the argument is in read-only memory
 *  mmap, mprotect, munmap   a trap: it does not know the cookie
 *
 * A cookie is a 64-bit number of one world.  mprotect and munmap carry it in
 * their fourth argument, which they do not have; mmap in the upper halves of
 * protection and descriptor, which it does not look at.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "world/area.h"

extern const uint8_t stub_start[], gate_wake_fast[], gate_wake_signal[], gate_yield_fast[],
	gate_yield_signal[], gate_wait_fast[], gate_wait_signal[], gate_prove_fast[],
	gate_prove_chore[], gate_prove_signal[], gate_prove_ready[], gate_altstack[], gate_mmap[],
	gate_mprotect[], gate_munmap[];

#define DATA(field)	((uint32_t)offsetof(struct seccomp_data, field))
#define ARG_LOW(n)	(DATA(args) + 8 * (n))
#define ARG_HIGH(n)	(DATA(args) + 8 * (n) + 4)

struct assembler {
	struct sock_filter *at;
	unsigned count;
};

static void put(struct assembler *a, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	bug_on(a->count >= FILTER_MAX);
	a->at[a->count++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct assembler *a, uint32_t offset)
{
	put(a, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static void trap(struct assembler *a)
{
	put(a, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP);
}

static void allow(struct assembler *a)
{
	put(a, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

/* Go on if the loaded word is `value`; trap otherwise. */
static void require(struct assembler *a, uint32_t value)
{
	put(a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
	trap(a);
}

static void require_at(struct assembler *a, uint32_t offset, uint32_t value)
{
	load(a, offset);
	require(a, value);
}

/*
 * Code for one gate: skipped when the call was made elsewhere.  Starts with the
 * caller's address loaded; returns where to put the length of the skip.
 */
static unsigned gate_begin(struct assembler *a, const uint8_t *gate, const uint8_t *other)
{
	if (other)
		put(a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0,
		    (uint32_t)(STUB_TEXT + (uint64_t)(other - stub_start)));
	put(a, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)(STUB_TEXT + (uint64_t)(gate - stub_start)));
	return a->count - 1;
}

static void gate_end(struct assembler *a, unsigned begin)
{
	a->at[begin].jf = (uint8_t)(a->count - begin - 1);
}

static void futex(struct assembler *a, uint32_t operation)
{
	require_at(a, DATA(nr), SYS_futex);
	require_at(a, ARG_LOW(0), (uint32_t)(STUB_AREA + AREA_TURN));
	require_at(a, ARG_HIGH(0), STUB_BASE_HIGH);
	require_at(a, ARG_LOW(1), operation);
	allow(a);
}

unsigned filter_world(struct sock_filter *program, uint64_t cookie)
{
	struct assembler a = { program, 0 };
	unsigned gate;

	require_at(&a, DATA(arch), AUDIT_ARCH_X86_64);
	require_at(&a, DATA(instruction_pointer) + 4, STUB_BASE_HIGH);
	load(&a, DATA(instruction_pointer));

	gate = gate_begin(&a, gate_prove_signal, gate_prove_fast);
	require_at(&a, DATA(nr), SYS_lseek);
	require_at(&a, ARG_LOW(0), STUB_FD_PROOF);
	require_at(&a, ARG_LOW(2), 0 /* SEEK_SET */);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_prove_chore, gate_prove_ready);
	require_at(&a, DATA(nr), SYS_lseek);
	require_at(&a, ARG_LOW(0), STUB_FD_PROOF);
	require_at(&a, ARG_LOW(2), 0 /* SEEK_SET */);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_altstack, NULL);
	require_at(&a, DATA(nr), SYS_sigaltstack);
	require_at(&a, ARG_LOW(0), (uint32_t)(STUB_CONST + CONST_STACK));
	require_at(&a, ARG_HIGH(0), STUB_BASE_HIGH);
	require_at(&a, ARG_LOW(1), 0);
	require_at(&a, ARG_HIGH(1), 0);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_mmap, NULL);
	require_at(&a, DATA(nr), SYS_mmap);
	require_at(&a, ARG_HIGH(2), (uint32_t)(cookie >> 32));
	require_at(&a, ARG_HIGH(4), (uint32_t)cookie);
	require_at(&a, ARG_LOW(3), MAP_SHARED | MAP_FIXED);
	load(&a, ARG_LOW(4));
	put(&a, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, STUB_FD_RAM);
	put(&a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, STUB_FD_PATCH);
	trap(&a);
	load(&a, ARG_LOW(2));	/* never writable and executable at once */
	put(&a, BPF_ALU | BPF_AND | BPF_K, 0, 0, PROT_WRITE | PROT_EXEC);
	put(&a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PROT_WRITE | PROT_EXEC);
	trap(&a);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_mprotect, NULL);
	require_at(&a, DATA(nr), SYS_mprotect);
	require_at(&a, ARG_HIGH(3), (uint32_t)(cookie >> 32));
	require_at(&a, ARG_LOW(3), (uint32_t)cookie);
	load(&a, ARG_LOW(2));
	put(&a, BPF_ALU | BPF_AND | BPF_K, 0, 0, PROT_WRITE | PROT_EXEC);
	put(&a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PROT_WRITE | PROT_EXEC);
	trap(&a);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_munmap, NULL);
	require_at(&a, DATA(nr), SYS_munmap);
	require_at(&a, ARG_HIGH(3), (uint32_t)(cookie >> 32));
	require_at(&a, ARG_LOW(3), (uint32_t)cookie);
	allow(&a);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_wait_fast, gate_wait_signal);
	futex(&a, FUTEX_WAIT);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_wake_fast, gate_wake_signal);
	futex(&a, FUTEX_WAKE);
	gate_end(&a, gate);

	gate = gate_begin(&a, gate_yield_fast, gate_yield_signal);
	require_at(&a, DATA(nr), SYS_sched_yield);
	allow(&a);
	gate_end(&a, gate);

	trap(&a);
	return a.count;
}
