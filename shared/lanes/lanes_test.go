package lanes

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestFor(t *testing.T) {
	jpeg := []thumbnail.Type{thumbnail.TypeJPEG}
	for name, c := range map[string]struct {
		work Work
		want renderjob.Lane
	}{
		"a photo":                      {Work{Types: jpeg, Bytes: 5 << 20}, renderjob.LaneStandard},
		"a photo of 100 MiB":           {Work{Types: jpeg, Bytes: LongBytes}, renderjob.LaneExpensive},
		"a drawing":                    {Work{Types: []thumbnail.Type{thumbnail.TypeSVG}}, renderjob.LaneExpensive},
		"a photo with a drawing on it": {Work{Types: []thumbnail.Type{thumbnail.TypeJPEG, thumbnail.TypeSVG}}, renderjob.LaneExpensive},
		"an expensive type":            {Work{Types: []thumbnail.Type{thumbnail.TypeTIFF}, Expensive: true}, renderjob.LaneExpensive},
		"a type that is not expensive": {Work{Types: []thumbnail.Type{thumbnail.TypeTIFF}}, renderjob.LaneStandard},
		"a drawing in bulk":            {Work{Types: []thumbnail.Type{thumbnail.TypeSVG}, Expensive: true, Bulk: true}, renderjob.LaneBulk},
		"a greedy client's photo":      {Work{Types: jpeg, Greedy: true}, renderjob.LaneStandard},
	} {
		if got, slow := For(c.work); got != c.want || slow {
			t.Errorf("%s goes into %s, slow %v, want %s", name, got, slow, c.want)
		}
	}
}

func TestLongRendersStartSlow(t *testing.T) {
	for name, c := range map[string]struct {
		work Work
		want bool
	}{
		"a huge WebP":               {Work{Types: []thumbnail.Type{thumbnail.TypeJPEG}, Cost: LongCost}, true},
		"a drawing known as long":   {Work{Types: []thumbnail.Type{thumbnail.TypeSVG}, Cost: LongCost}, true},
		"a greedy client's drawing": {Work{Types: []thumbnail.Type{thumbnail.TypeSVG}, Greedy: true}, true},
		"a large picture":           {Work{Types: []thumbnail.Type{thumbnail.TypeJPEG}, Cost: LongCost - 1}, false},
		"a huge picture in advance": {Work{Types: []thumbnail.Type{thumbnail.TypeJPEG}, Cost: LongCost, Bulk: true}, false},
	} {
		lane, slow := For(c.work)
		if slow != c.want || slow && lane != renderjob.LaneBulk {
			t.Errorf("%s: lane %s, slow %v, want %v", name, lane, slow, c.want)
		}
	}
	for slots, want := range map[int]int{1: 1, 2: 1, 8: 4, 16: 8} {
		if got := SlowSlots(slots); got != want {
			t.Errorf("%d slow renders beside %d slots, want %d", got, slots, want)
		}
	}
}

func TestMisplaced(t *testing.T) {
	for name, c := range map[string]struct {
		lane         renderjob.Lane
		named, found thumbnail.Type
		areas        []int64
		want         bool
	}{
		"a photo":                        {renderjob.LaneStandard, thumbnail.TypeJPEG, thumbnail.TypeJPEG, []int64{LongArea}, false},
		"a huge photo":                   {renderjob.LaneStandard, thumbnail.TypeJPEG, thumbnail.TypeJPEG, []int64{LongArea + 1}, true},
		"a huge watermark":               {renderjob.LaneStandard, thumbnail.TypeJPEG, thumbnail.TypeJPEG, []int64{1, LongArea + 1}, true},
		"a drawing without an extension": {renderjob.LaneStandard, thumbnail.TypeUnknown, thumbnail.TypeSVG, []int64{1}, true},
		"a photo without an extension":   {renderjob.LaneStandard, thumbnail.TypeUnknown, thumbnail.TypeJPEG, []int64{1}, false},
		"a huge photo in expensive":      {renderjob.LaneExpensive, thumbnail.TypeJPEG, thumbnail.TypeJPEG, []int64{LongArea + 1}, false},
		"a huge photo in bulk":           {renderjob.LaneBulk, thumbnail.TypeJPEG, thumbnail.TypeJPEG, []int64{LongArea + 1}, false},
	} {
		if got := Misplaced(c.lane, c.named, c.found, c.areas...); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSlotsAndPlaces(t *testing.T) {
	for _, c := range []struct {
		lane                 renderjob.Lane
		slots, serve, places int
	}{
		{renderjob.LaneStandard, 4, 4, 6}, {renderjob.LaneStandard, 1, 1, 2}, {renderjob.LaneStandard, 0, 0, 0},
		{renderjob.LaneExpensive, 4, 2, 3}, {renderjob.LaneExpensive, 1, 1, 2}, {renderjob.LaneBulk, 7, 3, 5},
	} {
		if serve, places := Slots(c.lane, c.slots), Places(c.lane, c.slots); serve != c.serve || places != c.places {
			t.Errorf("%s with %d slots: %d slots and %d places, want %d and %d", c.lane, c.slots, serve, places, c.serve, c.places)
		}
	}
}

func TestTheLineIsAsLongAsCanBeServed(t *testing.T) {
	var p Pace
	queue := func() int { return p.MaxQueue(3, 2*time.Second) }
	if got := queue(); got != QueueBound {
		t.Errorf("without measurements the bound is %d", got)
	}
	p = p.With(50 * time.Millisecond)
	if got := queue(); got != 3+60 {
		t.Errorf("at 20 renders per second and place the bound is %d, want 63", got)
	}
	for range 200 {
		p = p.With(time.Minute)
	}
	if got := queue(); got != 3+3*shortestLine {
		t.Errorf("at a minute for each render the bound is %d", got)
	}
	for range 500 {
		p = p.With(time.Microsecond)
	}
	if got := queue(); got != QueueBound {
		t.Errorf("at a microsecond for each render the bound is %d", got)
	}
	for places, want := range map[int]int{180: QueueBound, 181: 905, 15_000: 75_000} {
		if got := p.MaxQueue(places, time.Second); got != want {
			t.Errorf("%d places have the bound %d, want %d", places, got, want)
		}
	}
}
