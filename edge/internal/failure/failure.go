// Package failure is the failure memory: it counts how often an original could
// not be rendered, and refuses one that failed too often before it costs a
// renderer again.
//
// What is counted is narrow, so that one bad page does not block a file and one
// huge size does not block the small ones: a damaged original counts per page,
// an overrun per thumbnail, each per version of what draws the original's type, so
// that an upgrade of that gets another try at once. Faults of stores and queues are
// never counted: an outage must not poison good files.
package failure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// longestLife of a key: beyond 30 days memcached takes a number for a date.
const longestLife = 30 * 24 * time.Hour

// Counters keeps counts that expire. Memcached and Local are such, and pass the
// same suite.
type Counters interface {
	// Add counts one more under the key. The first one sets its life.
	Add(ctx context.Context, key string, life time.Duration) error
	// Counts gives the counts of those keys that have one. With an error it gives those
	// that could be read.
	Counts(ctx context.Context, keys []string) (map[string]int, error)
	// Values gives the values of those keys that have one, likewise.
	Values(ctx context.Context, keys []string) (map[string][]byte, error)
	// Edit replaces a value, nil if there is none, by what change makes of it.
	// change may be called several times.
	Edit(ctx context.Context, key string, life time.Duration, change func([]byte) []byte) error
	// Delete forgets keys; those that are not there are no error.
	Delete(ctx context.Context, keys []string) error
	Close() error
}

// Memory is the failure memory.
type Memory struct {
	counters Counters
	settings settings.Failure
}

// New makes it.
func New(c Counters, s settings.Failure) *Memory { return &Memory{c, s} }

// Check refuses a thumbnail whose original failed too often with every engine
// for its type that lives now. With none known it passes. The error is a fault of kind
// Failing, or says that the counters do not answer, in which case the caller
// passes too.
func (m *Memory) Check(ctx context.Context, s thumbnail.Spec, key thumbnail.Location, engines []string) error {
	if len(engines) == 0 {
		return nil
	}
	var keys []string
	for _, engine := range engines {
		keys = append(keys, m.page(s, engine), m.thumbnail(key, engine))
	}
	counts, err := m.counters.Counts(ctx, keys)
	for i := 0; i < len(keys); i += 2 {
		if counts[keys[i]] < m.settings.Max && counts[keys[i+1]] < m.settings.Max {
			return err // this engine may try
		}
	}
	return throttle.All().Get(throttle.Failure).Refuse(m.settings.Duration,
		"%d times within %v; it is not tried again before that time is over", m.settings.Max, m.settings.Duration)
}

// Record counts a fault of the original; other faults are not counted.
func (m *Memory) Record(ctx context.Context, f *fault.Fault, s thumbnail.Spec, key thumbnail.Location, engine string) error {
	// Jitter, so that what failed together is not tried again together.
	life := m.settings.Duration + rand.N(m.settings.Duration/12+1) //nolint:gosec // jitter is no secret
	life = min(life, longestLife)
	var counter string
	scope := f.Kind.Traits().Remember
	if f.Kind == fault.WorkerKilled && len(s.Operations) > 0 || scope == fault.ScopePage && len(s.Pictures()) > 0 {
		scope = fault.ScopeThumbnail // a filter or a watermark may be to blame
	}
	switch scope {
	case fault.ScopePage:
		counter = m.page(s, engine)
	case fault.ScopeThumbnail:
		counter = m.thumbnail(key, engine)
	default:
		return nil
	}
	return errors.Join(m.counters.Add(ctx, counter, life), m.index(ctx, f, s, key, engine, counter, life))
}

func (m *Memory) page(s thumbnail.Spec, engine string) string {
	return m.key("page", fmt.Sprintf("%s\x00%d\x00%s", s.Original, s.Page, engine))
}

func (m *Memory) thumbnail(at thumbnail.Location, engine string) string {
	return m.key("thumbnail", at.String()+"\x00"+engine)
}

func (m *Memory) key(scope, name string) string {
	sum := sha256.Sum256([]byte(scope + "\x00" + name))
	return m.settings.Prefix + hex.EncodeToString(sum[:])
}
