package source

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// slowHost is a store whose host "slow" sends nothing. It embeds the interface for the methods that a
// source does not call.
type slowHost struct {
	objectstore.Store
	others *store
}

func (s *slowHost) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	if objectstore.HostOf(at) == "slow" {
		s.others.opened.Add(1)
		<-ctx.Done()
		return nil, objectstore.Info{}, ctx.Err()
	}
	return s.others.Open(ctx, at)
}

// All places of a slow host are taken, and more downloads wait for them: originals of other origins come.
func TestASlowHostHoldsItsOwnDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := &store{size: 10, version: "v"}
		s := newSource(t, others, func(c *Config) { c.Downloads, c.Originals = 2, &slowHost{others: others} })
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			group.Go(func() {
				if _, err := s.Fetch(ctx, at("http://slow/"+name), "v"); !fault.Is(err, fault.OriginalStore) {
					t.Errorf("a download that ends: %v", err)
				}
			})
		}
		synctest.Wait()
		if n := others.opened.Load(); n != 2 {
			t.Errorf("%d downloads of one host at once, want 2", n)
		}
		fetch(t, s, "local", "v").Release()
		fetch(t, s, "http://fast/a", "v").Release()
		cancel()
		group.Wait()
		if len(s.places.byOrigin) != 0 {
			t.Errorf("%d origins are left", len(s.places.byOrigin))
		}
	})
}
