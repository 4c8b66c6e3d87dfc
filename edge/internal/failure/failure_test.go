package failure

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/servers"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func local(t *testing.T) Counters {
	t.Helper()
	c, err := NewLocal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func memcached(t *testing.T) Counters {
	t.Helper()
	c := NewMemcached([]string{servers.Memcached(t)})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Both counters, the real memcached and the one in this process, pass one suite.
func TestCounters(t *testing.T) {
	t.Run("local", func(t *testing.T) { suite(t, local(t)) })
	t.Run("memcached", func(t *testing.T) { suite(t, memcached(t)) })
}

func suite(t *testing.T, c Counters) {
	ctx := t.Context()
	for range 12 {
		must(t, c.Add(ctx, "twelve", time.Hour))
	}
	must(t, c.Add(ctx, "brief", time.Second))
	got, err := c.Get(ctx, []string{"twelve", "brief", "never"})
	must(t, err)
	if got["twelve"] != 12 || got["brief"] != 1 || got["never"] != 0 {
		t.Errorf("counted %v", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, err := c.Get(ctx, []string{"twelve", "brief"})
		must(t, err)
		if got["brief"] == 0 {
			if got["twelve"] != 12 {
				t.Errorf("an hour is over after a second: %v", got)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a second is not over after ten")
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(t, c.Add(ctx, "brief", time.Hour))
	if got, _ := c.Get(ctx, []string{"brief"}); got["brief"] != 1 {
		t.Errorf("what expired counts on: %v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsRemembered(t *testing.T) {
	ctx := t.Context()
	rules := settings.Failure{Max: 2, Duration: time.Hour, Prefix: "p-"}
	spec := thumbnail.Spec{Original: thumbnail.Location{Path: "a.tiff"}, Page: 1}
	key := func(width int) thumbnail.Location { return thumbnail.Location{Path: fmt.Sprint(width)} }
	fails := func(m *Memory, s thumbnail.Spec, width int, engines ...string) bool {
		err := m.Check(ctx, s, key(width), engines)
		if err != nil && !fault.Is(err, fault.Failing) {
			t.Fatal(err)
		}
		return err != nil
	}
	m := New(local(t), rules)
	for range rules.Max {
		must(t, m.Record(ctx, fault.New(fault.Undecodable, ""), spec, key(100), "v1"))
		must(t, m.Record(ctx, fault.New(fault.Overran, ""), thumbnail.Spec{Original: thumbnail.Location{Path: "slow.png"}}, key(4000), "v1"))
		must(t, m.Record(ctx, fault.New(fault.OriginalStore, ""), thumbnail.Spec{Original: thumbnail.Location{Path: "good.png"}}, key(5), "v1"))
	}
	second := spec
	second.Page = 2
	slow := thumbnail.Spec{Original: thumbnail.Location{Path: "slow.png"}}
	good := thumbnail.Spec{Original: thumbnail.Location{Path: "good.png"}}
	for name, c := range map[string]struct{ got, want bool }{
		"the bad page":                 {fails(m, spec, 100, "v1"), true},
		"the bad page at another size": {fails(m, spec, 200, "v1"), true},
		"another page":                 {fails(m, second, 100, "v1"), false},
		"an upgraded engine":           {fails(m, spec, 100, "v2"), false},
		"a mixed fleet":                {fails(m, spec, 100, "v1", "v2"), false},
		"no engine known":              {fails(m, spec, 100), false},
		"the slow size":                {fails(m, slow, 4000, "v1"), true},
		"a small size of the slow one": {fails(m, slow, 40, "v1"), false},
		"an outage's victim":           {fails(m, good, 5, "v1"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: refused is %v", name, c.got)
		}
	}
}

func TestADeadMemcachedIsAnErrorAndNotARefusal(t *testing.T) {
	c := Guard(NewMemcached([]string{"127.0.0.1:1"}), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = c.Close() })
	for range 3 {
		_, _ = c.Get(t.Context(), []string{"k"})
	}
	if c.Breaker.State() != gobreaker.StateOpen {
		t.Errorf("the breaker is %v", c.Breaker.State())
	}
	err := New(c, settings.Failure{Max: 1, Duration: time.Hour}).Check(context.Background(), thumbnail.Spec{}, thumbnail.Location{}, []string{"v1"})
	if err == nil || fault.Is(err, fault.Failing) {
		t.Errorf("got %v", err)
	}
}
