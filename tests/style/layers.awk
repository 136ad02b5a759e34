# SPDX-License-Identifier: MIT
# awk -f layers.awk layers.txt FILE...: includes that layers.txt does not allow.
function layer(path) {
	sub(/^hypervisor\//, "", path)
	return substr(path, 1, index(path, "/") - 1)
}
FILENAME == ARGV[1] {
	if ($0 ~ /^#/ || $0 !~ /:/)
		next
	split($0, side, /:/)
	known[side[1]] = 1
	n = split(side[2], names, /[ \t]+/)
	for (i = 1; i <= n; i++)
		if (names[i] != "")
			may[side[1], names[i]] = 1
	next
}
/^#include "[a-z0-9_]+\// {
	split($0, quoted, /"/)
	to = substr(quoted[2], 1, index(quoted[2], "/") - 1)
	from = layer(FILENAME)
	if (!(from in known))
		print FILENAME ": folder " from " is not in layers.txt"
	else if (to != from && !((from, to) in may))
		print FILENAME ":" FNR ": " from " may not include " quoted[2]
}
