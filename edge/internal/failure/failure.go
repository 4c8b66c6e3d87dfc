// Package failure is the failure memory: it counts the failed renders of an original, and refuses
// an original that failed too often before it costs a renderer again.
//
// Each count is narrow. A damaged original counts per page, so one bad page does not block the
// other pages. An overrun counts per thumbnail, so one huge size does not block the small sizes; overruns
// at several sizes also count for all sizes that are as large (overruns.go).
// Both count per version of the engine that draws the original's type, so an upgraded engine may
// try at once. Faults of stores and queues never count: an outage must not block good originals.
package failure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// longestLife bounds the life of a key. Memcached takes a life of more than 30 days for a date.
const longestLife = 30 * 24 * time.Hour

// Counters keeps counts and values that expire. Memcached and Local implement it, and pass the
// same suite.
type Counters interface {
	// Add adds one to the count of a key. The first Add sets the key's life.
	Add(ctx context.Context, key string, life time.Duration) error
	// Counts returns the counts of the keys that have a count. With an error it returns the
	// counts that it could read.
	Counts(ctx context.Context, keys []string) (map[string]int, error)
	// Values returns the values of the keys that have a value. With an error it returns the
	// values that it could read.
	Values(ctx context.Context, keys []string) (map[string][]byte, error)
	// Edit replaces a value by the result of change, and sets the key's life. change gets nil if
	// the key has no value, and may be called several times.
	Edit(ctx context.Context, key string, life time.Duration, change func([]byte) []byte) error
	// Delete deletes keys. A missing key is not an error.
	Delete(ctx context.Context, keys []string) error
	Close() error
}

// Memory is the failure memory.
type Memory struct {
	counters Counters
	settings settings.Failure
}

// New returns a failure memory with these counters.
func New(c Counters, s settings.Failure) *Memory { return &Memory{c, s} }

// Check refuses a thumbnail whose original failed too often with each of engines: the versions in
// the living renderers that draw the original's type. Without engines it returns nil. The error is
// a fault of kind Failing, or means that the counters do not answer; then the caller must go on.
func (m *Memory) Check(ctx context.Context, s thumbnail.Spec, key thumbnail.Location, engines []string) error {
	if len(engines) == 0 {
		return nil
	}
	var keys []string
	for _, engine := range engines {
		keys = append(keys, m.page(s, engine), m.thumbnail(key, engine), m.overruns(s, sizeOf(s), engine))
	}
	counts, err := m.counters.Counts(ctx, keys)
	for of := range slices.Chunk(keys, len(keys)/len(engines)) {
		if !slices.ContainsFunc(of, func(k string) bool { return counts[k] >= m.settings.Max }) {
			return err // the original has not failed too often with this engine
		}
	}
	return throttle.All().Get(throttle.Failure).Refuse(m.settings.Duration, throttle.Failed, m.settings.Max, m.settings.Duration)
}

// Record counts a fault of the original, and lists the original in the index. It ignores other
// faults.
func (m *Memory) Record(ctx context.Context, f *fault.Fault, s thumbnail.Spec, key thumbnail.Location, engine string) error {
	// With jitter, originals that failed together are not tried again together.
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
	if f.Kind == fault.Overran {
		if err := m.addOverrun(ctx, s, engine, life); err != nil {
			return err
		}
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
