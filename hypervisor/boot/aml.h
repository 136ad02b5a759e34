/* SPDX-License-Identifier: MIT */
/*
 * A writer of ACPI Machine Language (ACPI 6.4, chapter 20): just what a
 * description of fixed devices and of a PCI bus needs.  Bytes go to the caller's buffer; `overflow`
 * is set, and nothing more is written, when it is full.
 *
 *	size_t scope = aml_scope(a, "\\_SB_");
 *		size_t device = aml_device(a, "COM1");
 *		aml_name_eisa_id(a, "_HID", "PNP0501");
 *		aml_end(a, device);
 *	aml_end(a, scope);
 */
#ifndef RING3_BOOT_AML_H
#define RING3_BOOT_AML_H

#include "base/types.h"

struct aml {
	uint8_t *bytes;
	size_t size, length;
	bool overflow;
};

/* Names: segments of exactly four characters, at most one, with an optional leading '\'. */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name, unsigned arguments);
size_t aml_if(struct aml *a, const char *name);		/* If (name) */
size_t aml_package(struct aml *a, unsigned elements);	/* within a package, or after aml_name() */
void aml_end(struct aml *a, size_t begun);

void aml_name(struct aml *a, const char *name);		/* Name (name, what is written next) */
void aml_integer(struct aml *a, uint64_t value);
void aml_store_argument(struct aml *a, const char *name);	/* name = Arg0 */
void aml_return(struct aml *a, const char *name);

void aml_name_integer(struct aml *a, const char *name, uint64_t value);
void aml_name_string(struct aml *a, const char *name, const char *value);
void aml_name_eisa_id(struct aml *a, const char *name, const char *id);	/* "PNP0501" */
void aml_name_package(struct aml *a, const char *name, const uint64_t *values, unsigned n);

/* A resource template (ACPI 6.4, 6.4): filled, then named. */
struct aml_resources {
	uint8_t bytes[128];
	size_t length;
};

void aml_resource_io(struct aml_resources *r, uint16_t base, uint8_t length);
/* What a bridge passes on: a window [first, last], both included. */
enum aml_window { AML_WINDOW_MEMORY, AML_WINDOW_IO, AML_WINDOW_BUS };
void aml_resource_window(struct aml_resources *r, enum aml_window kind, uint32_t first, uint32_t last);
void aml_resource_irq(struct aml_resources *r, unsigned irq);	/* edge, active high, exclusive */
void aml_name_resources(struct aml *a, const char *name, const struct aml_resources *r);

#endif
