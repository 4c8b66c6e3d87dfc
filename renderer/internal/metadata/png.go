package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// PNGStart is the length of a PNG's signature and its first chunk, IHDR, in bytes. The profile
// stands at this offset.
const PNGStart = 8 + 12 + 13

// WithProfile returns a copy of a PNG without a colour profile, with this profile. It returns a PNG
// that is too short as it is.
func WithProfile(png, profile []byte) []byte {
	if len(png) < PNGStart {
		return png
	}
	return slices.Insert(slices.Clone(png), PNGStart, ProfileChunk(profile)...)
}

// ProfileChunk returns a PNG's iCCP chunk with this profile, or nil for an empty profile.
func ProfileChunk(profile []byte) []byte {
	if len(profile) == 0 {
		return nil
	}
	var data bytes.Buffer
	data.WriteString("icc\x00\x00") // a name, its end, and the compression: zlib
	w := zlib.NewWriter(&data)
	_, _ = w.Write(profile) // a bytes.Buffer returns no errors
	_ = w.Close()
	chunk := binary.BigEndian.AppendUint32(nil, uint32(data.Len())) //nolint:gosec // the original with the profile fits in memory
	chunk = append(chunk, "iCCP"...)
	chunk = append(chunk, data.Bytes()...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}
