// SPDX-License-Identifier: MIT
/*
 * A program's own image must be what its file holds, however often it runs and
 * whatever earlier runs did to theirs: initialised data written by user code and
 * by the kernel, zeroed data, relocated pointers, code pages patched by mprotect.
 * The program runs itself some thirty times.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGES 24
#define PAGE 4096

/* Not zero, so it lies in .data; the pattern is by page. */
static unsigned char data[PAGES][PAGE] __attribute__((aligned(4096))) = {
#define P(n) [n] = { [0] = n + 1, [100] = n + 2, [4095] = n + 3 }
	P(0),  P(1),  P(2),  P(3),  P(4),  P(5),  P(6),	 P(7),	P(8),  P(9),  P(10), P(11),
	P(12), P(13), P(14), P(15), P(16), P(17), P(18), P(19), P(20), P(21), P(22), P(23),
};
/* Not aligned: begins in the page where the file's part ends, which the kernel must clear. */
static unsigned char zeroes[PAGES][PAGE];
static void *pointers[PAGES] = { data[0], data[1], zeroes[2], data[3] };

static int image_wrong(void)
{
	int wrong = 0;

	for (int p = 0; p < PAGES; p++) {
		for (int i = 0; i < PAGE; i++) {
			unsigned char want = i == 0 ? p + 1 : i == 100 ? p + 2 : i == 4095 ? p + 3 : 0;

			wrong += data[p][i] != want;
			wrong += zeroes[p][i] != 0;
		}
	}
	return wrong + (pointers[0] != data[0] || pointers[2] != zeroes[2] || pointers[4]);
}

static void scribble(int how)
{
	int zero = open("/proc/self/exe", O_RDONLY), fds[2];

	for (int p = 0; p < PAGES; p++)
		switch ((p + how) % 6) {
		case 0: data[p][0] = zeroes[p][5] = 0xee; break;
		case 1: memset(data[p], 0xdd, PAGE), memset(zeroes[p], 0xdd, PAGE); break;
		case 2: pread(zero, data[p] + 8, 512, 64), pread(zero, zeroes[p] + 8, 512, 64); break;
		case 3:
			if (pipe(fds))
				check_abort("pipe");
			write(fds[1], "scribbled", 9);
			read(fds[0], data[p] + 4090, 6);
			read(fds[0], zeroes[p] + 1, 3);
			close(fds[0]), close(fds[1]);
			break;
		case 4: __atomic_add_fetch(&data[p][100], 7, __ATOMIC_SEQ_CST); break;
		default:
			/* Read first, written later. */
			if (data[p][0] && !zeroes[p][0])
				data[p][1] = zeroes[p][1] = 1;
		}
	for (int i = 0; i < PAGES; i++)
		pointers[i] = &pointers[i];
	close(zero);
}

int main(int argc, char **argv)
{
	int wrong = image_wrong(), status, failures = 0;

	if (argc > 1) {
		scribble(atoi(argv[1]));
		return wrong != 0;
	}
	expect_equal(wrong, 0, "the image at the start");
	for (int run = 0; run < 30; run++) {
		pid_t pid = fork();

		if (!pid) {
			char how[16];

			if (run % 2)
				scribble(run); /* a forked copy is scribbled on, too */
			snprintf(how, sizeof(how), "%d", run);
			execl("/proc/self/exe", "image", how, (char *)NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		failures += status != 0;
	}
	expect_equal(failures, 0, "thirty runs find the image unharmed");
	expect_equal(image_wrong(), 0, "so do we");
	unsigned char *text = (unsigned char *)((uintptr_t)main & ~(uintptr_t)(PAGE - 1)), was = *text;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			/* Our own code page, made writable and changed, in a child only. */
			mprotect(text, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
			*(volatile unsigned char *)text = (unsigned char)(was + 1 + i);
			_exit(*(volatile unsigned char *)text == (unsigned char)(was + 1 + i) ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		failures += status != 0 || *(volatile unsigned char *)text != was;
	}
	expect_equal(failures, 0, "code pages changed in children only");
	return check_result();
}
