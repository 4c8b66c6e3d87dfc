package tools

import (
	"bufio"
	"bytes"
	"image"

	"github.com/thumbmill/thumbmill/renderer/internal/bmp"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawBMP writes a bitmap as a PPM, as a PAM if it has alpha, or as a PNG if it has a profile.
func drawBMP(t *task) error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	p, err := bmp.Open(t.request.Original, info.Size(), t.request.MaxPixels)
	if err != nil {
		return err
	}
	if p.Profile != nil {
		return writeProfiled(t, p)
	}
	out := bufio.NewWriterSize(t.request.Out, 1<<16)
	if _, err := out.WriteString(guard.RasterHeader(p.Width, p.Height, p.Bands())); err != nil {
		return err
	}
	if err := p.Write(out); err != nil {
		return err
	}
	return out.Flush()
}

// writeProfiled writes a PNG, since a raster has no profile.
func writeProfiled(t *task, p *bmp.Picture) error {
	var rows bytes.Buffer
	if err := p.Write(&rows); err != nil {
		return err
	}
	pixels, m := rows.Bytes(), image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
	bands := p.Bands()
	for i := range p.Width * p.Height {
		m.Pix[4*i+3] = 255
		copy(m.Pix[4*i:4*i+4], pixels[i*bands:(i+1)*bands])
	}
	return writePNG(t.request.Out, m, p.Profile)
}
