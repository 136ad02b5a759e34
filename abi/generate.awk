# SPDX-License-Identifier: GPL-2.0-only OR MIT
# See abi/generate.  POSIX awk: mawk is what a minimal system has.

function fail(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}

# What stands behind the first tab is the record, behind the second one text.
function text_of(line, n, parts) {
	n = split(line, parts, /\t/)
	return n > 2 ? parts[3] : ""
}

/^#/ || /^[ \t]*$/ { next }

{
	split($0, column, /\t/)
	words = split(column[2], word, / /)
	text = text_of($0)
}

$1 == "version" {
	major = word[1]
	minor = word[2]
	oldest = word[3]
	next
}
$1 == "feature" {
	if (word[2] in feature_bit || ("bit", word[1]) in taken)
		fail("feature twice: " word[2])
	taken["bit", word[1]] = 1
	feature_bit[word[2]] = word[1]
	feature_name[++features] = word[2]
	feature_text[features] = text
	above = "feature"
	next
}
$1 == "hint" {
	if (("hint", word[1]) in taken)
		fail("hint twice: " word[2])
	taken["hint", word[1]] = 1
	hint_name[++hints] = word[2]
	hint_bit[hints] = word[1]
	hint_text[hints] = text
	above = "hint"
	next
}
$1 == "const" {
	const_name[++consts] = word[1]
	const_value[consts] = word[2]
	const_text[consts] = text
	above = "const"
	next
}
$1 == "struct" {
	struct_name[++structs] = word[1]
	in_struct = 1
	offset = 0
	field_minor = 0
	next
}
$1 == "end" {
	if (offset % 8)
		fail("struct " struct_name[structs] " is not a multiple of 8 bytes")
	struct_size[structs] = offset
	in_struct = 0
	next
}
$1 == "since" {
	if (word[1] !~ /^[0-9]+$/ || word[1] > minor)
		fail("no such version: " major "." word[1])
	if (in_struct) {
		if (offset)
			old_size[structs, field_minor] = offset
		else
			struct_since[structs] = word[1]
		field_minor = word[1]
	} else if (above == "feature")
		feature_since[features] = word[1]
	else if (above == "hint")
		hint_since[hints] = word[1]
	else if (above == "const")
		const_since[consts] = word[1]
	else
		call_since[calls] = word[1]
	next
}
in_struct {
	name = word[1]
	count = 1
	if (match(name, /\[[0-9]+\]$/)) {
		count = substr(name, RSTART + 1, RLENGTH - 2) + 0
		name = substr(name, 1, RSTART - 1)
	}
	bytes = substr($1, 2) / 8
	if ($1 !~ /^u(8|16|32|64)$/)
		fail("no such type: " $1)
	if (offset % bytes)
		fail("field " name " is not aligned")
	n = ++fields[structs]
	field_type[structs, n] = $1
	field_name[structs, n] = name
	field_count[structs, n] = count
	field_offset[structs, n] = offset
	field_text[structs, n] = text
	field_since[structs, n] = field_minor
	offset += bytes * count
	next
}
$1 == "call" {
	if (("call", word[1]) in taken)
		fail("number twice: " word[1])
	if (word[3] != "always" && !(word[3] in feature_bit))
		fail("no such feature: " word[3])
	taken["call", word[1]] = 1
	call_number[++calls] = word[1]
	call_name[calls] = word[2]
	call_feature[calls] = word[3]
	call_args[calls] = words - 3
	above = "call"
	if (words > 9)
		fail("more than six arguments")
	for (i = 4; i <= words; i++) {
		split(word[i], pair, /:/)
		if (pair[1] !~ /^(u32|u64|gpa)$/)
			fail("no such argument type: " word[i])
		arg_type[calls, i - 3] = pair[1]
		arg_name[calls, i - 3] = pair[2]
		arg_what[calls, i - 3] = pair[3]
	}
	next
}
$1 == "|" {
	call_text[calls] = call_text[calls] (call_text[calls] == "" ? "" : "\n") column[2]
	next
}
$1 == "returns" {
	call_returns[calls] = call_returns[calls] (call_returns[calls] == "" ? "" : " ") column[2]
	next
}
$1 == "writes" || $1 == "fills" {
	for (i = 1; i <= words; i++)
		call_writes[calls, word[i]] = $1
	next
}
$1 == "replay" {
	if (word[1] !~ /^(all|result|errors|skip)$/)
		fail("no such rule: " word[1])
	call_replay[calls] = word[1]
	next
}
$1 == "error" {
	error_number[++errors] = word[1]
	error_name[errors] = word[2]
	error_text[errors] = text
	next
}
{ fail("not understood: " $0) }

END {
	if (failed)
		exit 1
	if (want == "header")
		header()
	else if (want == "table")
		table()
	else if (want == "layout")
		layout()
	else if (want == "decoder")
		decoder()
	else if (want == "matrix")
		matrix()
	else if (want == "grammar")
		grammar()
	else
		reference()
}

function define(name, value, comment) {
	printf "#define RING3_%s\t%s%s\n", name, value, (comment == "" ? "" : "\t/* " comment " */")
}

# For people: when it came, if not with the first version.
function since_text(n) {
	return n ? "since " major "." n : ""
}

function both(a, b) {
	return a == "" || b == "" ? a b : a "; " b
}

function header(	i, n, s) {
	print "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */"
	print "/* Made by abi/generate from abi/ring3.abi: the hypercall ABI, for guest and host. */"
	print "#ifndef RING3_ABI_H\n#define RING3_ABI_H\n"
	print "#ifdef __KERNEL__\n#include <linux/types.h>\n#else\n#include <stdint.h>\n#endif\n"
	define("ABI_MAJOR", major)
	define("ABI_MINOR", minor)
	define("ABI_OLDEST", oldest)
	define("ABI_VERSION", "(RING3_ABI_MAJOR << 16 | RING3_ABI_MINOR)")
	print "\n/* Features: bits. */"
	for (i = 1; i <= features; i++)
		define("FEATURE_" feature_name[i], feature_bit[feature_name[i]],
			both(feature_text[i], since_text(feature_since[i])))
	s = ""
	for (i = 1; i <= features; i++)
		s = s (i > 1 ? " | \\\n\t " : "") "1ull << RING3_FEATURE_" feature_name[i]
	define("FEATURES_ALL", "\\\n\t(" s ")")
	print "\n/* Those that came with each minor version. */"
	for (n = 0; n <= minor; n++) {
		s = ""
		for (i = 1; i <= features; i++)
			if (feature_since[i] + 0 == n)
				s = s (s == "" ? "" : " | \\\n\t ") "1ull << RING3_FEATURE_" feature_name[i]
		define("FEATURES_SINCE_" n, s == "" ? "0ull" : "\\\n\t(" s ")")
	}
	print "\n/* Hints: bits. */"
	for (i = 1; i <= hints; i++)
		define("HINT_" hint_name[i], hint_bit[i], both(hint_text[i], since_text(hint_since[i])))
	print ""
	for (i = 1; i <= consts; i++)
		define(const_name[i], const_value[i] "u", both(const_text[i], since_text(const_since[i])))
	print "\n/* Calls: RAX; arguments in RDI, RSI, RDX, R10, R8, R9; the result in RAX. */"
	for (i = 1; i <= calls; i++) {
		s = ""
		for (n = 1; n <= call_args[i]; n++)
			s = s (n > 1 ? ", " : "") arg_type[i, n] " " arg_name[i, n]
		define("CALL_" toupper(call_name[i]), call_number[i],
			(s == "" ? "-" : s) (call_since[i] ? "; " since_text(call_since[i]) : ""))
	}
	for (i = 1; i <= structs; i++) {
		printf "\nstruct ring3_%s {\n", struct_name[i]
		for (n = 1; n <= fields[i]; n++)
			printf "\tuint%s_t %s%s;%s\n", substr(field_type[i, n], 2), field_name[i, n],
				(field_count[i, n] > 1 ? "[" field_count[i, n] "]" : ""),
				(field_text[i, n] == "" ? "" : "\t/* " field_text[i, n] " */")
		print "};"
		for (n = 0; n < minor; n++)
			if ((i, n) in old_size)
				define(toupper(struct_name[i]) "_SIZE_" n, old_size[i, n] "u",
					"its size in version " major "." n)
	}
	print "\n#ifdef __cplusplus\n#define RING3_ABI_ASSERT(c) static_assert(c, #c)"
	print "#else\n#define RING3_ABI_ASSERT(c) _Static_assert(c, #c)\n#endif"
	for (i = 1; i <= structs; i++) {
		printf "RING3_ABI_ASSERT(sizeof(struct ring3_%s) == %d);\n", struct_name[i], struct_size[i]
		for (n = 1; n <= fields[i]; n++)
			printf "RING3_ABI_ASSERT(__builtin_offsetof(struct ring3_%s, %s) == %d);\n",
				struct_name[i], field_name[i, n], field_offset[i, n]
	}
	print "\n#endif"
}

# HYPERCALL(number, name, feature bit or -1, arguments, mask of those that have 32 bits, minor version,
#	  whether an error of its own is listed)
# FEATURE(bit, name, minor version), HINT(bit, name, minor version)
function table(	i, n, mask) {
	print "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */"
	print "/* Made by abi/generate from abi/ring3.abi. */"
	print "#ifndef HYPERCALL\n#define HYPERCALL(...)\n#endif"
	print "#ifndef FEATURE\n#define FEATURE(...)\n#endif"
	print "#ifndef HINT\n#define HINT(...)\n#endif"
	for (i = 1; i <= calls; i++) {
		mask = 0
		for (n = 1; n <= call_args[i]; n++)
			if (arg_type[i, n] == "u32")
				mask += 2 ^ (n - 1)
		printf "HYPERCALL(%d, %s, %s, %d, %d, %d, %d)\n", call_number[i], call_name[i],
			(call_feature[i] == "always" ? -1 : feature_bit[call_feature[i]]), call_args[i], mask,
			call_since[i], call_returns[i] ~ /-E[A-Z]/ || mask
	}
	for (i = 1; i <= features; i++)
		printf "FEATURE(%d, %s, %d)\n", feature_bit[feature_name[i]], feature_name[i], feature_since[i]
	for (i = 1; i <= hints; i++)
		printf "HINT(%d, %s, %d)\n", hint_bit[i], hint_name[i], hint_since[i]
	print "#undef HYPERCALL\n#undef FEATURE\n#undef HINT"
}

# Calls and errors are no C, but as published as the rest is.
function layout(	i, n, s) {
	printf "\tprintf(\"version %%d.%%d\\n\", RING3_ABI_MAJOR, RING3_ABI_MINOR);\n"
	for (i = 1; i <= structs; i++) {
		printf "\tSTRUCT(%s, %d);\n", struct_name[i], struct_since[i]
		for (n = 1; n <= fields[i]; n++)
			printf "\tFIELD(%s, %s, %d);\n", struct_name[i], field_name[i, n], field_since[i, n]
	}
	for (i = 1; i <= features; i++)
		printf "\tVALUE(FEATURE_%s, %d);\n", feature_name[i], feature_since[i]
	for (i = 1; i <= hints; i++)
		printf "\tVALUE(HINT_%s, %d);\n", hint_name[i], hint_since[i]
	for (i = 1; i <= consts; i++)
		printf "\tVALUE(%s, %d);\n", const_name[i], const_since[i]
	for (i = 1; i <= calls; i++) {
		s = ""
		for (n = 1; n <= call_args[i]; n++)
			s = s " " arg_type[i, n]
		printf "\tVALUE(CALL_%s, %d);\n", toupper(call_name[i]), call_since[i]
		printf "\tputs(\"call %s %s%s\");\n", call_name[i], call_feature[i], s
	}
	for (i = 1; i <= errors; i++)
		printf "\tputs(\"error %s %d\");\n", error_name[i], error_number[i]
}

# A bar would end the table's cell.
function cell(s) {
	gsub(/\|/, "\\|", s)
	return s
}

function reference(	i, n, s) {
	print "<!-- SPDX-License-Identifier: MIT -->"
	print "<!-- Made by `abi/generate reference` from abi/ring3.abi; change that. -->"
	printf "# Hypercalls: reference, version %d.%d\n\n", major, minor
	print "How to find and enter them, and what errors mean, is in [abi.md](abi.md). Names of C have"
	print "the prefix `RING3_` (constants), `RING3_FEATURE_`, `RING3_CALL_`, `ring3_` (structures)."
	print "What version " major ".0 did not have says since when it is there."
	print "\n## Features\n\n| bit | | | |\n|---|---|---|---|"
	for (i = 1; i <= features; i++)
		printf "| %d | `%s` | %s | %s |\n", feature_bit[feature_name[i]], feature_name[i],
			cell(feature_text[i]), since_text(feature_since[i])
	print "\n## Hints\n\n| bit | | | |\n|---|---|---|---|"
	for (i = 1; i <= hints; i++)
		printf "| %d | `%s` | %s | %s |\n", hint_bit[i], hint_name[i], cell(hint_text[i]),
			since_text(hint_since[i])
	print "\n## Calls"
	for (i = 1; i <= calls; i++) {
		s = ""
		for (n = 1; n <= call_args[i]; n++)
			s = s (n > 1 ? ", " : "") arg_type[i, n] " " arg_name[i, n]
		printf "\n### %d: `%s(%s)`\n\n", call_number[i], call_name[i], s
		print (call_feature[i] == "always" ? "Always there, before `version`, too." : \
			"Feature `" call_feature[i] "`" (call_since[i] ? ", " since_text(call_since[i]) : "") ".")
		if (call_text[i] != "")
			print call_text[i]
		printf "\nReturns %s.\n", call_returns[i]
	}
	print "\n## Structures"
	for (i = 1; i <= structs; i++) {
		printf "\n### `struct ring3_%s`, %d bytes%s\n", struct_name[i], struct_size[i],
			(struct_since[i] ? ", " since_text(struct_since[i]) : "")
		for (n = 0; n < minor; n++)
			if ((i, n) in old_size)
				printf "\nIn version %d.%d the first %d of them.\n", major, n, old_size[i, n]
		print "\n| offset | type | field | |\n|---|---|---|---|"
		for (n = 1; n <= fields[i]; n++)
			printf "| %d | %s | `%s%s` | %s |\n", field_offset[i, n], field_type[i, n], field_name[i, n],
				(field_count[i, n] > 1 ? "[" field_count[i, n] "]" : ""), cell(field_text[i, n])
	}
	print "\n## Constants\n\n| | | | |\n|---|---|---|---|"
	for (i = 1; i <= consts; i++)
		printf "| `%s` | %s | %s | %s |\n", const_name[i], const_value[i], cell(const_text[i]),
			since_text(const_since[i])
}
