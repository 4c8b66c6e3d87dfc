package vips

import (
	"encoding/json"
	"image"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/renderer/internal/placeholder"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// placeholder writes the description of the thumbnail's colours, and of the Exif that the thumbnail keeps. It draws the first
// frame, at once at the size of a placeholder if the spec only cuts and scales.
func (r *render) placeholder(out int) (Result, error) {
	size, planned := r.shrinkToPlaceholder()
	r.spec.Format, r.spec.MaxAnimatedArea = thumbnail.FormatPNG, 0 // a format of RGB with alpha, which is never drawn by planes
	if _, err := r.draw(); err != nil {
		return Result{}, err
	}
	if !planned {
		size = geometry.Size{Width: r.current.width(), Height: r.current.height()}
	}
	small, err := r.placeholderPixels()
	if err != nil {
		return Result{}, err
	}
	d, err := placeholder.Of(small)
	if err != nil {
		return Result{}, err
	}
	d.Width, d.Height, d.EXIF = size.Width, size.Height, metadata.Texts(r.exif())
	text, err := json.Marshal(d)
	if err != nil {
		return Result{}, err
	}
	return Result{Format: thumbnail.FormatJSON, Width: size.Width, Height: size.Height, Source: r.source}, writeAll(out, text)
}

// shrinkToPlaceholder changes a plain spec so that it draws a placeholder, and returns the size of the spec's thumbnail. It
// changes nothing, and returns false, if only the drawing tells the size.
func (r *render) shrinkToPlaceholder() (geometry.Size, bool) {
	h, s := r.header, r.spec
	if h.Width == 0 || s.Trim != nil || len(s.Operations) > 0 || s.Resize != nil || s.Debug {
		return geometry.Size{}, false
	}
	orientation := h.Orientation
	if s.AsStored {
		orientation = 1
	}
	size := geometry.New(s, geometry.Size{Width: h.Width, Height: h.Height}.Turned(orientation)).Size()
	small := withinPlaceholder(size)
	s.Width, s.Height, s.OriginalWidth, s.OriginalHeight = small.Width, small.Height, false, false
	s.Fit, s.Adaptive, s.NoUpscale, s.Enlarge = thumbnail.FitCover, false, false, true
	r.spec = s
	return size, true
}

// withinPlaceholder returns the largest size of the same proportions that a placeholder can have.
func withinPlaceholder(s geometry.Size) geometry.Size {
	longest := max(s.Width, s.Height)
	if longest <= placeholder.MaxSide {
		return s
	}
	side := func(v int) int { return max(1, (v*placeholder.MaxSide+longest/2)/longest) }
	return geometry.Size{Width: side(s.Width), Height: side(s.Height)}
}

// placeholderPixels returns the pixels of the current picture, at the size of a placeholder.
func (r *render) placeholderPixels() (*image.NRGBA, error) {
	p, err := r.pixels()
	if err != nil {
		return nil, err
	}
	if to := withinPlaceholder(geometry.Size{Width: p.Width, Height: p.Height}); to.Width != p.Width || to.Height != p.Height {
		if p, err = resized(p, to.Width, to.Height); err != nil {
			return nil, err
		}
	}
	p.WithAlpha()
	return &image.NRGBA{Pix: p.Pix, Stride: 4 * p.Width, Rect: image.Rect(0, 0, p.Width, p.Height)}, nil
}
