package vips

// #include "vips.h"
import "C"

import (
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// moving is the format of a thumbnail that keeps the original's frames: the first that
// is asked for and can be animated. There is none when all frames have more pixels than
// render.max_animated_area, or when a border is trimmed, which each frame has its own of.
func (r *render) moving() (format thumbnail.Format, ok bool) {
	h := r.header
	loadable := h.Type == thumbnail.TypeGIF || h.Type == thumbnail.TypeWebP
	if !loadable || h.Frames <= 1 || h.Area() > r.spec.MaxAnimatedArea || r.spec.Trim != nil {
		return "", false
	}
	wanted := []thumbnail.Format{r.spec.Format}
	if r.spec.Format == thumbnail.FormatAuto {
		wanted = append(slices.Clone(r.spec.Prefer), h.Type.DefaultFormat(h.Alpha))
	}
	i := slices.IndexFunc(wanted, func(f thumbnail.Format) bool { return f.Row().Animation != thumbnail.FirstFrame })
	if i < 0 {
		return "", false
	}
	return wanted[i], true
}

// frames are those of an animated thumbnail.
type frames struct {
	original picture // all of the original's, under each other
	count    int
	size     geometry.Size // of one
	bands    int
	pixels   []byte // of all that are drawn, under each other
}

// drawFrames draws each frame by itself, as if it were a picture of its own: scaled
// together, they would bleed into each other. It gives false, having drawn nothing, when
// the thumbnail would have too many pixels or take too long with all its frames.
func (r *render) drawFrames(format thumbnail.Format) (drawn bool, err error) {
	original, err := r.openPages("[n=-1]", false)
	if err != nil {
		return false, err
	}
	r.keep(original)
	all := frames{original: original, count: min(r.header.Frames, pagesOf(original))}
	first, err := r.frame(&all, 0, nil, format)
	if err != nil {
		return false, err
	}
	defer first.free()
	if !r.affords(first, all.count) {
		r.restart()
		return false, nil
	}
	if err := r.reserve(&all, first.current); err != nil {
		return false, err
	}
	copy(all.pixels, pixelsIn(first.current))
	for i := 1; i < all.count; i++ {
		if err := r.add(&all, i, first, format); err != nil {
			return false, err
		}
	}
	return true, r.join(all, first)
}

// add draws a frame behind the others. One that cannot be decoded ends the animation, as
// a picture is drawn as far as its file goes.
func (r *render) add(all *frames, i int, first *render, format thumbnail.Format) error {
	f, err := r.frame(all, i, first, format)
	var refused *fault.Fault
	if err != nil && !errors.As(err, &refused) {
		all.count = i
		return nil
	}
	if err != nil {
		return err
	}
	defer f.free()
	pixels := pixelsIn(f.current)
	if len(pixels) != all.size.Width*all.size.Height*all.bands {
		return fault.New(fault.Internal, "frame %d of an animation is drawn at another size than the first", i)
	}
	copy(all.pixels[i*len(pixels):], pixels)
	return nil
}

// frame draws one frame, finished. What is looked for in the first one, the place of a
// smart cut, is the others' too.
func (r *render) frame(all *frames, i int, first *render, format thumbnail.Format) (*render, error) {
	f := &render{spec: r.spec, header: r.header, maxPixels: r.maxPixels, overlays: r.overlays, first: first, isFrame: true}
	f.header.Frames = 1
	f.spec.Format = format
	if first != nil {
		f.decoded = first.decoded
	}
	height := C.vips_image_get_page_height(all.original.ptr)
	whole, err := step(func(out **C.VipsImage) C.int { return C.tm_frame(all.original.ptr, C.int(i), height, out) })
	if err == nil {
		f.keep(whole)
		err = f.each(f.loadFrame, f.mirror, f.sharpen, f.debug, f.operate, func() error { return f.finish(format) })
	}
	if err != nil {
		f.free()
		return nil, err
	}
	return f, nil
}

// loadFrame scales a frame that is there already.
func (r *render) loadFrame() error {
	stored := geometry.Size{Width: r.current.width(), Height: r.current.height()}
	orientation := r.orientation()
	r.source = stored.Turned(orientation)
	if r.spec.Crop != nil {
		if err := r.upright(); err != nil {
			return err
		}
		return r.scalePart()
	}
	plan, err := r.plan()
	if err != nil {
		return err
	}
	return r.scaleWhole(plan, plan.Scaled.Turned(orientation), orientation)
}

// affords reports whether so many frames like the first may be drawn.
func (r *render) affords(first *render, count int) bool {
	area := int64(first.current.width()) * int64(first.current.height())
	scaled := int64(first.planned.Scaled.Width) * int64(first.planned.Scaled.Height)
	return max(area, scaled)*int64(count) <= r.spec.MaxAnimatedArea && first.budget.Repeats(count)
}

// restart lets go of all images.
func (r *render) restart() {
	for _, s := range slices.Backward(r.steps) {
		s.free()
	}
	r.steps, r.current = nil, picture{}
}

// reserve maps the memory of all frames. Go's own would count against the worker's limit
// of addresses for good.
func (r *render) reserve(all *frames, first picture) (err error) {
	all.size = geometry.Size{Width: first.width(), Height: first.height()}
	all.bands = int(first.ptr.Bands)
	all.pixels, err = unix.Mmap(-1, 0, all.size.Width*all.size.Height*all.bands*all.count, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	r.mapped = all.pixels
	return err
}

// join makes all frames the current picture, with the original's delays and loops.
func (r *render) join(all frames, first *render) error {
	joined, err := step(func(out **C.VipsImage) C.int {
		return C.tm_join(all.original.ptr, unsafe.Pointer(unsafe.SliceData(all.pixels)), C.int(all.size.Width), C.int(all.size.Height),
			C.int(all.bands), C.int(all.count), out)
	})
	if err != nil {
		return err
	}
	profile := first.current.blob(iccName)
	C.tm_set_profile(joined.ptr, unsafe.Pointer(unsafe.SliceData(profile)), C.size_t(len(profile)))
	r.keep(joined)
	r.frames, r.source, r.scaled = all.count, first.source, first.scaled
	return nil
}

// pixelsIn are those of a finished picture, which keeps them.
func pixelsIn(p picture) []byte {
	return unsafe.Slice((*byte)(C.tm_pixels(p.ptr)), p.width()*p.height()*int(p.ptr.Bands))
}
