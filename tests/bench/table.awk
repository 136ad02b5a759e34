# SPDX-License-Identifier: MIT
# Makes the table from `bench --list` and the collected "column name best median
# unit" lines; of several passes the best counts.  All figures are times per operation, so a ratio above one means
# slower.  Targets: of native (n), or how many times faster than TCG (t).

function ratio(a, b) { return a != "" && b != "" && b > 0 ? sprintf("%.2f", a / b) : "-" }
function figure(v) { return v == "" ? "-" : v < 10 ? sprintf("%.3f", v) : sprintf("%.1f", v) }
function verdict(name,   t, r, k) {
	t = target[name]
	k = substr(t, 1, 1)
	r = substr(t, 2) + 0
	if (t == "" || best["ring3", name] == "" || best[k == "n" ? "native" : "tcg", name] == "")
		return ""
	if (k == "n")
		return best["native", name] / best["ring3", name] >= r ? "reached" : "missed"
	return best["tcg", name] / best["ring3", name] >= r ? "reached" : "missed"
}
function wording(t) {
	return t == "" ? "" : substr(t, 1, 1) == "n" ? substr(t, 2) " of native" : substr(t, 2) "x TCG"
}
BEGIN {
	OFS = ","
	split("integer sieve matrix memcpy chase indirect jit", user, " ")
	for (i in user)
		target[user[i]] = "n0.95"
	target["boot"] = "t3"
	target["getppid"] = target["fault"] = target["cow"] = "t1"
	target["exec"] = target["shell"] = target["pipe"] = "t2"
	target["file-write"] = target["file-read"] = "t4"
	count = 0
}
FILENAME == "-" {
	split($0, part, "\t")
	order[++count] = part[1]
	what[part[1]] = part[2]
	next
}
{
	if (!(($1, $2) in best) || $3 < best[$1, $2])
		best[$1, $2] = $3
	if (!(($1, $2) in median) || $4 < median[$1, $2])
		median[$1, $2] = $4
	unit[$2] = $5
	seen[$2] = 1
}
END {
	order[++count] = "boot"
	what["boot"] = "start to the first line of init"
	printf "\n%-12s %4s %10s %10s %10s %9s %9s  %-14s %-8s %s\n", "benchmark", "unit", "native", "ring3", "TCG", \
		"r3/native", "TCG/r3", "to reach", "", "one operation"
	print "benchmark,unit,native,ring3,tcg,native_median,ring3_median,tcg_median,target,verdict" > csv
	printf "{\n" > json
	lines = 0
	for (i = 1; i <= count; i++) {
		n = order[i]
		if (!(n in seen))
			continue
		printf "%-12s %4s %10s %10s %10s %9s %9s  %-14s %-8s %s\n", n, unit[n], figure(best["native", n]), \
			figure(best["ring3", n]), figure(best["tcg", n]), ratio(best["ring3", n], best["native", n]), \
			ratio(best["tcg", n], best["ring3", n]), wording(target[n]), verdict(n), what[n]
		print n, unit[n], best["native", n], best["ring3", n], best["tcg", n], median["native", n], \
			median["ring3", n], median["tcg", n], wording(target[n]), verdict(n) > csv
		printf "%s  \"%s\": { \"unit\": \"%s\"", lines++ ? ",\n" : "", n, unit[n] > json
		for (c = 1; c <= split("native ring3 tcg ring3-one-cpu", column, " "); c++)
			if (best[column[c], n] != "")
				printf ", \"%s\": %s", column[c], best[column[c], n] > json
		printf " }" > json
	}
	printf "\n}\n" > json
	if (best["ring3-one-cpu", "getppid"] != "")
		printf "\nnull system call with no spare host CPU: ring3 %s us (with one: %s, native %s, TCG %s)\n", \
			figure(best["ring3-one-cpu", "getppid"]), figure(best["ring3", "getppid"]), \
			figure(best["native", "getppid"]), figure(best["tcg", "getppid"])
	print ""
}
