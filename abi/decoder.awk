# SPDX-License-Identifier: GPL-2.0-only OR MIT
# `abi/generate decoder`, on what generate.awk has read: the tables by which hypervisor/debug/decoder.c
# shows calls by their names.  Included there and nowhere else.

function c_text(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "\"" s "\""
}

function argument_index(call, name, n) {
	for (n = 1; n <= call_args[call]; n++)
		if (arg_name[call, n] == name)
			return n - 1
	fail_late("call " call_name[call] " has no argument " name)
}

function struct_index(name, i) {
	for (i = 1; i <= structs; i++)
		if (struct_name[i] == name)
			return i - 1
	fail_late("no structure " name)
}

function fail_late(why) {
	print "abi/ring3.abi: " why > "/dev/stderr"
	exit 1
}

# What an argument points to, as a structure of the list: "byte[ARGUMENT]", "STRUCT[ARGUMENT]", "STRUCT".
function decoder_memory(call, n, what, count, direction) {
	what = arg_what[call, n]
	count = ""
	if (match(what, /\[.*\]$/)) {
		count = argument_index(call, substr(what, RSTART + 1, RLENGTH - 2))
		what = substr(what, 1, RSTART - 1)
	}
	direction = "DECODER_IN"
	if (call_writes[call, arg_name[call, n]] == "writes")
		direction = "DECODER_IN | DECODER_OUT"
	if (call_writes[call, arg_name[call, n]] == "fills") {
		direction = "DECODER_OUT"
		count = "DECODER_RESULT"
	}
	printf "\t\t\t{ .argument = %d, .direction = %s, .what = DECODER_%s,", n - 1, direction,
		(what == "byte" ? "BYTES" : count == "" ? "STRUCT" : "ARRAY")
	if (what != "byte")
		printf " .structure = &structs[%d],", struct_index(what)
	print (count == "" ? "" : " .length = " count) " },"
}

function decoder_call(i, n, memories) {
	printf "\t[%d] = {\n\t\t.name = \"%s\", .feature = %d, .since = %d, .replay = DECODER_REPLAY_%s,\n",
		call_number[i], call_name[i], (call_feature[i] == "always" ? -1 : feature_bit[call_feature[i]]),
		call_since[i], toupper(i in call_replay ? call_replay[i] : "all")
	printf "\t\t.arguments = %d,\n\t\t.argument = {", call_args[i]
	for (n = 1; n <= call_args[i]; n++)
		printf " { \"%s\", DECODER_%s, \"%s\" },", arg_name[i, n], toupper(arg_type[i, n]),
			(arg_type[i, n] == "gpa" ? "" : arg_what[i, n])
	print (call_args[i] ? " " : "") "},"
	memories = 0
	for (n = 1; n <= call_args[i]; n++)
		memories += arg_type[i, n] == "gpa"
	printf "\t\t.memories = %d,\n\t\t.memory = {\n", memories
	for (n = 1; n <= call_args[i]; n++)
		if (arg_type[i, n] == "gpa")
			decoder_memory(i, n)
	print "\t\t},\n\t},"
}

function decoder(i, n) {
	print "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */"
	print "/* Made by abi/generate from abi/ring3.abi, for hypervisor/debug/decoder.c. */"
	for (i = 1; i <= structs; i++) {
		printf "\nstatic const struct decoder_field fields_of_%s[] = {\n", struct_name[i]
		for (n = 1; n <= fields[i]; n++)
			printf "\t{ \"%s\", %d, %d, %d },\n", field_name[i, n], field_offset[i, n],
				substr(field_type[i, n], 2) / 8, field_count[i, n]
		print "};"
	}
	print "\nstatic const struct decoder_struct structs[] = {"
	for (i = 1; i <= structs; i++)
		printf "\t{ \"%s\", %d, %s, %d, fields_of_%s },\n", struct_name[i], struct_size[i],
			(field_name[i, 1] == "size" ? "true" : "false"), fields[i], struct_name[i]
	print "};\n\nstatic const struct decoder_call calls[] = {"
	for (i = 1; i <= calls; i++)
		decoder_call(i)
	print "};\n\nstatic const struct decoder_word features[] = {"
	for (i = 1; i <= features; i++)
		printf "\t{ %d, \"%s\", %d, %s },\n", feature_bit[feature_name[i]], feature_name[i],
			feature_since[i], c_text(feature_text[i])
	print "\t{ 0 },\n};\n\nstatic const struct decoder_constant constants[] = {"
	for (i = 1; i <= consts; i++)
		printf "\t{ \"%s\", %su },\n", const_name[i], const_value[i]
	print "};\n\nstatic const struct decoder_word hints[] = {"
	for (i = 1; i <= hints; i++)
		printf "\t{ %d, \"%s\", %d, %s },\n", hint_bit[i], hint_name[i], hint_since[i], c_text(hint_text[i])
	print "\t{ 0 },\n};\n\nstatic const struct decoder_word errors[] = {"
	for (i = 1; i <= errors; i++)
		printf "\t{ %d, \"%s\", 0, %s },\n", error_number[i], error_name[i], c_text(error_text[i])
	print "\t{ 0 },\n};"
}
