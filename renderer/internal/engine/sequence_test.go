package engine

import (
	"bytes"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// libvips draws the picture beside a sequence; otherwise ffmpeg draws the first picture of the track.
func TestSequences(t *testing.T) {
	beside := made(t, "out.avif", "avifenc", "in.png", "in.png", "out.avif")
	alone := bytes.Replace(beside, []byte("meta"), []byte("free"), 1)
	broken := bytes.Replace(beside, []byte("av01"), []byte("av0x"), 1) // the picture's item precedes the track
	e := newEngines(t)
	for name, c := range map[string]struct {
		body   []byte
		engine string
	}{"beside a picture": {beside, "vips"}, "alone": {alone, "ffmpeg"}, "beside a broken picture": {broken, "ffmpeg"}} {
		for _, format := range []thumbnail.Format{thumbnail.FormatAuto, thumbnail.FormatWebP} {
			result, err := draw(t, e, thumbnail.Spec{Type: thumbnail.TypeAVIF, Width: 80, Format: format}, c.body)
			if err != nil || result.Width != 80 || result.Height != 60 || result.Engine != c.engine {
				t.Errorf("%s: %d × %d by %s, %v", name, result.Width, result.Height, result.Engine, err)
			}
		}
	}
}
