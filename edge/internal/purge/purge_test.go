package purge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site stands in for every part that a purge reaches. It notes the requests in order.
type site struct {
	mu       sync.Mutex
	said     []string
	stored   []string // paths
	rounds   []round  // the answers of Edges, in order; the last one repeats
	silent   []string // edges and renderers that do not answer
	refuses  map[string]error
	response func(*http.Request) (*http.Response, error)
}

// round has the edges at one call of Edges.
type round struct{ live, vanished []string }

func (s *site) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func (s *site) Named(text string) string { return strings.TrimPrefix(text, "/unsafe/330x/") }

func (s *site) Under(prefix string) (thumbnail.Location, string) {
	return thumbnail.Location{Path: "thumbor/" + prefix}, "thumbor/"
}

func (s *site) Places(original string) grammar.Places {
	return grammar.Places{
		Originals: []thumbnail.Location{{Path: original}}, XKeys: []string{"File:" + original}, URLs: []grammar.Address{{Path: "/own"}},
		Folders: []grammar.Folder{{Begin: thumbnail.Location{Path: original + "/"}, URLs: func(path string) []grammar.Address {
			if strings.HasSuffix(path, "hidden") {
				return nil
			}
			return []grammar.Address{{Path: "/thumb/" + path}}
		}}},
	}
}

func (s *site) List(_ context.Context, in thumbnail.Location, after string) (page []thumbnail.Location, err error) {
	s.say("list %q after %q", in.Path, after)
	if err := s.refuses["list after "+after]; err != nil {
		return nil, err
	}
	for _, path := range s.stored {
		if strings.HasPrefix(path, in.Path) && path > after && len(page) < objectstore.ListPage {
			page = append(page, thumbnail.Location{Path: path})
		}
	}
	return page, nil
}

func (s *site) Delete(_ context.Context, at thumbnail.Location) error {
	s.say("delete %s", at.Path)
	return s.refuses["delete "+at.Path]
}

func (s *site) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	return objectstore.Info{}, s.refuses["head "+at.Path]
}

func (s *site) Clear(_ context.Context, original string) (int, error) {
	s.say("clear failures of %s", original)
	return 1, s.refuses["clear"]
}

func (s *site) Edges() (live, vanished []string) {
	now := s.rounds[0]
	if len(s.rounds) > 1 {
		s.rounds = s.rounds[1:]
	}
	return now.live, now.vanished
}

func (s *site) Names() []string { return []string{"renderer"} }

func (s *site) tellToForget(_ context.Context, originals []thumbnail.Location, named []string) (answered, silent []string) {
	s.say("tell %v of %v", named, originals)
	for _, name := range named {
		if slices.Contains(s.silent, name) {
			silent = append(silent, name)
		} else {
			answered = append(answered, name)
		}
	}
	return answered, silent
}

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.say("%s %s%s %s", r.Method, r.Host, r.URL.Path, r.Header.Get("Xkey"))
	if s.response != nil {
		return s.response(r)
	}
	return answer(http.StatusOK), nil
}

func answer(status int) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody}
}

// purger returns a purger whose collaborators are the site.
func (s *site) purger(at settings.Purge, log *bytes.Buffer) *Purger {
	if len(s.rounds) == 0 {
		s.rounds = []round{{live: []string{"edge"}}}
	}
	p := New(Config{Thumbnails: s, Originals: s, Grammar: s, Failures: s, Edges: s, Renderers: s, CDN: at, Log: slog.New(slog.NewTextHandler(log, nil))})
	p.listeners, p.cdn.client.Transport = s, s
	return p
}

// purge purges a.jpg. It fails unless the last report that Purge told is the report that Purge
// returned.
func (s *site) purge(t *testing.T, at settings.Purge) Report {
	t.Helper()
	var told Report
	var log bytes.Buffer
	p := s.purger(at, &log)
	defer p.Close()
	got := p.Purge(t.Context(), "a.jpg", func(r Report) { told = r })
	if !got.Done || fmt.Sprint(got) != fmt.Sprint(told) {
		t.Errorf("told %+v, returned %+v", told, got)
	}
	if complete := len(got.Missed) == 0; complete != strings.Contains(log.String(), "level=INFO") {
		t.Errorf("report %+v, log %s", got, &log)
	}
	return got
}

func TestTheOrderOfAPurge(t *testing.T) {
	s := &site{stored: []string{"a.jpg/100"}}
	got := s.purge(t, settings.Purge{XKey: []string{"http://cdn/"}, URLs: []string{"http://varnish/"}, Host: "site"})
	slices.Sort(s.said[5:]) // requests to the CDN run at once
	want := []string{
		"tell [edge renderer] of [a.jpg]", `list "a.jpg/" after ""`, "delete a.jpg/100", "clear failures of a.jpg", "tell [edge renderer] of [a.jpg]",
		"PURGE site/ File:a.jpg", "PURGE site/own ", "PURGE site/thumb/a.jpg/100 ",
	}
	if !slices.Equal(s.said, want) {
		t.Errorf("said\n%q, want\n%q", s.said, want)
	}
	if got.Deleted != 1 || got.CDN != 3 || !slices.Equal(got.Edges, []string{"edge"}) || len(got.Missed) > 0 {
		t.Errorf("reports %+v", got)
	}
}

// A purge says that no original has the name only if there was nothing to purge and the store says so.
func TestAPurgeOfNoOriginal(t *testing.T) {
	for name, c := range map[string]struct {
		stored []string
		head   error
		absent bool
	}{
		"no original":                  {nil, objectstore.ErrNotFound, true},
		"an original was just deleted": {[]string{"a.jpg/100"}, objectstore.ErrNotFound, false},
		"no thumbnails yet":            {nil, nil, false},
		"the store fails":              {nil, errors.New("the store is away"), false},
	} {
		s := &site{stored: c.stored, refuses: map[string]error{"head a.jpg": c.head}}
		if got := s.purge(t, settings.Purge{}); got.Absent != c.absent || len(got.Missed) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEdgesAndRenderersForget(t *testing.T) {
	edges := func(names ...string) round { return round{live: names} }
	for name, c := range map[string]struct {
		rounds []round
		silent string
		edges  []string
		missed string // a part of Missed; "": Missed is empty
	}{
		"an edge":                       {rounds: []round{edges("e")}, edges: []string{"e"}},
		"a new edge during the purge":   {rounds: []round{edges("e"), edges("e", "new")}, edges: []string{"e", "new"}},
		"an edge leaves":                {rounds: []round{edges("e", "old"), edges("e")}, edges: []string{"e"}},
		"a silent edge leaves":          {rounds: []round{edges("e", "old"), edges("e")}, silent: "old", edges: []string{"e"}},
		"a silent edge":                 {rounds: []round{edges("deaf", "e")}, silent: "deaf", edges: []string{"e"}, missed: "deaf: no answer"},
		"a vanished edge":               {rounds: []round{{[]string{"e"}, []string{"cut"}}}, edges: []string{"e"}, missed: "cut: the edge fell silent"},
		"an edge vanishes in the purge": {rounds: []round{edges("e"), {nil, []string{"e"}}}, missed: "e: the edge fell silent"},
		"a silent renderer":             {rounds: []round{edges("e")}, silent: "renderer", edges: []string{"e"}, missed: "renderer: no answer"},
		"no known edge":                 {rounds: []round{edges()}},
	} {
		t.Run(name, func(t *testing.T) {
			got := (&site{rounds: c.rounds, silent: []string{c.silent}}).purge(t, settings.Purge{})
			if !slices.Equal(got.Edges, c.edges) {
				t.Errorf("forgotten by %v, want %v", got.Edges, c.edges)
			}
			missed := strings.Join(got.Missed, "; ")
			if c.missed == "" && missed != "" || !strings.Contains(missed, c.missed) || len(got.Missed) > 1 {
				t.Errorf("missed %q, want %q", missed, c.missed)
			}
		})
	}
}

// The purge reports a part that refuses, and goes on with the others.
func TestAPurgeGoesOnAfterARefusal(t *testing.T) {
	refused := errors.New("it is full")
	for name, c := range map[string]struct {
		refuses string
		deleted int
		missed  string
	}{
		"the list":           {"list after ", 0, "store: a.jpg/…: it is full"},
		"one thumbnail":      {"delete a.jpg/1", 1, "store: a.jpg/1: it is full"},
		"the failure memory": {"clear", 2, "failure memory: it is full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{stored: []string{"a.jpg/1", "a.jpg/2"}, refuses: map[string]error{c.refuses: refused}}
			got := s.purge(t, settings.Purge{XKey: []string{"http://cdn/"}})
			if got.Deleted != c.deleted || !slices.Equal(got.Missed, []string{c.missed}) || got.CDN != 1 || len(got.Edges) != 1 {
				t.Errorf("reports %+v", got)
			}
		})
	}
}

// many returns n paths of a.jpg's thumbnails, in byte order.
func many(n int) (paths []string) {
	for i := range n {
		paths = append(paths, fmt.Sprintf("a.jpg/%05d", i))
	}
	return paths
}

func TestAFolderOfSeveralPages(t *testing.T) {
	s := &site{stored: many(2*objectstore.ListPage + 1)}
	if got := s.purge(t, settings.Purge{}); got.Deleted != len(s.stored) || len(got.Missed) > 0 {
		t.Errorf("reports %+v", got)
	}
	s = &site{stored: s.stored, refuses: map[string]error{"list after a.jpg/00999": errors.New("gone")}}
	if got := s.purge(t, settings.Purge{}); got.Deleted != objectstore.ListPage || len(got.Missed) != 1 {
		t.Errorf("when the second page is refused: %+v", got)
	}
}

func TestAnotherOriginalInTheFolderStays(t *testing.T) {
	s := &site{stored: []string{"a.jpg/100", "a.jpg/b.jpg/100", "a.jpg/hidden"}}
	got := s.purge(t, settings.Purge{XKey: []string{"http://cdn/"}, URLs: []string{"http://varnish"}})
	if got.Deleted != 2 || slices.Contains(s.said, "delete a.jpg/b.jpg/100") {
		t.Errorf("deleted %d: %q", got.Deleted, s.said)
	}
	if got.CDN != 3 { // the key, the original's URL, and the URL of a.jpg/100
		t.Errorf("the CDN answered %d requests, want 3: %q", got.CDN, s.said)
	}
}

// A report stays short when the store refuses every deletion.
func TestMissedIsBounded(t *testing.T) {
	s := &site{stored: many(maxMissed + 7), refuses: map[string]error{}}
	for _, path := range s.stored {
		s.refuses["delete "+path] = errors.New("refused")
	}
	if got := s.purge(t, settings.Purge{}); len(got.Missed) != maxMissed || got.Unnamed != 7 || got.Deleted != 0 {
		t.Errorf("missed %d and %d more, deleted %d", len(got.Missed), got.Unnamed, got.Deleted)
	}
}
