package tools

import (
	"image"
	"image/png"
	"io"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/renderer/internal/xcf"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawXCF draws the layers that are visible, over each other.
func drawXCF(t *task) error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the original could not be read back")
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

// greyOf gives an opaque grey picture one channel, as the profile of a grey image
// wants it. Such a profile is of no use to a picture that is transparent, which
// Go writes as colours.
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

// writePNG packs nothing: libvips reads it at once.
func writePNG(to io.Writer, m image.Image, profile []byte) error {
	e := png.Encoder{CompressionLevel: png.NoCompression}
	return e.Encode(&profiled{to: to, left: metadata.PNGStart, chunk: metadata.ProfileChunk(profile)}, m)
}

// profiled writes a chunk behind the header of a PNG.
type profiled struct {
	to    io.Writer
	left  int // bytes of the header to come
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
