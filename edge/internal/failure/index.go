package failure

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The index lists the originals that failed last, for operators. It is in the counters, where all
// edges see it. The hash of the original decides the part, so edges that record at the same time
// rarely edit the same part.
const (
	parts      = 16
	partLength = 64 // entries; an older entry is dropped, and its counter stays
)

// listed is one failing original or thumbnail, and the key of its counter.
type listed struct {
	Failing lease.Failing `json:"failing"`
	Counter string        `json:"counter"`
	// Format is the format of the thumbnail, for the counters of its overruns.
	Format thumbnail.Format `json:"format,omitempty"`
	// End is the time when the counter expires, counted from the first failure.
	End time.Time `json:"end,omitzero"`
}

func (m *Memory) part(original string) string {
	sum := sha256.Sum256([]byte(original))
	return m.partKey(int(sum[0]) % parts)
}

func (m *Memory) partKey(n int) string { return fmt.Sprintf("%sfailing-%d", m.settings.Prefix, n) }

// index puts a failure first in its part of the index.
func (m *Memory) index(ctx context.Context, f *fault.Fault, s thumbnail.Spec, key thumbnail.Location, engine, counter string, life time.Duration) error {
	now := listed{Counter: counter, Format: s.Format, Failing: lease.Failing{
		Original: s.Original.String(), Page: s.Page, Fault: string(f.Kind), Message: f.Message, Engine: engine, Last: time.Now().UTC(),
	}}
	if f.Kind.Traits().Remember == fault.ScopeThumbnail {
		now.Failing.Thumb = key.String()
	}
	return m.counters.Edit(ctx, m.part(now.Failing.Original), life, func(old []byte) []byte {
		now.End = now.Failing.Last.Add(life)
		entries := slices.DeleteFunc(decode(old), func(e listed) bool {
			if e.Counter == counter && e.End.After(now.Failing.Last) {
				now.End = e.End // later failures do not lengthen the life of a counter
			}
			return e.Counter == counter
		})
		entries = append([]listed{now}, entries...)
		return encode(entries[:min(len(entries), partLength)])
	})
}

func decode(text []byte) (entries []listed) {
	if json.Unmarshal(text, &entries) != nil {
		return nil // another version wrote the text: Edit replaces it
	}
	return entries
}

func encode(entries []listed) []byte {
	text, _ := json.Marshal(entries) // strings, numbers and times always encode
	return text
}

// Failing returns the originals that fail now, the latest first. With an error it returns the
// originals of the servers that answered.
func (m *Memory) Failing(ctx context.Context) ([]lease.Failing, error) {
	keys := make([]string, parts)
	for n := range keys {
		keys[n] = m.partKey(n)
	}
	texts, err := m.counters.Values(ctx, keys)
	var entries []listed
	for _, text := range texts {
		entries = append(entries, decode(text)...)
	}
	counters := make([]string, len(entries))
	for i, e := range entries {
		counters[i] = e.Counter
	}
	counts, countErr := m.counters.Counts(ctx, counters)
	var failing []lease.Failing
	for _, e := range entries {
		if e.Failing.Failures = counts[e.Counter]; e.Failing.Failures > 0 {
			e.Failing.Limit = m.settings.Max
			if e.Failing.Failures >= m.settings.Max {
				e.Failing.Again = e.End
			}
			failing = append(failing, e.Failing)
		}
	}
	slices.SortFunc(failing, func(a, b lease.Failing) int { return b.Last.Compare(a.Last) })
	return failing, errors.Join(err, countErr)
}

// Clear deletes the failures of an original, written as container/path, so that the next request
// tries again. It returns the number of deleted counters. It knows only originals in the index.
func (m *Memory) Clear(ctx context.Context, original string) (cleared int, err error) {
	texts, err := m.counters.Values(ctx, []string{m.part(original)})
	if err != nil {
		return 0, err
	}
	of := func(e listed) bool { return e.Failing.Original == original }
	var keys, further []string
	for _, e := range decode(texts[m.part(original)]) {
		if of(e) {
			keys = append(keys, e.Counter)
			further = append(further, m.overrunKeys(e)...)
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	if err := m.counters.Delete(ctx, append(further, keys...)); err != nil {
		return 0, err
	}
	return len(keys), m.counters.Edit(ctx, m.part(original), min(m.settings.Duration*2, longestLife), func(old []byte) []byte {
		return encode(slices.DeleteFunc(decode(old), of))
	})
}
