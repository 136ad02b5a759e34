// SPDX-License-Identifier: MIT
/*
 * A machine's link to its user's switch, and who starts that: the first machine.
 *
 * Connecting happens under NAME's lock, and so does the end of a switch that nobody
 * uses any more.  So whoever holds the lock either reaches a switch that lives on,
 * or may start one.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "hostio/net_backend.h"
#include "hostio/net_child.h"
#include "hostio/switch.h"

#define LISTEN_BACKLOG	64

bool switch_name_good(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	}
	return n && n <= SWITCH_NAME_MAX;
}

/* A folder that nobody else can have put there or looks into. */
static int folder_make(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		int error = errno;

		log_error("cannot make %s, where switches live: %s", path, strerror(error));
		return -error;
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 077) {
		log_error("%s is not a folder of this user alone; remove it, or set XDG_RUNTIME_DIR",
			  path);
		return -EPERM;
	}
	return 0;
}

int switch_path(const char *name, const char *suffix, char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n, error;

	if (runtime && *runtime == '/' && access(runtime, W_OK | X_OK) == 0)
		n = snprintf(path, size, "%s/ring3", runtime);
	else
		n = snprintf(path, size, "/tmp/ring3-%u", (unsigned)geteuid());
	if (n < 0 || (size_t)n + 1 + strlen(name) + strlen(suffix) >= size) {
		log_error("the path of the switch \"%s\" is too long; set XDG_RUNTIME_DIR", name);
		return -ENAMETOOLONG;
	}
	error = folder_make(path);
	if (!error)
		snprintf(path + n, size - (size_t)n, "/%s%s", name, suffix);
	return error;
}

int switch_lock(const char *name, bool wait)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, error = switch_path(name, ".lock", path, sizeof(path));

	if (error)
		return error;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int switch_listen(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error = switch_path(name, ".sock", address.sun_path, sizeof(address.sun_path));

	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(address.sun_path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int switch_connect(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error = switch_path(name, ".sock", address.sun_path, sizeof(address.sun_path));

	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* This executable again, as "ring3 switch NAME 3", which goes into the background. */
static int switch_start(const char *name)
{
	char *argv[] = { "ring3-switch", "switch", (char *)name, "3", NULL };
	char said[256];
	int listener = switch_listen(name), status;

	if (listener < 0)
		return listener;
	status = net_child_run("/proc/self/exe", argv, listener, said, sizeof(said));
	close(listener);
	if (status > 0)
		log_error("the switch \"%s\" does not start: %s", name, *said ? said : "no reason given");
	return status > 0 ? -EIO : status;
}

struct net *net_switch_open(const char *name)
{
	int lock, fd, error;

	if (!switch_name_good(name)) {
		log_error("\"%s\" cannot be the name of a switch: up to %u letters, digits, - and _",
			  name ? name : "", SWITCH_NAME_MAX);
		return NULL;
	}
	lock = switch_lock(name, true);
	fd = lock < 0 ? lock : switch_connect(name);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		error = switch_start(name);
		fd = error ? error : switch_connect(name);
	}
	if (lock >= 0)
		close(lock);
	if (fd < 0) {
		log_error("cannot join the switch \"%s\": %s", name, strerror(-fd));
		return NULL;
	}
	return net_stream_new(fd, "switch", 0);
}
