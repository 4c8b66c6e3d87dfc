package metadata

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
)

// Profile gives the colour profile that a thumbnail has in place of its
// original's: a tiny one of the same meaning for sRGB, which nearly all are and
// which takes 3 KB, else the original's own. nil is none.
//
// A profile of another number of colours than the thumbnail's bands means nothing.
func Profile(original []byte, bands int) []byte {
	space := map[bool]string{true: "GRAY", false: "RGB "}[bands < 3]
	if len(original) < headerSize || string(original[16:20]) != space {
		return nil
	}
	if isSRGB(original) {
		return tinySRGB()
	}
	return original
}

const headerSize = 128

// isSRGB knows a profile by the name that it gives itself.
func isSRGB(profile []byte) bool {
	name := strings.ToLower(description(profile))
	return strings.HasPrefix(name, "srgb iec61966") || name == "srgb" || name == "c2" || name == tinyName
}

// description reads the tag "desc", of version 2 (text) or 4 (UTF-16).
func description(profile []byte) string {
	if len(profile) < headerSize+4 {
		return ""
	}
	for i := range min(binary.BigEndian.Uint32(profile[headerSize:]), 100) {
		at := headerSize + 4 + 12*int(i)
		if at+12 > len(profile) {
			return ""
		}
		from := int64(binary.BigEndian.Uint32(profile[at+4:]))
		to := from + int64(binary.BigEndian.Uint32(profile[at+8:]))
		if string(profile[at:at+4]) == "desc" && to <= int64(len(profile)) && to >= from {
			return plain(profile[from:to])
		}
	}
	return ""
}

// plain takes the letters of a description, in whichever of the two kinds it is.
func plain(tag []byte) string {
	if len(tag) < 12 {
		return ""
	}
	text := tag[12:]
	if string(tag[:4]) == "mluc" {
		if len(tag) < 28 {
			return ""
		}
		from := min(int64(binary.BigEndian.Uint32(tag[24:])), int64(len(tag)))
		text = bytes.ReplaceAll(tag[from:], []byte{0}, nil)
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	return string(text)
}

const (
	tinyName = "srgb tiny"
	// curvePoints of the tone curve; between them it is straight. 42 keep it within
	// half of one of 255 steps.
	curvePoints = 42
)

// SRGB is a small ICC profile of sRGB.
func SRGB() []byte { return tinySRGB() }

// tinySRGB makes an ICC profile, version 2.1, of IEC 61966-2-1: the primaries as
// adapted to D50, one tone curve for all three, and no words but its name.
func tinySRGB() []byte {
	type tag struct {
		name string
		data []byte
	}
	curve := []byte("curv\x00\x00\x00\x00")
	curve = binary.BigEndian.AppendUint32(curve, curvePoints)
	for i := range curvePoints {
		curve = binary.BigEndian.AppendUint16(curve, uint16(math.Round(linear(float64(i)/(curvePoints-1))*math.MaxUint16)))
	}
	tags := []tag{
		{"desc", text2(tinyName)},
		{"cprt", append([]byte("text\x00\x00\x00\x00"), "CC0\x00"...)},
		{"wtpt", xyz(0.95045, 1, 1.08905)},
		{"rXYZ", xyz(0.43607, 0.22249, 0.01392)},
		{"gXYZ", xyz(0.38515, 0.71687, 0.09708)},
		{"bXYZ", xyz(0.14307, 0.06061, 0.71410)},
		{"rTRC", curve}, {"gTRC", nil}, {"bTRC", nil}, // one curve
	}
	var table, data []byte
	first := headerSize + 4 + 12*len(tags)
	var at, length int
	for _, t := range tags {
		if t.data != nil {
			at, length = first+len(data), len(t.data)
			data = append(data, t.data...)
			data = append(data, make([]byte, -len(data)&3)...)
		}
		table = append(table, t.name...)
		table = binary.BigEndian.AppendUint32(table, uint32(at))
		table = binary.BigEndian.AppendUint32(table, uint32(length))
	}
	profile := header(first + len(data))
	profile = binary.BigEndian.AppendUint32(profile, uint32(len(tags))) //nolint:gosec // nine
	return append(append(profile, table...), data...)
}

// linear is the light of an sRGB value, both 0 to 1.
func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func header(size int) []byte {
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint32(h, uint32(size)) //nolint:gosec // below 1 KB
	binary.BigEndian.PutUint32(h[8:], 0x02100000)
	copy(h[12:], "mntrRGB XYZ ")
	copy(h[36:], "acsp")
	copy(h[68:], xyz(0.9642, 1, 0.8249)[8:]) // D50, in which profiles meet
	return h
}

// xyz is a tag of one colour, in numbers of 16 bits before and after the point.
func xyz(values ...float64) []byte {
	tag := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range values {
		tag = binary.BigEndian.AppendUint32(tag, uint32(math.Round(v*65536)))
	}
	return tag
}

// text2 is a description of version 2: ASCII, and two empty forms of it.
func text2(text string) []byte {
	tag := []byte("desc\x00\x00\x00\x00")
	tag = binary.BigEndian.AppendUint32(tag, uint32(len(text)+1)) //nolint:gosec // a short name
	return append(append(append(tag, text...), 0), make([]byte, 78)...)
}
