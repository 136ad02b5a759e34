// SPDX-License-Identifier: MIT
/*
 * --abi.  Names are those of abi/ring3.abi, whatever their case.
 *
 * RATE is how often a call fails: N, one in N; or a probability, with a point or a
 * percent sign: 0.1, 2.5%.  So 1 is always, and so are 1.0 and 100%.
 */
#include "cli/hypercall_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "machine/abi.h"

#define ONE		(1ull << 32)	/* the rate that is always */
#define DIGITS		18

const char options_abi_help[] =
"  --abi version=1.0,hide=FEATURE+...,fail=CALL:ERRNO:RATE,seed=N  with --pv ring3:\n"
"                     present an older version, hide features, make calls fail; RATE: N,\n"
"                     one in N, or 0.1, or 10%; seed: of what decides which; repeatable\n";

static const struct {
	const char *name;
	uint16_t number;
} errors[] = {
	{ "EPERM", EPERM }, { "ENOSYS", ENOSYS }, { "EINVAL", EINVAL }, { "EFAULT", EFAULT },
	{ "E2BIG", E2BIG }, { "EBUSY", EBUSY }, { "ENODEV", ENODEV },
	/* Not of the ABI; a guest must take any. */
	{ "EIO", EIO }, { "EAGAIN", EAGAIN }, { "EINTR", EINTR }, { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC },
};

static int refuse(const char *key, const char *value, const char *want)
{
	log_error("--abi %s=%s is not understood; give %s", key, value, want);
	return -EINVAL;
}

/* Decimal digits up to `end`. */
static bool number_parse(const char *text, const char *end, uint64_t *out)
{
	*out = 0;
	if (text == end || end - text > DIGITS)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*out = *out * 10 + (uint64_t)(*text - '0');
	}
	return true;
}

static int version_set(struct machine_abi *abi, const char *value)
{
	const char *point = strchr(value, '.');
	uint64_t major, minor;
	uint32_t newest = abi_newest();

	if (!point || !number_parse(value, point, &major) ||
	    !number_parse(point + 1, value + strlen(value), &minor))
		return refuse("version", value, "MAJOR.MINOR, such as 1.0");
	if (major != newest >> 16 || minor > (newest & 0xffff)) {
		log_error("--abi version=%s: this ring3 has %u.0 to %u.%u", value, newest >> 16, newest >> 16,
			  newest & 0xffff);
		return -EINVAL;
	}
	abi->version = (uint32_t)(major << 16 | minor);
	return 0;
}

static int hide_add(struct machine_abi *abi, const char *value)
{
	const char *name = value;

	do {
		size_t length = strcspn(name, "+");
		int bit = abi_feature_bit(name, length);

		if (bit < 0) {
			log_error("--abi hide=%s: there is no feature \"%.*s\"; docs/abi-reference.md names them",
				  value, (int)length, name);
			return -EINVAL;
		}
		abi->hidden |= 1ull << bit;
		name += length;
	} while (*name++);
	return 0;
}

/* WHOLE.FRACTION as a part of `of`, rounded to the nearest of 2^32. */
static bool probability_parse(const char *text, const char *end, uint64_t of, uint64_t *rate)
{
	const char *point = memchr(text, '.', (size_t)(end - text));
	uint64_t whole = 0, part = 0, unit = 1;

	if (point != text && !number_parse(text, point ? point : end, &whole))
		return false;
	if (point) {
		if (end - point > 10 || !number_parse(point + 1, end, &part))
			return false;
		for (const char *digit = point + 1; digit < end; digit++)
			unit *= 10;
	}
	if (whole > of || (whole == of && part))
		return false;
	*rate = (uint64_t)(((unsigned __int128)(whole * unit + part) * ONE + of * unit / 2) / (of * unit));
	return true;
}

static bool rate_parse(const char *text, uint64_t *rate)
{
	const char *end = text + strlen(text);
	uint64_t n;

	if (end > text && end[-1] == '%')
		return probability_parse(text, end - 1, 100, rate) && *rate;
	if (strchr(text, '.'))
		return probability_parse(text, end, 1, rate) && *rate;
	if (!number_parse(text, end, &n) || !n || n > ONE)
		return false;
	*rate = ONE / n;
	return true;
}

static unsigned error_find(const char *name, size_t length)
{
	uint64_t number;

	for (unsigned i = 0; i < array_size(errors); i++)
		if (strlen(errors[i].name) == length && !strncasecmp(errors[i].name, name, length))
			return errors[i].number;
	return number_parse(name, name + length, &number) && number <= 4095 ? (unsigned)number : 0;
}

static int fail_add(struct machine_abi *abi, const char *value)
{
	size_t name = strcspn(value, ":"), error = value[name] ? strcspn(value + name + 1, ":") : 0;
	struct machine_abi_failure *f = &abi->failure[abi->failures];
	const char *rate = value + name + 1 + error;
	int call;

	if (!value[name] || *rate != ':')
		return refuse("fail", value, "CALL:ERRNO:RATE, such as queue_kick:EIO:0.1");
	if (abi->failures == MACHINE_ABI_FAILURES) {
		log_error("too many of --abi fail=; at most %u", MACHINE_ABI_FAILURES);
		return -EINVAL;
	}
	call = abi_call_number(value, name);
	if (call < 0) {
		log_error("--abi fail=%s: there is no call \"%.*s\"; docs/abi-reference.md names them", value,
			  (int)name, value);
		return -EINVAL;
	}
	if (!abi_call_fails((uint64_t)call)) {
		log_error("--abi fail=%s: by its description %s never fails", value,
			  abi_call_name((uint64_t)call));
		return -EINVAL;
	}
	f->call = (uint8_t)call;
	f->error = (uint16_t)error_find(value + name + 1, error);
	if (!f->error)
		return refuse("fail", value, "an error such as EINVAL, or a number from 1 to 4095");
	if (!rate_parse(rate + 1, &f->rate))
		return refuse("fail", value, "a rate: N for one in N, or a probability, 0.1 or 10%");
	abi->failures++;
	return 0;
}

static int seed_set(struct machine_abi *abi, const char *value)
{
	return number_parse(value, value + strlen(value), &abi->seed) ? 0 :
		refuse("seed", value, "a whole number");
}

static int word_set(struct machine_abi *abi, char *word)
{
	static const struct {
		const char *key;
		int (*set)(struct machine_abi *abi, const char *value);
	} keys[] = {
		{ "version", version_set }, { "hide", hide_add }, { "fail", fail_add }, { "seed", seed_set },
	};
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	for (unsigned i = 0; i < array_size(keys); i++) {
		if (strcmp(word, keys[i].key))
			continue;
		if (value && *value)
			return keys[i].set(abi, value);
		log_error("--abi %s needs a value: %s=...", word, word);
		return -EINVAL;
	}
	log_error("--abi does not know \"%s\"; it knows version, hide, fail and seed", word);
	return -EINVAL;
}

int options_add_abi(struct machine_config *config, const char *value)
{
	char *text = strdup(value), *rest = text, *word;
	int error = 0;

	if (!text)
		return -ENOMEM;
	while (!error && (word = strsep(&rest, ",")))
		error = word_set(&config->abi, word);
	free(text);
	config->abi_given = true;
	return error;
}

int options_check_abi(const struct machine_config *config)
{
	if (!config->abi_given || config->pv == MACHINE_PV_RING3)
		return 0;
	log_error("--abi is about ring3's hypercalls; give --pv ring3, too");
	return -EINVAL;
}
