# SPDX-License-Identifier: MIT
# How tests/programs/run starts machines; sourced by it.
# Sets: root, build, busybox.  The caller may set KERNEL, RING3, MEMORY, QEMU.

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$root/build}
RING3=${RING3:-$build/ring3}
QEMU=${QEMU:-qemu-system-x86_64}
MEMORY=${MEMORY:-512M}
busybox=${BUSYBOX:-$(command -v busybox)}

fail() { echo "$(basename "$(dirname "$0")")/$(basename "$0"): $*" >&2; exit 1; }

# stamp: runs a machine under a time limit and notes the host's time on each line.
stamp_build() {
	mkdir -p "$build/tests"
	stamp=$build/tests/stamp
	if [ ! -x "$stamp" ] || [ "$root/tests/programs/stamp.c" -nt "$stamp" ]; then
		${CC:-gcc} -O2 -Wall -Wextra -D_GNU_SOURCE -static -o "$stamp" "$root/tests/programs/stamp.c"
	fi
}

# kernel_find [which]: the stock kernel to boot.
kernel_find() {
	if [ -n "${KERNEL:-}" ]; then
		echo "$KERNEL"
	else
		"$root/tests/boot/fetch-kernel" "${1:-cloud}" | tail -n 1
	fi
}

# initramfs_begin <dir>: an empty root with busybox and its links.
initramfs_begin() {
	rm -rf "$1"
	mkdir -p "$1/bin" "$1/dev" "$1/proc" "$1/sys" "$1/tmp" "$1/etc"
	cp "$busybox" "$1/bin/busybox"
	for applet in $("$busybox" --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
	echo "root:x:0:0:root:/:/bin/sh" >"$1/etc/passwd"
}

# initramfs_pack <dir> <file>: cpio in the kernel's format, nothing owned by the builder.
initramfs_pack() {
	(cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$2"
}

# The first lines of every init: file systems, a console, the loopback interface.
initramfs_prologue() {
	cat <<'INIT'
#!/bin/busybox sh
# SPDX-License-Identifier: MIT
export PATH=/bin HOME=/
mount -t devtmpfs none /dev
exec 0<>/dev/console 1>&0 2>&0
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
mkdir -p /dev/shm
mount -t tmpfs none /dev/shm
ip link set lo up 2>/dev/null
stty -onlcr 2>/dev/null
dmesg -n 1
INIT
}

# machine_run <tcg|ring3> <kernel> <initrd> <append> [stamp options]
machine_run() {
	kind=$1 kernel=$2 initrd=$3 append="console=ttyS0 panic=-1 quiet $4"
	shift 4
	case $kind in
	tcg)
		"$stamp" "$@" "$QEMU" -accel tcg -cpu max,la57=off -smp 1 -m "$MEMORY" -nodefaults -display none \
			-no-reboot -serial stdio -monitor none -kernel "$kernel" -initrd "$initrd" \
			-append "$append" </dev/null
		;;
	ring3)
		"$stamp" "$@" "$RING3" run --memory "$MEMORY" --no-reboot \
			${RING3_OPTIONS:-} --kernel "$kernel" --initrd "$initrd" --append "$append" </dev/null
		;;
	*) fail "no machine called $kind" ;;
	esac
}
