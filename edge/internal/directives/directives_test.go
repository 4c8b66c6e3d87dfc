package directives

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// An edge applies the latest directive for a rule to its limits, as coordinators do.
func TestLimits(t *testing.T) {
	on := true
	configured := settings.Pool{Workers: 4, MaxQueue: 50}
	for name, c := range map[string]struct {
		given []directive.Directive
		want  settings.Pool
	}{
		"no directive":        {nil, configured},
		"of another rule":     {[]directive.Directive{{Target: "per-original", Workers: 9}}, configured},
		"fewer places":        {[]directive.Directive{{Target: "per-ip", Workers: 2}}, settings.Pool{Workers: 2, MaxQueue: 50}},
		"more than the queue": {[]directive.Directive{{Target: "per-ip", Workers: 80}}, settings.Pool{Workers: 80, MaxQueue: 80}},
		"shadow mode":         {[]directive.Directive{{Target: "per-ip", Shadow: &on}}, settings.Pool{Workers: 4, MaxQueue: 50, Shadow: true}},
		"the latest of two":   {[]directive.Directive{{Target: "per-ip", Workers: 2}, {Target: "per-ip", MaxQueue: 70}}, settings.Pool{Workers: 4, MaxQueue: 70}},
	} {
		t.Run(name, func(t *testing.T) {
			f := New(func(context.Context, string) error { return nil }, slog.New(slog.DiscardHandler))
			defer f.Close()
			for _, d := range c.given {
				d.Kind, d.Who, d.Why = directive.Limit, "ann", "a test"
				d, err := directive.New(d, time.Hour)
				if err == nil {
					_, err = f.Set().Add(d)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if got := f.Limits("per-ip", configured); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// A network keeps its place among the rules after its directive ends, until another network needs the place.
func TestNetworksKeepTheirPlaces(t *testing.T) {
	f := New(func(context.Context, string) error { return nil }, slog.New(slog.DiscardHandler))
	defer f.Close()
	base := settings.Pool{Workers: 4, MaxQueue: 50}
	give := func(network string) directive.Directive {
		t.Helper()
		d, err := directive.New(directive.Directive{Kind: directive.Limit, Target: "per-ip:" + network, Workers: 1, Who: "ann", Why: "a test"}, time.Hour)
		if err == nil {
			_, err = f.Set().Add(d)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := give("10.0.0.0/24")
	for i := 1; i < throttle.MostNetworks+1; i++ {
		give(fmt.Sprintf("10.0.%d.0/24", i))
	}
	all := f.Networks(base)
	if len(all) != throttle.MostNetworks || all[0].Prefix.String() != "10.0.0.0/24" || all[0].Pool != (settings.Pool{Workers: 1, MaxQueue: 50}) || !all[0].Directed {
		t.Fatalf("%+v", all)
	}
	first.Withdrawn = "bob"
	if _, err := f.Set().Add(first); err != nil {
		t.Fatal(err)
	}
	next := f.Networks(base)
	if got := next[0].Prefix.String(); got != fmt.Sprintf("10.0.%d.0/24", throttle.MostNetworks) || next[1] != all[1] {
		t.Errorf("the first two places are of %v and %v", got, next[1])
	}
}
