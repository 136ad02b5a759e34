/* SPDX-License-Identifier: MIT */
/*
 * What gdb's `monitor COMMAND` can ask of ring3.
 */
#ifndef RING3_DEBUG_GDBMONITOR_H
#define RING3_DEBUG_GDBMONITOR_H

#include "debug/report.h"
#include "machine/vcpu.h"

/* Removes a device reached by hypercalls, by its number; 0 or -ENODEV.  Installed by trap/. */
extern int (*gdb_unplug)(uint32_t device);

/* Run one command; what it says, mistakes included, goes to the report. */
void gdb_monitor(struct report *report, struct vcpu *vcpu, const char *command);

#endif
