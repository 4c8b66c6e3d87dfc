package metadata

import (
	"encoding/binary"
	"slices"
)

const (
	riffHead  = 12
	chunkHead = 8
	flagExif  = 0x08 // in the first byte of a VP8X chunk
)

// WithoutExif takes the Exif chunk out of a WebP: libvips makes one up for every
// picture. What then needs no extended header gets none. What is no well-formed
// WebP is given back as it is.
func WithoutExif(webp []byte) []byte {
	if len(webp) < riffHead {
		return webp
	}
	var chunks [][]byte
	for rest := webp[riffHead:]; len(rest) > 0; {
		if len(rest) < chunkHead {
			return webp
		}
		size := int64(binary.LittleEndian.Uint32(rest[4:]))
		size += chunkHead + size&1
		if size > int64(len(rest)) {
			return webp
		}
		if string(rest[:4]) != "EXIF" {
			chunks = append(chunks, slices.Clone(rest[:size]))
		}
		rest = rest[size:]
	}
	if len(chunks) > 0 && string(chunks[0][:4]) == "VP8X" && len(chunks[0]) > chunkHead {
		chunks[0][chunkHead] &^= flagExif
		if len(chunks) == 2 { // the header and one picture, which tells all that the header does
			chunks = chunks[1:]
		}
	}
	out := slices.Clone(webp[:riffHead])
	for _, c := range chunks {
		out = append(out, c...)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-chunkHead)) //nolint:gosec // as long as what came in, or shorter
	return out
}
