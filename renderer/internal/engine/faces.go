package engine

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// findWithin bounds the search for faces. After it, a smart cut keeps the part that stands out.
	findWithin = 5 * time.Second
	// mostFaces bounds the faces of one original. The program prints as many.
	mostFaces = 16
	// hair is the share of a face's height that is added above it, as in Thumbor.
	hair = 0.12
)

// findsFaces reports whether this machine has the program that finds faces.
func (e *Engines) findsFaces() bool {
	return slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Find, tools.Faces))
}

// wantsFaces reports whether faces decide about a thumbnail: Thumbor's smart cut without a focal point. imgproxy's smart
// gravity looks for no faces.
func wantsFaces(s thumbnail.Spec) bool {
	cuts := s.Fit == thumbnail.FitCover && (s.Width > 0 || s.OriginalWidth) && (s.Height > 0 || s.OriginalHeight) && !s.Stretch
	return s.Smart && s.Resize == nil && len(s.Focal) == 0 && (cuts || s.Debug || s.Meta)
}

// withFaces returns the spec with the original's faces as focal points, which count by their areas. Without any face, or
// after an error, it returns the spec unchanged.
func (e *Engines) withFaces(r *render, s thumbnail.Spec, h guard.Header, original *os.File) thumbnail.Spec {
	if !wantsFaces(s) || !e.findsFaces() {
		return s
	}
	faces, err := e.faces(r, s, h, original)
	if err != nil {
		e.config.Log.Info("find no faces for a smart cut", "type", h.Type, "error", err)
		return s
	}
	s.Focal, s.Faces = faces, len(faces) > 0
	return s
}

// withFacesOnce returns the specs with their faces as withFaces does, and the processor time. Specs that see the same picture
// share a search.
func (e *Engines) withFacesOnce(ctx context.Context, specs []thumbnail.Spec, original Source, maxPixels int64, limits worker.Limits) ([]thumbnail.Spec, time.Duration) {
	if !e.findsFaces() || !slices.ContainsFunc(specs, wantsFaces) {
		return specs, 0
	}
	type picture struct {
		page     int
		asStored bool
		trim     thumbnail.Trim
	}
	r := &render{tracer: e.config.Tracer, ctx: ctx, header: original.Header, original: original.File, source: original, maxPixels: maxPixels, deadline: time.Now().Add(limits.Each)}
	all, found := slices.Clone(specs), map[picture]thumbnail.Spec{}
	for i, s := range specs {
		if !wantsFaces(s) {
			continue
		}
		seen := picture{page: s.Page, asStored: s.AsStored}
		if s.Trim != nil {
			seen.trim = *s.Trim
		}
		first, known := found[seen]
		if !known {
			first = e.withFaces(r, s, original.Header, original.File)
			found[seen] = first
		}
		all[i].Focal, all[i].Faces = first.Focal, first.Faces
	}
	return all, r.result.CPU
}

// faces finds faces in a small drawing of the whole original, and returns their areas in its own pixels.
func (e *Engines) faces(r *render, s thumbnail.Spec, h guard.Header, original *os.File) ([]thumbnail.Rect, error) {
	small := thumbnail.Spec{Original: s.Original, Type: s.Type, Page: s.Page, Format: thumbnail.FormatPNG, Quality: s.Quality, Chroma: s.Chroma,
		Width: tools.FacesSide, Height: tools.FacesSide, Fit: thumbnail.FitIn, AsStored: s.AsStored, Trim: s.Trim, Intermediate: true}
	drawn, picture, err := r.doTask(e.config.Vips, worker.Task{Spec: small, Header: h, MaxPixels: r.maxPixels}, original, findWithin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = picture.Close() }()
	_, found, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Find, MaxPixels: r.maxPixels}, picture, findWithin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	text, err := worker.Contents(found)
	if err != nil {
		return nil, err
	}
	return areas(text, drawn)
}

// areas reads the program's boxes, and scales them to the original. It skips boxes outside of the picture.
func areas(text []byte, drawn worker.Report) (all []thumbnail.Rect, err error) {
	var boxes []struct{ X, Y, Side int }
	if err := json.Unmarshal(text, &boxes); err != nil {
		return nil, err
	}
	scale := max(1, drawn.Sides[0]/float64(max(1, drawn.Width)))
	for _, b := range boxes[:min(len(boxes), mostFaces)] {
		if b.Side <= 0 || b.X < 0 || b.Y < 0 || b.X+b.Side > drawn.Width || b.Y+b.Side > drawn.Height {
			continue
		}
		above := min(float64(b.Y), hair*float64(b.Side))
		at := func(v float64) int { return int(v * scale) }
		all = append(all, thumbnail.Rect{Left: at(float64(b.X)), Right: at(float64(b.X + b.Side)), Top: at(float64(b.Y) - above), Bottom: at(float64(b.Y+b.Side) - above)})
	}
	return all, nil
}
