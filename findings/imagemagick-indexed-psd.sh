#!/bin/bash
# ImageMagick 6.9.11-60 (Debian 12) cannot read PSDs of indexed colours, its own files and
# Photoshop's: "improper image header". ffmpeg reads them. Seen: writing a file succeeds, reading
# the same file fails with that message.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" imagemagick-6.q16=8:6.9.11.60+dfsg-1.6+deb12u15)
export MAGICK_CODER_MODULE_PATH MAGICK_CONFIGURE_PATH
MAGICK_CODER_MODULE_PATH=$(find "$dir/root" -type d -name coders | head -1)
MAGICK_CONFIGURE_PATH=$(find "$dir/root" -name 'ImageMagick-6' -path '*etc*' | head -1)
convert="$run $dir/root/usr/bin/convert-im6.q16"
$convert -size 16x16 gradient:red-blue -colors 8 -type Palette "$dir/indexed.psd"
mode=$(od -An -tu1 -j25 -N1 "$dir/indexed.psd")
if said=$($convert "$dir/indexed.psd" "$dir/out.png" 2>&1); then
	echo "ImageMagick reads the PSD of mode$mode now"
	exit 1
fi
echo "mode$mode (2 is indexed): $said"
[[ $said == *"improper image header"* ]]
[ "$mode" -eq 2 ]
