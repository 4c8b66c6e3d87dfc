package tools

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// drawBitmap draws a picture of a format that libvips does not read. It writes a PNG with the
// original's profile, and with alpha if the original has alpha.
func drawBitmap(t *task) error {
	h := t.request.Header
	if h.Type == thumbnail.TypePSD && h.Indexed && t.box.paths["ffmpeg"] != "" { // ImageMagick 6 refuses indexed PSDs
		return t.draw("ffmpeg", append(localOnly[:len(localOnly):len(localOnly)], "-nostdin", "-threads", "1",
			"-f", "image2", "-c:v", "psd", "-i", named, "-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-")...)
	}
	args := []string{string(h.Type) + ":" + named + "[" + strconv.Itoa(h.Part) + "]"}
	switch h.Type {
	case thumbnail.TypeICO:
		if t.shortenIcon() {
			args[0] = "ico:" + shortIcon
		}
	case thumbnail.TypePSD:
		if h.Inks {
			if err := os.WriteFile(onScreen, colour.Space{}.Profile(), 0o600); err != nil {
				return fault.Wrap(err, fault.Internal, "cannot write a colour profile to the tool's folder")
			}
			args = append(args, "-profile", onScreen)
		}
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

// onScreen is the file with sRGB's profile, in the folder where tools write. ImageMagick converts inks to sRGB.
const onScreen = "srgb.icc"

// drawTIFF draws a page of a TIFF whose samples libvips does not read. ImageMagick mistakes the luma
// of subsampled colours for green, so libtiff's own program expands them first.
func drawTIFF(t *task) error {
	from := named
	if t.request.Header.Subsampled {
		from = expandedTIFF
		if err := t.draw("tiff2rgba", "-n", "-c", "none", named, from); err != nil {
			return err
		}
	}
	page := max(0, min(t.request.Spec.Page, t.request.Header.Pages)-1)
	args := []string{"tiff:" + from + "[" + strconv.Itoa(page) + "]"}
	if !t.request.Spec.AsStored {
		args = append(args, "-auto-orient")
	}
	return t.convert(args...)
}

// expandedTIFF is the file with the expanded TIFF of red, green and blue, in the folder where tools write.
const expandedTIFF = "rgba.tif"

// drawPNG draws a PNG that libvips refuses.
func drawPNG(t *task) error { return t.convert("png:" + named) }
