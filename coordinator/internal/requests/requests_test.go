package requests

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

func ended(client, original string, n int) pools.Ended {
	e := pools.Ended{Client: client, Thumbnail: fmt.Sprint("thumbnail:", n), Outcome: lease.Stored, Held: time.Second}
	if original != "" {
		e.Original = poolcounter.Key("original", original)
	}
	return e
}

// A client's requests and an original's are the same requests, the latest first.
func TestRequestsOfAClientAndOfAnOriginal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New()
		b.Note(ended("ann", "cat.jpg", 1))
		b.Note(ended("bob", "cat.jpg", 2))
		refused := ended("ann", "dog.jpg", 3)
		refused.Refused = throttle.PerIP
		b.Note(refused)
		bad := ended("ann", "bad.jpg", 4)
		bad.Outcome, bad.Payload = lease.Faulty, `{"kind":"undecodable","message":"no picture"}`
		b.Note(bad)
		left := ended("ann", "cat.jpg", 5)
		left.Outcome = lease.Vanished
		b.Note(left)
		want := []Request{
			{Client: "ann", Original: "cat.jpg", Thumbnail: "5", Outcome: Ended},
			{Client: "ann", Original: "bad.jpg", Thumbnail: "4", Outcome: Failed, Fault: "undecodable", Message: "no picture"},
			{Client: "ann", Original: "dog.jpg", Thumbnail: "3", Outcome: Refused, Throttle: "per-ip"},
			{Client: "ann", Original: "cat.jpg", Thumbnail: "1", Outcome: Stored},
		}
		got := b.OfClient("ann")
		for i := range want {
			want[i].At, want[i].HeldMS = time.Now().UTC(), 1000
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%d: %+v, want %+v", i, got, want[i])
			}
		}
		if of := b.OfOriginal("cat.jpg"); len(of) != 3 || of[0].Client != "ann" || of[1].Client != "bob" || of[2].Thumbnail != "1" {
			t.Errorf("%+v", of)
		}
		long := strings.Repeat("ä/", 300) + ".jpg"
		b.Note(ended("ann", long, 6))
		if of := b.OfOriginal(long); len(of) != 1 {
			t.Errorf("%d requests for an original with a long name", len(of))
		}
		if of := b.OfClient("nobody"); of == nil || len(of) != 0 {
			t.Errorf("%+v", of)
		}
	})
}

// Each name has its latest requests, and the names of the oldest requests are forgotten.
func TestTheBookIsBounded(t *testing.T) {
	b := New()
	for n := range 3*each + 7 {
		b.Note(ended("greedy", "cat.jpg", n))
	}
	of := b.OfClient("greedy")
	for i, r := range of {
		if want := fmt.Sprint(3*each + 6 - i); r.Thumbnail != want {
			t.Fatalf("place %d has %s, want %s", i, r.Thumbnail, want)
		}
	}
	for n := range 2 * names {
		b.Note(ended(fmt.Sprint("client", n), "", n))
		if n%100 == 0 {
			b.Note(ended("greedy", "cat.jpg", n))
		}
	}
	if len(of) != each || len(b.clients.places) != names || b.clients.order.Len() != names || len(b.originals.places) != 1 {
		t.Errorf("%d requests, %d clients, %d originals", len(of), len(b.clients.places), len(b.originals.places))
	}
	if len(b.OfClient("client0")) != 0 || len(b.OfClient("greedy")) != each {
		t.Error("the book forgot the wrong client")
	}
}
