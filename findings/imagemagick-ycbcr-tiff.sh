#!/bin/bash
# ImageMagick 6.9.11-60 (Debian 12) misreads a TIFF of YCbCr with 2 × 2 subsampled chroma and
# without JPEG compression: it takes luma for green, and chroma for red and blue, row after row. A
# red picture becomes green and striped, and the program reports success. TIFF 6.0, section 21,
# defines such files; libtiff's tiff2rgba returns the red. Seen: ImageMagick's mean is far from red
# (its green channel is above a third), tiff2rgba's mean is red.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" imagemagick-6.q16=8:6.9.11.60+dfsg-1.6+deb12u15 libtiff-tools=4.5.0-6+deb12u4)
bin=$dir/root/usr/bin
# 16 × 16 pixels: 64 blocks of four lumas, one Cb and one Cr. Red is Y 76, Cb 85, Cr 255.
python3 - "$dir/red.tif" <<'P'
import struct, sys
side, block = 16, bytes([76, 76, 76, 76, 85, 255])
data = block * (side * side // 4)
fields = [(256, 3, 1, side), (257, 3, 1, side), (258, 3, 3, 0), (259, 3, 1, 1), (262, 3, 1, 6), (273, 4, 1, 0),
          (277, 3, 1, 3), (278, 3, 1, side), (279, 4, 1, len(data)), (284, 3, 1, 1), (530, 3, 2, 2 | 2 << 16)]
behind = 8 + 2 + 12 * len(fields) + 4
out = struct.pack('<2sHIH', b'II', 42, 8, len(fields))
for tag, kind, count, value in fields:
    value = {258: behind, 273: behind + 6}.get(tag, value)
    out += struct.pack('<HHII', tag, kind, count, value)
open(sys.argv[1], 'wb').write(out + struct.pack('<I3H', 0, 8, 8, 8) + data)
P
mean() { $run "$bin/convert-im6.q16" "$1" -alpha off -scale 1x1 -depth 8 rgb:- | od -An -tu1; }
export MAGICK_CODER_MODULE_PATH MAGICK_CONFIGURE_PATH
MAGICK_CODER_MODULE_PATH=$(find "$dir/root" -type d -name coders | head -1)
MAGICK_CONFIGURE_PATH=$(find "$dir/root" -name 'ImageMagick-6' -path '*etc*' | head -1)
$run "$bin/tiff2rgba" -c none "$dir/red.tif" "$dir/rgba.tif"
read -r r g b <<<"$(mean "$dir/red.tif")"
read -r tr tg tb <<<"$(mean "$dir/rgba.tif")"
echo "ImageMagick: $r $g $b; libtiff: $tr $tg $tb (red is 254 0 0)"
[ "$tr" -gt 240 ] && [ "$tg" -lt 15 ] && [ "$tb" -lt 15 ]
[ "$g" -gt 60 ] && [ "$r" -lt 200 ]
