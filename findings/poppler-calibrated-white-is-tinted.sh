#!/bin/bash
# poppler 22.12.0 (Debian 12) draws the white of a calibrated grey yellowish, and reports success. In
# PDF 32000-1, 8.6.5.2, the white point says which light the page calls white, and a viewer shows that
# white as the screen's white. Scanners write pages in such a space, so previews of scans have yellow
# paper. Seen: a page whose left half is white in CalGray, with the white of D65, has a blue value below
# 250 there, and 255 255 255 on its right half, which is bare paper.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" poppler-utils=22.12.0-2+deb12u3 2>/dev/null)
python3 - "$dir/white.pdf" <<'P'
import sys
page = b'/C cs 1 sc 0 0 10 20 re f'
objects = [b'<</Type/Catalog/Pages 2 0 R>>', b'<</Type/Pages/Kids[3 0 R]/Count 1>>',
           b'<</Type/Page/Parent 2 0 R/MediaBox[0 0 20 20]/Contents 4 0 R/Resources<</ColorSpace'
           b'<</C[/CalGray<</WhitePoint[0.9505 1 1.089]/Gamma 2.2>>]>>>>>>',
           b'<</Length %d>>stream\n%s\nendstream' % (len(page), page)]
out, places = b'%PDF-1.4\n', []
for number, content in enumerate(objects, 1):
    places.append(b'%010d 00000 n \n' % len(out))
    out += b'%d 0 obj%s endobj\n' % (number, content)
table = len(out)
out += b'xref\n0 5\n0000000000 65535 f \n' + b''.join(places)
open(sys.argv[1], 'wb').write(out + b'trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n' % table)
P
$run "$dir/root/usr/bin/pdftoppm" -r 72 -singlefile "$dir/white.pdf" "$dir/white"
# The last row has 20 pixels of three bytes.
at() { tail -c 60 "$dir/white.ppm" | od -An -tu1 -j"$1" -N3; }
calibrated=$(at 15) paper=$(at 45)
echo "calibrated white:$calibrated; paper:$paper"
read -r _ _ blue <<<"$calibrated"
[ "$(echo $paper)" = "255 255 255" ] && [ "$blue" -lt 250 ]
