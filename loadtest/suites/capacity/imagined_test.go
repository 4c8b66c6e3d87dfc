package capacity

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// sleeper renders by sleeping for the time in the original's name, and records each sleep.
type sleeper struct {
	picture []byte
	mu      sync.Mutex
	sleeps  []sleep
}

// sleep is a render.
type sleep struct{ from, to time.Time }

func (s *sleeper) render(ctx context.Context, spec thumbnail.Spec) ([]byte, error) {
	from := time.Now()
	_, text, _ := strings.Cut(spec.Original.Path, "-")
	text, _, _ = strings.Cut(text, ".")
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(us) * time.Microsecond):
		s.note(sleep{from, time.Now()})
		return s.picture, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *sleeper) note(one sleep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sleeps = append(s.sleeps, one)
}

// since returns the starts and ends of the sleeps that began after a time, in seconds since that
// time.
func (s *sleeper) since(began time.Time) (from, to []float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sleeps {
		if one.from.After(began) {
			from, to = append(from, one.from.Sub(began).Seconds()), append(to, one.to.Sub(began).Seconds())
		}
	}
	return from, to
}

// imagined is a store that has every original and no thumbnail.
type imagined struct {
	jpeg, tiff []byte
	write      time.Duration // time of a write
}

// content is an object's bytes.
type content struct{ io.ReadSeeker }

func (content) Close() error { return nil }

func (i imagined) body(at thumbnail.Location) []byte {
	if strings.HasSuffix(at.Path, ".tiff") {
		return i.tiff
	}
	return i.jpeg
}

func (i imagined) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	if i.jpeg == nil {
		return objectstore.Info{}, objectstore.ErrNotFound
	}
	return objectstore.Info{Size: int64(len(i.body(at))), Version: "1"}, nil
}

func (i imagined) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	info, err := i.Head(ctx, at)
	return content{bytes.NewReader(i.body(at))}, info, err
}

func (i imagined) Put(context.Context, thumbnail.Location, []byte, objectstore.Meta) error {
	time.Sleep(i.write) // the imagined time
	return nil
}
func (imagined) Delete(context.Context, thumbnail.Location) error { return nil }
func (imagined) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, nil
}
func (imagined) Close() error { return nil }
