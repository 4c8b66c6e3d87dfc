package queue

import "testing"

func TestOldServersAreRefused(t *testing.T) {
	for version, want := range map[string]bool{"2.9.10": false, "2.10.29": false, "2.11.0": true, "2.15.2": true, "2.12.0-RC.1": true, "3.0.0": true, "": false} {
		if recent(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		subscription, subject string
		want                  bool
	}{
		{"render.result.a", "render.result.a", true},
		{"render.result.a", "render.result.b", false},
		{"render.result.a", "render.job.bulk", false},
		{"render.result", "render.result.a", false},
		{"render.result.a", "render.result", false},
		{"render.*.a", "render.result.a", true},
		{"render.*.a", "render.a", false},
		{"render.edges.>", "render.edges.a", true},
		{"render.edges.>", "render.edges.a.b", true},
		{"render.edges.>", "render.edges", false},
		{"render.edges.>", "render.edges.", false},
		{"render.edges.>", "render.job.bulk", false},
	} {
		if got := Matches(c.subscription, c.subject); got != c.want {
			t.Errorf("%s and %s: %v", c.subscription, c.subject, got)
		}
	}
}
