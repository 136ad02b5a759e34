// SPDX-License-Identifier: MIT
/*
 * Random bytes executed, and every opcode of the one- and two-byte maps with a
 * register and a memory operand, everywhere in a page, also across its end.
 * Sequences that hold a way to make system calls are left out, and a filter
 * lets through only what the harness needs, should the bytes jump to a libc
 * function: what they would ask the kernel for is not what is tested, and the
 * host runs this, too.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "bystander.h"

static unsigned char *code, *data;

static bool asks_the_kernel(const unsigned char *p, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if ((p[i] == 0x0f && (p[i + 1] == 0x05 || p[i + 1] == 0x34)) ||
		    (p[i] == 0xcd && p[i + 1] == 0x80))
			return true;
	return p[size - 1] == 0x0f || p[size - 1] == 0xcd;
}

static void confine(void)
{
	static const unsigned short allowed[] = {
		SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sigaltstack,   SYS_setitimer,
		SYS_mmap,	  SYS_exit,	    SYS_exit_group,	SYS_clock_gettime,
	};
	enum { N = sizeof(allowed) / sizeof(allowed[0]) };
	struct sock_filter filter[N + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { N + 3, filter };

	for (unsigned i = 0; i < N; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
							     (unsigned char)(N - i), 0);
	filter[N + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	filter[N + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(90);
}

static void run(const unsigned char *bytes, size_t size, size_t at)
{
	if (asks_the_kernel(bytes, size))
		return;
	if (!code) {
		confine();
		code = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		data = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(code, 0xcc, 3 * 4096);
	}
	if (!sigsetjmp(hostile_resume, 1)) {
		memset(code + at - 32, 0xcc, 96);
		memcpy(code + at, bytes, size);
		struct hostile_registers r = { .flags = 0x202, .rip = (uintptr_t)(code + at) };
		uint64_t *word = (uint64_t *)&r;

		for (int i = 0; i < 16; i++)
			word[i] = (uintptr_t)data + 4096;
		r.rcx = 3;
		hostile_jump(&r);
	}
}

static void opcodes(unsigned long i)
{
	static const unsigned char modrm[] = { 0xc0, 0x00, 0xd9, 0x48, 0xf8, 0x38, 0x20 };
	static const unsigned char prefixes[] = { 0, 0x66, 0xf2, 0xf3, 0x48, 0xf0, 0x64 };
	unsigned char bytes[16];
	size_t n = 0;
	unsigned char opcode = (unsigned char)i;

	i /= 256;
	unsigned map = i % 3;

	i /= 3;
	unsigned char prefix = prefixes[i % 7];

	i /= 7;
	/* Loading FS would take the handler's thread data away; GS and far returns stay in. */
	if (prefix)
		bytes[n++] = prefix;
	if (map)
		bytes[n++] = 0x0f;
	if (map == 2)
		bytes[n++] = 0x38;
	bytes[n++] = opcode;
	bytes[n++] = modrm[i % 7];
	memset(bytes + n, 0x10, 6);
	n += 6;
	if ((map == 1 && (opcode == 0xa1 || opcode == 0xb4 || opcode == 0xae)) || (!map && opcode == 0x8e))
		return;
	run(bytes, n, i % 2 ? 1000 : 4096 - (i % 7));
}

static void random_bytes(unsigned long i)
{
	unsigned char bytes[16];

	hostile_seed = (i + 1) * 0x9e3779b97f4a7c15ULL;
	for (int n = 0; n < 4; n++)
		hostile_random();
	for (size_t b = 0; b < sizeof(bytes); b++)
		bytes[b] = (unsigned char)(hostile_random() >> 24);
	run(bytes, sizeof(bytes), i % 8 == 0 ? 4090 : 512 + i % 64);
}

int main(void)
{
	bystander_start();
	hostile_attempts(256 * 3 * 7 * 7, opcodes, 15);
	hostile_attempts(20000, random_bytes, 12);
	return bystander_verdict();
}
