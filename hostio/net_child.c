// SPDX-License-Identifier: MIT
/*
 * Starting helper processes.
 *
 * They are nobody's children that would have to be waited for: the kernel world
 * cannot, in its jail.  They end when the socket to them is closed, which the host
 * does however ring3 ends.
 */
#include "hostio/net_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS	10000	/* a helper that is not ready by then never will be */

static _Noreturn void child_exec(const char *program, char *const argv[], int fd, int messages)
{
	int null = open("/dev/null", O_RDWR);
	int kept = fcntl(fd, F_DUPFD, 10), out = fcntl(messages, F_DUPFD, 10);
	sigset_t none;

	if (null < 0 || kept < 0 || out < 0)
		_exit(126);
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(out, 2) < 0 ||
	    dup2(kept, NET_CHILD_FD) < 0)
		_exit(126);
	if (syscall(SYS_close_range, NET_CHILD_FD + 1, ~0u, 0)) {
		for (int i = NET_CHILD_FD + 1; i < 1024; i++)
			close(i);
	}
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(program, argv);
	_exit(127);
}

/* Read what the program says until it stops; keep the last line that says something. */
static void child_listen(int fd, char *said, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	bool line_ended = false;
	char c;

	said[0] = 0;
	while (poll(&p, 1, START_MS) > 0 && read(fd, &c, 1) == 1) {
		if (c == '\n' || c == '\r') {
			line_ended = true;
			continue;
		}
		if (line_ended)
			used = 0;
		line_ended = false;
		if (used + 1 < size)
			said[used++] = c;
		said[used] = 0;
	}
}

int net_child_run(const char *program, char *const argv[], int fd, char *said, size_t said_size)
{
	int messages[2], status;
	pid_t pid;

	if (pipe2(messages, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child_exec(program, argv, fd, messages[1]);
	close(messages[1]);
	if (pid < 0) {
		close(messages[0]);
		return -errno;
	}
	child_listen(messages[0], said, said_size);
	close(messages[0]);
	/* Silent for so long and still there: it hangs. */
	for (unsigned ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += 10) {
		if (ms >= START_MS)
			kill(pid, SIGKILL);
		poll(NULL, 0, 10);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

int net_child_beside(const char *name, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (n < 0)
		return -errno;
	path[n] = 0;
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(slash + 1, name);
	return 0;
}
