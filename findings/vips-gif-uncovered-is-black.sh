#!/bin/bash
# libvips 8.14.1 (Debian 12) loads a GIF whose frame covers only a part of the screen with three
# bands if it has no transparent colour: the uncovered part is black. In browsers it is transparent
# (GIF89a, section 20, lets a frame be smaller than the screen). Seen: a red frame of 2 × 2 on a
# screen of 4 × 4 loads with 3 bands, and the far corner is 0 0 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" libvips-tools=8.14.1-3+deb12u3 2>/dev/null)
python3 - "$dir/part.gif" <<'P'
import sys
screen = b'GIF89a' + bytes([4, 0, 4, 0, 0x80, 0, 0]) + bytes([255, 0, 0, 0, 255, 0])
frame = b',' + bytes([0, 0, 0, 0, 2, 0, 2, 0, 0])
# Codes of three bits: clear (4), four pixels of colour 0, end (5).
bits, data = [4, 0, 0, 0, 0, 5], 0
for i, code in enumerate(bits):
    data |= code << (3 * i)
packed = data.to_bytes(3, 'little')
open(sys.argv[1], 'wb').write(screen + frame + bytes([2, len(packed)]) + packed + b'\x00;')
P
vips="$run $dir/root/usr/bin/vips"
bands=$($run "$dir/root/usr/bin/vipsheader" -f bands "$dir/part.gif")
inside=$($vips getpoint "$dir/part.gif" 0 0)
outside=$($vips getpoint "$dir/part.gif" 3 3)
echo "$bands bands; covered: $inside; not covered: $outside"
[ "$bands" = 3 ] && [ "${outside% }" = "0 0 0" ]
