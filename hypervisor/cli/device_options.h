/* SPDX-License-Identifier: MIT */
/*
 * --disk and --net: words of the form KEY=VALUE,KEY=VALUE...
 */
#ifndef RING3_CLI_DEVICE_OPTIONS_H
#define RING3_CLI_DEVICE_OPTIONS_H

#include "machine/machine.h"

/* Add a disk or a network card to the configuration.  0, or -EINVAL or -ENOMEM with one sentence
 * said.  Strings are copied; files and interfaces are not looked at. */
int options_add_disk(struct machine_config *config, const char *value);
int options_add_net(struct machine_config *config, const char *value);

/* All options are known: may these devices be had together with the others?  0, or -EINVAL, said. */
int options_check_devices(const struct machine_config *config);

/* For --help: the lines about these options. */
extern const char options_device_help[];

#endif
