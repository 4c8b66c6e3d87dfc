// Package metadata decides what of an original's metadata its thumbnails keep:
// who made it, what it shows and who owns it, and the meaning of its colours. It
// is called in workers alone.
package metadata

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// kept are the tags of Wikimedia's EXIF_FIELDS_TO_KEEP, in the order of their numbers.
var kept = []uint16{
	0x010e, // ImageDescription
	0x013b, // Artist
	0x8298, // Copyright
}

const (
	exifMagic = "Exif\x00\x00"
	asciiKind = 2
	entrySize = 12
	// maxText of one tag: a thumbnail's metadata shall not outweigh its picture.
	maxText = 1024
)

// Keep gives an Exif segment (its marker and length left out) with those tags of
// the original's that thumbnails keep, or nil when there is none.
func Keep(exif []byte) []byte {
	texts := readTexts(bytes.TrimPrefix(exif, []byte(exifMagic)))
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

// orientationTag says how a picture is to be turned.
const orientationTag = 0x0112

// Whole gives all of an original's Exif segment, but for its orientation where the
// thumbnail's pixels have it; nil when there is none, or it is too long for a JPEG.
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

// maxSegment is what a JPEG's segment holds behind its length and the magic.
const maxSegment = 65535 - 2 - len(exifMagic)

// directory gives the entries of a TIFF's first directory.
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

// readTexts finds the kept tags in the first directory of a TIFF.
func readTexts(tiff []byte) map[uint16][]byte {
	if len(tiff) < 8 {
		return nil
	}
	texts := map[uint16][]byte{}
	order, entries := directory(tiff)
	for ; len(entries) >= entrySize; entries = entries[entrySize:] {
		entry := entries[:entrySize]
		tag := order.Uint16(entry)
		if slices.Contains(kept, tag) && order.Uint16(entry[2:]) == asciiKind {
			texts[tag] = text(tiff, entry, order)
		}
	}
	return texts
}

// text is a tag's value, without what follows its end.
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

// write makes a directory of texts alone.
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
