package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// sink forgets an answer.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkAtHand measures the edge's own part of a hit, without parsing, sending and the look into a store.
func BenchmarkAtHand(b *testing.B) { answerAtHand(b, "/unsafe/100x/a.jpg") }

// BenchmarkRefusedAtHand is BenchmarkAtHand for a refusal at once, without the look for a place.
func BenchmarkRefusedAtHand(b *testing.B) { answerAtHand(b, "/unsafe/102x/a.jpg") }

func answerAtHand(b *testing.B, path string) {
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	h := logging(b, s, &shelf{}, slog.New(slog.DiscardHandler))
	r := httptest.NewRequest("GET", path, nil)
	w := &sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if !h.ServeAtHand(w, r) {
			b.Fatal("no answer is at hand")
		}
	}
}
