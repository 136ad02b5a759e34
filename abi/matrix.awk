# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What tests are made of, from what generate.awk has read: abi/generate matrix|grammar.

function in_version(i, n) {	# the feature, the minor version
	return feature_since[i] + 0 <= n
}

# Sum of bits; 64 bits are more than awk's numbers hold exactly, so bits above 52 are refused.
function features_of(n, without, only,	i, sum) {
	sum = 0
	for (i = 1; i <= features; i++)
		if (in_version(i, n) && i != without && (!only || i == only))
			sum += 2 ^ feature_bit[feature_name[i]]
	return sum
}

function hidden_but(only, n,	i, s) {
	s = ""
	for (i = 1; i <= features; i++)
		if (in_version(i, n) && i != only)
			s = s (s == "" ? "hide=" : "+") feature_name[i]
	return s == "" ? "-" : s
}

function configuration(name, abi, n, offered, accepted) {
	printf "configuration\t%s\t%s\t%d\t%d\t%d\n", name, abi, major * 65536 + n, offered, accepted
}

# version		NUMBER		(major << 16 | minor)
# feature		NAME BIT SINCE
# call			NUMBER NAME FEATURE SINCE ARGUMENTS
# configuration		NAME ABI VERSION OFFERED ACCEPTED
#	ABI: for --abi, or -; what that machine offers, and what the guest is to accept of it
function matrix(	i, n, all) {
	for (i = 1; i <= features; i++)
		if (feature_bit[feature_name[i]] > 52)
			fail("matrix: bit " feature_bit[feature_name[i]] " is too large for awk")
	all = features_of(minor, 0, 0)
	for (n = 0; n <= minor; n++)
		printf "version\t%d\n", major * 65536 + n
	for (i = 1; i <= features; i++)
		printf "feature\t%s\t%d\t%d\n", feature_name[i], feature_bit[feature_name[i]], feature_since[i]
	for (i = 1; i <= calls; i++)
		printf "call\t%d\t%s\t%s\t%d\t%d\n", call_number[i], call_name[i], call_feature[i],
			call_since[i], call_args[i]
	configuration("all", "-", minor, all, all)
	for (i = 1; i <= features; i++)
		configuration("hide-" feature_name[i], "hide=" feature_name[i], minor,
			features_of(minor, i, 0), features_of(minor, i, 0))
	for (i = 1; i <= features; i++)
		configuration("only-" feature_name[i], hidden_but(i, minor), minor,
			features_of(minor, 0, i), features_of(minor, 0, i))
	for (i = 1; i <= features; i++)
		configuration("refuse-" feature_name[i], "-", minor, all, features_of(minor, i, 0))
	configuration("none-offered", hidden_but(0, minor), minor, 0, 0)
	configuration("none-accepted", "-", minor, all, 0)
	for (n = 0; n < minor; n++)
		configuration("version-" major "." n, "version=" major "." n, n,
			features_of(n, 0, 0), features_of(n, 0, 0))
}

# For C, to be included with those of these macros defined that are wanted:
#	GRAMMAR_FEATURE(bit, name, minor version)	GRAMMAR_HINT(bit, name, minor version)
#	GRAMMAR_CONST(name, value)
#	GRAMMAR_STRUCT(name, size)	GRAMMAR_FIELD(struct, name, bytes, count, offset)
#	GRAMMAR_CALL(number, name, feature bit or -1, minor version, arguments, mask of those of 32 bits,
#		mask of addresses)
#	GRAMMAR_ARGUMENT(call, index, type, name, "what", index of the count or -1)
# "what": what an address points to ("byte", or a structure's name), or where a number's
# usual values are (constants' prefix); the count is the argument that says how many.
function grammar(	i, n, j, p, what, count, masks, m, names) {
	print "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */"
	print "/* Made by abi/generate from abi/ring3.abi. */"
	m = split("FEATURE HINT CONST STRUCT FIELD CALL ARGUMENT", names, / /)
	for (i = 1; i <= m; i++)
		printf "#ifndef GRAMMAR_%s\n#define GRAMMAR_%s(...)\n#endif\n", names[i], names[i]
	for (i = 1; i <= features; i++)
		printf "GRAMMAR_FEATURE(%d, %s, %d)\n", feature_bit[feature_name[i]], feature_name[i],
			feature_since[i]
	for (i = 1; i <= hints; i++)
		printf "GRAMMAR_HINT(%d, %s, %d)\n", hint_bit[i], hint_name[i], hint_since[i]
	for (i = 1; i <= consts; i++)
		printf "GRAMMAR_CONST(%s, %su)\n", const_name[i], const_value[i]
	for (i = 1; i <= structs; i++) {
		printf "GRAMMAR_STRUCT(%s, %d)\n", struct_name[i], struct_size[i]
		for (n = 1; n <= fields[i]; n++)
			printf "GRAMMAR_FIELD(%s, %s, %d, %d, %d)\n", struct_name[i], field_name[i, n],
				substr(field_type[i, n], 2) / 8, field_count[i, n], field_offset[i, n]
	}
	for (i = 1; i <= calls; i++) {
		split("", masks)
		for (n = 1; n <= call_args[i]; n++)
			masks[arg_type[i, n]] += 2 ^ (n - 1)
		printf "GRAMMAR_CALL(%d, %s, %s, %d, %d, %d, %d)\n", call_number[i], call_name[i],
			(call_feature[i] == "always" ? -1 : feature_bit[call_feature[i]]), call_since[i],
			call_args[i], masks["u32"], masks["gpa"]
		for (n = 1; n <= call_args[i]; n++) {
			what = arg_what[i, n]
			count = -1
			if (p = index(what, "[")) {
				for (j = 1; j <= call_args[i]; j++)
					if (arg_name[i, j] "]" == substr(what, p + 1))
						count = j - 1
				if (count < 0)
					fail("no such argument: " what)
				what = substr(what, 1, p - 1)
			}
			printf "GRAMMAR_ARGUMENT(%d, %d, %s, %s, \"%s\", %d)\n", call_number[i], n - 1,
				arg_type[i, n], arg_name[i, n], what, count
		}
	}
	for (i = 1; i <= m; i++)
		printf "#undef GRAMMAR_%s\n", names[i]
}
