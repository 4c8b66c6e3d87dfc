package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// PNGStart is the length of a PNG's signature and of its first chunk, IHDR, in bytes. A
// profile stands behind them.
const PNGStart = 8 + 12 + 13

// WithProfile puts a colour profile into a PNG that has none.
func WithProfile(png, profile []byte) []byte {
	if len(png) < PNGStart {
		return png
	}
	return slices.Insert(slices.Clone(png), PNGStart, ProfileChunk(profile)...)
}

// ProfileChunk is a PNG's iCCP chunk; without a profile it is nothing.
func ProfileChunk(profile []byte) []byte {
	if len(profile) == 0 {
		return nil
	}
	var data bytes.Buffer
	data.WriteString("icc\x00\x00") // a name, its end, and the compression: zlib
	w := zlib.NewWriter(&data)
	_, _ = w.Write(profile) // a bytes.Buffer takes all
	_ = w.Close()
	chunk := binary.BigEndian.AppendUint32(nil, uint32(data.Len())) //nolint:gosec // a profile is a part of an original that fits in memory
	chunk = append(chunk, "iCCP"...)
	chunk = append(chunk, data.Bytes()...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}
