package web

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// shelf has every thumbnail of the width 100 at hand.
type shelf struct{ other obtainer }

func (s *shelf) Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error) {
	return s.other.Obtain(ctx, r)
}

func (s *shelf) Original(ctx context.Context, at thumbnail.Location) (obtain.Thumb, error) {
	return s.other.Original(ctx, at)
}

func (s *shelf) AtHand(_ context.Context, t target.Target) (obtain.Thumb, bool) {
	meta := objectstore.Meta{ContentType: "image/jpeg", ETag: "e", Rendered: time.Unix(1e9, 0)}
	return obtain.Thumb{Image: []byte("picture"), Source: obtain.Hit, Meta: meta}, t.Spec.Width == 100
}

// RefuseAtOnce refuses thumbnails of the width 102.
func (s *shelf) RefuseAtOnce(r obtain.Request) error {
	if r.Target.Spec.Width != 102 {
		return nil
	}
	s.other.err = throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full)
	return s.other.err
}

// An answer below the server is the server's; a request without one leaves nothing behind.
func TestAnswersAtHandAreTheUsualOnes(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	s.Edge.CORS = []string{"*"}
	s.Edge.Hosts = []string{"example.com"}
	h := logging(t, s, &shelf{}, slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		method, path, header, value string
		want                        bool
	}{
		"a hit":            {"GET", "/unsafe/100x/a.jpg", "X", "y", true},
		"a head":           {"HEAD", "/unsafe/100x/a.jpg", "X", "y", true},
		"a range":          {"GET", "/unsafe/100x/a.jpg", "Range", "bytes=1-2", true},
		"an unchanged one": {"GET", "/unsafe/100x/a.jpg", "If-None-Match", `"e"`, true},
		"MediaWiki's":      {"GET", "/wikipedia/en/thumb/a/ab/A.jpg/100px-A.jpg", "X", "y", true},
		"a miss":           {"GET", "/unsafe/101x/a.jpg", "X", "y", false},
		"a full lane":      {"GET", "/unsafe/102x/a.jpg", "X", "y", true},
		"a mistyped URL":   {"GET", "/unsafe/100y", "X", "y", false},
		"the health check": {"GET", "/healthcheck", "X", "y", false},
		"an uploaded file": {"GET", "/wikipedia/en/a/ab/A.jpg", "X", "y", false},
	} {
		usual, quick := httptest.NewRecorder(), httptest.NewRecorder()
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set(c.header, c.value)
		if got := h.ServeAtHand(quick, r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if !c.want {
			if quick.Body.Len() > 0 {
				t.Errorf("%s: %q is written", name, quick.Body)
			}
			continue
		}
		h.ServeHTTP(usual, r)
		for _, w := range []*httptest.ResponseRecorder{usual, quick} {
			for _, differs := range []string{"X-Request-Id", "Retry-After", "Server-Timing"} {
				w.Header().Del(differs)
			}
		}
		if usual.Code != quick.Code || usual.Body.String() != quick.Body.String() || !reflect.DeepEqual(usual.Header(), quick.Header()) {
			t.Errorf("%s: %d %v\nwant %d %v", name, quick.Code, quick.Header(), usual.Code, usual.Header())
		}
	}
	r := httptest.NewRequest("GET", "/unsafe/100x/a.jpg", nil)
	r.Host = "other.example"
	if h.ServeAtHand(httptest.NewRecorder(), r) {
		t.Error("a strange host got an answer")
	}
}
