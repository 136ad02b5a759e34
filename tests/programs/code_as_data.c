// SPDX-License-Identifier: MIT
/*
 * A program that reads its own code finds what its file holds, also where that
 * code has been executed many times: hot system calls, CPUID.  The reading is
 * by user code, by the kernel and by another process.
 */
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

extern char __executable_start[], etext[];
extern char code_begin[], code_end[];
extern long code_getpid(void);
__asm__(".text\n"
	"code_begin:\n"
	"code_getpid: mov $39, %eax; syscall; ret\n"
	"code_cpuid: push %rbx; xor %eax, %eax; xor %ecx, %ecx; cpuid; pop %rbx; ret\n"
	"code_end:\n");
extern void code_cpuid(void);

int main(void)
{
	size_t size = (size_t)(code_end - code_begin);
	unsigned char copy[64], want[64];
	int fd = open("/proc/self/exe", O_RDONLY), mem = open("/proc/self/mem", O_RDONLY), fds[2];
	unsigned wrong = 0;

	/* Where the code is in the file: by the segment that holds it. */
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	off_t offset = -1;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || pipe(fds))
		check_abort("own file");
	for (int i = 0; i < eh.e_phnum; i++) {
		pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + (size_t)i * sizeof(ph)));
		if (ph.p_type == PT_LOAD && ph.p_vaddr <= (uintptr_t)code_begin &&
		    (uintptr_t)code_end <= ph.p_vaddr + ph.p_filesz)
			offset = (off_t)((uintptr_t)code_begin - ph.p_vaddr + ph.p_offset);
	}
	if (offset < 0 || pread(fd, want, size, offset) != (ssize_t)size)
		check_abort("own file");
	for (int i = 0; i < 3000; i++) {
		wrong += code_getpid() != getpid();
		if (i < 200)
			code_cpuid();
	}
	expect_equal(wrong, 0, "the code works");
	pread(mem, copy, size, (off_t)(uintptr_t)code_begin);
	expect(!memcmp(copy, want, size), "read through /proc/self/mem");
	write(fds[1], code_begin, size);
	read(fds[0], copy, size);
	expect(!memcmp(copy, want, size), "read by write()");
	memcpy(copy, code_begin, size);
	expect(!memcmp(copy, want, size), "read by the program");
	/* A copy of the code works as well. */
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);

	memcpy(p, code_begin, size);
	expect(((long (*)(void))(void *)p)() == getpid(), "a copy of it works");
	return check_result();
}
