#!/bin/bash
# libvips 8.14.1 (Debian 12) misreads a JPEG 2000 whose picture does not begin at the corner of its
# reference grid, and reports success. ISO/IEC 15444-1, B.2, allows any beginning, and a part that is
# cut out of a file without decoding has one. Without tiles, the right and the lower edge are lost; with
# tiles, nearly all pixels are wrong. Seen: opj_compress writes a picture with the beginning 5, 3.
# opj_decompress reads all 4096 pixels as written, and vips reads more than 400 wrong, or more than 3000
# with tiles of 16 × 16.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" libvips-tools=8.14.1-3+deb12u3 libopenjp2-tools=2.5.0-2+deb12u3 2>/dev/null)
bin=$dir/root/usr/bin
python3 - "$dir/in.ppm" <<'P'
import sys
pixels = b''.join(bytes([x * 4, y * 4, (x + y) * 2]) for y in range(64) for x in range(64))
open(sys.argv[1], 'wb').write(b'P6\n64 64\n255\n' + pixels)
P
both() { # both NAME OPTION … compresses with the options, and reads with both programs
	name=$1
	shift
	$run "$bin/opj_compress" -i "$dir/in.ppm" -o "$dir/$name.jp2" -n 3 "$@" >/dev/null 2>&1
	$run "$bin/opj_decompress" -i "$dir/$name.jp2" -o "$dir/$name.opj.ppm" >/dev/null 2>&1
	$run "$bin/vips" copy "$dir/$name.jp2" "$dir/$name.vips.ppm"
}
both corner -t 16,16
both moved -d 5,3
both tiles -d 5,3 -t 16,16
python3 - "$dir" <<'P'
import sys
def pixels(name):
    data = open(f'{sys.argv[1]}/{name}.ppm', 'rb').read()[-64 * 64 * 3:]
    return [data[i:i + 3] for i in range(0, len(data), 3)]
def wrong(name):
    return sum(a != b for a, b in zip(pixels(name), pixels('in')))
moved, tiles = wrong('moved.vips'), wrong('tiles.vips')
print('pixels of 4096 that vips reads wrong: moved', moved, '- moved, with tiles', tiles)
sound = wrong('corner.vips') == wrong('corner.opj') == wrong('moved.opj') == wrong('tiles.opj') == 0
raise SystemExit(not (sound and moved > 400 and tiles > 3000))
P
