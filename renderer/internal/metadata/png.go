package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// pngStart is the signature and the first chunk, IHDR, which is always as long.
const pngStart = 8 + 12 + 13

// WithProfile puts a colour profile into a PNG that has none.
func WithProfile(png, profile []byte) []byte {
	if len(profile) == 0 || len(png) < pngStart {
		return png
	}
	var data bytes.Buffer
	data.WriteString("icc\x00\x00") // a name, its end, and the compression: zlib
	w := zlib.NewWriter(&data)
	_, _ = w.Write(profile) // a bytes.Buffer takes all
	_ = w.Close()
	chunk := binary.BigEndian.AppendUint32(nil, uint32(data.Len())) //nolint:gosec // a profile is a part of an original that fits in memory
	chunk = append(chunk, "iCCP"...)
	chunk = append(chunk, data.Bytes()...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return slices.Insert(slices.Clone(png), pngStart, chunk...)
}
