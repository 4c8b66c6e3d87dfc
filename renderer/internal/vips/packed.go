package vips

// #include "vips.h"
import "C"

import (
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/animation"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// packs reports whether a program of the format makes the thumbnail from the drawn frames.
func (r *render) packs(format thumbnail.Format) bool {
	return r.frames > 1 && format.Row().Animation == thumbnail.Packed
}

// packed returns the drawn frames as an animation.Animation, with the original's delays and loops.
func (r *render) packed() ([]byte, error) {
	a := animation.Animation{Loops: r.current.number("loop")}
	height := C.vips_image_get_page_height(r.current.ptr)
	for i := range r.frames {
		frame, err := step(func(out **C.VipsImage) C.int { return C.tm_frame(r.current.ptr, C.int(i), height, out) })
		if err != nil {
			return nil, err
		}
		file, err := frame.encoded(".png[compression=1]") // the program reads the file once, so size matters less than time
		frame.free()
		if err != nil {
			return nil, err
		}
		a.Frames = append(a.Frames, animation.Frame{PNG: file, Shown: r.delay(i)})
	}
	return a.Marshal()
}

// delay returns the time for which frame i is shown.
func (r *render) delay(i int) time.Duration {
	return time.Duration(C.tm_delay(r.current.ptr, C.int(i))) * time.Millisecond
}
