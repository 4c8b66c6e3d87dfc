package tools

import (
	"bufio"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/tga"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawTGA writes a picture as a PPM, or as a PAM if it has alpha.
func drawTGA(t *task) error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	p, err := tga.Open(t.request.Original, info.Size(), t.request.MaxPixels)
	if err != nil {
		return err
	}
	bands := 3
	if p.Alpha {
		bands = 4
	}
	out := bufio.NewWriterSize(t.request.Out, 1<<16)
	_, err = out.WriteString(guard.RasterHeader(p.Width, p.Height, bands))
	for i := 0; i < len(p.Pix) && err == nil; i += 4 {
		_, err = out.Write(p.Pix[i : i+bands])
	}
	if err != nil {
		return err
	}
	return out.Flush()
}
