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

// memory is what an edge remembers: it notes what it is made to forget.
type memory struct {
	mu     sync.Mutex
	purged []renderjob.Purge
	lost   int
	busy   chan struct{} // a purge waits until this is closed; nil: none waits
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

// forgotten is how many purges there were, and how often everything was lost.
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

// What an edge remembers is void once it is deaf, and once more when it hears again: it may
// have missed a purge until then.
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
			{"when it hears another", func() { p.receive(beat("other")) }, false, 0},
			{"when it hears itself", func() { p.receive(beat("self")) }, true, 1},
			{"when it hears itself again", func() { time.Sleep(DeafAfter - 1); p.receive(beat("self")) }, true, 1},
			{"shortly before it is deaf", func() { time.Sleep(DeafAfter - 1) }, true, 1},
			{"once it did not hear itself for long", func() { time.Sleep(1) }, false, 1},
			{"when it hears itself after that", func() { p.receive(beat("self")) }, true, 2},
			{"when messages are dropped", p.ears.deafen, false, 3},
			{"when it hears itself after those", func() { p.receive(beat("self")) }, true, 4},
		} {
			step.does()
			if _, lost := m.forgotten(); p.Hears() != step.hears || lost != step.lost {
				t.Errorf("%s: hears is %v, want %v; everything was forgotten %d times, want %d", step.name, p.Hears(), step.hears, lost, step.lost)
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
		is("when they are heard", "a b c", "")
		p.receive(farewell("b"))
		is("when one leaves", "a c", "")
		time.Sleep(liveFor)
		p.receive(beat("c"))
		is("as long as silence may be", "a c", "")
		time.Sleep(1)
		is("when one is silent for longer", "c", "a")
		p.receive(beat("a"))
		p.receive(beat("c"))
		is("when it is heard again", "a c", "")
		time.Sleep(vanishedFor)
		is("when all are silent for minutes", "", "a c")
		time.Sleep(1)
		is("after that", "", "")
	})
}

func TestWhatIsReceived(t *testing.T) {
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
		logs         string // a part of what is logged; "" = nothing is
	}{
		"a purge":                                    {nats.Msg{Subject: renderjob.PurgeSubject, Data: known}, 1, 0, ""},
		"what a renderer took back":                  {nats.Msg{Subject: renderjob.ForgetSubject, Data: known}, 1, 0, ""},
		"a purge that is unreadable":                 {nats.Msg{Subject: renderjob.PurgeSubject, Data: []byte("{")}, 0, 1, "everything is forgotten"},
		"a purge of a newer version":                 {nats.Msg{Subject: renderjob.PurgeSubject, Data: newer}, 0, 1, "everything is forgotten"},
		"something unreadable of a renderer":         {nats.Msg{Subject: renderjob.ForgetSubject, Data: []byte("{")}, 0, 0, "renderer"},
		"a purge that JetStream delivers":            {nats.Msg{Subject: renderjob.PurgeSubject, Data: known, Header: nats.Header{"Nats-Sequence": {"1"}}}, 0, 0, ""},
		"a purge whose answer is for no inbox":       {nats.Msg{Subject: renderjob.PurgeSubject, Data: known, Reply: "$JS.API.STREAM.PURGE.RENDER"}, 1, 0, "not answered"},
		"a beat of this edge that JetStream answers": {nats.Msg{Subject: renderjob.EdgeSubject("self"), Header: nats.Header{"Status": {"404"}}}, 0, 0, ""},
		"a beat of this edge that says something":    {nats.Msg{Subject: renderjob.EdgeSubject("self"), Data: []byte("hello")}, 0, 0, ""},
		"another subject":                            {nats.Msg{Subject: "render.edges.other"}, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			m := &memory{}
			p := newPresence("self", m, slog.New(slog.NewTextHandler(&log, nil)))
			p.receive(&c.message)
			if purged, lost := m.forgotten(); purged != c.purged || lost != c.lost {
				t.Errorf("%d purges, and everything %d times; want %d and %d", purged, lost, c.purged, c.lost)
			}
			if (log.Len() > 0) != (c.logs != "") || !strings.Contains(log.String(), c.logs) {
				t.Errorf("logs %q, want %q", &log, c.logs)
			}
			if live, _ := p.Edges(); len(live) > 0 || p.Hears() {
				t.Errorf("%v live, and it hears is %v", live, p.Hears())
			}
		})
	}
}

func TestWhatAPurgeNames(t *testing.T) {
	m := &memory{}
	p := unconnected(m)
	want := []thumbnail.Location{{Container: "c", Path: "a.jpg"}, {Path: "c/a.jpg"}}
	text, err := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: want})
	if err != nil {
		t.Fatal(err)
	}
	p.receive(&nats.Msg{Subject: renderjob.PurgeSubject, Data: text})
	if len(m.purged) != 1 || !slices.Equal(m.purged[0].Originals, want) {
		t.Errorf("forgets %s, want %v", fmt.Sprint(m.purged), want)
	}
}
