package vips

// #include <stdlib.h>
// #include "vips.h"
import "C"

import (
	"cmp"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// decoding holds the planes of a JPEG or of a lossy WebP, decoded once for all of its thumbnails.
type decoding struct {
	least        int // the smallest scale of luma, in eighths, that suffices for the largest thumbnail
	luma, chroma int // the scales of planes, in eighths
	leastShrink  int // of a WebP: the shrink that suffices for the largest thumbnail, or 0
	shrink       int // of a WebP's planes
	planes       *jpeg.Planes
	owned        bool           // the planes are in this package's memory
	halves       []*jpeg.Planes // planes at a half, a quarter and an eighth of both scales, as far as thumbnails needed them
}

// decodingFor returns a decoding that suffices for all specs. Small thumbnails are then drawn from its halves: that takes
// less time than another decoding.
func decodingFor(specs []thumbnail.Spec, h guard.Header) *decoding {
	d := &decoding{}
	stored := geometry.Size{Width: h.Width, Height: h.Height}
	for _, s := range specs {
		orientation := h.Orientation
		if s.AsStored {
			orientation = 1
		}
		scaled := geometry.New(s, stored.Turned(orientation)).Scaled.Turned(orientation)
		if h.Type == thumbnail.TypeWebP && !s.Cuts() && s.Trim == nil {
			shrink := max(1, int(larger(stored, scaled)/webPSlack))
			d.leastShrink = min(shrink, cmp.Or(d.leastShrink, shrink))
		}
		if n := eighths(s, stored, scaled); n <= entire && !s.Cuts() && s.Trim == nil {
			d.least = max(d.least, n)
		}
	}
	return d
}

// need describes the planes that suffice for a thumbnail.
type need struct {
	luma, chroma int              // of a JPEG: the least scales, in eighths
	shrink       int              // of a WebP: the most that its decoder may shrink
	sizes        [2]geometry.Size // of the thumbnail's luma and chroma, in samples, as the original lies
}

// at returns planes that suffice. The decoding owns the planes.
func (d *decoding) at(fd int, n need) (*jpeg.Planes, error) {
	if d.planes == nil || d.luma < n.luma || d.chroma < n.chroma {
		if err := d.decode(fd, max(n.luma, d.least), max(n.chroma, d.least)); err != nil {
			return nil, err
		}
	}
	return d.halved(n)
}

// webP returns planes of a lossy WebP that suffice, as at does for a JPEG.
func (d *decoding) webP(fd int, stored geometry.Size, n need) (*jpeg.Planes, error) {
	if d.planes == nil || d.shrink > n.shrink {
		d.free()
		file, err := mapWhole(fd, unix.PROT_READ)
		if err != nil {
			return nil, err
		}
		defer func() { _ = unix.Munmap(file) }()
		d.shrink = min(n.shrink, cmp.Or(d.leastShrink, n.shrink))
		d.owned = true
		if d.planes, err = webPPlanes(file, stored, d.shrink); err != nil {
			return nil, err
		}
	}
	return d.halved(n)
}

func (d *decoding) decode(fd, luma, chroma int) error {
	d.free()
	file, err := mapWhole(fd, unix.PROT_READ)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(file) }()
	d.luma, d.chroma = luma, chroma
	d.planes, err = jpeg.Decode(file, luma, chroma)
	return err
}

// halfSlack is the least ratio of a halved plane's sides to the thumbnail's. Means of neighbours blur below it.
const halfSlack = 2

// suffices reports whether halves of the planes have enough samples.
func (n need) suffices(p *jpeg.Planes) bool {
	for i, plane := range p.Planes {
		size := n.sizes[min(i, 1)]
		if plane.Width < 2*halfSlack*size.Width || plane.Height < 2*halfSlack*size.Height {
			return false
		}
	}
	return true
}

// halved returns the planes, or the smallest halves that suffice.
func (d *decoding) halved(n need) (*jpeg.Planes, error) {
	from := d.planes
	for i := 0; n.suffices(from); i++ {
		if i == len(d.halves) {
			half, err := halve(from)
			if err != nil {
				return nil, err
			}
			d.halves = append(d.halves, half)
		}
		from = d.halves[i]
	}
	return from, nil
}

// halve returns planes of half the width and height, whose samples freeOwn frees.
func halve(p *jpeg.Planes) (*jpeg.Planes, error) {
	half := &jpeg.Planes{Width: p.Width, Height: p.Height, Warned: p.Warned}
	for _, of := range p.Planes {
		width, height := (of.Width+1)/2, (of.Height+1)/2
		samples := C.malloc(C.size_t(width * height))
		if samples == nil {
			freeOwn(half)
			return nil, errNoMemory
		}
		in := C.TmSamples{width: C.int(of.Width), height: C.int(of.Height), stride: C.int(of.Stride), samples: (*C.uchar)(of.Samples)}
		C.tm_samples_halve(&in, (*C.uchar)(samples))
		half.Planes = append(half.Planes, jpeg.Plane{Width: width, Height: height, Across: of.Across / 2, Down: of.Down / 2, Stride: width, Samples: samples})
	}
	return half, nil
}

// freeOwn frees planes in this package's memory.
func freeOwn(p *jpeg.Planes) {
	for _, plane := range p.Planes {
		C.free(plane.Samples)
	}
}

func (d *decoding) free() {
	for _, half := range d.halves {
		freeOwn(half)
	}
	d.halves = nil
	switch {
	case d.planes == nil:
	case d.owned:
		freeOwn(d.planes)
	default:
		d.planes.Free()
	}
	d.planes, d.owned = nil, false
}

// mapWhole maps a whole file. Changes to the memory stay in this process.
func mapWhole(fd, protection int) ([]byte, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, err
	}
	if info.Size <= 0 {
		return nil, errors.New("the file is empty")
	}
	return unix.Mmap(fd, 0, int(info.Size), protection, unix.MAP_PRIVATE|unix.MAP_POPULATE)
}
