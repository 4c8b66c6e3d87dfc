package readiness

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Each step is a stage in a process's life, with the answer of /readyz from then on.
func TestTheLifeOfAProcess(t *testing.T) {
	c := New()
	var away error
	for _, step := range []struct {
		name   string
		act    func()
		status int
		says   string
	}{
		{"without roles", func() {}, 503, "no role is registered yet\n"},
		{"two roles are registered", func() { c.Expect("renderer"); c.Expect("edge") }, 503, "edge: starting\nrenderer: starting\n"},
		{"one role has started", func() { c.Started("renderer", nil) }, 503, "edge: starting\n"},
		{"the other role has started, and waits", func() { away = errors.New("not connected"); c.Started("edge", func() error { return away }) }, 503, "edge: not connected\n"},
		{"all are ready", func() { away = nil }, 200, "ready\n"},
		{"the process stops", c.Leave, 503, "stopping\n"},
	} {
		step.act()
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != step.status || w.Body.String() != step.says {
			t.Errorf("%s: %d %q", step.name, w.Code, w.Body)
		}
	}
}
