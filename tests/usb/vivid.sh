#!/usr/bin/env bash
# A webcam where there is none: boots Debian's stock kernel in a virtual machine (emulated, no KVM needed), loads its test driver
# `vivid`, and runs tests/cameras/usb.rs in it against a real V4L2 node. Prints devices, formats and frames seen.
#
#     tests/usb/vivid.sh            a minute or two, after building
#
# Needs qemu-system-x86, cpio, busybox-static and kmod. The kernel's package is downloaded and unpacked, not installed. Nothing is
# left behind but the kernel, in target/vivid, for the next time.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
say() { printf '%s\n' "$*" >&2; }
stop() { say "vivid: $*"; exit 1; }

for program in qemu-system-x86_64 cpio busybox depmod; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
        stop "there is no $program; apt-get install --no-install-recommends qemu-system-x86 cpio busybox-static kmod"
done
PATH=$PATH:/usr/sbin

kernel=$PWD/target/vivid
if ! compgen -G "$kernel/boot/vmlinuz-*" >/dev/null; then
    mkdir -p "$kernel"
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
    [ -n "$package" ] || stop "apt knows no linux-image-amd64; apt-get update first"
    say "vivid: fetching $package"
    (cd "$kernel" && apt-get -qq download "$package" 2>/dev/null && dpkg-deb -x "$package"_*.deb . && rm -f "$package"_*.deb)
fi
vmlinuz=$(compgen -G "$kernel/boot/vmlinuz-*" | head -1)
version=${vmlinuz##*/vmlinuz-}
depmod -b "$kernel" "$version"

say "vivid: building the test"
cargo test --quiet --test cameras --no-run
test=$(cargo test --quiet --test cameras --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/cameras-[^"]*\)".*/\1/p' | tail -1)
[ -x "$test" ] || stop "cargo built no test"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib64}
cp "$(command -v busybox)" "$root/bin/busybox"
strip -o "$root/bin/cameras" "$test"
# The test's libraries, each where its loader looks for it.
ldd "$test" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
# vivid and everything it stands on, in the order to load them.
modprobe -d "$kernel" -S "$version" --show-depends vivid | awk '$1 == "insmod" { print $2 }' | while read -r module; do
    cp "$module" "$root/bin/"
    basename "$module" >>"$root/bin/modules"
done
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t tmpfs tmpfs /tmp
while read -r module; do /bin/busybox insmod "/bin/$module" $(test "$module" = vivid.ko && echo n_devs=1 node_types=0x1); done </bin/modules
CARRYOUT_V4L2=1 RUST_TEST_THREADS=1 HOME=/tmp /bin/cameras camera_of_v4l2 --nocapture
echo "vivid: the test ended with $?"
/bin/busybox poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$kernel/initramfs"

say "vivid: booting Linux $version"
log=$kernel/log
timeout 600 qemu-system-x86_64 -machine q35 -cpu max -smp 2 -m 1500 -nographic -no-reboot -kernel "$vmlinuz" \
    -initrd "$kernel/initramfs" -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' | tee "$log"
rm -f "$kernel/initramfs"
grep -q 'vivid: the test ended with 0' "$log" || stop "the test did not pass; all that was said is in $log"
