package vips

// #include "vips.h"
import "C"

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// operate does the operations that follow the resize, in their order. Neighbouring filters work on one copy
// of the pixels.
func (r *render) operate() error {
	var filters []thumbnail.Operation
	for _, o := range r.spec.Operations {
		if o.Name == thumbnail.StepCorners && r.becomesOpaque() {
			o.On = false // the corners then show the colour
		}
		if filter.Knows(o.Name) {
			filters = append(filters, o)
			continue
		}
		if err := r.filter(filters); err != nil {
			return err
		}
		filters = nil
		if err := r.apply(o); err != nil {
			return err
		}
	}
	return r.filter(filters)
}

// becomesOpaque reports whether the thumbnail's format is known and has no transparency.
func (r *render) becomesOpaque() bool {
	format := r.spec.Format
	if (format == thumbnail.FormatAuto || format.Row().MovesOnly) && len(r.spec.Prefer) == 0 {
		format = r.origin().DefaultFormat(true)
	}
	return format != thumbnail.FormatAuto && !format.Row().Alpha
}

// perStep is the cost of turning and of scaling, in nanoseconds a pixel.
const perStep = 30

func (r *render) apply(o thumbnail.Operation) error {
	if err := r.budget.Spend(perStep, r.current.width(), r.current.height()); err != nil {
		return err
	}
	switch o.Name {
	case thumbnail.StepFlip:
		return r.flip(o.Word == "x")
	case thumbnail.StepRotate:
		degrees := ((int(o.Args[0]) % 360) + 360) % 360
		if degrees == 0 {
			return nil
		}
		return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_rotate(in, C.int(degrees), out) })
	case thumbnail.StepCrop:
		area := geometry.New(thumbnail.Spec{Crop: &thumbnail.Rect{Left: int(o.Args[0]), Top: int(o.Args[1]), Right: int(o.Args[2]), Bottom: int(o.Args[3])}},
			geometry.Size{Width: r.current.width(), Height: r.current.height()}).Crop
		return r.extract(area)
	case thumbnail.StepProportion:
		return r.resize(float64(r.current.width())*o.Args[0], float64(r.current.height())*o.Args[0])
	case thumbnail.StepUpscale:
		return r.upscale()
	}
	return errors.New("the operation " + string(o.Name) + " is unknown")
}

// resize rounds sizes down to whole pixels, and ignores sizes below one pixel, as Thumbor does.
func (r *render) resize(width, height float64) error {
	if width < 1 || height < 1 {
		return nil
	}
	if width*height > float64(r.maxPixels) {
		return fault.New(fault.BadURL, "a filter would make a picture of %.0f × %.0f pixels, at most %d are allowed", width, height, r.maxPixels)
	}
	if err := r.budget.Spend(perStep, int(width), int(height)); err != nil {
		return err
	}
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_scale(in, C.int(width), C.int(height), 0, 0, 0, out)
	})
}

// upscale enlarges a picture that is smaller than the box in both directions until one side fills the box.
func (r *render) upscale() error {
	box, width, height := r.planned.Box, r.current.width(), r.current.height()
	if width >= box.Width || height >= box.Height {
		return nil
	}
	if width*box.Height >= height*box.Width {
		return r.resize(float64(box.Width), math.Floor(float64(height)*float64(box.Width)/float64(width)))
	}
	return r.resize(math.Floor(float64(width)*float64(box.Height)/float64(height)), float64(box.Height))
}

func (r *render) filter(operations []thumbnail.Operation) error {
	if len(operations) == 0 {
		return nil
	}
	p, err := r.release()
	if err != nil {
		return err
	}
	env := filter.Env{
		BoxWidth: r.planned.Box.Width, BoxHeight: r.planned.Box.Height, Canvas: r.canvas(), Faces: r.faces(), MaxPixels: r.maxPixels, Budget: &r.budget,
		Resize: resized, Overlay: r.overlay, Text: r.text,
	}
	if err := filter.Apply(p, operations, env); err != nil {
		return err
	}
	return r.adopt(p)
}

// canvas returns the canvas of the step extend.
func (r *render) canvas() filter.Area {
	c := r.planned.Canvas
	return filter.Area{Left: -c.Left, Top: -c.Top, Right: c.Size.Width - c.Left, Bottom: c.Size.Height - c.Top}
}

// release returns a copy of the current picture's pixels. It frees all images but the first, because filters
// need the memory; the first has the metadata. Call adopt afterwards.
func (r *render) release() (*filter.Picture, error) {
	p, err := r.pixels()
	if err != nil {
		return nil, err
	}
	r.profile = r.current.blob(iccName)
	for len(r.steps) > 1 {
		last := len(r.steps) - 1
		r.steps[last].free()
		r.steps = r.steps[:last]
	}
	r.current = r.steps[0]
	return p, nil
}

// adopt makes filtered pixels the current picture, with the profile that release kept.
func (r *render) adopt(p *filter.Picture) error {
	filtered, err := imageOf(p)
	if err != nil {
		return err
	}
	r.keep(filtered)
	C.tm_set_profile(filtered.ptr, unsafe.Pointer(unsafe.SliceData(r.profile)), C.size_t(len(r.profile)))
	return nil
}

// pixels computes the current picture and returns a copy of its pixels.
func (r *render) pixels() (*filter.Picture, error) { return pixelsOf(r.current) }

func pixelsOf(p picture) (*filter.Picture, error) {
	colours, err := step(func(out **C.VipsImage) C.int { return C.tm_colours(p.ptr, out) })
	if err != nil {
		return nil, err
	}
	defer colours.free()
	bands := int(colours.ptr.Bands)
	size := colours.width() * colours.height() * bands
	pixels := unsafe.Slice((*byte)(C.tm_pixels(colours.ptr)), size)
	return &filter.Picture{Width: colours.width(), Height: colours.height(), Bands: bands, Pix: append([]byte(nil), pixels...)}, nil
}

// imageOf copies the pixels into an image of libvips.
func imageOf(p *filter.Picture) (picture, error) {
	return step(func(out **C.VipsImage) C.int {
		return C.tm_copied(unsafe.Pointer(unsafe.SliceData(p.Pix)), C.int(p.Width), C.int(p.Height), C.int(p.Bands), out)
	})
}

func resized(p *filter.Picture, width, height int) (*filter.Picture, error) {
	in, err := imageOf(p)
	if err != nil {
		return nil, err
	}
	defer in.free()
	scaled, err := step(func(out **C.VipsImage) C.int { return C.tm_scale(in.ptr, C.int(width), C.int(height), 0, 0, 0, out) })
	if err != nil {
		return nil, err
	}
	defer scaled.free()
	return pixelsOf(scaled)
}

// maxOverlayPixels is the most pixels of a watermark or frame: a worker holds all of them in memory at once.
const maxOverlayPixels = 25_000_000

// overlay returns the pixels of a picture that a filter of the spec names, decoded once.
func (r *render) overlay(at thumbnail.Location) (*filter.Picture, error) {
	for i, named := range r.spec.Pictures() {
		if named != at || i >= len(r.overlays) {
			continue
		}
		if known := r.decoded[at]; known != nil {
			return known.Clone(), nil
		}
		h := r.overlays[i].Header
		if int64(h.Width)*int64(h.Height) > maxOverlayPixels {
			return nil, fault.New(fault.BadURL, "the filter's picture %s has %d × %d pixels, at most %d are allowed", at.Path, h.Width, h.Height, maxOverlayPixels)
		}
		beside := render{header: h, fd: int(r.overlays[i].File.Fd()), maxPixels: r.maxPixels}
		defer beside.free()
		if err := beside.load(); err != nil {
			return nil, fault.Wrap(err, fault.BadURL, "the filter's picture %s could not be decoded", at.Path)
		}
		p, err := beside.pixels()
		if err != nil {
			return nil, fault.Wrap(err, fault.BadURL, "the filter's picture %s could not be decoded", at.Path)
		}
		if r.decoded == nil {
			r.decoded = map[thumbnail.Location]*filter.Picture{}
		}
		r.decoded[at] = p
		return p.Clone(), nil
	}
	return nil, errors.New("the filter's picture " + at.Path + " is missing from the overlays")
}

// text returns the pixels of a text, which a tool drew. The texts follow the pictures of the spec.
func (r *render) text(o thumbnail.Operation) (*filter.Picture, error) {
	at := slices.IndexFunc(r.spec.Texts(), func(other thumbnail.Operation) bool { return reflect.DeepEqual(o, other) })
	i := len(r.spec.Pictures()) + at
	if at < 0 || i >= len(r.overlays) {
		return nil, errors.New("the text is missing from the overlays")
	}
	beside := render{header: r.overlays[i].Header, fd: int(r.overlays[i].File.Fd()), maxPixels: r.maxPixels}
	defer beside.free()
	if err := beside.loadRaster(); err != nil {
		return nil, err
	}
	p, err := beside.pixels()
	if err == nil {
		p.WithAlpha()
	}
	return p, err
}

// faces returns the areas of the focal points in the scaled and cut picture.
func (r *render) faces() (all []filter.Area) {
	p := r.planned
	x := func(v int) int { return (v-p.Crop.Left)*p.Scaled.Width/p.Crop.Width - p.Cut.Left }
	y := func(v int) int { return (v-p.Crop.Top)*p.Scaled.Height/p.Crop.Height - p.Cut.Top }
	for _, f := range r.spec.Focal {
		all = append(all, filter.Area{Left: x(f.Left), Top: y(f.Top), Right: x(f.Right), Bottom: y(f.Bottom)})
	}
	return all
}

// debug frames the focal points in white.
func (r *render) debug() error {
	if !r.spec.Debug || len(r.spec.Focal) == 0 {
		return nil
	}
	p, err := r.release()
	if err != nil {
		return err
	}
	for _, f := range r.faces() {
		filter.Outline(p, f)
	}
	return r.adopt(p)
}
