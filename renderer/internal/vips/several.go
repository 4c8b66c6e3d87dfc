package vips

import (
	"os"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Several draws several specs from one original, in their order: specs[i] goes to outs[i]. It calls
// done with the results of Render as soon as each thumbnail is ready. It decodes a JPEG once for all
// of its reductions. No spec may name a picture beside the original.
func Several(specs []thumbnail.Spec, h guard.Header, maxPixels int64, effort Effort, original *os.File, outs []*os.File, done func(i int, r Result, err error)) {
	shared := decodingFor(specs, h)
	defer shared.free()
	for i, s := range specs {
		r, err := draw(&render{spec: s, header: h, maxPixels: maxPixels, effort: effort, fd: int(original.Fd()), decoding: shared}, outs[i])
		done(i, r, err)
	}
}
