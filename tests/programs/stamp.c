// SPDX-License-Identifier: MIT
/*
 * stamp [-t seconds] [-u marker] command...: run a machine, copy what it prints
 * to standard output, each line preceded by the host's time in seconds since
 * the start.  Ends when the command does; with -u, shortly after a line that
 * contains the marker; with -t, after that time.  The command is ended by
 * signal in both cases and leaves no process behind: it is a group of its own.
 *
 * Exit status: the command's; 0 after the marker; 124 after the time.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LENGTH 8192

static pid_t child;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void end_child(void)
{
	if (child > 0) {
		kill(-child, SIGTERM);
		usleep(200000);
		kill(-child, SIGKILL);
	}
}

static void on_signal(int number)
{
	if (child > 0)
		kill(-child, SIGKILL);
	_exit(128 + number);
}

int main(int argc, char **argv)
{
	const char *marker = NULL;
	double limit = 0;
	int option, out[2], status;

	while ((option = getopt(argc, argv, "+t:u:")) != -1) {
		if (option == 't')
			limit = atof(optarg);
		else if (option == 'u')
			marker = optarg;
		else
			return 125;
	}
	if (optind >= argc || pipe(out))
		return 125;
	double begin = now();

	child = fork();
	if (!child) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]), close(out[1]);
		execvp(argv[optind], argv + optind);
		perror(argv[optind]);
		_exit(127);
	}
	close(out[1]);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);

	static char line[LINE_MAX_LENGTH + 1];
	size_t length = 0;

	for (;;) {
		struct pollfd poll_out = { .fd = out[0], .events = POLLIN };
		double left = limit > 0 ? begin + limit - now() : 1;
		char buffer[4096];

		if (left <= 0) {
			printf("%.6f @@stamp time is up\n", now() - begin);
			fflush(stdout);
			end_child();
			return 124;
		}
		if (poll(&poll_out, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		ssize_t got = read(out[0], buffer, sizeof(buffer));

		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got; i++) {
			if (buffer[i] == '\r')
				continue;
			if (buffer[i] != '\n' && length < LINE_MAX_LENGTH) {
				line[length++] = buffer[i];
				continue;
			}
			line[length] = 0;
			printf("%.6f %s\n", now() - begin, line);
			fflush(stdout);
			length = 0;
			if (marker && strstr(line, marker)) {
				end_child();
				return 0;
			}
		}
	}
	if (length) {
		line[length] = 0;
		printf("%.6f %s\n", now() - begin, line);
	}
	if (waitpid(child, &status, 0) != child)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
