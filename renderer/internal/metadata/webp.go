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

// WithoutExif returns a WebP without its Exif chunk, because libvips adds such a chunk to every
// picture. It also removes the extended header if the picture does not need the header. It returns
// a malformed WebP as it is.
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
		if len(chunks) == 2 { // the header and one picture; the picture's own header is enough
			chunks = chunks[1:]
		}
	}
	out := slices.Clone(webp[:riffHead])
	for _, c := range chunks {
		out = append(out, c...)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-chunkHead)) //nolint:gosec // at most the length of the input
	return out
}
