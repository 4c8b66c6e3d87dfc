package vips

import (
	"encoding/json"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// description is the answer to /meta/, as in Thumbor.
type description struct {
	Thumbor struct {
		Source     sourceMeta   `json:"source"`
		Operations []any        `json:"operations"`
		Target     sizeMeta     `json:"target"`
		Focal      []focalPoint `json:"focal_points"`
	} `json:"thumbor"`
}

type sourceMeta struct {
	URL        string `json:"url"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	FrameCount int    `json:"frameCount"`
}

type sizeMeta struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

type cropMeta struct {
	Type   string `json:"type"`
	Left   int    `json:"left"`
	Top    int    `json:"top"`
	Right  int    `json:"right"`
	Bottom int    `json:"bottom"`
}

type resizeMeta struct {
	Type   string `json:"type"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type flipMeta struct {
	Type string `json:"type"`
}

type focalPoint struct {
	X      int     `json:"x"`
	Y      int     `json:"y"`
	Weight float64 `json:"z"`
	Height int     `json:"height"`
	Width  int     `json:"width"`
	Origin string  `json:"origin"`
}

// describe writes the operations that a render would do, and draws nothing. The source's size is the
// original's, where Thumbor writes the thumbnail's.
func (r *render) describe(out int) (Result, error) {
	whole, err := r.measure()
	if err != nil {
		return Result{}, err
	}
	p := geometry.New(r.spec, r.source)
	var d description
	d.Thumbor.Source = sourceMeta{URL: r.spec.Original.Path, Width: whole.Width, Height: whole.Height, FrameCount: max(1, r.header.Frames)}
	d.Thumbor.Operations = r.operations(p)
	d.Thumbor.Target = sizeMeta(p.Size())
	d.Thumbor.Focal = r.focalPoints(p)
	text, err := json.Marshal(d)
	if err != nil {
		return Result{}, err
	}
	return Result{Format: thumbnail.FormatJSON, Width: p.Size().Width, Height: p.Size().Height}, writeAll(out, text)
}

// measure returns the upright original's size, and sets r.source to the size without the border.
func (r *render) measure() (geometry.Size, error) {
	whole := geometry.Size{Width: r.header.Width, Height: r.header.Height}
	r.source = whole
	head, err := r.open(1, r.spec.Trim != nil)
	if err != nil {
		return whole, err
	}
	r.keep(head)
	whole = geometry.Size{Width: head.width(), Height: head.height()}.Turned(r.orientation())
	r.source = whole
	if r.spec.Trim == nil {
		return whole, nil
	}
	if err := r.upright(); err != nil {
		return whole, err
	}
	return whole, r.trim()
}

func (r *render) operations(p geometry.Plan) []any {
	all := []any{}
	crop := func(c geometry.Rect, of geometry.Size) {
		if c.Width != of.Width || c.Height != of.Height {
			all = append(all, cropMeta{"crop", c.Left, c.Top, c.Left + c.Width, c.Top + c.Height})
		}
	}
	if r.trimmed.Width > 0 {
		all = append(all, cropMeta{"crop", r.trimmed.Left, r.trimmed.Top, r.trimmed.Left + r.trimmed.Width, r.trimmed.Top + r.trimmed.Height})
	}
	crop(p.Crop, r.source)
	source := geometry.Size{Width: p.Crop.Width, Height: p.Crop.Height}
	cut := p.CutFirst()
	cut.Left, cut.Top = cut.Left-p.Crop.Left, cut.Top-p.Crop.Top
	crop(cut, source)
	if p.Size() != (geometry.Size{Width: cut.Width, Height: cut.Height}) {
		all = append(all, resizeMeta{"resize", p.Size().Width, p.Size().Height})
	}
	if r.spec.FlipX {
		all = append(all, flipMeta{"flip_horizontally"})
	}
	if r.spec.FlipY {
		all = append(all, flipMeta{"flip_vertically"})
	}
	return all
}

func (r *render) focalPoints(p geometry.Plan) (all []focalPoint) {
	origin := "Explicit"
	if r.spec.Faces {
		origin = "Face Detection"
	}
	for _, f := range r.spec.Focal {
		width, height := f.Right-f.Left, f.Bottom-f.Top
		all = append(all, focalPoint{f.Left + width/2, f.Top + height/2, float64(width) * float64(height), height, width, origin})
	}
	if len(all) == 0 {
		all = []focalPoint{{p.Focus.X, p.Focus.Y, 1, 1, 1, "alignment"}}
	}
	return all
}
