package obtain

import (
	"testing"

	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A thumbnail whose bucket is stored takes no place of its original's type.
func TestBuckets(t *testing.T) {
	for name, c := range map[string]struct {
		original        string
		bulk, there     bool
		lane            renderjob.Lane
		expensive       thumbnail.Type
		width           int
		seen            bool
		withoutSettings bool
	}{
		"page with a stored bucket":          {original: "cat.pdf", there: true, lane: renderjob.LaneStandard, width: 1280, seen: true},
		"page without a stored bucket":       {original: "cat.pdf", lane: renderjob.LaneExpensive, expensive: thumbnail.TypePDF, width: 1280},
		"page of bulk with a stored bucket":  {original: "cat.pdf", bulk: true, there: true, lane: renderjob.LaneBulk, width: 1280, seen: true},
		"photograph: the edge does not look": {original: "cat.jpg", there: true, lane: renderjob.LaneStandard, width: 1280},
		"drawing: drawings have no buckets":  {original: "cat.svg", lane: renderjob.LaneExpensive},
		"page without render.buckets":        {original: "cat.pdf", there: true, lane: renderjob.LaneExpensive, expensive: thumbnail.TypePDF, withoutSettings: true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				if !c.withoutSettings {
					w.settings.Render.Buckets = []int{1280}
				}
			}, func(t *testing.T, w *world) {
				r := cat("a")
				r.Bulk = c.bulk
				r.Target.Spec.Original, r.Target.Spec.Type = thumbnail.Location{Path: c.original}, thumbnail.TypeOf(c.original)
				if c.there {
					w.store(bucket.Of(r.Target.Spec, r.Target.Key, 1280).Key)
				}
				answers := w.ask(t.Context(), r)
				j := <-w.published
				asked := w.admitted[0].Flight
				if j.asked.Lane != c.lane || asked.Lane != c.lane || asked.Expensive != c.expensive {
					t.Errorf("lane %s, admitted to %s as %q", j.asked.Lane, asked.Lane, asked.Expensive)
				}
				if j.asked.Bucket != c.width || j.asked.BucketSeen != c.seen {
					t.Errorf("bucket %d, seen %v", j.asked.Bucket, j.asked.BucketSeen)
				}
				j.finish()
				(<-answers).wants(t, Rendered, "")
			})
		})
	}
}

// A full lane refuses no page early whose bucket would move it to another lane.
func TestAFullLaneSparesPagesWithBuckets(t *testing.T) {
	page := func(name string) Request {
		r := cat("a")
		r.Looked = true
		r.Target.Spec.Original, r.Target.Spec.Type = thumbnail.Location{Path: name}, thumbnail.TypeOf(name)
		return r
	}
	in(t, func(w *world) { w.full, w.settings.Render.Buckets = true, []int{1280} }, func(t *testing.T, w *world) {
		(<-w.ask(t.Context(), page("cat.svg"))).wants(t, "", fault.LaneFull)
		r := page("cat.pdf")
		w.store(bucket.Of(r.Target.Spec, r.Target.Key, 1280).Key)
		answers := w.ask(t.Context(), r)
		(<-w.published).finish()
		(<-answers).wants(t, Rendered, "")
	})
}
