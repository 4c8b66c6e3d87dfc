package pipeline

import (
	"math"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// wikiDPI is the resolution in dots per inch at which MediaWiki measures the pages of a PDF.
const wikiDPI = 150

// checkHeader returns the fault OddSize for a job with OwnWidthOnly if the header tells another width.
func (j *job) checkHeader(h guard.Header) error {
	width, known := ownWidth(h, j.job.Spec)
	if !known {
		return nil
	}
	return j.checkWidth(width)
}

// checkDrawn is checkHeader for an original whose width only its engine can tell.
func (j *job) checkDrawn(h guard.Header, drawn engine.Result) error {
	if _, known := ownWidth(h, j.job.Spec); known {
		return nil
	}
	return j.checkWidth(drawnWidth(h.Type, drawn.Sides))
}

func (j *job) checkWidth(own int) error {
	if !j.job.OwnWidthOnly || j.job.Spec.Width == own {
		return nil
	}
	j.result.OwnWidth = own
	return renderjob.OddWidth(j.job.Spec.Width, own)
}

// ownWidth returns the width in pixels at which MediaWiki shows an original in full; 0 means that MediaWiki
// has none. known is false if the header does not tell it.
func ownWidth(h guard.Header, s thumbnail.Spec) (width int, known bool) {
	switch {
	case h.Type == thumbnail.TypeSVG:
		return h.Shown[0], true
	case h.Type == thumbnail.TypeTIFF && s.Page > 1, h.Width == 0:
		return 0, false
	case h.Orientation >= 5:
		return h.Height, true
	}
	return h.Width, true
}

// drawnWidth is ownWidth of an original with these sides: points of a page of a PDF, whole pixels of all
// others. MediaWiki cuts off fractions of points.
func drawnWidth(t thumbnail.Type, sides objectstore.Sides) int {
	if t == thumbnail.TypePDF {
		return int(math.Floor(sides[0]) / 72 * wikiDPI)
	}
	return int(math.Round(sides[0]))
}
