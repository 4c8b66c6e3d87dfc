package metadata

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// kept has the tags of Wikimedia's EXIF_FIELDS_TO_KEEP in ascending order.
var kept = []uint16{
	0x010e, // ImageDescription
	0x013b, // Artist
	0x8298, // Copyright
}

const (
	exifMagic = "Exif\x00\x00"
	asciiKind = 2
	entrySize = 12
	// maxText bounds the text of one tag, in bytes: metadata must not be larger than the picture.
	maxText = 1024
)

// Keep returns an Exif segment, without marker and length, that has only the tags of the original
// that thumbnails keep. It returns nil if the original has no such tag.
func Keep(exif []byte) []byte {
	texts := readTexts(bytes.TrimPrefix(exif, []byte(exifMagic)), kept)
	var tags []uint16
	for _, tag := range kept {
		if len(texts[tag]) > 0 {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return write(tags, texts)
}

// named has the names of the tags with texts that Texts returns.
var named = map[uint16]string{
	0x010e: "ImageDescription", 0x010f: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "DateTime", 0x013b: "Artist", 0x8298: "Copyright",
}

// Texts returns the texts in the first directory of an Exif segment by the names of their tags, each at most maxText bytes of
// UTF-8. It returns nil for a segment without texts.
func Texts(exif []byte) map[string]string {
	texts := readTexts(bytes.TrimPrefix(exif, []byte(exifMagic)), slices.Collect(maps.Keys(named)))
	all := map[string]string{}
	for tag, text := range texts {
		if clean := strings.ToValidUTF8(string(text), "\uFFFD"); clean != "" {
			all[named[tag]] = clean
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// orientationTag is the tag of the picture's orientation.
const orientationTag = 0x0112

// Whole returns the original's whole Exif segment, without marker and length. If upright is set,
// the thumbnail's pixels are turned already, and Whole sets the orientation to 1. It returns nil if
// there is no segment, or if the segment is too long for a JPEG.
func Whole(exif []byte, upright bool) []byte {
	tiff := bytes.TrimPrefix(exif, []byte(exifMagic))
	if len(tiff) < 8 || len(tiff) > maxSegment {
		return nil
	}
	out := append([]byte(exifMagic), tiff...)
	order, entries := directory(out[len(exifMagic):])
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		if upright && order.Uint16(entries) == orientationTag {
			order.PutUint16(entries[8:], 1)
		}
	}
	return out
}

// maxSegment is the most bytes that a JPEG's segment holds behind the length and the magic.
const maxSegment = 65535 - 2 - len(exifMagic)

// directory returns the byte order of a TIFF of at least 8 bytes, and the entries of its first
// directory.
func directory(tiff []byte) (order binary.ByteOrder, entries []byte) {
	order = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return order, nil
	}
	n := int64(order.Uint16(tiff[at:]))
	entries = tiff[at+2:]
	return order, entries[:min(n*entrySize, int64(len(entries)))]
}

// readTexts returns the texts of these tags in the first directory of a TIFF.
func readTexts(tiff []byte, tags []uint16) map[uint16][]byte {
	if len(tiff) < 8 {
		return nil
	}
	texts := map[uint16][]byte{}
	order, entries := directory(tiff)
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		entry := entries[:entrySize]
		tag := order.Uint16(entry)
		if slices.Contains(tags, tag) && order.Uint16(entry[2:]) == asciiKind {
			texts[tag] = text(tiff, entry, order)
		}
	}
	return texts
}

// text returns a tag's text up to the first zero byte, at most maxText bytes.
func text(tiff, entry []byte, order binary.ByteOrder) []byte {
	length := int64(order.Uint32(entry[4:]))
	value := entry[8:]
	if length > 4 {
		at := int64(order.Uint32(entry[8:]))
		if at > int64(len(tiff)) {
			return nil
		}
		value = tiff[at:]
	}
	value = value[:min(length, int64(len(value)), maxText)]
	value, _, _ = bytes.Cut(value, []byte{0})
	return bytes.TrimSpace(value)
}

// write returns an Exif segment with a directory of these texts.
func write(tags []uint16, texts map[uint16][]byte) []byte {
	order := binary.LittleEndian
	out := append([]byte(exifMagic), "II*\x00\x08\x00\x00\x00"...)
	out = order.AppendUint16(out, uint16(len(tags))) //nolint:gosec // at most three
	data := len(out) - len(exifMagic) + len(tags)*entrySize + 4
	var values []byte
	for _, tag := range tags {
		value := append(slices.Clone(texts[tag]), 0)
		out = order.AppendUint16(out, tag)
		out = order.AppendUint16(out, asciiKind)
		out = order.AppendUint32(out, uint32(len(value))) //nolint:gosec // at most maxText
		if len(value) <= 4 {
			out = append(append(out, value...), make([]byte, 4-len(value))...)
			continue
		}
		out = order.AppendUint32(out, uint32(data+len(values))) //nolint:gosec // a few kilobytes
		values = append(values, value...)
	}
	return append(append(out, 0, 0, 0, 0), values...)
}
