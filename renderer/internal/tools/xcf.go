package tools

import (
	"image"
	"image/png"
	"io"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/renderer/internal/xcf"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawXCF draws the visible layers over each other.
func drawXCF(t *task) error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	original, err := xcf.Open(t.request.Original, info.Size(), t.request.MaxPixels)
	if err != nil {
		return err
	}
	picture, err := original.Draw()
	if err != nil {
		return err
	}
	profile := original.Profile
	if original.Grey {
		picture, profile = greyOf(picture, profile)
	}
	return writePNG(t.request.Out, picture, profile)
}

// greyOf returns an opaque grey picture with one channel, and its profile: the profile of a grey
// image fits one channel only. It returns a transparent picture without the profile, since Go
// writes transparent grey as colours.
func greyOf(m image.Image, profile []byte) (image.Image, []byte) {
	colours, ok := m.(*image.NRGBA)
	if !ok || !colours.Opaque() {
		return m, nil
	}
	grey := image.NewGray(colours.Rect)
	for i := range grey.Pix {
		grey.Pix[i] = colours.Pix[4*i]
	}
	return grey, profile
}

// writePNG writes a PNG without compression, since libvips reads the PNG at once.
func writePNG(to io.Writer, m image.Image, profile []byte) error {
	e := png.Encoder{CompressionLevel: png.NoCompression}
	return e.Encode(&profiled{to: to, left: metadata.PNGStart, chunk: metadata.ProfileChunk(profile)}, m)
}

// profiled inserts a chunk after the header of a PNG.
type profiled struct {
	to    io.Writer
	left  int // bytes of the header that are not written yet
	chunk []byte
}

func (p *profiled) Write(b []byte) (int, error) {
	head := min(len(b), p.left)
	n, err := p.to.Write(b[:head])
	if p.left -= n; err != nil || p.left > 0 {
		return n, err
	}
	if _, err = p.to.Write(p.chunk); err != nil {
		return n, err
	}
	p.chunk = nil
	rest, err := p.to.Write(b[head:])
	return n + rest, err
}
