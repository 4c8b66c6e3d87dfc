#!/bin/bash
# libvips 8.14.1 (Debian 12) enlarges about the corners of pixels: a symmetric picture moves half an
# output pixel to the right and down. ImageMagick, Pillow and browsers keep it centred. A comparison
# with their pictures therefore loses similarity for thumbnails that are enlarged, or whose pixels
# are not square. vips_affine with idx, idy 0.5 and odx, ody -0.5 is centred. Seen: the picture is
# black, 18 × 18, with a white square in the middle. The square's centroid is at 9.0 after `vips
# resize 2`, instead of 8.5. `vips affine` with those options keeps it at 8.5.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" libvips-tools=8.14.1-3+deb12u3 2>/dev/null)
vips="$run $dir/root/usr/bin/vips"
python3 - "$dir/in.pgm" <<'P'
import sys
side = 9
rows = [[255 if 3 <= x <= 5 and 3 <= y <= 5 else 0 for x in range(side)] for y in range(side)]
open(sys.argv[1], 'wb').write(b'P5 9 9 255\n' + bytes(sum(rows, [])))
P
$vips resize "$dir/in.pgm" "$dir/resized.pgm" 2 --kernel linear
$vips affine "$dir/in.pgm" "$dir/affine.pgm" "2 0 0 2" --oarea "0 0 18 18" --idx 0.5 --idy 0.5 --odx -0.5 --ody -0.5 --extend copy
centre() {
	python3 - "$1" <<'P'
import sys
data = open(sys.argv[1], 'rb').read()
width = height = 18
pixels = data[-width * height:]
total = sum(pixels)
print(round(sum(v * (i % width) for i, v in enumerate(pixels)) / total, 1))
P
}
resized=$(centre "$dir/resized.pgm")
affine=$(centre "$dir/affine.pgm")
echo "centroid after resize: $resized; after a centred affine: $affine; centred is 8.5"
[ "$resized" != 8.5 ] && [ "$affine" = 8.5 ]
