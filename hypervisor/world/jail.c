// SPDX-License-Identifier: MIT
/*
 * The kernel world's jail: a seccomp filter with the reason beside each call.
 *
 * It holds the damage that broken engine or generated code could do to what is
 * open already: guest RAM, the machine's own devices, its own worlds.  It cannot
 * open, connect, execute, fork, or make anything executable.
 */
#include "world/jail.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/hostcall.h"
#include "base/layout.h"
#include "hostio/calls.h"
#include "memory/ram.h"
#include "world/area.h"
#include "world/assembler.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv		449
#endif

#define PROGRAM_MAX	2048

static struct sock_filter program[PROGRAM_MAX];

/* Allowed with any arguments: what they act on is open already, or this process itself. */
static const int plain_calls[] = {
	SYS_write,		/* console, log */
	SYS_read,		/* console */
	SYS_close,		/* a peer of the console or the debugger is gone */
	SYS_ppoll,		/* is there input; waiting for it in HLT */
	SYS_recvfrom,		/* the debugger's connection, network peers */
	SYS_accept4,		/* console and debugger on listening sockets */
	SYS_timer_settime,	/* the machine's next timer event */
	SYS_clock_gettime,	/* wall clock for the RTC */
	SYS_sched_yield,	/* the baton on one CPU */
	SYS_futex_waitv,	/* the baton: until the world is back, or a kick */
	SYS_rt_sigreturn,	/* end of a signal handler */
	SYS_restart_syscall,	/* a wait that was stopped and continued */
	SYS_getpid, SYS_gettid,	/* abort() */
	SYS_getrandom,		/* nonces of the proofs (world/proof.c) */
	SYS_wait4,		/* did a world die */
	SYS_exit, SYS_exit_group,
};

/* Allowed on the descriptors that back-ends named (hostio/calls.h), as their first argument. */
static const int descriptor_calls[] = {
	SYS_io_uring_enter,	/* the ring: itself restricted to I/O on the machine's files */
	SYS_epoll_ctl,		/* descriptors to wait for that come and go: console, debugger, peers */
	SYS_epoll_pwait,	/* which of them are ready */
	SYS_readv, SYS_writev,	/* frames of a tap, straight from and to guest memory */
	SYS_pread64,		/* how long our processes waited for a CPU (machine/steal.c) */
};

/* Guest addresses as the kernel world has them: neither the engine, its tables nor flat RAM. */
static void require_guest_address(struct assembler *a)
{
	bpf_load(a, ARG_HIGH(0));
	bpf_put(a, BPF_JMP | BPF_JGE | BPF_K, 3, 0, LAYOUT_GUEST_HIGH >> 32);
	bpf_put(a, BPF_JMP | BPF_JGE | BPF_K, 0, 1, LAYOUT_LOW >> 32);
	bpf_put(a, BPF_JMP | BPF_JGE | BPF_K, 0, 1, (LAYOUT_LOW + LAYOUT_LOW_SIZE) >> 32);
	bpf_refuse(a);
}

/* Pieces of guest RAM at guest addresses, never executable: this process's TLB. */
static void allow_mappings(struct assembler *a)
{
	unsigned begin;

	begin = bpf_begin(a, SYS_mmap);
	require_guest_address(a);
	bpf_require_clear(a, ARG_LOW(2), PROT_EXEC);
	bpf_require_at(a, ARG_LOW(3), MAP_SHARED | MAP_FIXED);
	bpf_require_at(a, ARG_LOW(4), (uint32_t)ram_fd());
	bpf_allow(a);
	bpf_end(a, begin);

	begin = bpf_begin(a, SYS_mprotect);
	require_guest_address(a);
	bpf_require_clear(a, ARG_LOW(2), PROT_EXEC);
	bpf_allow(a);
	bpf_end(a, begin);

	begin = bpf_begin(a, SYS_munmap);
	require_guest_address(a);
	bpf_allow(a);
	bpf_end(a, begin);
}

/* Signals: kicks to worlds and their end; to itself, abort(). */
static void allow_signals(struct assembler *a)
{
	static const int calls[] = { SYS_tgkill, SYS_kill };
	long self = hostcall1(SYS_getpid, 0);

	for (unsigned c = 0; c < array_size(calls); c++) {
		bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)calls[c]);
		bpf_put(a, BPF_JMP | BPF_JA, 0, 0, worlds_number * 2 + 5);
		bpf_load(a, ARG_LOW(0));
		for (unsigned i = 0; i < worlds_number; i++) {
			bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)worlds[i].pid);
			bpf_allow(a);
		}
		bpf_require(a, (uint32_t)self);
		bpf_allow(a);
		bpf_load(a, DATA(nr));
	}
}

static void allow_futex(struct assembler *a)
{
	unsigned begin = bpf_begin(a, SYS_futex);

	bpf_load(a, ARG_LOW(1));
	bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, FUTEX_WAKE);	/* past the next */
	bpf_require(a, FUTEX_WAIT_BITSET);
	bpf_allow(a);
	bpf_end(a, begin);
}

static bool descriptor_call(int nr)
{
	for (unsigned i = 0; i < array_size(descriptor_calls); i++) {
		if (descriptor_calls[i] == nr)
			return true;
	}
	return false;
}

static void allow_back_ends(struct assembler *a)
{
	unsigned number;
	const struct call *calls = calls_allowed(&number);

	for (unsigned i = 0; i < number; i++)
		bug_on(!descriptor_call(calls[i].nr));
	for (unsigned c = 0; c < array_size(descriptor_calls); c++) {
		unsigned begin = bpf_begin(a, (uint32_t)descriptor_calls[c]);

		bpf_load(a, ARG_LOW(0));
		for (unsigned i = 0; i < number; i++) {
			if (calls[i].nr != descriptor_calls[c])
				continue;
			bpf_put(a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)calls[i].fd);
			bpf_allow(a);
		}
		bpf_refuse(a);
		bpf_end(a, begin);
	}
}

static void allow_others(struct assembler *a)
{
	unsigned begin;

	/* Looking at proofs: tells a position, moves none. */
	begin = bpf_begin(a, SYS_lseek);
	bpf_require_at(a, ARG_LOW(1), 0);
	bpf_require_at(a, ARG_HIGH(1), 0);
	bpf_require_at(a, ARG_LOW(2), 1 /* SEEK_CUR */);
	bpf_allow(a);
	bpf_end(a, begin);

	/* To the worlds' CPU and back (world/spare.c): itself only. */
	begin = bpf_begin(a, SYS_sched_setaffinity);
	bpf_require_at(a, ARG_LOW(0), 0);
	bpf_allow(a);
	bpf_end(a, begin);

	/* What a tap may hand us, as the guest's driver wants it (hostio/net_tap.c); no other kind of
	 * descriptor knows this number. */
	begin = bpf_begin(a, SYS_ioctl);
	bpf_require_at(a, ARG_LOW(1), TUNSETOFFLOAD);
	bpf_allow(a);
	bpf_end(a, begin);

	/* To the debugger and to network peers; with no address, so only on connected sockets. */
	begin = bpf_begin(a, SYS_sendto);
	bpf_require_at(a, ARG_LOW(4), 0);
	bpf_require_at(a, ARG_HIGH(4), 0);
	bpf_allow(a);
	bpf_end(a, begin);
}

int jail_kernel_world(void)
{
	struct assembler a = { program, 0, PROGRAM_MAX, SECCOMP_RET_KILL_PROCESS };
	struct sock_fprog head;
	long err;

	bpf_require_at(&a, DATA(arch), AUDIT_ARCH_X86_64);
	bpf_load(&a, DATA(nr));
	allow_futex(&a);
	allow_others(&a);
	allow_back_ends(&a);
	allow_mappings(&a);
	for (unsigned i = 0; i < array_size(plain_calls); i++) {
		bpf_put(&a, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)plain_calls[i]);
		bpf_allow(&a);
	}
	allow_signals(&a);
	bpf_refuse(&a);

	head.len = (unsigned short)a.count;
	head.filter = program;
	err = hostcall6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	if (!err)
		err = hostcall3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&head);
	if (err)
		log_error("the host refuses to jail ring3 (error %ld): seccomp filters are needed",
			  -err);
	return (int)err;
}
