#!/bin/bash
# fontconfig 2.14.1 (Debian 12) compares the time of a folder of fonts with its cache to the nanosecond. An archive that
# keeps whole seconds, as layers of container images do, makes every cache in it stale: each program then reads all
# fonts, if it cannot write a new cache. Seen: after such a copy, a program reads the fonts of a folder that had a
# fraction of a second, and not of one that had none.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" fontconfig=2.14.1-4 fonts-dejavu-core=2.37-6 2>/dev/null)
export FONTCONFIG_FILE=$dir/fonts.conf
cat > "$dir/fonts.conf" <<-C
	<fontconfig><dir>$dir/fonts</dir><cachedir>$dir/cache</cachedir></fontconfig>
C
# reads TIME prints how many fonts a program reads from a copy of a folder with that time, and of its cache.
reads() {
	rm -rf "$dir"/{fonts,cache}
	mkdir "$dir"/{fonts,cache}
	cp "$dir"/root/usr/share/fonts/truetype/dejavu/*.ttf "$dir/fonts"
	touch -d "$1" "$dir/fonts"
	$run "$dir/root/usr/bin/fc-cache" > /dev/null
	tar --format=ustar -C "$dir" -cf "$dir/copy.tar" fonts cache
	rm -r "$dir"/{fonts,cache}
	tar -C "$dir" -xf "$dir/copy.tar"
	FC_DEBUG=128 $run "$dir/root/usr/bin/fc-match" sans | grep -c Scanning || true
}
fraction=$(reads '2026-01-01 00:00:00.5 UTC') whole=$(reads '2026-01-01 00:00:00 UTC')
echo "fonts that a program reads after a copy: $fraction with a fraction of a second, $whole without (0: the cache is valid)"
[ "$fraction" -gt 0 ] && [ "$whole" = 0 ]
