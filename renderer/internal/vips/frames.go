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

// moving returns the format of a thumbnail that keeps the original's frames: the first requested format
// that can be animated. ok is false if all frames together have more pixels than
// render.max_animated_area, or if the spec trims a border, because each frame has its own border.
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

// frames holds the frames of an animated thumbnail.
type frames struct {
	original picture // all frames of the original, under each other
	count    int
	size     geometry.Size // of one frame
	bands    int
	pixels   []byte // of all drawn frames, under each other
}

// drawFrames draws each frame as a picture of its own: frames that are scaled together bleed into each
// other. If all frames would have too many pixels or take too long, it draws nothing and returns false.
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

// add draws frame i behind the others. A frame that cannot be decoded ends the animation, just as a
// render draws a picture as far as its file goes.
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
		return fault.New(fault.Internal, "frame %d of an animation has another size than the first frame", i)
	}
	copy(all.pixels[i*len(pixels):], pixels)
	return nil
}

// frame draws and finishes frame i. All frames take the place of a smart cut from the first frame.
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

// loadFrame scales a frame that is decoded already.
func (r *render) loadFrame() error {
	stored := geometry.Size{Width: r.current.width(), Height: r.current.height()}
	orientation := r.orientation()
	r.source = stored.Turned(orientation)
	if r.spec.Cuts() {
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

// affords reports whether the limits of pixels and time allow count frames like the first.
func (r *render) affords(first *render, count int) bool {
	area := int64(first.current.width()) * int64(first.current.height()) * int64(count) // operations may have changed the size
	return first.planned.Moves(r.spec, area, count) && first.budget.Repeats(count)
}

// restart frees all images.
func (r *render) restart() {
	for _, s := range slices.Backward(r.steps) {
		s.free()
	}
	r.steps, r.current = nil, picture{}
}

// reserve maps memory for the pixels of all frames. Memory of Go's heap would count against the worker's
// limit of addresses until the worker ends.
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

// pixelsIn returns the pixels of a finished picture. The picture owns them.
func pixelsIn(p picture) []byte {
	return unsafe.Slice((*byte)(C.tm_pixels(p.ptr)), p.width()*p.height()*int(p.ptr.Bands))
}
