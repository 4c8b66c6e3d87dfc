#!/bin/bash
# ImageMagick 6.9.11-60 (Debian 12) misreads an icon whose bitmap has a header of version 5 (124
# bytes): it takes the end of the header for pixels, so all rows move, and reports success. Seen: an
# icon with a red left half is red at pixel 14 of 32 with a header of 40 bytes, and not with
# one of 124 bytes, although the pixels are the same.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" imagemagick-6.q16=8:6.9.11.60+dfsg-1.6+deb12u15)
for header in 40 124; do
	python3 - "$header" "$dir/$header.ico" <<'P'
import struct, sys
header, side = int(sys.argv[1]), 32
rows = (b'\0\0\xff' * 16 + b'\xff\0\0' * 16) * side
bitmap = struct.pack('<IiiHHIIiiII', header, side, 2 * side, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(header - 40) + rows + bytes(4 * side)
open(sys.argv[2], 'wb').write(struct.pack('<HHHBBBBHHII', 0, 1, 1, side, side, 0, 0, 1, 24, len(bitmap), 22) + bitmap)
P
done
export MAGICK_CODER_MODULE_PATH MAGICK_CONFIGURE_PATH
MAGICK_CODER_MODULE_PATH=$(find "$dir/root" -type d -name coders | head -1)
MAGICK_CONFIGURE_PATH=$(find "$dir/root" -name 'ImageMagick-6' -path '*etc*' | head -1)
at() { $run "$dir/root/usr/bin/convert-im6.q16" "$1" -alpha off -crop 1x1+14+16 -depth 8 rgb:- | od -An -tu1; }
short=$(at "$dir/40.ico") long=$(at "$dir/124.ico")
echo "header of 40 bytes: $short; header of 124 bytes: $long (both should be 255 0 0)"
[ "$(echo $short)" = "255 0 0" ]
[ "$(echo $long)" != "255 0 0" ]
