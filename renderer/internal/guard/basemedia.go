package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxBrands bounds the search for brands in the first box, in bytes.
	maxBrands = 256
	// maxItemBytes bounds the search for item types in a meta box, in bytes.
	maxItemBytes = 4096
)

// readBaseMedia tells pictures from videos by the brand, or else by the types of the items.
func readBaseMedia(r *io.SectionReader) (Header, error) {
	b := head(r, maxBrands)
	size := int(min(binary.BigEndian.Uint32(b), uint32(len(b)))) //nolint:gosec // at most 256
	if size < 16 {
		return Header{}, errors.New("the first box has no brand")
	}
	brands := string(b[8:12]) + string(b[16:size])
	switch {
	case strings.Contains(brands, "avif") || strings.Contains(brands, "avis"):
		return readHEIF(r, thumbnail.TypeAVIF)
	case strings.HasPrefix(brands, "hei") || strings.HasPrefix(brands, "hev") || strings.HasPrefix(brands, "msf1") ||
		strings.Contains(brands, "mif1") || strings.Contains(brands, "heic"):
		return readHEIF(r, thumbnail.TypeHEIC)
	}
	if t := itemsOf(r); t != "" {
		return readHEIF(r, t)
	}
	return Header{Type: thumbnail.TypeVideo}, nil
}

// itemsOf returns the type of the pictures in a file without a picture brand, or "" if the
// file has no primary picture.
func itemsOf(r *io.SectionReader) (t thumbnail.Type) {
	boxes(r, 0, r.Size(), func(b box) bool {
		if b.kind != "meta" {
			return b.kind != "moov"
		}
		items := string(head(io.NewSectionReader(r, b.from, max(0, b.to-b.from)), maxItemBytes))
		switch {
		case !strings.Contains(items, "pitm"):
		case strings.Contains(items, "infe") && strings.Contains(items, "av01"):
			t = thumbnail.TypeAVIF
		case strings.Contains(items, "infe") && strings.Contains(items, "hvc1"):
			t = thumbnail.TypeHEIC
		}
		return false
	})
	return t
}

// readHEIF returns the largest extent of all items. It is the extent of the primary item: the
// tiles of a grid and the embedded thumbnails are smaller. The frames of a sequence are in
// tracks.
func readHEIF(r *io.SectionReader, t thumbnail.Type) (Header, error) {
	h := Header{Type: t, Whole: true}
	tracks := tracks{r: r, left: maxTrackBoxes}
	boxes(r, 0, r.Size(), func(b box) bool {
		switch b.kind {
		case "meta":
			references(r, b, &h)
			primary := primaryOf(r, b)
			properties(r, b, func(number int, p box) {
				if own(primary, number, p.kind) {
					property(r, p, &h)
				}
				h.Deep = h.Deep || isDeep(r, p)
			})
			if !h.Deep { // every libheif mirrors 8 bits itself
				h.Mirror = 0
			}
		case "moov":
			tracks.look(b, 1)
		}
		return true
	})
	h.Frames = tracks.frames
	if h.Width == 0 {
		h.Sequence, h.Width, h.Height = true, tracks.width, tracks.height
		h.Alpha, h.Premultiplied = tracks.alpha, tracks.premultiplied
	}
	if h.Width == 0 {
		return h, errors.New("the file has no ispe box and no picture track that tells its dimensions")
	}
	return h, nil
}

// isDeep reports whether a property says that samples have more than 8 bits.
func isDeep(r *io.SectionReader, p box) bool {
	var b [6]byte
	n, _ := r.ReadAt(b[:min(int64(len(b)), max(0, p.to-p.from))], p.from)
	return p.kind == "pixi" && n == 6 && b[5] > 8 || p.kind == "av1C" && n > 2 && b[2]&0x40 != 0
}

// Unturn removes the rotations and mirrorings of all pictures of a HEIF, in memory. Each picture then
// decodes as stored. Header keeps the turn and the mirroring of the primary picture.
func Unturn(heif []byte) {
	r := io.NewSectionReader(bytes.NewReader(heif), 0, int64(len(heif)))
	boxes(r, 0, r.Size(), func(meta box) bool {
		if meta.kind != "meta" {
			return true
		}
		properties(r, meta, func(_ int, p box) {
			if (p.kind == "irot" || p.kind == "imir") && p.to > p.from && p.to <= r.Size() {
				copy(heif[p.at:], "irot") // both boxes have one byte
				heif[p.from] = 0          // without a turn
			}
		})
		return false
	})
}

// references sets h.Premultiplied if meta/iref says that a picture is premultiplied.
func references(r *io.SectionReader, meta box, h *Header) {
	boxes(r, meta.from+4, meta.to, func(iref box) bool {
		if iref.kind != "iref" {
			return true
		}
		boxes(r, iref.from+4, iref.to, func(reference box) bool {
			h.Premultiplied = h.Premultiplied || reference.kind == "prem"
			return true
		})
		return false
	})
}

// meansAlpha reports whether an auxiliary type means alpha, in MIAF or in HEVC.
func meansAlpha(auxiliary string) bool {
	return strings.Contains(auxiliary, "auxiliary:alpha") || strings.Contains(auxiliary, "hevc:2015:auxid:1")
}

// maxTrackBoxes bounds the walk through all tracks together, in boxes.
const maxTrackBoxes = 4096

// tracks has the dimensions, frames and alpha of picture tracks (ISO/IEC 23008-12).
type tracks struct {
	r                    *io.SectionReader
	left                 int    // boxes that the walk may still read
	handler              string // of the current track
	width, height        int
	frames               int
	alpha, premultiplied bool
}

// trackPath is the path of boxes to a track's tables.
var trackPath = [...]string{"moov", "trak", "mdia", "minf", "stbl"}

// look walks through a box; depth is the number of boxes of trackPath above its content.
func (t *tracks) look(in box, depth int) {
	boxes(t.r, in.from, in.to, func(b box) bool {
		if t.left--; t.left < 0 {
			return false
		}
		if depth < len(trackPath) && b.kind == trackPath[depth] {
			t.look(b, depth+1)
			return true
		}
		t.table(b)
		return true
	})
}

// table reads a box of a track. The handler box comes before the tables.
func (t *tracks) table(b box) {
	content := head(io.NewSectionReader(t.r, b.from, max(0, b.to-b.from)), 512)
	switch {
	case b.kind == "hdlr" && len(content) >= 12:
		t.handler = string(content[8:12])
	case b.kind == "tref":
		t.premultiplied = t.premultiplied || strings.Contains(string(content), "prem")
	case b.kind == "stsd" && t.handler == "auxv":
		t.alpha = t.alpha || meansAlpha(string(content))
	case b.kind == "stsd" && t.handler == "pict" && len(content) >= 44: // the sides are the first entry's
		t.width = max(t.width, int(binary.BigEndian.Uint16(content[40:])))
		t.height = max(t.height, int(binary.BigEndian.Uint16(content[42:])))
	case b.kind == "stsz" && t.handler == "pict" && len(content) >= 12:
		t.frames = max(t.frames, int(min(binary.BigEndian.Uint32(content[8:]), maxFrames)))
	}
}
