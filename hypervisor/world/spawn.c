// SPDX-License-Identifier: MIT
/*
 * The making of a world: a child process that maps the stub, forgets everything
 * else and shuts its door behind itself.  Start-up code, with libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hostcall.h"
#include "base/log.h"
#include "memory/ram.h"
#include "patch/patch.h"
#include "world/area.h"
#include "world/hostsignal.h"

extern const uint8_t stub_start[], stub_sig_entry[], stub_boot[];

/* glibc's registration of restartable sequences; absent from other libcs. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
#define RSEQ_SIGNATURE	0x53053053
#define RSEQ_UNREGISTER	1

void spawn_restorer(void);
__asm__(".text\nspawn_restorer: mov $15, %eax\nsyscall\n");	/* rt_sigreturn */

static uint64_t learned_frame, learned_fpstate;

static void learn_handler(int sig, void *info, void *context)
{
	const struct world_frame *frame = (const void *)((char *)context - 8);

	(void)sig, (void)info;
	learned_frame = (uint64_t)frame;
	learned_fpstate = frame->fpstate;
}

static int action_set(int sig, const struct host_sigaction *action, struct host_sigaction *old)
{
	return (int)hostcall6(SYS_rt_sigaction, sig, (long)action, (long)old, 8, 0, 0);
}

/*
 * Where on the alternate stack the host puts a signal's frame: that depends on
 * the size of its extended state, so ask it by sending one.
 */
int world_frame_learn(struct stub_const *out)
{
	uint64_t top = STUB_AREA + AREA_STACK + AREA_STACK_SIZE, stack_top;
	struct host_sigaction action = { .handler = (uint64_t)learn_handler,
					 .flags = HOST_SA_SIGINFO | HOST_SA_ONSTACK | HOST_SA_RESTORER,
					 .restorer = (uint64_t)spawn_restorer }, old;
	struct host_stack stack = { .size = AREA_STACK_SIZE }, old_stack;
	void *memory = mmap(NULL, AREA_STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (memory == MAP_FAILED)
		return -errno;
	stack.sp = (uint64_t)memory;
	stack_top = stack.sp + AREA_STACK_SIZE;
	learned_frame = 0;
	err = (int)hostcall2(SYS_sigaltstack, (long)&stack, (long)&old_stack);
	if (!err) {
		err = action_set(HOST_SIGUSR1, &action, &old);
		if (!err) {
			hostcall3(SYS_tgkill, getpid(), getpid(), HOST_SIGUSR1);
			action_set(HOST_SIGUSR1, &old, NULL);
		}
		hostcall2(SYS_sigaltstack, (long)&old_stack, 0);
	}
	munmap(memory, AREA_STACK_SIZE);
	if (err)
		return err;
	/* Two frames must fit: a kick may come while a handler runs. */
	if (!learned_frame || stack_top - learned_frame > AREA_STACK_SIZE / 2 - 512 ||
	    learned_fpstate < learned_frame || learned_fpstate >= stack_top ||
	    learned_fpstate % 64)
		return -ENOSYS;
	*out = (struct stub_const){
		.frame = top - (stack_top - learned_frame),
		.fpstate = top - (stack_top - learned_fpstate),
		.stack_sp = STUB_AREA + AREA_STACK,
		.stack_flags = HOST_SS_AUTODISARM,
		.stack_size = AREA_STACK_SIZE,
	};
	return 0;
}

static int map_at(uint64_t addr, uint64_t size, int prot, int fd, uint64_t offset)
{
	void *p = mmap((void *)addr, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		       (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	return p == (void *)addr ? 0 : -EEXIST;
}

static int child_signals(void)
{
	static const int handled[] = { HOST_SIGSEGV, HOST_SIGBUS, HOST_SIGILL, HOST_SIGFPE,
				       HOST_SIGTRAP, HOST_SIGSYS, STUB_KICK_SIGNAL };
	struct host_sigaction action = { .handler = HOST_SIG_IGN };
	uint64_t none = 0;

	/* What a terminal or an operator sends to the whole group is the kernel world's affair. */
	for (int sig = 1; sig <= HOST_SIGNALS; sig++) {
		if (sig == HOST_SIGKILL || sig == HOST_SIGSTOP || sig == HOST_SIGTSTP || sig == HOST_SIGCONT)
			continue;
		if (action_set(sig, &action, NULL))
			return -EINVAL;
	}
	action.handler = STUB_TEXT + (uint64_t)(stub_sig_entry - stub_start);
	action.flags = HOST_SA_SIGINFO | HOST_SA_ONSTACK | HOST_SA_NODEFER | HOST_SA_RESTORER;
	action.restorer = STUB_TEXT;
	for (unsigned i = 0; i < array_size(handled); i++)
		if (action_set(handled[i], &action, NULL))
			return -EINVAL;
	return (int)hostcall6(SYS_rt_sigprocmask, HOST_SIG_SETMASK, (long)&none, 0, 8, 0, 0);
}

static int child_descriptors(struct world *w)
{
	/* Out of the way first: any of them may have one of the final numbers. */
	int ram = fcntl(ram_fd(), F_DUPFD, 16), patch = fcntl(patch_fd(), F_DUPFD, 16);
	int proof = fcntl(w->proof_fd, F_DUPFD, 16);

	if (ram < 0 || patch < 0 || proof < 0 || dup2(ram, STUB_FD_RAM) < 0 ||
	    dup2(patch, STUB_FD_PATCH) < 0 || dup2(proof, STUB_FD_PROOF) < 0)
		return -errno;
	if (syscall(SYS_close_range, 0, STUB_FD_RAM - 1, 0) ||
	    syscall(SYS_close_range, STUB_FD_PROOF + 1, ~0u, 0))
		for (int fd = 0; fd < 4096; fd++)	/* kernels before 5.9 */
			if (fd < STUB_FD_RAM || fd > STUB_FD_PROOF)
				close(fd);
	return 0;
}

static int child_prepare(struct world *w, int area_fd, uint64_t area_offset)
{
	struct rlimit no_core = { 0, 0 };
	struct host_stack stack = { .sp = STUB_AREA + AREA_STACK, .size = AREA_STACK_SIZE,
				    .flags = HOST_SS_AUTODISARM };
	int err;

	setrlimit(RLIMIT_CORE, &no_core);
	baton_child();
	if ((err = map_at(STUB_TABLE, STUB_TABLE_SIZE, PROT_READ, patch_fd(), PATCH_TABLE)) ||
	    (err = map_at(STUB_TEXT, STUB_TEXT_SIZE, PROT_READ | PROT_EXEC, patch_fd(),
			  PATCH_TEXT)) ||
	    (err = map_at(STUB_CONST, STUB_CONST_SIZE, PROT_READ, patch_fd(), PATCH_CONST)) ||
	    (err = map_at(STUB_AREA, STUB_AREA_SIZE, PROT_READ | PROT_WRITE, area_fd,
			  area_offset)) ||
	    (err = map_at(STUB_TRAMPOLINES, STUB_TRAMPOLINES_SIZE, PROT_READ | PROT_EXEC,
			  patch_fd(), PATCH_TRAMPOLINES)))
		return err;
	if ((err = child_signals()) || (err = child_descriptors(w)))
		return err;
	if (hostcall2(SYS_sigaltstack, (long)&stack, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	prctl(PR_SET_NAME, "ring3-world");
	/* The host would write into this process's memory at the old address. */
	if (&__rseq_offset && &__rseq_size && __rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32,
			RSEQ_UNREGISTER, RSEQ_SIGNATURE);
	return 0;
}

static _Noreturn void child_main(struct world *w, int area_fd, uint64_t area_offset)
{
	/* The filter travels in the requests' place, which the stub does not unmap. */
	struct sock_filter *program = (void *)w->area->requests;
	struct sock_fprog *head = (void *)w->area->xsave;
	int err = child_prepare(w, area_fd, area_offset);

	if (err) {
		w->area->error = err;
		w->area->turn = TURN_KERNEL;
		_exit(1);
	}
	head->len = (unsigned short)filter_world(program, w->cookie);
	head->filter = (void *)(STUB_AREA + AREA_REQUESTS);
	/*
	 * Hosts let some calls pass every filter (uretprobe, uprobe).  Dispatch comes before
	 * filters and knows no exceptions; a host without it (before 5.11) lacks those calls too.
	 */
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, STUB_TEXT, STUB_TEXT_SIZE, 0);
	__asm__ volatile("jmp *%0"
			 : : "r"(STUB_TEXT + (uint64_t)(stub_boot - stub_start)),
			     "S"(STUB_AREA + AREA_XSAVE) : "memory");
	__builtin_unreachable();
}

int world_spawn(struct world *w, int area_fd, uint64_t area_offset)
{
	pid_t parent = getpid();

	w->pid = fork();
	if (w->pid < 0)
		return -errno;
	if (w->pid > 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, HOST_SIGKILL) || getppid() != parent)
		_exit(1);
	child_main(w, area_fd, area_offset);
}
