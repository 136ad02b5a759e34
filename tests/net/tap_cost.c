// SPDX-License-Identifier: MIT
/*
 * What a frame costs at a tap's descriptor: by readv/writev, or by io_uring requests.
 * Measured for docs/decisions/0006-network.md; not part of a suite.
 *
 *	gcc -O2 -o tap_cost tests/net/tap_cost.c -luring
 *	unshare -n sh -c 'ip link set lo up; ip tuntap add mode tap name t0;
 *		ip addr add 192.168.9.1/24 dev t0; ip link set t0 up; ./tap_cost t0'
 *
 * Prints CPU time of the thread per frame, in ns: for frames of 1514 bytes and of
 * 64 KiB with a GSO header, sent to the host and received from it in bursts of 32.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#define BURST	32
#define ROUNDS	2000
#define FRAME	(12 + 14 + 65535)

static uint8_t frames[BURST][FRAME];
static struct iovec iov[BURST];
static struct io_uring ring;
static int tap, udp;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int tap_open(const char *name, int flags)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | flags), size = 12;

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETVNETHDRSZ, &size) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		die(name);
	return fd;
}

/* A frame to nobody's address: the host looks at it and drops it. */
static void frame_make(uint8_t *p, unsigned payload)
{
	struct virtio_net_hdr_v1 *h = (void *)p;
	uint8_t *eth = p + 12, *ip = eth + 14, *tcp = ip + 20;

	memset(p, 0, 12 + 54);
	memset(eth, 0xff, 6);
	memcpy(eth + 6, "\2\0\0\0\0\7", 6);
	eth[12] = 8;
	ip[0] = 0x45;
	ip[2] = (uint8_t)((payload + 40) >> 8);
	ip[3] = (uint8_t)(payload + 40);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\300\250\11\2\300\250\11\1", 8);
	tcp[12] = 0x50;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = 34;
	h->csum_offset = 16;
	if (payload > 1460) {
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		h->gso_size = 1460;
		h->hdr_len = 54;
	}
}

static uint64_t send_calls(void)
{
	uint64_t start = cpu_ns();

	for (unsigned i = 0; i < BURST; i++) {
		if (writev(tap, &iov[i], 1) < 0)
			die("writev");
	}
	return cpu_ns() - start;
}

static uint64_t send_ring(void)
{
	uint64_t start = cpu_ns();
	struct io_uring_cqe *cqe;

	for (unsigned i = 0; i < BURST; i++)
		io_uring_prep_writev(io_uring_get_sqe(&ring), tap, &iov[i], 1, 0);
	io_uring_submit_and_wait(&ring, BURST);
	for (unsigned i = 0; i < BURST; i++) {
		io_uring_wait_cqe(&ring, &cqe);
		if (cqe->res < 0) {
			errno = -cqe->res;
			die("ring writev");
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	return cpu_ns() - start;
}

/* The host sends a burst of datagrams through the tap. */
static void burst(unsigned size)
{
	static uint8_t data[65000];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	inet_pton(AF_INET, "192.168.9.2", &to.sin_addr);
	for (unsigned i = 0; i < BURST; i++)
		sendto(udp, data, size, 0, (struct sockaddr *)&to, sizeof(to));
}

static void drain(void)
{
	while (readv(tap, iov, 1) > 0)
		;
}

/* Ready is known (as from a poll that the ring watches): read until there is no more. */
static uint64_t receive_calls(unsigned size, unsigned *got)
{
	uint64_t start;

	burst(size);
	start = cpu_ns();
	while (readv(tap, &iov[*got % BURST], 1) > 0)
		++*got;
	return cpu_ns() - start;
}

/* Reads wait in the ring beforehand, a frame completes one. */
static unsigned waiting;

static uint64_t receive_ring(unsigned size, unsigned *got)
{
	struct io_uring_cqe *cqe;
	uint64_t start = cpu_ns(), spent;
	unsigned n = 0;

	for (; waiting < BURST; waiting++)
		io_uring_prep_readv(io_uring_get_sqe(&ring), tap, &iov[waiting], 1, 0);
	io_uring_submit(&ring);
	spent = cpu_ns() - start;
	burst(size);
	start = cpu_ns();
	while (n < BURST) {
		struct __kernel_timespec limit = { .tv_nsec = 2000000 };

		if (io_uring_wait_cqe_timeout(&ring, &cqe, &limit) < 0)
			break;
		n += cqe->res > 0;
		waiting--;
		io_uring_cqe_seen(&ring, cqe);
	}
	*got += n;
	return spent + cpu_ns() - start;
}

static void sizes(unsigned payload)
{
	uint64_t t[4] = { 0 };
	unsigned got[2] = { 0 };

	for (unsigned i = 0; i < BURST; i++) {
		frame_make(frames[i], payload);
		iov[i] = (struct iovec){ frames[i], 12 + 54 + payload };
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		t[0] += send_calls();
		t[1] += send_ring();
	}
	printf("send    %5u bytes: writev %6.0f  ring %6.0f ns a frame\n", payload + 54,
	       (double)t[0] / ROUNDS / BURST, (double)t[1] / ROUNDS / BURST);
	if (payload > 1460)
		return;		/* the host's UDP makes no long frames */
	for (unsigned i = 0; i < BURST; i++)
		iov[i].iov_len = FRAME;
	for (unsigned r = 0; r < ROUNDS; r++)
		t[2] += receive_calls(payload - 100, &got[0]);
	for (unsigned r = 0; r < ROUNDS; r++)
		t[3] += receive_ring(payload - 100, &got[1]);
	printf("receive %5u bytes: readv %7.0f  ring %6.0f ns a frame (%u, %u frames)\n", payload - 58,
	       (double)t[2] / got[0], (double)t[3] / got[1], got[0], got[1]);
}

int main(int argc, char **argv)
{
	if (argc != 2 ||
	    io_uring_queue_init(256, &ring, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER))
		die("usage: tap_cost TAP");
	tap = tap_open(argv[1], O_NONBLOCK);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (system("ip neigh replace 192.168.9.2 lladdr 02:00:00:00:00:07 dev t0"))
		return 1;
	usleep(200000);
	for (unsigned i = 0; i < BURST; i++)
		iov[i] = (struct iovec){ frames[i], FRAME };
	drain();
	sizes(1460);
	sizes(64240);
	return 0;
}
