package vips

// #include "vips.h"
import "C"

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// turnsHere reports whether openTurned must open the picture. libheif up to 1.15 does not mirror more than 8 bits.
func (r *render) turnsHere() bool { return r.header.Mirror != 0 || r.turnsWithoutAlpha() }

// turnsWithoutAlpha reports whether libheif up to 1.15 turns the colours of a picture and not its
// alpha. That libheif then drops the alpha, because the sizes differ. libheif 1.23 turns both.
func (r *render) turnsWithoutAlpha() bool {
	heif := r.header.Type == thumbnail.TypeAVIF || r.header.Type == thumbnail.TypeHEIC
	return heif && r.header.Alpha && turns[r.header.Orientation] != 0
}

// turns has the degrees clockwise of each Exif orientation.
var turns = map[int]C.int{3: 180, 6: 90, 8: 270}

// openTurned opens the picture as it is stored, turns colours and alpha together, and then mirrors. It removes
// both from this process's copy of the original.
func (r *render) openTurned() (picture, error) {
	if err := r.mapUnturned(); err != nil {
		return picture{}, err
	}
	stored, err := step(func(out **C.VipsImage) C.int {
		return C.tm_open_heif(unsafe.Pointer(&r.mapped[0]), C.size_t(len(r.mapped)), out)
	})
	if err != nil {
		return picture{}, err
	}
	r.steps = append(r.steps, stored)
	turned, err := step(func(out **C.VipsImage) C.int { return C.tm_rotate(stored.ptr, turns[r.header.Orientation], out) })
	if err != nil || r.header.Mirror == 0 {
		return turned, err
	}
	r.steps = append(r.steps, turned)
	vertical := cBool(r.header.Mirror == guard.TopToBottom)
	return step(func(out **C.VipsImage) C.int { return C.tm_flip(turned.ptr, vertical, out) })
}

func (r *render) mapUnturned() error {
	if r.mapped != nil {
		return nil
	}
	mapped, err := mapWhole(r.fd, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return err
	}
	r.mapped = mapped
	guard.Unturn(mapped)
	return nil
}
