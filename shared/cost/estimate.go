package cost

import (
	"cmp"
	"math"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	megapixel = 1e6
	// decodes is the processor time for each byte of an original: 20 ms a megabyte, of a JPEG at full size.
	decodes = 20 * time.Nanosecond
	// filters is the processor time of one filter for each megapixel of the thumbnail.
	filters = 250 * time.Millisecond
	// sharpens is the same for MediaWiki's sharpening (BenchmarkLargestUsualSize of the renderer's worker).
	sharpens = 150 * time.Millisecond
	// pixelsPerByte bounds the pixels of a JPEG by its bytes: half a bit for each pixel.
	pixelsPerByte = 16
	// leastFactor and worstFactor bound the correction of a format's rate. Pictures of one colour must not
	// make photographs cheap.
	leastFactor, worstFactor = 0.5, 4
	// learnsFrom is the least time of a render that corrects a rate: shorter ones measure something else.
	learnsFrom = 100 * time.Millisecond
)

// rate is the processor time of an encoder for each megapixel, at a quality of 87 and of 100. Measured with
// one thread of libvips 8.14 and photographs of 7 and 24 megapixels.
type rate struct{ usual, best time.Duration }

func rateOf(f thumbnail.Format) rate {
	switch f {
	case thumbnail.FormatWebP:
		return rate{165 * time.Millisecond, 250 * time.Millisecond}
	case thumbnail.FormatAVIF:
		return rate{190 * time.Millisecond, 450 * time.Millisecond}
	case thumbnail.FormatJXL:
		return rate{100 * time.Millisecond, 450 * time.Millisecond}
	case thumbnail.FormatPNG:
		return rate{170 * time.Millisecond, 170 * time.Millisecond}
	case thumbnail.FormatGIF:
		return rate{250 * time.Millisecond, 250 * time.Millisecond}
	}
	return rate{40 * time.Millisecond, 50 * time.Millisecond}
}

// Rates estimates the processor time of renders from the specs of their thumbnails, and learns from
// renders. The zero value is ready. Its methods are safe for concurrent use.
type Rates struct {
	mu      sync.Mutex
	factors map[thumbnail.Format]float64
}

// Estimate returns the processor time that a render of an original with a size in bytes takes. It
// assumes 4:3 for a side that follows from the other one, and nothing for a thumbnail whose sides both
// follow from the original.
func (r *Rates) Estimate(s thumbnail.Spec, bytes int64) time.Duration {
	return time.Duration(r.factor(format(s)) * float64(plain(s, bytes)))
}

// Note corrects the rate of the thumbnail's format by the processor time that a render took.
func (r *Rates) Note(s thumbnail.Spec, bytes int64, took time.Duration) {
	estimate := plain(s, bytes)
	if own := estimate - decoding(bytes); own < learnsFrom || own < decoding(bytes) {
		return // a decoder that shrinks takes far less than decoding at full size
	}
	f := format(s)
	known := r.factor(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.factors == nil {
		r.factors = map[thumbnail.Format]float64{}
	}
	measured := max(leastFactor, min(worstFactor, float64(took)/float64(estimate)))
	r.factors[f] = known * math.Pow(measured/known, weight)
}

// MostPixels returns the largest area of a thumbnail like this one that can be filtered and encoded within a time.
func (r *Rates) MostPixels(s thumbnail.Spec, within time.Duration) int64 {
	return int64(float64(within) / r.factor(format(s)) / float64(perMegapixel(s)) * megapixel)
}

// Refuse returns the fault BadURL for a thumbnail whose filters and encoder are estimated above a limit, or nil. The
// time of decoding does not count, because many decoders shrink. The fault names the largest size that stays below the
// limit. Both sides of the spec must be the thumbnail's, and the spec says Enlarge.
func (r *Rates) Refuse(s thumbnail.Spec, limit time.Duration) error {
	estimate := r.Estimate(s, 0)
	if estimate <= limit {
		return nil
	}
	shrink := math.Sqrt(float64(r.MostPixels(s, limit)) / float64(s.Width*s.Height))
	return fault.New(fault.BadURL, "the thumbnail of %d × %d pixels takes about %v to render, and at most %v are allowed: ask for at most %d × %d pixels, for fewer filters, or leave out max_bytes",
		s.Width, s.Height, estimate.Round(time.Second), limit, int(float64(s.Width)*shrink), int(float64(s.Height)*shrink))
}

func (r *Rates) factor(f thumbnail.Format) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.factors[f], 1)
}

// plain is the estimate by the table alone.
func plain(s thumbnail.Spec, bytes int64) time.Duration {
	return decoding(bytes) + time.Duration(area(s, bytes)/megapixel*float64(perMegapixel(s)))
}

func decoding(bytes int64) time.Duration { return time.Duration(bytes) * decodes }

// perMegapixel returns the time of filters and encoder for each megapixel.
func perMegapixel(s thumbnail.Spec) time.Duration {
	f := format(s)
	table, quality := rateOf(f), s.QualityOf(f)
	each := table.usual
	if over := quality - 87; over > 0 && f.Row().Lossy {
		each += (table.best - table.usual) * time.Duration(over) / 13
	}
	all := each*time.Duration(passes(s, f)) + filters*time.Duration(len(s.Operations))
	if s.Sharpen != nil {
		all += sharpens
	}
	return all
}

// passes returns how often max_bytes may encode: at qualities that fall by a quarter, down to 10.
func passes(s thumbnail.Spec, f thumbnail.Format) (n int) {
	if s.MaxBytes <= 0 || !f.Row().Lossy {
		return 1
	}
	for quality := s.QualityOf(f); quality >= 10; quality = quality * 3 / 4 {
		n++
	}
	return max(1, n)
}

// area returns the pixels of the thumbnail.
func area(s thumbnail.Spec, bytes int64) float64 {
	width, height := s.Largest()
	w, h := float64(width), float64(height)
	switch {
	case w == 0:
		w = h * 4 / 3
	case h == 0:
		h = w * 3 / 4
	}
	if s.Enlarge || s.Type != thumbnail.TypeJPEG {
		return w * h
	}
	return min(w*h, float64(bytes)*pixelsPerByte)
}

// format returns the thumbnail's format, as far as the spec tells.
func format(s thumbnail.Spec) thumbnail.Format {
	switch {
	case s.Format != thumbnail.FormatAuto:
		return s.Format
	case len(s.Prefer) > 0:
		return s.Prefer[0]
	}
	return s.Type.DefaultFormat(false) // alpha is unknown before the render
}
