#!/bin/bash
# librsvg 2.54.7 (Debian 12) draws no element whose filter names an input that no earlier step makes,
# and reports success. Filter Effects 1, 9.2, takes such a name for a missing one: the input is the
# previous step's result, or the element itself. Editors leave such names behind when someone deletes a
# step. Seen: a red rectangle with such a filter gives the bytes of an empty drawing; without the name
# it gives others.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" librsvg2-bin=2.54.7+dfsg-1~deb12u2 2>/dev/null)
draw() {
	$run "$dir/root/usr/bin/rsvg-convert" -o "$dir/$1.png" <<S
<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">
<filter id="f"><feOffset $2 dx="0" dy="0"/></filter>$3</svg>
S
}
red='<rect width="20" height="20" fill="red" filter="url(#f)"/>'
draw empty "" ""
draw named 'in="gone"' "$red"
draw plain "" "$red"
said() { if cmp -s "$dir/empty.png" "$dir/$1.png"; then echo empty; else echo drawn; fi; }
echo "with an unknown input: $(said named); without an input: $(said plain) (both should be drawn)"
[ "$(said named)" = empty ] && [ "$(said plain)" = drawn ]
