package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/console"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// aCoordinator answers like a coordinator, and keeps the last request.
type aCoordinator struct {
	t  *testing.T
	mu sync.Mutex
	// given is the body of the last POST; ended is the path of the last DELETE.
	given operators.DirectiveRequest
	ended string
}

// report has content in each section.
func report() (t coordinator.Throttles) {
	text := `{
		"classes": {"ip": {"holders": 3}},
		"pools": [{"key": "ip:192.0.2.1%2F32", "name": "per-ip:192.0.2.1/32", "holders": 2, "limit": 4}, {"key": "x", "shadow": true}],
		"rules": [{"name": "expensive", "workers": 2, "max_queue": 5, "shadow": true, "differing": {"edge-2": {"workers": 9}}}],
		"busiest": {"clients": [{"name": "10.0.0.7", "count": 12}]},
		"edges": [{"name": "edge-1", "connected": true, "status": {"breakers": {"store": "open", "queue": "closed"}}}],
		"lanes": [{"name": "bulk", "paused": true}],
		"requests_per_second": {"hit": 7, "rendered": 2}
	}`
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		panic(err)
	}
	t.Failing = []lease.Failing{{Original: "bad.jpg\x1b[2J", Fault: "undecodable"}}
	t.Renderers = []renderjob.Heartbeat{
		{Renderer: "renderer-1", Directed: true, Versions: map[string]string{"libvips": "8.14.1", "librsvg": "2.54.7"}},
		{Renderer: "renderer-2", Versions: map[string]string{"libvips": "8.16.1", "librsvg": "2.54.7"}},
	}
	t.Directives = []directive.Directive{drained()}
	return t
}

func drained() directive.Directive {
	return directive.Directive{ID: "id-1", Kind: directive.Drain, Target: "renderer-1", Who: "ann", Why: "a new kernel", LeftMS: 90_000}
}

func (c *aCoordinator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.URL.Path == operators.Throttles:
		operators.Answer(w, report())
	case r.URL.Path == operators.ThrottlesStream:
		text, err := json.Marshal(report())
		if err != nil {
			c.t.Error(err)
		}
		_, _ = fmt.Fprintf(w, "event: report\ndata: %s\n\ndata: %s\n\n", text, text)
	case r.Method == http.MethodGet:
		operators.Answer(w, operators.DirectiveList{Directives: []directive.Directive{drained()}})
	case r.Method == http.MethodPost:
		c.given = operators.DirectiveRequest{}
		if err := json.NewDecoder(r.Body).Decode(&c.given); err != nil {
			c.t.Error(err)
		}
		operators.Answer(w, directive.Directive{ID: "id-2", Kind: c.given.Kind, Target: c.given.Target})
	case r.Method == http.MethodDelete:
		c.ended = r.URL.String()
		operators.Answer(w, drained())
	}
}

func run(ctx context.Context, t *testing.T, url string, args ...string) (string, error) {
	t.Helper()
	return console.Run(ctx, t, All(), url, nil, args...)
}

func TestWhatIsShown(t *testing.T) {
	server := httptest.NewServer(&aCoordinator{t: t})
	defer server.Close()
	for line, wants := range map[string][]string{
		"status": {
			"per-ip:192.0.2.1/32  2", "x (shadow)", "expensive  2        5          shadow", "! edge-2 has 9 workers", "BUSIEST CLIENTS", "10.0.0.7",
			"edge-1  true", "store open\n", "bulk", "paused", "drains: a directive",
			"librsvg    2.54.7\n", "libvips    8.14.1 on 1, 8.16.1 on 1\n", "bad.jpg?[2J", "1m30s      ann       a new kernel  id-1",
		},
		"status --json":    {`"classes":{"ip":{"holders":3`},
		"throttle":         {"expensive", "drain"},
		"throttle --json":  {`"directives":[{"id":"id-1"`},
		"renderers":        {"RENDERER", "drains: a directive"},
		"renderers --json": {`"renderer":"renderer-1"`, `"wanted":0`},
	} {
		out, err := run(t.Context(), t, server.URL, strings.Fields(line)...)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not print %q:\n%s", line, want, out)
			}
		}
	}
}

// The command opens the stream again after its end, until the command ends.
func TestTopWatchesAgainWhenTheStreamEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	streams := 0
	coordinator := &aCoordinator{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		coordinator.ServeHTTP(w, r)
		if streams++; streams == 2 {
			cancel()
		}
	}))
	defer server.Close()
	out, err := run(ctx, t, server.URL, "top")
	if err != nil {
		t.Error(err)
	}
	if !strings.Contains(out, "requests per second: 9.0  hit 7.0  rendered 2.0") || strings.Count(out, "\x1b[H\x1b[2J") < 2 {
		t.Errorf("%q", out)
	}
}

func TestDirectivesAreGiven(t *testing.T) {
	c := &aCoordinator{t: t}
	server := httptest.NewServer(c)
	defer server.Close()
	no, yes := false, true
	for line, want := range map[string]operators.DirectiveRequest{
		"throttle set per-ip --workers 2 --max-queue 3": {Kind: directive.Limit, Target: "per-ip", Workers: 2, MaxQueue: 3},
		"throttle set per-ip --shadow":                  {Kind: directive.Limit, Target: "per-ip", Shadow: &yes},
		"throttle set per-ip --shadow=false":            {Kind: directive.Limit, Target: "per-ip", Shadow: &no},
		"throttle pause bulk":                           {Kind: directive.Pause, Target: "bulk"},
		"throttle block 192.0.2.0/24":                   {Kind: directive.Block, Target: "192.0.2.0/24"},
		"throttle exempt 2001:db8::/48":                 {Kind: directive.Exempt, Target: "2001:db8::/48"},
		"renderers drain renderer-1":                    {Kind: directive.Drain, Target: "renderer-1"},
	} {
		out, err := run(t.Context(), t, server.URL, append(strings.Fields(line), "--for", "90m", "--who", "ann", "--why", "a test")...)
		if err != nil || !strings.Contains(out, fmt.Sprintf("give directive %s %s for 1h30m0s, ID id-2", want.Kind, want.Target)) {
			t.Errorf("%s: %q %v", line, out, err)
		}
		want.Who, want.Why, want.Hold = "ann", "a test", "1h30m0s"
		got, _ := json.Marshal(c.given)
		if wanted, _ := json.Marshal(want); !bytes.Equal(got, wanted) {
			t.Errorf("%s sends %s, want %s", line, got, wanted)
		}
	}
}

func TestDirectivesAreWithdrawn(t *testing.T) {
	c := &aCoordinator{t: t}
	server := httptest.NewServer(c)
	defer server.Close()
	for _, line := range []string{"throttle withdraw id-1", "renderers resume renderer-1"} {
		c.ended = ""
		out, err := run(t.Context(), t, server.URL, append(strings.Fields(line), "--who", "ann")...)
		if err != nil || out != "withdraw directive drain renderer-1\n" || c.ended != operators.Directives+"/id-1?who=ann" {
			t.Errorf("%s: %q %v, asked for %s", line, out, err, c.ended)
		}
	}
}

func TestMistakesAreAnsweredWithWhatIsAllowed(t *testing.T) {
	server := httptest.NewServer(&aCoordinator{t: t})
	defer server.Close()
	for line, says := range map[string]string{
		"throttle pause slow --why x":  "a lane is one of standard, expensive, bulk",
		"throttle block 192.0.2.0/24":  `required flag(s) "why" not set`,
		"renderers resume renderer-xy": "are in force for: renderer-1",
	} {
		if _, err := run(t.Context(), t, server.URL, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
