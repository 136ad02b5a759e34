// SPDX-License-Identifier: MIT
/*
 * Kernel interfaces that move memory or control in their own ways: System V
 * shared memory and semaphores, splice and vmsplice, signalfd, pidfd, clone3,
 * restartable sequences, membarrier, mremap of shared memory, memfd seals,
 * inotify, record locks, process_vm_readv, /proc/self/mem, madvise variants,
 * scheduling classes, times and resource usage.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096

static void system_v(void)
{
	int shm = shmget(IPC_PRIVATE, 16 * PAGE, IPC_CREAT | 0600),
	    sem = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	volatile int *p = shmat(shm, NULL, 0);

	if (shm < 0 || sem < 0 || p == (void *)-1)
		check_abort("System V IPC");
	semctl(sem, 0, SETVAL, 1);
	fflush(stdout);
	for (int i = 0; i < 8; i++)
		if (!fork()) {
			for (int j = 0; j < 200; j++) {
				semop(sem, &(struct sembuf){ 0, -1, 0 }, 1);
				int v = *p;

				if (j % 20 == 0)
					sched_yield();
				*p = v + 1;
				semop(sem, &(struct sembuf){ 0, 1, 0 }, 1);
			}
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	expect_equal(*p, 1600, "eight processes under one semaphore");
	void *again = shmat(shm, NULL, SHM_RDONLY);

	expect(again != (void *)p && *(volatile int *)again == 1600, "attached twice");
	shmdt((void *)p), shmdt(again);
	shmctl(shm, IPC_RMID, NULL), semctl(sem, 0, IPC_RMID);
}

static void pipes_without_copies(void)
{
	int a[2], b[2], file = memfd_create("splice", 0);
	static char text[8 * PAGE], back[8 * PAGE];

	if (pipe(a) || pipe(b))
		check_abort("pipe");
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 997);
	struct iovec iov = { text, sizeof(text) };

	expect(vmsplice(a[1], &iov, 1, 0) == sizeof(text), "vmsplice");
	expect(tee(a[0], b[1], sizeof(text), 0) == sizeof(text), "tee");
	expect(splice(a[0], NULL, file, NULL, sizeof(text), 0) == sizeof(text), "splice to a file");
	expect(read(b[0], back, sizeof(back)) == sizeof(back) && !memcmp(text, back, sizeof(text)),
	       "the pipe's copy");
	memset(back, 0, sizeof(back));
	expect(pread(file, back, sizeof(back), 0) == sizeof(back) && !memcmp(text, back, sizeof(text)),
	       "the file's copy");
	close(a[0]), close(a[1]), close(b[0]), close(b[1]), close(file);
}

static void processes_as_files(void)
{
	sigset_t set;
	struct signalfd_siginfo si;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int sfd = signalfd(-1, &set, 0);

	kill(getpid(), SIGUSR1);
	expect(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGUSR1 &&
		       (pid_t)si.ssi_pid == getpid(),
	       "signalfd");
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	int pidfd = -1;

	args.pidfd = (uintptr_t)&pidfd;
	fflush(stdout);
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		_exit(23);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	expect(pid > 0 && poll(&p, 1, 5000) == 1, "clone3 and its pidfd");
	expect_equal(check_wait((pid_t)pid), 23, "its status");
	expect(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGCHLD && si.ssi_status == 23,
	       "SIGCHLD by signalfd");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	close(sfd), close(pidfd);
}

/* libc registers an area that the kernel writes at each return to user code. */
static void restartable(void)
{
	if (!__rseq_size) {
		printf("# no restartable sequences\n");
		return;
	}
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	unsigned wrong = 0;

	for (int i = 0; i < 1000; i++) {
		if (i % 50 == 0)
			sched_yield();
		wrong += *(volatile unsigned *)&r->cpu_id != *(volatile unsigned *)&r->cpu_id_start;
	}
	/* A critical section that is never left otherwise than by abort, when it is preempted. */
	struct rseq_cs cs __attribute__((aligned(32))) = { 0 };
	volatile unsigned aborted = 0;
	for (int i = 0; i < 3; i++) {
		__asm__ volatile(
			"lea 1f(%%rip), %%rax; mov %%rax, 8(%0)\n"
			"lea 2f(%%rip), %%rax; lea 1f(%%rip), %%rcx; sub %%rcx, %%rax; mov %%rax, 16(%0)\n"
			"lea 4f(%%rip), %%rax; mov %%rax, 24(%0)\n"
			"mov %0, 8(%1)\n"
			"1: pause; jmp 1b\n"
			"2: jmp 5f\n"
			".long 0x53053053\n"
			"4: incl %2\n"
			"5:"
			:
			: "r"(&cs), "r"(r), "m"(aborted)
			: "rax", "rcx", "memory");
	}
	expect(!wrong, "the kernel keeps the CPU number");
	expect_equal(aborted, 3, "endless critical sections are aborted");
}

static void membarriers(void)
{
	long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	expect(can > 0 && !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) &&
		       !syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
	       "membarrier");
}

static void by_other_ways(void)
{
	char *area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int mem = open("/proc/self/mem", O_RDWR), wrong = 0;

	memset(area, 'a', 8 * PAGE);
	mprotect(area, PAGE, PROT_READ);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		char byte = (char)i, got = 0;
		struct iovec local = { &got, 1 }, remote = { area + i * 300, 1 };

		/* /proc/self/mem writes even where the page is read-only. */
		wrong += pwrite(mem, &byte, 1, (off_t)(uintptr_t)(area + i * 300)) != 1 ||
			 area[i * 300] != byte;
		wrong += process_vm_readv(pid, &local, 1, &remote, 1, 0) != 1 || got != 'a';
		remote.iov_base = area + i * 300 + 1;
		local.iov_base = &byte;
		if (i * 300 + 1 >= PAGE)
			wrong += process_vm_writev(pid, &local, 1, &remote, 1, 0) != 1 ||
				 area[i * 300 + 1] != 'a';
	}
	kill(pid, SIGKILL);
	check_wait(pid);
	expect_equal(wrong, 0, "memory of others and by files");
	close(mem);
	/* Shared memory doubled by mremap of size zero. */
	char *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *twin = mremap(shared, 0, 4 * PAGE, MREMAP_MAYMOVE);

	twin[5] = 'T';
	expect(twin != MAP_FAILED && shared[5] == 'T', "a mapping doubled");
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	ftruncate(fd, PAGE);
	expect(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) &&
		       mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED,
	       "seals");
	close(fd);
	/* Fork behaviour by advice. */
	char *wiped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	wiped[0] = wiped[PAGE] = 'w';
	madvise(wiped, PAGE, MADV_WIPEONFORK);
	pid = fork();
	if (!pid)
		_exit(wiped[0] == 0 && wiped[PAGE] == 'w' ? 4 : 1);
	expect_equal(check_wait(pid), 4, "wiped on fork");
	expect(wiped[0] == 'w', "but not for the parent");
	expect(!mlock(area, PAGE) && !munlock(area, PAGE), "locked memory");
	expect(!msync(shared, PAGE, MS_SYNC), "msync");
	munmap(area, 8 * PAGE);
}

static void watching(void)
{
	char name[] = "watch-XXXXXX", event[512];
	int fd = mkstemp(name), in = inotify_init1(IN_NONBLOCK);

	inotify_add_watch(in, name, IN_MODIFY);
	write(fd, "x", 1);
	expect(read(in, event, sizeof(event)) > 0, "inotify");
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t pid;

	fcntl(fd, F_SETLK, &lock);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		lock.l_pid = 0;
		_exit(fcntl(fd, F_SETLK, &lock) == -1 ? 6 : 1);
	}
	expect_equal(check_wait(pid), 6, "record locks");
	close(fd), close(in);
	unlink(name);
}

static void accounting(void)
{
	struct rusage before, after;
	struct tms t;
	volatile unsigned long spin = 0;

	getrusage(RUSAGE_SELF, &before);
	char *p = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, 100 * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < 100; i++)
		p[i * PAGE] = 1;
	getrusage(RUSAGE_SELF, &after);
	long faults = after.ru_minflt - before.ru_minflt;
	expect(faults >= 100 && faults < 140, "a hundred page faults counted");
	do {
		for (int i = 0; i < 1000000; i++)
			spin++;
		getrusage(RUSAGE_SELF, &after);
	} while (after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec <
		 before.ru_utime.tv_sec * 1000000 + before.ru_utime.tv_usec + 50000);
	expect(times(&t) != (clock_t)-1 && t.tms_utime >= 4, "user time counted");
	struct sched_param param = { .sched_priority = 1 };
	expect(!sched_setscheduler(0, SCHED_FIFO, &param) || errno == EPERM, "real-time class");
	param.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &param);
}

int main(void)
{
	system_v();
	pipes_without_copies();
	processes_as_files();
	restartable();
	membarriers();
	by_other_ways();
	watching();
	accounting();
	return check_result();
}
