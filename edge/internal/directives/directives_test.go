package directives

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/settings"
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
