package tools

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// drawBitmap draws a picture of a format that libvips does not read. It writes a PNG with the
// original's profile, and with alpha if the original has alpha.
func drawBitmap(t *task) error {
	h := t.request.Header
	args := []string{string(h.Type) + ":" + named + "[" + strconv.Itoa(h.Part) + "]"}
	if h.Type == thumbnail.TypeICO && t.shortenIcon() {
		args[0] = "ico:" + shortIcon
	}
	return t.convert(args...)
}

// shortIcon is the file of an icon with a short header, in the folder where tools write.
const shortIcon = "short.ico"

// shortenIcon writes the chosen icon with a header of 40 bytes, and reports whether it did. ImageMagick takes the
// end of a longer header for pixels. Masks are in longer headers only, so icons with masks stay as they are.
func (t *task) shortenIcon() bool {
	const short, entrySize = 40, 16
	entry := make([]byte, entrySize)
	if _, err := t.request.Original.ReadAt(entry, 6+entrySize*int64(t.request.Header.Part)); err != nil {
		return false
	}
	length, from := binary.LittleEndian.Uint32(entry[8:]), binary.LittleEndian.Uint32(entry[12:])
	info, err := t.request.Original.Stat()
	if err != nil || int64(from)+int64(length) > info.Size() || length < short {
		return false
	}
	picture := make([]byte, length)
	if _, err := t.request.Original.ReadAt(picture, int64(from)); err != nil {
		return false
	}
	header := binary.LittleEndian.Uint32(picture)
	if header <= short || header > length || string(picture[1:4]) == "PNG" || binary.LittleEndian.Uint32(picture[16:]) != 0 {
		return false
	}
	picture = slices.Delete(picture, short, int(header))
	binary.LittleEndian.PutUint32(picture, short)
	binary.LittleEndian.PutUint32(entry[8:], uint32(len(picture))) //nolint:gosec // shorter than before
	binary.LittleEndian.PutUint32(entry[12:], 6+entrySize)
	return os.WriteFile(shortIcon, slices.Concat([]byte{0, 0, 1, 0, 1, 0}, entry, picture), 0o600) == nil
}

// convert writes a PNG of 8 bits per sample with ImageMagick, within bounds of memory and disk.
func (t *task) convert(args ...string) error {
	bounds := []string{"-limit", "memory", "1GiB", "-limit", "map", "0", "-limit", "disk", "1GiB"}
	return t.draw(imageMagick, slices.Concat(bounds, args, []string{"-depth", "8", "-define", "png:compression-level=1", "png:-"})...)
}

// drawTIFF draws a page of a TIFF whose samples libvips does not read. ImageMagick mistakes the luma
// of subsampled colours for green, so libtiff's own program expands them first.
func drawTIFF(t *task) error {
	from, turn := named, "-auto-orient"
	if t.request.Spec.AsStored {
		turn = ""
	}
	if t.request.Header.Unnamed > 0 {
		from = namedTIFF
		if err := t.nameSamples(); err != nil {
			return err
		}
	}
	if t.request.Header.Expand {
		from, turn = expandedTIFF, t.turnOfExpanded()
		args := []string{"-c", "none", named, from}
		if !t.request.Header.Alpha {
			args = append([]string{"-n"}, args...) // without the fourth sample
		}
		if err := t.draw("tiff2rgba", args...); err != nil {
			return err
		}
	}
	page := max(0, min(t.request.Spec.Page, t.request.Header.Pages)-1)
	args := []string{"tiff:" + from + "[" + strconv.Itoa(page) + "]"}
	args = append(args, strings.Fields(turn)...)
	if t.request.Header.Indexed { // ImageMagick drops the alpha of palettes otherwise
		args = append(args, "-type", "TrueColorMatte")
	}
	return t.convert(args...)
}

// turnOfExpanded returns ImageMagick's option that turns a picture of tiff2rgba upright, or back to how it is stored.
// The program has mirrored the picture already, as if orientations 5 to 8 were 1 to 4.
func (t *task) turnOfExpanded() string {
	stored := [...]string{2: "-flop", 3: "-rotate 180", 4: "-flip", 6: "-flop", 7: "-rotate 180", 8: "-flip"}
	upright := [...]string{5: "-transpose", 6: "-transverse", 7: "-transpose", 8: "-transverse"}
	o := t.request.Header.Orientation
	switch {
	case t.request.Spec.AsStored && o < len(stored):
		return stored[o]
	case !t.request.Spec.AsStored && o < len(upright):
		return upright[o]
	}
	return ""
}

// expandedTIFF is the file with the expanded TIFF of red, green and blue, in the folder where tools write.
const expandedTIFF = "rgba.tif"

// drawPNG draws a PNG that libvips refuses.
func drawPNG(t *task) error { return t.convert("png:" + named) }
