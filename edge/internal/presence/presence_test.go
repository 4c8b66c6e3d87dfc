package presence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Handler that counts its calls.
type memory struct {
	mu     sync.Mutex
	purged []renderjob.Purge
	lost   int
	busy   chan struct{} // Purge waits until it is closed; nil: Purge does not wait
}

func (m *memory) Purge(p renderjob.Purge) {
	if m.busy != nil {
		<-m.busy
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purged = append(m.purged, p)
}

func (m *memory) Lost() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost++
}

// forgotten returns the number of calls of Purge and of Lost.
func (m *memory) forgotten() (purged, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.purged), m.lost
}

func unconnected(m *memory) *Presence {
	return newPresence("self", m, slog.New(slog.DiscardHandler))
}

func beat(edge string) *nats.Msg { return &nats.Msg{Subject: renderjob.EdgeSubject(edge)} }

func farewell(edge string) *nats.Msg {
	return &nats.Msg{Subject: renderjob.EdgeSubject(edge), Data: []byte(renderjob.EdgeLeaves)}
}

// An edge's memory is void when the edge becomes deaf, and again when it hears itself, because the
// edge may have missed a purge in between.
func TestHearing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		p := unconnected(m)
		for _, step := range []struct {
			name  string
			does  func()
			hears bool
			lost  int
		}{
			{"at the start", func() {}, false, 0},
			{"another edge is heard", func() { p.receive(beat("other")) }, false, 0},
			{"the edge hears itself", func() { p.receive(beat("self")) }, true, 1},
			{"the edge hears itself again in time", func() { time.Sleep(DeafAfter - 1); p.receive(beat("self")) }, true, 1},
			{"shortly before DeafAfter", func() { time.Sleep(DeafAfter - 1) }, true, 1},
			{"DeafAfter is over", func() { time.Sleep(1) }, false, 1},
			{"the edge hears itself after DeafAfter", func() { p.receive(beat("self")) }, true, 2},
			{"NATS drops messages", p.ears.deafen, false, 3},
			{"the edge hears itself after dropped messages", func() { p.receive(beat("self")) }, true, 4},
		} {
			step.does()
			if _, lost := m.forgotten(); p.Hears() != step.hears || lost != step.lost {
				t.Errorf("%s: hears %v, want %v; forgot everything %d times, want %d", step.name, p.Hears(), step.hears, lost, step.lost)
			}
		}
	})
}

func TestTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unconnected(&memory{})
		is := func(when string, live, vanished string) {
			t.Helper()
			gotLive, gotVanished := p.Edges()
			if strings.Join(gotLive, " ") != live || strings.Join(gotVanished, " ") != vanished {
				t.Errorf("%s: %v live and %v vanished; want %q and %q", when, gotLive, gotVanished, live, vanished)
			}
		}
		is("at the start", "", "")
		for _, name := range []string{"c", "a", "b"} {
			p.receive(beat(name))
		}
		is("after three announcements", "a b c", "")
		p.receive(farewell("b"))
		is("after a farewell", "a c", "")
		time.Sleep(liveFor)
		p.receive(beat("c"))
		is("after liveFor of silence", "a c", "")
		time.Sleep(1)
		is("after longer silence", "c", "a")
		p.receive(beat("a"))
		p.receive(beat("c"))
		is("after a new announcement", "a c", "")
		time.Sleep(vanishedFor)
		is("after vanishedFor of silence", "", "a c")
		time.Sleep(1)
		is("after longer silence than vanishedFor", "", "")
	})
}

func TestMessages(t *testing.T) {
	encoded := func(p renderjob.Purge) []byte {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	known := encoded(renderjob.Purge{Version: renderjob.Version, Originals: []thumbnail.Location{{Path: "a.jpg"}}})
	newer := encoded(renderjob.Purge{Version: renderjob.Version + 1})
	for name, c := range map[string]struct {
		message      nats.Msg
		purged, lost int
		logs         string // a part of the log; "": no log
	}{
		"a purge":                                           {nats.Msg{Subject: renderjob.PurgeSubject, Data: known}, 1, 0, ""},
		"a message of a renderer":                           {nats.Msg{Subject: renderjob.ForgetSubject, Data: known}, 1, 0, ""},
		"an unreadable purge":                               {nats.Msg{Subject: renderjob.PurgeSubject, Data: []byte("{")}, 0, 1, "forget everything"},
		"a purge of a newer version":                        {nats.Msg{Subject: renderjob.PurgeSubject, Data: newer}, 0, 1, "forget everything"},
		"an unreadable message of a renderer":               {nats.Msg{Subject: renderjob.ForgetSubject, Data: []byte("{")}, 0, 0, "renderer"},
		"a purge that JetStream delivers":                   {nats.Msg{Subject: renderjob.PurgeSubject, Data: known, Header: nats.Header{"Nats-Sequence": {"1"}}}, 0, 0, ""},
		"a purge with a reply subject that is not an inbox": {nats.Msg{Subject: renderjob.PurgeSubject, Data: known, Reply: "$JS.API.STREAM.PURGE.RENDER"}, 1, 0, "answer purge"},
		"an announcement with headers":                      {nats.Msg{Subject: renderjob.EdgeSubject("self"), Header: nats.Header{"Status": {"404"}}}, 0, 0, ""},
		"an announcement with data":                         {nats.Msg{Subject: renderjob.EdgeSubject("self"), Data: []byte("hello")}, 0, 0, ""},
		"another subject":                                   {nats.Msg{Subject: "render.edges.other"}, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			m := &memory{}
			p := newPresence("self", m, slog.New(slog.NewTextHandler(&log, nil)))
			p.receive(&c.message)
			if purged, lost := m.forgotten(); purged != c.purged || lost != c.lost {
				t.Errorf("%d purges, %d losses; want %d and %d", purged, lost, c.purged, c.lost)
			}
			if (log.Len() > 0) != (c.logs != "") || !strings.Contains(log.String(), c.logs) {
				t.Errorf("logs %q, want %q", &log, c.logs)
			}
			if live, _ := p.Edges(); len(live) > 0 || p.Hears() {
				t.Errorf("living edges %v, hears %v; want none and false", live, p.Hears())
			}
		})
	}
}

func TestAPurgePassesItsOriginals(t *testing.T) {
	m := &memory{}
	p := unconnected(m)
	want := []thumbnail.Location{{Container: "c", Path: "a.jpg"}, {Path: "c/a.jpg"}}
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: want})
	if err != nil {
		t.Fatal(err)
	}
	p.receive(&nats.Msg{Subject: renderjob.PurgeSubject, Data: text})
	if len(m.purged) != 1 || !slices.Equal(m.purged[0].Originals, want) {
		t.Errorf("purged %s, want %v", fmt.Sprint(m.purged), want)
	}
}
