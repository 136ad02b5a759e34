// SPDX-License-Identifier: MIT
/*
 * The supervisor.
 *
 * struct machine is shared with the kernel world, so whichever way that ends,
 * what was decided stands there; a kernel world that ends undecided was killed
 * or failed.  The supervisor ends it on signals and at the time limit by
 * deciding itself (machine_stop(), the first one counts) and sending SIGTERM;
 * one that does not listen is killed soon after.  The worlds die with the
 * kernel world, the kernel world with the supervisor (PR_SET_PDEATHSIG).
 *
 * It also watches the console: a guest that computes without end takes no look
 * at it, SIGIO makes the kernel world do so.
 */
#include "cli/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/stats_file.h"
#include "cli/status.h"
#include "debug/recorder.h"
#include "debug/stats.h"
#include "hostio/console.h"
#include "trap/run.h"

#define GRACE_NS	(2 * 1000000000ull)	/* from SIGTERM to SIGKILL */
#define NUDGE_NS	(50 * 1000000ull)	/* between two SIGIO */
#define FOREVER		UINT64_MAX

/* By CLOCK_MONOTONIC: the TSC is calibrated only in the kernel world. */
static uint64_t supervise_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* Give `machine` pages that fork() shares. */
static int supervise_share(void)
{
	void *p = mmap(&machine, sizeof(machine), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static _Noreturn void supervise_child(const struct machine_config *config, pid_t parent,
				      const sigset_t *signals)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_ERROR);
	/* A terminal's signals reach us both; the supervisor says what they mean. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	sigprocmask(SIG_SETMASK, signals, NULL);
	_exit(run_machine(config) ? STATUS_ERROR : 0);
}

/*
 * Sleep until a signal, console input or `until`; the signal's number, or 0.  Input makes a SIGIO
 * for the child, but not sooner than *nudge_at.
 */
static int supervise_sleep(pid_t child, int signals, uint64_t until, uint64_t *nudge_at)
{
	uint64_t now = supervise_now();
	bool watch = now >= *nudge_at;
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = watch ? console_watch_fd() : -1, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	struct timespec ts;

	if (!watch)
		until = min_u64(until, *nudge_at);
	until = until > now ? until - now : 0;
	ts.tv_sec = (time_t)min_u64(until / 1000000000ull, 3600);
	ts.tv_nsec = (long)(until % 1000000000ull);
	if (ppoll(fds, array_size(fds), &ts, NULL) <= 0)
		return 0;
	if (fds[1].revents & POLLIN) {
		kill(child, SIGIO);
		*nudge_at = supervise_now() + NUDGE_NS;
	} else if (fds[1].revents) {
		*nudge_at = FOREVER;	/* hung up: nothing will come any more */
	}
	return fds[0].revents && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) ?
	       (int)info.ssi_signo : 0;
}

static const char *supervise_signal_name(int sig)
{
	switch (sig) {
	case SIGINT:	return "SIGINT";
	case SIGHUP:	return "SIGHUP";
	case SIGQUIT:	return "SIGQUIT";
	default:	return "SIGTERM";
	}
}

/* Wait for the kernel world; its wait status. */
static int supervise_wait(pid_t child, int signals, uint64_t deadline)
{
	uint64_t kill_at = FOREVER, nudge_at = 0, now;
	int status, sig;
	bool end;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		sig = supervise_sleep(child, signals, min_u64(deadline, kill_at), &nudge_at);
		now = supervise_now();
		if (sig == SIGUSR1)
			stats_file_write(machine.config.stats_file, false);
		end = sig && sig != SIGCHLD && sig != SIGUSR1;
		if (end)
			machine_stop(MACHINE_QUIT, 0, supervise_signal_name(sig));
		if (now >= deadline) {
			machine_stop(MACHINE_TIMEOUT, 0, NULL);
			deadline = FOREVER;
			end = true;
		}
		if (now >= kill_at) {
			kill(child, SIGKILL);
			kill_at = FOREVER;
		} else if (end) {
			kill(child, SIGTERM);
			kill_at = min_u64(kill_at, now + GRACE_NS);
		}
	}
}

/* A kernel world that ended without a decision: make it one. */
static void supervise_judge(int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (machine.stop != MACHINE_RUNNING)
		return;
	switch (sig) {
	case 0:
		/* Start-up failed, or somebody called exit(); the former was said. */
		machine_stop(MACHINE_ERROR, 0, WEXITSTATUS(status) == STATUS_ERROR ? NULL :
			     "the kernel world ended by itself");
		return;
	case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE: case SIGABRT: case SIGTRAP: case SIGSYS:
		log_error("ring3 itself failed (signal %d, %s); this is a bug of ring3's", sig,
			  strsignal(sig));
		machine_stop(MACHINE_ERROR, 0, NULL);
		return;
	default:
		log_error("the kernel world was killed (signal %d, %s)", sig, strsignal(sig));
		machine_stop(MACHINE_WORLD_DIED, 0, NULL);
	}
}

/* The closing message and the exit status. */
static int supervise_conclude(void)
{
	const char *reason = machine.stop_reason, *sep = reason ? ": " : "";

	if (!reason)
		reason = "";
	switch (machine.stop) {
	case MACHINE_POWER_OFF:
		log_info("the guest powered off");
		return STATUS_POWER_OFF;
	case MACHINE_REBOOT:
		log_info("the guest asked for a reset%s%s", sep, reason);
		return STATUS_REBOOT;
	case MACHINE_PANIC:
		log_error("the guest panicked%s%s", sep, reason);
		return STATUS_PANIC;
	case MACHINE_TRIPLE_FAULT:
		log_error("the guest's CPU shut down by a triple fault%s%s", sep, reason);
		return STATUS_TRIPLE_FAULT;
	case MACHINE_DEBUG_EXIT:
		log_info("the guest ended by the debug-exit port, status %d",
			 machine.stop_code & 0xff);
		return machine.stop_code & 0xff;
	case MACHINE_TIMEOUT:
		log_error("the machine was ended by --timeout");
		return STATUS_TIMEOUT;
	case MACHINE_HUNG:
		log_error("the guest hangs%s%s", sep, reason);
		return STATUS_HUNG;
	case MACHINE_QUIT:
		log_info("the machine was ended%s%s", sep, reason);
		return STATUS_QUIT;
	case MACHINE_WORLD_DIED:
		if (*reason)
			log_error("a process of the machine died: %s", reason);
		return STATUS_WORLD_DIED;
	case MACHINE_RUNNING:
	case MACHINE_ERROR:
		break;
	}
	if (*reason)
		log_error("%s", reason);
	return STATUS_ERROR;
}

/* One life of the machine, from power-on until machine.stop is set. */
static int supervise_once(const struct machine_config *config, uint64_t deadline, int signals,
			  const sigset_t *inherited)
{
	pid_t child, parent = getpid();

	machine = (struct machine){ .config = *config };
	if (config->stats_file)
		stats_reset();
	child = fork();
	if (child < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return -1;
	}
	if (child == 0)
		supervise_child(config, parent, inherited);
	supervise_judge(supervise_wait(child, signals, deadline));
	return 0;
}

int supervise(const struct machine_config *config)
{
	uint64_t deadline = config->timeout ?
			    supervise_now() + config->timeout * 1000000000ull : FOREVER;
	sigset_t signals, inherited;
	int fd, r;

	/* A terminal that is not ours, a reader that is gone, a file that may not grow: errors, not
	 * signals. */
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* Of use to the child only once it has a handler; input may be there before that. */
	signal(SIGIO, SIG_IGN);
	sigemptyset(&signals);
	for (const int *s = (const int[]){ SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0 }; *s; s++)
		sigaddset(&signals, *s);
	if (config->stats_file)
		sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, &inherited);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	r = fd < 0 ? -errno : supervise_share();
	if (!r && config->stats_file)
		r = stats_share();
	if (r) {
		log_error("cannot start: %s", strerror(-r));
		return STATUS_ERROR;
	}

	if (config->record && recorder_open(config->record, config->record_bytes))
		return STATUS_ERROR;
	if (console_open(config->serial))
		return STATUS_ERROR;
	do {
		r = supervise_once(config, deadline, fd, &inherited);
	} while (!r && machine.stop == MACHINE_REBOOT && !config->no_reboot);
	console_close();
	recorder_ended();
	if (config->stats_file && stats_file_write(config->stats_file, true))
		return STATUS_ERROR;
	return r ? STATUS_ERROR : supervise_conclude();
}
