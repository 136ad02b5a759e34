// SPDX-License-Identifier: MIT
/*
 * Writing the filter: one comparison for each call; conditions on arguments for
 * those few that could do harm.
 */
#include "hostio/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/types.h"

#define PROGRAM_MAX	512u
#define CONDITION_MAX	8u

#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n)	LOAD(args[n])	/* its lower half */
#define VERDICT(v)	BPF_STMT(BPF_RET | BPF_K, v)
#define REFUSED		(SECCOMP_RET_ERRNO | EPERM)

/* Calls with a condition: what to do once the number matched. */
static unsigned condition(int nr, struct sock_filter *to)
{
	const struct sock_filter reads[] = {
		LOAD_ARG(2),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC, 0, 1),
		VERDICT(REFUSED), VERDICT(SECCOMP_RET_ALLOW),
	}, data[] = {
		LOAD_ARG(2),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		VERDICT(REFUSED), VERDICT(SECCOMP_RET_ALLOW),
	}, internet[] = {
		LOAD_ARG(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0),
		VERDICT(REFUSED), VERDICT(SECCOMP_RET_ALLOW),
	}, any[] = {
		VERDICT(SECCOMP_RET_ALLOW),
	}, *from = any;
	unsigned n = array_size(any);

	switch (nr) {
	case SYS_openat:
		from = reads;
		n = array_size(reads);
		break;
	case SYS_mmap: case SYS_mprotect:
		from = data;
		n = array_size(data);
		break;
	case SYS_socket:
		from = internet;
		n = array_size(internet);
		break;
	default:
		break;
	}
	for (unsigned i = 0; i < n; i++)
		to[i] = from[i];
	return n;
}

/* Of Landlock's first version (Linux 5.13), all that exists. */
#define FILES_ALL	((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define FILES_READ	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

int confine_files(const char *const *folders)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FILES_ALL };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), error = 0;

	if (rules < 0)
		return -errno;
	for (; *folders; folders++) {
		struct landlock_path_beneath_attr beneath = {
			.allowed_access = FILES_READ,
			.parent_fd = open(*folders, O_PATH | O_DIRECTORY | O_CLOEXEC),
		};

		if (beneath.parent_fd < 0)
			continue;
		if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
			error = -errno;
		close(beneath.parent_fd);
	}
	if (!error && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		       syscall(SYS_landlock_restrict_self, rules, 0) < 0))
		error = -errno;
	close(rules);
	return error;
}

int confine(const int *calls, unsigned number)
{
	static const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		VERDICT(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
	};
	struct sock_filter program[PROGRAM_MAX];
	struct sock_fprog description = { .filter = program };
	unsigned n = 0, used;

	for (unsigned i = 0; i < array_size(head); i++)
		program[n++] = head[i];
	for (unsigned i = 0; i < number; i++) {
		if (n + CONDITION_MAX + 2 > PROGRAM_MAX)
			return -E2BIG;
		used = condition(calls[i], &program[n + 1]);
		program[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							  (uint32_t)calls[i], 0, (uint8_t)used);
		n += 1 + used;
	}
	program[n++] = (struct sock_filter)VERDICT(REFUSED);
	description.len = (unsigned short)n;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &description) < 0)
		return -errno;
	return 0;
}
