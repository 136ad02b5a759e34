// SPDX-License-Identifier: MIT
/*
 * Pipes, socket pairs, TCP and UDP over loopback, UNIX sockets with passed
 * descriptors, epoll, eventfd, poll and select, files in tmpfs with all their
 * forms of I/O: each moves patterned data and compares sums.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

static uint64_t stream_sum(int fd, size_t *total)
{
	static unsigned char buffer[70000];
	uint64_t h = 0;
	ssize_t n;

	*total = 0;
	while ((n = read(fd, buffer, 1 + (*total * 7919) % sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			h = h * 31 + buffer[i];
		*total += (size_t)n;
	}
	return h;
}

static uint64_t stream_write(int fd, size_t total)
{
	static unsigned char buffer[50000];
	uint64_t h = 0, r = 99;
	size_t sent = 0;

	while (sent < total) {
		size_t n = 1 + (sent * 104729) % sizeof(buffer);

		if (n > total - sent)
			n = total - sent;
		for (size_t i = 0; i < n; i++) {
			r = r * 6364136223846793005ULL + 1;
			buffer[i] = (unsigned char)(r >> 56);
			h = h * 31 + buffer[i];
		}
		for (size_t at = 0; at < n;) {
			ssize_t w = write(fd, buffer + at, n - at);

			if (w <= 0)
				check_abort("write");
			at += (size_t)w;
		}
		sent += n;
	}
	return h;
}

/* A child writes, we read and sum; the child's sum comes back as the end of a pipe. */
static void transfer(const char *name, int in, int out, size_t size)
{
	int result[2];
	size_t total;
	uint64_t theirs = 0;

	if (pipe(result))
		check_abort("pipe");
	fflush(stdout);
	pid_t pid = fork();

	if (!pid) {
		uint64_t h;

		if (in != out)
			close(in);
		h = stream_write(out, size);
		shutdown(out, SHUT_WR);
		_exit(write(result[1], &h, 8) != 8);
	}
	if (out != in)
		close(out);
	uint64_t ours = stream_sum(in, &total);

	if (read(result[0], &theirs, 8) != 8)
		theirs = ~ours;
	waitpid(pid, NULL, 0);
	expect(ours == theirs && total == size, "%s", name);
	close(in), close(result[0]), close(result[1]);
}

static void tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) ||
	    connect(client, (struct sockaddr *)&address, length))
		check_abort("loopback");
	int server = accept(listener, NULL, NULL);

	fcntl(server, F_SETFD, FD_CLOEXEC);
	/* The writing child must be the only holder of its end, so transfer() closes ours. */
	transfer("four megabytes by TCP", server, client, 4u << 20);
	close(listener);
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	char text[64] = "";

	address.sin_port = 0;
	bind(a, (struct sockaddr *)&address, length);
	getsockname(a, (struct sockaddr *)&address, &length);
	int wrong = 0;
	for (int i = 0; i < 500; i++) {
		sendto(b, &i, sizeof(i), 0, (struct sockaddr *)&address, length);
		wrong += recv(a, text, sizeof(text), 0) != sizeof(i) || memcmp(text, &i, sizeof(i));
	}
	expect_equal(wrong, 0, "datagrams");
	close(a), close(b);
	client = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_port = htons(1);
	expect(connect(client, (struct sockaddr *)&address, length) == -1 && errno == ECONNREFUSED,
	       "refused connection");
	close(client);
}

static void passed_descriptor(void)
{
	int pair[2], inner[2], got = -1;
	char byte = 'b', space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)
	};

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(inner))
		check_abort("socketpair");
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &inner[1], sizeof(int));
	sendmsg(pair[0], &message, 0);
	memset(space, 0, sizeof(space));
	recvmsg(pair[1], &message, 0);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	expect(write(got, "q", 1) == 1 && read(inner[0], &byte, 1) == 1 && byte == 'q',
	       "a descriptor passed");
	close(pair[0]), close(pair[1]), close(inner[0]), close(inner[1]), close(got);
}

static void event_loop(void)
{
	enum { CHILDREN = 20, EACH = 200 };
	int ep = epoll_create1(0), open_ends = 0, messages = 0, sum = 0;

	fflush(stdout);
	for (int i = 0; i < CHILDREN; i++) {
		int fds[2];

		if (pipe(fds))
			check_abort("pipe");
		if (!fork()) {
			for (int j = 0; j < EACH; j++) {
				int value = i * 1000 + j;

				if (write(fds[1], &value, sizeof(value)) != sizeof(value))
					_exit(1);
				if (j % 10 == 0)
					sched_yield();
			}
			_exit(0);
		}
		close(fds[1]);
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[0],
			  &(struct epoll_event){ .events = EPOLLIN, .data.fd = fds[0] });
		open_ends++;
	}
	while (open_ends) {
		struct epoll_event events[8];
		int n = epoll_wait(ep, events, 8, 5000);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			int value;

			if (read(events[i].data.fd, &value, sizeof(value)) == sizeof(value)) {
				messages++;
				sum += value;
			} else {
				/* Later children hold the same read end, so closing does not remove it. */
				epoll_ctl(ep, EPOLL_CTL_DEL, events[i].data.fd, NULL);
				close(events[i].data.fd);
				open_ends--;
			}
		}
	}
	while (wait(NULL) > 0)
		;
	expect(messages == CHILDREN * EACH && !open_ends, "epoll over twenty writers");
	printf("sum %d\n", sum);
	close(ep);
	int ev = eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE);
	uint64_t value = 5;
	int got = 0;

	write(ev, &value, 8);
	while (read(ev, &value, 8) == 8)
		got++;
	expect_equal(got, 5, "eventfd as a semaphore");
	struct pollfd p = { .fd = ev, .events = POLLIN };
	expect(poll(&p, 1, 10) == 0, "poll finds nothing");
	close(ev);
}

static void files(void)
{
	char name[] = "channels-XXXXXX", data[10000], back[10000];
	int fd = mkstemp(name), wrong = 0;
	struct stat st;

	if (fd < 0)
		check_abort("mkstemp");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i >> 3);
	for (int i = 0; i < 200; i++)
		wrong += pwrite(fd, data, sizeof(data), (off_t)i * 9999) != sizeof(data);
	for (int i = 199; i >= 0; i--)
		wrong += pread(fd, back, 9999, (off_t)i * 9999) != 9999 || memcmp(back, data, 9999);
	expect_equal(wrong, 0, "overlapping writes, reads in reverse");
	expect(!fstat(fd, &st) && st.st_size == 199 * 9999 + 10000, "the file's size");
	char *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("file sum %016llx\n", (unsigned long long)check_sum(map, (size_t)st.st_size));
	map[12345] = 'M';
	expect(pread(fd, back, 1, 12345) == 1 && back[0] == 'M', "a write by the mapping is read");
	pwrite(fd, "W", 1, 54321);
	expect(map[54321] == 'W', "a write to the file is seen by the mapping");
	munmap(map, (size_t)st.st_size);
	int other = open("channels-copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
	off_t offset = 0;
	expect(sendfile(other, fd, &offset, 1000000) == 1000000, "sendfile");
	struct iovec iov[2] = { { back, 3000 }, { back + 3000, 3000 } };
	expect(preadv(other, iov, 2, 500) == 6000, "preadv");
	printf("read sum %016llx\n", (unsigned long long)check_sum(back, 6000));
	expect(!ftruncate(other, 5000000) && pread(other, back, 100, 4999950) == 50 && !back[0], "a hole");
	expect(lseek(other, 0, SEEK_DATA) == 0, "seek to data");
	expect(!rename("channels-copy", "channels-renamed") && access("channels-copy", F_OK) == -1,
	       "rename");
	close(fd), close(other);
	unlink(name), unlink("channels-renamed");
}

int main(void)
{
	int fds[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pipe(fds))
		check_abort("pipe");
	transfer("four megabytes by a pipe", fds[0], fds[1], 4u << 20);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		check_abort("socketpair");
	transfer("four megabytes by a socket pair", fds[0], fds[1], 4u << 20);
	tcp();
	passed_descriptor();
	event_loop();
	files();
	return check_result();
}
