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
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "world/area.h"
#include "world/assembler.h"

extern const uint8_t stub_start[], gate_wake_fast[], gate_wake_signal[], gate_yield_fast[],
	gate_yield_signal[], gate_wait_fast[], gate_wait_signal[], gate_prove_fast[],
	gate_prove_chore[], gate_prove_signal[], gate_prove_ready[], gate_altstack[], gate_mmap[],
	gate_mprotect[], gate_munmap[];

static uint32_t address(const uint8_t *gate)
{
	return (uint32_t)(STUB_TEXT + (uint64_t)(gate - stub_start));
}

/* Code for a gate, or for either of two. */
static unsigned gate_begin(struct assembler *a, const uint8_t *gate, const uint8_t *other)
{
	if (other)
		bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, address(other));
	return bpf_begin(a, address(gate));
}

static void gate_prove(struct assembler *a)
{
	bpf_require_at(a, DATA(nr), SYS_lseek);
	bpf_require_at(a, ARG_LOW(0), STUB_FD_PROOF);
	bpf_require_at(a, ARG_LOW(2), 0 /* SEEK_SET */);
	bpf_allow(a);
}

/* Never writable and executable at once. */
static void require_protection(struct assembler *a)
{
	bpf_load(a, ARG_LOW(2));
	bpf_put(a, BPF_ALU | BPF_AND | BPF_K, 0, 0, PROT_WRITE | PROT_EXEC);
	bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PROT_WRITE | PROT_EXEC);
	bpf_refuse(a);
}

static void futex(struct assembler *a, uint32_t operation)
{
	bpf_require_at(a, DATA(nr), SYS_futex);
	bpf_require_at(a, ARG_LOW(0), (uint32_t)(STUB_AREA + AREA_TURN));
	bpf_require_at(a, ARG_HIGH(0), STUB_BASE_HIGH);
	bpf_require_at(a, ARG_LOW(1), operation);
	bpf_allow(a);
}

unsigned filter_world(struct sock_filter *program, uint64_t cookie)
{
	struct assembler a = { program, 0, FILTER_MAX, SECCOMP_RET_TRAP };
	unsigned gate;

	bpf_require_at(&a, DATA(arch), AUDIT_ARCH_X86_64);
	bpf_require_at(&a, DATA(instruction_pointer) + 4, STUB_BASE_HIGH);
	bpf_load(&a, DATA(instruction_pointer));

	gate = gate_begin(&a, gate_prove_signal, gate_prove_fast);
	gate_prove(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_prove_chore, gate_prove_ready);
	gate_prove(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_altstack, NULL);
	bpf_require_at(&a, DATA(nr), SYS_sigaltstack);
	bpf_require_at(&a, ARG_LOW(0), (uint32_t)(STUB_CONST + CONST_STACK));
	bpf_require_at(&a, ARG_HIGH(0), STUB_BASE_HIGH);
	bpf_require_at(&a, ARG_LOW(1), 0);
	bpf_require_at(&a, ARG_HIGH(1), 0);
	bpf_allow(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_mmap, NULL);
	bpf_require_at(&a, DATA(nr), SYS_mmap);
	bpf_require_at(&a, ARG_HIGH(2), (uint32_t)(cookie >> 32));
	bpf_require_at(&a, ARG_HIGH(4), (uint32_t)cookie);
	bpf_load(&a, ARG_LOW(3));
	bpf_put(&a, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, MAP_SHARED | MAP_FIXED);
	bpf_put(&a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, MAP_SHARED | MAP_FIXED | MAP_POPULATE);
	bpf_refuse(&a);
	bpf_load(&a, ARG_LOW(4));
	bpf_put(&a, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, STUB_FD_RAM);
	bpf_put(&a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, STUB_FD_PATCH);
	bpf_refuse(&a);
	require_protection(&a);
	bpf_allow(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_mprotect, NULL);
	bpf_require_at(&a, DATA(nr), SYS_mprotect);
	bpf_require_at(&a, ARG_HIGH(3), (uint32_t)(cookie >> 32));
	bpf_require_at(&a, ARG_LOW(3), (uint32_t)cookie);
	require_protection(&a);
	bpf_allow(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_munmap, NULL);
	bpf_require_at(&a, DATA(nr), SYS_munmap);
	bpf_require_at(&a, ARG_HIGH(3), (uint32_t)(cookie >> 32));
	bpf_require_at(&a, ARG_LOW(3), (uint32_t)cookie);
	bpf_allow(&a);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_wait_fast, gate_wait_signal);
	futex(&a, FUTEX_WAIT);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_wake_fast, gate_wake_signal);
	futex(&a, FUTEX_WAKE);
	bpf_end(&a, gate);

	gate = gate_begin(&a, gate_yield_fast, gate_yield_signal);
	bpf_require_at(&a, DATA(nr), SYS_sched_yield);
	bpf_allow(&a);
	bpf_end(&a, gate);

	bpf_refuse(&a);
	return a.count;
}
