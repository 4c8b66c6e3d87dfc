package failure

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// largest is the last class of sizes: 2^30 pixels.
const largest = 31

// sizeOf returns the class of a thumbnail's size: the power of two of its pixels. A side that follows
// from the other one counts as equal to it. The class is largest for a size that follows from the
// original.
func sizeOf(s thumbnail.Spec) int {
	w, h := uint64(max(s.Width, s.Height, 0)), uint64(max(s.Width, s.Height, 0))
	if s.Width > 0 && s.Height > 0 {
		w, h = uint64(s.Width), uint64(s.Height)
	}
	if w == 0 {
		return largest
	}
	return min(bits.Len64(w*h), largest)
}

// overruns returns the counter of overruns of a page at sizes up to a class, in one format.
func (m *Memory) overruns(s thumbnail.Spec, size int, engine string) string {
	return m.overrunsOf(s.Original.String(), s.Page, s.Format, size, engine)
}

func (m *Memory) overrunsOf(original string, page int, format thumbnail.Format, size int, engine string) string {
	return m.key("overruns", fmt.Sprintf("%s\x00%d\x00%s\x00%d\x00%s", original, page, format, size, engine))
}

// addOverrun counts an overrun for its class of sizes and all larger ones. Overruns are rare, and
// requests look at one counter. A storyboard counts for itself alone, because it takes many frames of a video and a
// thumbnail takes one.
func (m *Memory) addOverrun(ctx context.Context, s thumbnail.Spec, engine string, life time.Duration) error {
	if s.Storyboard != nil {
		return nil
	}
	var all []error
	for size := sizeOf(s); size <= largest; size++ {
		all = append(all, m.counters.Add(ctx, m.overruns(s, size, engine), life))
	}
	return errors.Join(all...)
}

// overrunKeys returns the counters of addOverrun that belong to an entry of the index.
func (m *Memory) overrunKeys(e listed) (keys []string) {
	if e.Failing.Fault != string(fault.Overran) {
		return nil
	}
	for size := range largest + 1 {
		keys = append(keys, m.overrunsOf(e.Failing.Original, e.Failing.Page, e.Format, size, e.Failing.Engine))
	}
	return keys
}
