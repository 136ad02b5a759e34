/* SPDX-License-Identifier: MIT */
/*
 * Exit statuses of `ring3 run` (ring3(1), "EXIT STATUS").
 *
 * The debug-exit port makes any odd status, (value << 1) | 1, as QEMU's
 * isa-debug-exit does.  All statuses of our own but one are therefore even; a
 * guest that writes 0 to the port ends with 1 like an error of ring3's, which
 * always comes with a message on standard error.
 */
#ifndef RING3_CLI_STATUS_H
#define RING3_CLI_STATUS_H

enum status {
	STATUS_POWER_OFF	= 0,	/* the guest powered itself off */
	STATUS_ERROR		= 1,	/* ring3's own error, usage included */
	STATUS_REBOOT		= 2,	/* the guest asked for a reset, --no-reboot was given */
	STATUS_PANIC		= 4,	/* the guest reported a panic */
	STATUS_TRIPLE_FAULT	= 6,
	STATUS_HUNG		= 8,	/* halted with interrupts off, or not getting on */
	STATUS_TIMEOUT		= 10,	/* --timeout elapsed */
	STATUS_QUIT		= 12,	/* the user ended it: Ctrl-a x, SIGINT, SIGTERM, SIGHUP */
	STATUS_WORLD_DIED	= 14,	/* a process of the machine was killed from outside */
};

#endif
