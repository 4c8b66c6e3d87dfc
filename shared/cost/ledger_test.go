package cost

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestALedgerForgetsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		l.Note("a", 4*time.Second)
		l.Note("a", 4*time.Second)
		l.Note("b", time.Second)
		if a, b, none := l.Spent("a"), l.Spent("b"), l.Spent("c"); a != 8*time.Second || b != time.Second || none != 0 {
			t.Errorf("%v, %v, %v", a, b, none)
		}
		release := l.Hold("c", 5*time.Second)
		time.Sleep(Minute)
		if got := l.Spent("c"); got != 5*time.Second {
			t.Errorf("%v of 5 s are held after a minute", got)
		}
		release()
		release() // does nothing
		if got := l.Spent("c"); got != 0 {
			t.Errorf("%v after the release", got)
		}
		if got := l.Spent("a"); got < 2900*time.Millisecond || got > 2950*time.Millisecond { // 8 s / e
			t.Errorf("%v are left after a minute", got)
		}
		for range 600 { // half of a processor, for ten minutes
			l.Note("b", 500*time.Millisecond)
			time.Sleep(time.Second)
		}
		if got := l.Spent("b"); got < 28*time.Second || got > 31*time.Second {
			t.Errorf("half of a processor is %v a minute", got)
		}
	})
}

func TestALedgerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		for i := range most + 100 {
			l.Note(strconv.Itoa(i), time.Second)
		}
		if len(l.sums) != most {
			t.Errorf("%d names", len(l.sums))
		}
		time.Sleep(5 * Minute)
		l.Note("new", time.Second)
		if len(l.sums) != 1 || l.Spent("new") != time.Second {
			t.Errorf("%d names after five minutes, %v", len(l.sums), l.Spent("new"))
		}
	})
}

func TestDearestOriginals(t *testing.T) {
	var d Dearest
	limit := 4 * time.Second
	d.Note("short", time.Second, limit)
	d.Note("long", 9*time.Second, limit)
	if d.Of("short") != 0 || d.Of("long") != 9*time.Second {
		t.Errorf("%v, %v", d.Of("short"), d.Of("long"))
	}
	d.Note("long", time.Second, limit) // a small thumbnail
	if got := d.Of("long"); got != 0 {
		t.Errorf("%v after a short render", got)
	}
	for i := range 2 * most {
		d.Note(strconv.Itoa(i), 5*time.Second, limit)
	}
	if len(d.times) != most || len(d.order) != most {
		t.Errorf("%d and %d originals", len(d.times), len(d.order))
	}
}
