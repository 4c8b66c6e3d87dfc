package vips

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/jpeg"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// decoding holds the planes of a JPEG, decoded once for all of its thumbnails.
type decoding struct {
	least        int // the smallest scale of luma, in eighths, that suffices for the largest thumbnail
	luma, chroma int // the scales of planes, in eighths
	planes       *jpeg.Planes
}

// decodingFor returns a decoding that suffices for all specs. A smaller thumbnail is then drawn from more
// samples than it needs. That takes less time than another decoding, and is nearer to the original.
func decodingFor(specs []thumbnail.Spec, h guard.Header) *decoding {
	d := &decoding{}
	stored := geometry.Size{Width: h.Width, Height: h.Height}
	for _, s := range specs {
		orientation := h.Orientation
		if s.AsStored {
			orientation = 1
		}
		scaled := geometry.New(s, stored.Turned(orientation)).Scaled.Turned(orientation)
		if n := eighths(s, stored, scaled); n <= finest && !s.Cuts() && s.Trim == nil {
			d.least = max(d.least, n)
		}
	}
	return d
}

// at returns planes of at least these scales, in eighths. The decoding owns the planes.
func (d *decoding) at(fd, luma, chroma int) (*jpeg.Planes, error) {
	if d.planes != nil && d.luma >= luma && d.chroma >= chroma {
		return d.planes, nil
	}
	d.free()
	file, err := mapWhole(fd, unix.PROT_READ)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Munmap(file) }()
	d.luma, d.chroma = max(luma, d.least), max(chroma, d.least)
	d.planes, err = jpeg.Decode(file, d.luma, d.chroma)
	return d.planes, err
}

func (d *decoding) free() {
	if d.planes != nil {
		d.planes.Free()
		d.planes = nil
	}
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
