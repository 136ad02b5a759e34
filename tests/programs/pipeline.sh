#!/bin/sh
# SPDX-License-Identifier: MIT
# Pipelines of busybox tools over generated text: each ends in a checksum.
seq 1 60000 | awk '{ x = (x * 1103515245 + 12345) % 2147483648; print x, $1, "line" }' >text
sha256sum <text
gzip -c text | gunzip -c | sha256sum
sort -n text | sha256sum
sort -k 3 -k 1 text | tail -n 100 | md5sum
grep 7 text | cut -d ' ' -f 1 | sed 's/1/one/g' | sha256sum
tar cf - text | tar xOf - text | sha3sum
for n in 1 2 3 4 5; do head -n ${n}000 text >part.$n; done; cat part.* | sha512sum
bzip2 -c text | bunzip2 -c | sha256sum
i=0
while [ $i -lt 100 ]; do
	echo "$i $(expr $i \* $i) $(basename /a/b/$i)"
	i=$((i + 1))
done | sha256sum
for n in 1 2 3 4 5 6 7 8; do
	(dd if=text bs=1000 skip=$n count=300 2>/dev/null | sha1sum >sum.$n) &
done
wait
cat sum.1 sum.2 sum.3 sum.4 sum.5 sum.6 sum.7 sum.8
(sleep 10 & p=$!; kill $p; wait $p; echo "killed: $?") 2>/dev/null
mkfifo fifo
cat fifo | wc -c &
cat text text >fifo
wait
find . -name 'part.*' | sort | xargs cat | wc
