/* SPDX-License-Identifier: MIT */
/*
 * Tables from abi/ring3.abi by names and versions.  What an older version is follows from
 * them alone: each feature, hint and call says which minor version brought it.
 */
#include "machine/abi.h"

#include <string.h>

#include "abi/ring3_abi.h"
#include "machine/machine.h"

struct named {
	const char *name;
	uint8_t number, minor;
	bool fails;
};

static const struct named features[] = {
#define FEATURE(bit, feature, since)	{ #feature, bit, since, false },
#include "abi/hypercall_table.h"
};

static const struct named hints[] = {
#define HINT(bit, hint, since)		{ #hint, bit, since, false },
#include "abi/hypercall_table.h"
};

static const struct named calls[] = {
#define HYPERCALL(number, call, feature, arguments, mask32, since, can_fail) \
	{ #call, number, since, can_fail },
#include "abi/hypercall_table.h"
};

uint32_t abi_newest(void)
{
	return RING3_ABI_VERSION;
}

uint32_t abi_version(void)
{
	uint32_t asked = machine.config.abi.version;

	return asked ? asked : abi_newest();
}

static uint64_t bits_of_version(const struct named *table, unsigned count, unsigned minor)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < count; i++)
		if (table[i].minor <= minor)
			bits |= 1ull << table[i].number;
	return bits;
}

uint64_t abi_features(unsigned minor)
{
	return bits_of_version(features, array_size(features), minor) & ~machine.config.abi.hidden;
}

uint64_t abi_hints(void)
{
	return bits_of_version(hints, array_size(hints), abi_version() & 0xffff);
}

static int number_of(const struct named *table, unsigned count, const char *name, size_t length)
{
	for (unsigned i = 0; i < count; i++)
		if (strlen(table[i].name) == length && !strncasecmp(table[i].name, name, length))
			return table[i].number;
	return -1;
}

int abi_feature_bit(const char *name, size_t length)
{
	return number_of(features, array_size(features), name, length);
}

int abi_call_number(const char *name, size_t length)
{
	return number_of(calls, array_size(calls), name, length);
}

static const struct named *call_of(uint64_t number)
{
	for (unsigned i = 0; i < array_size(calls); i++)
		if (calls[i].number == number)
			return &calls[i];
	return NULL;
}

const char *abi_call_name(uint64_t number)
{
	const struct named *call = call_of(number);

	return call ? call->name : NULL;
}

bool abi_call_fails(uint64_t number)
{
	const struct named *call = call_of(number);

	return call && call->fails;
}
