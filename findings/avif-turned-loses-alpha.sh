#!/bin/bash
# Where libavif 0.11.1 and libheif 1.15.1 (both Debian 12) meet, a turned AVIF loses its transparency
# without a word. avifenc writes the turn (irot) for the colours alone. libheif turns the colours, finds
# that the alpha has another size, and drops the alpha, so that all programs on libheif show colours
# where nothing is. Seen: heif-convert makes a PNG with alpha of a half transparent AVIF of 16 × 8
# pixels. It makes a PNG without alpha of the same picture with a quarter turn, and exits with status 0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" libavif-bin=0.11.1-1+deb12u1 libheif-examples=1.15.1-1+deb12u1 2>/dev/null)
bin=$dir/root/usr/bin
python3 - "$dir/half.png" <<'P'
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = (b'\0' + b'\xff\0\0\0' * 8 + b'\xff\0\0\xff' * 8) * 8
open(sys.argv[1], 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 16, 8, 8, 6, 0, 0, 0)) +
                              chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
P
$run "$bin/avifenc" "$dir/half.png" "$dir/straight.avif" >/dev/null
$run "$bin/avifenc" --irot 1 "$dir/half.png" "$dir/turned.avif" >/dev/null
# The type of a PNG's colours: 2 has no alpha, 6 has alpha.
type() {
	$run "$bin/heif-convert" "$1" "$1.png" >/dev/null
	od -An -tu1 -j25 -N1 "$1.png"
}
straight=$(type "$dir/straight.avif") turned=$(type "$dir/turned.avif")
echo "type of the straight picture:$straight, of the turned picture:$turned (both should be 6)"
[ "$straight" -eq 6 ] && [ "$turned" -eq 2 ]
