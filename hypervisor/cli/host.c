// SPDX-License-Identifier: MIT
/*
 * Checks of the host, each by trying the thing itself where that is possible:
 * containers and security modules take away what the kernel version promises.
 */
#include "cli/host.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define HWCAP2_FSGSBASE		(1ul << 1)	/* asm/hwcap2.h, not exported by all libcs */
#define CPUID_1_ECX_OSXSAVE	(1u << 27)

static int host_check_cpu(void)
{
	unsigned a, b, c = 0, d;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		log_error("this host does not offer FSGSBASE to programs; use a CPU of 2013 or later with Linux 5.9 or later, booted without nofsgsbase");
		return -ENOSYS;
	}
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPUID_1_ECX_OSXSAVE)) {
		log_error("this host does not offer XSAVE to programs; boot it without noxsave, or use another CPU");
		return -ENOSYS;
	}
	return 0;
}

static int host_check_seccomp(void)
{
	const uint32_t trap = SECCOMP_RET_TRAP;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) == 0)
		return 0;
	log_error("this host does not offer seccomp filters (%s); use a kernel built with CONFIG_SECCOMP_FILTER, or a container that allows seccomp",
		  strerror(errno));
	return -ENOSYS;
}

static int host_check_memfd(void)
{
	int fd = memfd_create("ring3-check", MFD_CLOEXEC);
	void *p;

	if (fd < 0) {
		log_error("this host does not offer memfd (%s); use Linux 3.17 or later with vm.memfd_noexec below 2",
			  strerror(errno));
		return -ENOSYS;
	}
	p = ftruncate(fd, (off_t)PAGE_SIZE) ? MAP_FAILED :
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		log_error("this host forbids executable memory (%s); allow it to ring3 in its security policy (execmem)",
			  strerror(errno));
		return -ENOSYS;
	}
	munmap(p, PAGE_SIZE);
	return 0;
}

static int host_check_address_space(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		log_error("the address space of programs is limited to %lu MiB here; run ulimit -v unlimited first",
			  limit.rlim_cur / MIB);
		return -ENOSYS;
	}
	return 0;
}

int host_check_features(void)
{
	int r = host_check_cpu();

	if (!r)
		r = host_check_seccomp();
	if (!r)
		r = host_check_memfd();
	if (!r)
		r = host_check_address_space();
	return r;
}

/* The first number in a file, UINT64_MAX when there is none ("max") or no file. */
static uint64_t host_read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long value;
	bool found;

	if (!f)
		return UINT64_MAX;
	found = fscanf(f, "%lu", &value) == 1;
	fclose(f);
	return found ? value : UINT64_MAX;
}

/* MemAvailable and SwapFree, in bytes; UINT64_MAX when /proc does not say. */
static uint64_t host_memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t total = 0;
	bool found = false;
	unsigned long kib;
	char line[128];

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1) {
			found = true;
			total += kib * KIB;
		} else if (sscanf(line, "SwapFree: %lu kB", &kib) == 1) {
			total += kib * KIB;
		}
	}
	fclose(f);
	return found ? total : UINT64_MAX;
}

/* The smallest limit on the way from a control group to its root. */
static uint64_t host_group_limit(const char *mount, const char *group, const char *file)
{
	uint64_t limit = UINT64_MAX;
	char dir[1024], path[2048];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", group);
	for (;;) {
		snprintf(path, sizeof(path), "%s%s/%s", mount, strcmp(dir, "/") ? dir : "", file);
		limit = min_u64(limit, host_read_number(path));
		slash = strrchr(dir, '/');
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* Control groups, version 2 and 1 (cgroups(7)). */
static uint64_t host_memory_limit(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t limit = UINT64_MAX;
	char line[1024], *controllers, *group;

	if (!f)
		return limit;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		if (!strcmp(controllers, ":"))
			limit = min_u64(limit, host_group_limit("/sys/fs/cgroup", group,
								"memory.max"));
		else if (strstr(controllers, "memory"))
			limit = min_u64(limit, host_group_limit("/sys/fs/cgroup/memory", group,
								"memory.limit_in_bytes"));
	}
	fclose(f);
	return limit;
}

int host_check_memory(uint64_t size)
{
	uint64_t available = host_memory_available(), limit = host_memory_limit();
	struct rlimit file;

	if (size > available) {
		log_error("--memory %lu MiB is more than this host has free (%lu MiB); give less",
			  size / MIB, available / MIB);
		return -ENOMEM;
	}
	if (size > limit) {
		log_error("--memory %lu MiB is more than this control group may use (%lu MiB); give less, or raise its limit",
			  size / MIB, limit / MIB);
		return -ENOMEM;
	}
	if (getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_cur < size) {
		log_error("files are limited to %lu MiB here, guest memory is one; run ulimit -f unlimited first",
			  file.rlim_cur / MIB);
		return -ENOMEM;
	}
	return 0;
}
