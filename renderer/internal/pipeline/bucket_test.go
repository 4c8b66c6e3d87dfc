package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	large       = 8000 // the side in pixels of an original that takes long
	bucketWidth = 1280
)

// bucketDelivery returns a delivery of a small thumbnail of a large original.
func bucketDelivery() intake.Delivery {
	d := delivery()
	d.Job.Lane, d.Job.Bucket, d.Job.Spec.Width = renderjob.LaneExpensive, bucketWidth, 320
	return d
}

func bucketKey(d intake.Delivery) bucket.Bucket {
	return bucket.Of(d.Job.Spec, d.Job.Key, d.Job.Bucket)
}

// makesBucket returns a render of a bucket.
func makesBucket(t *testing.T) func() (engine.Result, error) {
	return func() (engine.Result, error) {
		return engine.Result{
			Image: sized(t, bucketWidth), Format: thumbnail.FormatPNG, Width: bucketWidth, Height: bucketWidth, Engine: "test",
			Sides: objectstore.Sides{large, large},
		}, nil
	}
}

// keepBucket puts a bucket into the store.
func (w *world) keepBucket(d intake.Delivery, version string) {
	b := bucketKey(d)
	w.kept[b.Key.Path] = objectstore.Meta{
		SpecDigest: b.Spec.Digest(), Rules: thumbnail.RulesVersion, OriginalVersion: version, Sides: objectstore.Sides{large, large},
	}
	w.bodies[b.Key.Path] = sized(w.t, bucketWidth)
}

func (w *world) countBuckets(event string) (n int) {
	for _, e := range w.events {
		if e == event {
			n++
		}
	}
	return n
}

func TestBuckets(t *testing.T) {
	const fetched = "fetch a.png"
	for name, c := range map[string]struct {
		set              func(w *world, d *intake.Delivery)
		fetches, renders int
		keeps            bool // the store has the bucket at the end
		image            string
	}{
		"the first render makes the bucket": {
			func(w *world, _ *intake.Delivery) {
				w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
			}, 1, 2, true, "small",
		},
		"the next render reads only the bucket": {func(w *world, d *intake.Delivery) { w.keepBucket(*d, "v1") }, 0, 1, true, "picture"},
		"a job of the standard lane reads only the bucket": {func(w *world, d *intake.Delivery) {
			w.keepBucket(*d, "v1")
			d.Job.Lane, d.Job.BucketSeen = renderjob.LaneStandard, true
		}, 0, 1, true, "picture"},
		"a bucket of another version is made again": {func(w *world, d *intake.Delivery) {
			w.keepBucket(*d, "v0")
			w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
		}, 1, 2, true, "small"},
		"no bucket of a small original":      {func(w *world, _ *intake.Delivery) { w.set("a.png", file{disc(t), "v1"}) }, 1, 1, false, "picture"},
		"no bucket if the job asks for none": {func(_ *world, d *intake.Delivery) { d.Job.Bucket = 0 }, 1, 1, false, "picture"},
		"a bucket that cannot be made": {func(w *world, _ *intake.Delivery) {
			w.renders = []func() (engine.Result, error){fails(errBroken), draws("direct")}
		}, 1, 2, false, "direct"},
		"a bucket that cannot be drawn": {func(w *world, d *intake.Delivery) {
			w.keepBucket(*d, "v1")
			w.renders = []func() (engine.Result, error){fails(errBroken), makesBucket(t), draws("small")}
		}, 1, 3, true, "small"},
		"a bucket that is no picture": {func(w *world, d *intake.Delivery) {
			w.keepBucket(*d, "v1")
			w.bodies[bucketKey(*d).Key.Path] = []byte("no picture")
			w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
		}, 1, 2, true, "small"},
		"a bucket that a disk damaged": {func(w *world, d *intake.Delivery) {
			w.keepBucket(*d, "v1")
			at := bucketKey(*d).Key.Path
			meta := w.kept[at]
			meta.ETag = strings.Repeat("0", 32)
			w.kept[at] = meta
			w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
		}, 1, 2, true, "small"},
		"a store that does not answer": {func(w *world, _ *intake.Delivery) {
			w.broken["open a thumbnail"] = true
			w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
		}, 1, 2, true, "small"},
		"a purge deletes the bucket": {func(w *world, _ *intake.Delivery) {
			w.renders = []func() (engine.Result, error){makesBucket(t), draws("small")}
			w.on["put"] = (*world).purge
		}, 1, 2, false, "small"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set("a.png", file{sized(t, large), "v1"})
			d := bucketDelivery()
			c.set(w, &d)
			if err := w.process(d); err != nil {
				t.Fatal(err)
			}
			_, keeps := w.kept[bucketKey(d).Key.Path]
			if w.countBuckets(fetched) != c.fetches || w.countBuckets("render") != c.renders || keeps != c.keeps {
				t.Errorf("%d fetches, %d renders, a bucket %v: %v", w.countBuckets(fetched), w.countBuckets("render"), keeps, w.events)
			}
			i := slices.IndexFunc(w.replies, func(r renderjob.Result) bool { return r.State == renderjob.StateRendered })
			if i < 0 || string(w.replies[i].Image) != c.image {
				t.Errorf("replies %v", w.replies)
			}
		})
	}
}

// A job that the coordinator admitted because of its bucket goes to the expensive lane if the bucket is
// gone.
func TestABucketThatIsGone(t *testing.T) {
	w := newWorld(t)
	d := bucketDelivery()
	d.Job.Lane, d.Job.BucketSeen = renderjob.LaneStandard, true
	if err := w.process(d); !errors.Is(err, intake.ErrLong) || w.countBuckets("render") != 0 {
		t.Errorf("%v, %v", err, w.events)
	}
}

// A job whose bucket is slow goes to the bulk lane, and is not rendered from the original in this slot.
func TestABucketThatIsSlow(t *testing.T) {
	w := newWorld(t)
	w.set("a.png", file{[]byte("%PDF-1.4"), "v1"})
	w.renders = []func() (engine.Result, error){fails(fault.New(fault.Overran, "slow"))}
	d := bucketDelivery()
	d.Job.Spec.Type = thumbnail.TypePDF
	if err := w.process(d); !errors.Is(err, intake.ErrSlow) || w.countBuckets("render") != 1 {
		t.Errorf("%v, %v", err, w.events)
	}
}

// A job that waits for its bucket steps aside, and goes on with the bucket or with the original.
func TestABucketThatComesSlowly(t *testing.T) {
	for name, broken := range map[string]bool{"it comes": false, "it does not come": true} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t), bucketDelivery()
			w.keepBucket(d, "v1")
			w.broken["open a thumbnail"] = broken
			told := make(chan struct{})
			w.on["fetching"] = func(*world) { close(told) }
			w.on["open a thumbnail"] = func(*world) { <-told }
			if err := w.process(d); err != nil || w.countBuckets("render") != 1 || w.countBuckets("fetch a.png") != map[bool]int{true: 1}[broken] {
				t.Errorf("%v, %v", err, w.events)
			}
		})
	}
}

// A thumbnail from a bucket has the same size as a thumbnail from the original.
func TestSizesFromBuckets(t *testing.T) {
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		sides         objectstore.Sides
		width, height int
		ok            bool
	}{
		"in proportion":       {thumbnail.Spec{Width: 320}, objectstore.Sides{3000, 2006}, 320, 214, true},
		"halves up":           {thumbnail.Spec{Width: 320}, objectstore.Sides{6400, 4810}, 320, 241, true},
		"halves to even":      {thumbnail.Spec{Width: 320, HalfToEven: true}, objectstore.Sides{6400, 4830}, 320, 242, true},
		"a page, by its dots": {thumbnail.Spec{Width: 320}, objectstore.Sides{595.276, 841.89}, 320, 452, true},
		"into a box":          {thumbnail.Spec{Width: 320, Height: 100, Fit: thumbnail.FitIn}, objectstore.Sides{3000, 2000}, 150, 100, true},
		"a page into a box":   {thumbnail.Spec{Width: 320, Height: 100, Fit: thumbnail.FitIn}, objectstore.Sides{595.276, 841.89}, 0, 0, false},
		"cut to a box":        {thumbnail.Spec{Width: 320, Height: 320}, objectstore.Sides{3000, 2000}, 0, 0, false},
		"unknown sides":       {thumbnail.Spec{Width: 320}, objectstore.Sides{}, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			size, ok := sizeOf(c.spec, c.sides)
			if ok != c.ok || ok && (size.Width != c.width || size.Height != c.height) {
				t.Errorf("%v, %v", size, ok)
			}
		})
	}
}
