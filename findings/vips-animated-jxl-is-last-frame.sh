#!/bin/bash
# libvips 8.14.1 (Debian 12) loads an animated JPEG XL as its last frame, and reports success. It loads
# a GIF, a WebP and a file of several pages as the first frame or page. A thumbnail of an animation
# therefore shows its end, and this loader has no option "page". Seen: an animation of a red and a blue
# frame loads as blue; the GIF from which cjxl made it loads as red.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" libvips-tools=8.14.1-3+deb12u3 libjxl-tools=0.7.0-10+deb12u1 2>/dev/null)
bin=$dir/root/usr/bin
export VIPSHOME=$dir/root/usr/lib # where libvips finds its module of JPEG XL
python3 - "$dir/two.gif" <<'P'
import sys
side, delay = 8, 50
def frame(colour):
    # Codes of three bits: clear (4) before each pixel, end (5).
    codes, bits = [4, colour] * (side * side) + [5], 0
    for i, code in enumerate(codes):
        bits |= code << (3 * i)
    packed = bits.to_bytes((3 * len(codes) + 7) // 8, 'little')
    control = b'!\xf9\4' + bytes([4, delay, 0, 0, 0])
    return control + b',' + bytes([0, 0, 0, 0, side, 0, side, 0, 0, 2, len(packed)]) + packed + b'\0'
palette = bytes([255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0])
open(sys.argv[1], 'wb').write(b'GIF89a' + bytes([side, 0, side, 0, 0x81, 0, 0]) + palette + frame(0) + frame(1) + b';')
P
$run "$bin/cjxl" -d 0 "$dir/two.gif" "$dir/two.jxl" >/dev/null 2>&1
at() { $run "$bin/vips" getpoint "$1" 4 4; }
gif=$(at "$dir/two.gif") jxl=$(at "$dir/two.jxl")
echo "GIF: $gif; JPEG XL: $jxl (the first frame is 255 0 0, the last is 0 0 255)"
[[ "$gif" == "255 0 0"* ]] && [[ "$jxl" == "0 0 255"* ]]
