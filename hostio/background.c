// SPDX-License-Identifier: MIT
/*
 * A pipe from the new process to the old one: a byte, or its end without one.
 */
#include "hostio/background.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int ready_fd = -1;

int background_begin(void)
{
	int ends[2];
	pid_t pid;
	char c;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid) {
		close(ends[1]);
		_exit(read(ends[0], &c, 1) == 1 ? 0 : 1);
	}
	close(ends[0]);
	ready_fd = ends[1];
	setsid();
	return chdir("/") < 0 ? -errno : 0;
}

void background_ready(void)
{
	/* Standard output is /dev/null already (net_child.c). */
	dup2(STDOUT_FILENO, STDERR_FILENO);
	if (write(ready_fd, "", 1) == 1)
		close(ready_fd);
}
