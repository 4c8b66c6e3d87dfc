package tools

import (
	"image"
	"os"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/psd"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawPSD draws the composed picture. ImageMagick draws it in the colours that package psd does not draw: inks and Lab.
func drawPSD(t *task) error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	p, err := psd.Open(t.request.Original, info.Size(), t.request.MaxPixels, t.request.Header.Alpha)
	if fault.Is(err, fault.Unsupported) {
		return t.drawInks()
	}
	if err != nil {
		return err
	}
	m := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
	for y := range p.Height {
		copy(m.Pix[y*m.Stride:], p.Row(y))
	}
	if !p.Grey {
		return writePNG(t.request.Out, m, p.Profile)
	}
	picture, profile := greyOf(m, p.Profile)
	return writePNG(t.request.Out, picture, profile)
}

// drawInks lets ImageMagick draw a PSD.
func (t *task) drawInks() error {
	args := []string{"psd:" + named + "[0]"}
	if t.request.Header.Inks {
		if err := os.WriteFile(onScreen, colour.Space{}.Profile(), 0o600); err != nil {
			return fault.Wrap(err, fault.Internal, "cannot write a colour profile to the tool's folder")
		}
		args = append(args, "-profile", onScreen)
	}
	if !t.request.Header.Alpha { // a selection, not transparency
		args = append(args, "-alpha", "off")
	}
	return t.convert(args...)
}

// onScreen is the file with sRGB's profile, in the folder where tools write. ImageMagick converts inks to sRGB.
const onScreen = "srgb.icc"
