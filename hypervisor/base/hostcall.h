/* SPDX-License-Identifier: MIT */
/*
 * Host system calls without libc: no errno, hence no thread-local storage, so
 * that they work while FS.base belongs to the guest.  Result: as the kernel
 * returns it, -errno on failure.
 */
#ifndef RING3_BASE_HOSTCALL_H
#define RING3_BASE_HOSTCALL_H

#include <sys/syscall.h>

#include "base/types.h"

static inline long hostcall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long hostcall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long hostcall_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd,
				 uint64_t offset)
{
	return hostcall6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, (long)offset);
}

static inline long hostcall2(long nr, long a, long b)
{
	return hostcall3(nr, a, b, 0);
}

static inline long hostcall1(long nr, long a)
{
	return hostcall3(nr, a, 0, 0);
}

#endif
