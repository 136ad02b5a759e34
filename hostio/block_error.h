/* SPDX-License-Identifier: MIT */
/* What the host refused, said once per disk, kind of request and error. */
#ifndef RING3_HOSTIO_BLOCK_ERROR_H
#define RING3_HOSTIO_BLOCK_ERROR_H

#include "hostio/block.h"

/* Say it unless it was; -ENODATA: the file has become shorter.  The error for the user: -EIO then. */
int block_error_say(const struct block_request *r, int error);

#endif
