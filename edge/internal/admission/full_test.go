package admission

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// After a refusal, one flight asks for each that leaves, one more twice within the trusted time, and all others are
// refused at once.
func TestAFullLaneLetsOneAskForEachThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lane, most = renderjob.LaneStandard, 10
		f := newFull(5 * time.Second)
		// askers returns the number of so many flights that may ask.
		askers := func(of, most int) (n int) {
			for range of {
				if f.passes(lane, most, true) {
					n++
				}
			}
			return n
		}
		wants := func(when string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d flights ask, want %d", when, got, want)
			}
		}
		refuse := func() {
			f.enter(lane, most)()
			f.note(lane, most)
		}
		wants("before a refusal", askers(20, most), 20)
		var leave []func()
		for range 6 { // 4 of other edges
			leave = append(leave, f.enter(lane, most))
		}
		refuse()
		wants("after a refusal", askers(20, most), 0)
		wants("another lane", map[bool]int{true: 1}[f.passes(renderjob.LaneExpensive, most, true)], 1)
		leave[0]()
		leave[0]()
		if !f.passes(lane, most, false) {
			t.Error("a look finds no room after a flight left")
		}
		wants("after a flight left", askers(20, most), 1)
		time.Sleep(2 * passingFor)
		wants("after it did not ask", askers(20, most), 1)
		leave[0] = f.enter(lane, most)
		wants("after one asked", askers(20, most), 0)
		wants("in a longer queue", askers(20, most+2), 2)
		time.Sleep(f.trusted / 2)
		wants("in half of the time", askers(20, most), 1)
		refuse()
		leave = append(leave, f.enter(lane, most)) // this one finds a place that another edge left
		leave[1]()
		wants("with one more place", askers(20, most), 1)
		time.Sleep(f.trusted)
		wants("after the trusted time", askers(20, most), 20)
	})
}
