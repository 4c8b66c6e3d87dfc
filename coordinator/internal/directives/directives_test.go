package directives

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/audit"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// rules records the limits that a book sets.
type rules struct {
	directed map[string]pools.DirectedLimits
}

func (r *rules) Direct(all map[string]pools.DirectedLimits) { r.directed = all }

// renderers are the names of the living renderers.
type renderers []string

func (r renderers) Living() (all []renderjob.Heartbeat) {
	for _, name := range r {
		all = append(all, renderjob.Heartbeat{Renderer: name})
	}
	return all
}

// edge records the directives that it hears.
type edge struct{ heard []string }

func (e *edge) Hear(directive string) { e.heard = append(e.heard, directive) }

func newBook(t *testing.T) (*Book, *rules) {
	t.Helper()
	r := &rules{}
	log := slog.New(slog.DiscardHandler)
	acts, err := audit.Open("", log)
	if err != nil {
		t.Fatal(err)
	}
	b := New(r, renderers{"r-1"}, acts, log)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, r
}

// call sends a request to the book over HTTP.
func call(b *Book, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// give posts a directive that the book must accept.
func give(t *testing.T, b *Book, body string) (d directive.Directive) {
	t.Helper()
	w := call(b, http.MethodPost, "/api/v1/directives", body)
	if err := json.Unmarshal(w.Body.Bytes(), &d); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
	return d
}

func holding(t *testing.T, b *Book) (ids []string) {
	t.Helper()
	var answer struct{ Directives []directive.Directive }
	w := call(b, http.MethodGet, "/api/v1/directives", "")
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Directives == nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for _, d := range answer.Directives {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestADirectiveHoldsUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newBook(t)
		d := give(t, b, `{"kind":"block","target":"192.0.2.7/24","hold":"30m","who":"ann","why":"a test"}`)
		if d.Target != "192.0.2.0/24" || d.LeftMS != (30*time.Minute).Milliseconds() || d.ID == "" {
			t.Errorf("%+v", d)
		}
		time.Sleep(30*time.Minute - time.Second)
		if ids := holding(t, b); !slices.Equal(ids, []string{d.ID}) {
			t.Errorf("a second before its end there are %v", ids)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if ids := holding(t, b); len(ids) > 0 {
			t.Errorf("after its end there are %v", ids)
		}
	})
}

func TestWhatIsNoDirective(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
	}{
		"no JSON":            {"block", "the body is not a directive"},
		"an unknown field":   {`{"kind":"block","for":"1h"}`, `unknown field \"for\"`},
		"a body too long":    {`{"why":"` + strings.Repeat("x", maxBody) + `"}`, "too large"},
		"no hold":            {`{"kind":"block","target":"192.0.2.0/24","who":"ann","why":"x"}`, `hold "" is not a duration`},
		"no reason":          {`{"kind":"block","target":"192.0.2.0/24","hold":"1h","who":"ann"}`, "who and why"},
		"an unknown kind":    {`{"kind":"explode","target":"x","hold":"1h","who":"ann","why":"x"}`, "exempt, block, limit"},
		"an unknown rule":    {`{"kind":"limit","target":"nothing","workers":1,"hold":"1h","who":"ann","why":"x"}`, "per-ip, per-original, expensive, lane:standard"},
		"an absent renderer": {`{"kind":"drain","target":"r-2","hold":"1h","who":"ann","why":"x"}`, "no living renderer has the name r-2"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBook(t)
			w := call(b, http.MethodPost, "/api/v1/directives", c.body)
			want := strings.ReplaceAll(c.want, `\"`, `"`)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d %s, want %q", w.Code, w.Body, want)
			}
			if ids := holding(t, b); len(ids) > 0 {
				t.Errorf("the directive is in force: %v", ids)
			}
		})
	}
}

func TestWhatIsADirective(t *testing.T) {
	for name, body := range map[string]string{
		"a living renderer":    `{"kind":"drain","target":"r-1","hold":"1h","who":"ann","why":"x"}`,
		"a clear without hold": `{"kind":"clear","target":"c/Cat.jpg","who":"ann","why":"x"}`,
		"a directive as read":  `{"id":"x","kind":"pause","target":"bulk","hold":"1h","who":"ann","why":"x","began":"2020-01-01T00:00:00Z","left_ms":5,"withdrawn":"bob"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBook(t)
			d := give(t, b, body)
			if d.ID == "x" || d.Withdrawn != "" || d.LeftMS < time.Minute.Milliseconds() || d.Began.Year() == 2020 {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestTooManyDirectives(t *testing.T) {
	b, _ := newBook(t)
	const body = `{"kind":"block","target":"192.0.2.0/24","hold":"1h","who":"ann","why":"x"}`
	for range directive.MaxDirectives {
		give(t, b, body)
	}
	if w := call(b, http.MethodPost, "/api/v1/directives", body); w.Code != http.StatusInsufficientStorage {
		t.Errorf("a directive above the bound: %d %s", w.Code, w.Body)
	}
}

// The latest limit for a rule wins, even if its coordinator's clock is slow. After its withdrawal the
// earlier limit holds again.
func TestLimitsReplaceThoseOfRules(t *testing.T) {
	b, r := newBook(t)
	first := give(t, b, `{"kind":"limit","target":"expensive","workers":1,"hold":"1h","who":"ann","why":"x"}`)
	ahead := first
	ahead.ID, ahead.Workers, ahead.Began = "from-a-clock-that-is-ahead", 2, first.Began.Add(time.Minute)
	if err := b.Receive(ahead.Encode()); err != nil {
		t.Fatal(err)
	}
	last := give(t, b, `{"kind":"limit","target":"expensive","workers":3,"max_queue":9,"hold":"1h","who":"ann","why":"x"}`)
	give(t, b, `{"kind":"limit","target":"per_original","shadow":true,"hold":"1h","who":"ann","why":"x"}`)
	if o := r.directed["expensive"]; o.Workers != 3 || o.MaxQueue != 9 || o.Shadow != nil {
		t.Errorf("%+v", r.directed)
	}
	if o := r.directed["per-original"]; o.Workers != 0 || o.Shadow == nil || !*o.Shadow {
		t.Errorf("%+v", r.directed)
	}
	if w := call(b, http.MethodDelete, "/api/v1/directives/"+last.ID+"?who=bob", ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if names := slices.Sorted(maps.Keys(r.directed)); !slices.Equal(names, []string{"expensive", "per-original"}) || r.directed["expensive"].Workers != 2 {
		t.Errorf("%+v", r.directed)
	}
}

func TestWithdrawals(t *testing.T) {
	b, _ := newBook(t)
	d := give(t, b, `{"kind":"pause","target":"bulk","hold":"1h","who":"ann","why":"x"}`)
	for _, c := range []struct {
		name, path string
		want       int
	}{
		{"without an operator", d.ID, http.StatusBadRequest},
		{"by an operator with a name too long", d.ID + "?who=" + strings.Repeat("x", 1000), http.StatusBadRequest},
		{"of an unknown directive", "x?who=bob", http.StatusNotFound},
		{"by an operator", d.ID + "?who=bob", http.StatusOK},
		{"of a withdrawn directive", d.ID + "?who=bob", http.StatusNotFound},
	} {
		if w := call(b, http.MethodDelete, "/api/v1/directives/"+c.path, ""); w.Code != c.want {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	if ids := holding(t, b); len(ids) > 0 {
		t.Errorf("the directive is still in force: %v", ids)
	}
}

// An edge that joins hears all known directives, withdrawn ones too, and then each new directive once.
func TestEdgesHear(t *testing.T) {
	b, _ := newBook(t)
	early, late := &edge{}, &edge{}
	b.Join(early)
	d := give(t, b, `{"kind":"pause","target":"bulk","hold":"1h","who":"ann","why":"x"}`)
	for range 2 {
		if err := b.Receive(d.Encode()); err != nil { // another edge sends it back
			t.Error(err)
		}
	}
	withdrawn := d
	withdrawn.Withdrawn = "bob"
	if err := b.Receive(withdrawn.Encode()); err != nil {
		t.Error(err)
	}
	b.Join(late)
	b.Leave(early)
	give(t, b, `{"kind":"clear","target":"c/Cat.jpg","who":"ann","why":"x"}`)
	if len(early.heard) != 3 || early.heard[0] != "" || !sameDirective(t, early.heard[1], d) || !sameDirective(t, early.heard[2], withdrawn) {
		t.Errorf("the edge that joined first heard %q", early.heard)
	}
	if len(late.heard) != 3 || late.heard[0] != "" || !sameDirective(t, late.heard[1], withdrawn) {
		t.Errorf("the edge that joined later heard %q", late.heard)
	}
	if err := b.Receive(`{"id":"x"}`); err == nil {
		t.Error("an empty directive was accepted")
	}
}

// sameDirective compares a heard directive with another one, without the time left.
func sameDirective(t *testing.T, heard string, want directive.Directive) bool {
	t.Helper()
	d, err := directive.Decode(heard)
	if err != nil {
		t.Error(err)
	}
	return d.ID == want.ID && d.Withdrawn == want.Withdrawn
}
