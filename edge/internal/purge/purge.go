// Package purge makes everybody forget the thumbnails of an original: first renderers and
// edges, so that what is under way is not stored any more, then the store and the failure
// memory, the edges once more, which may have read what was in the store until then, and
// the CDN last.
//
// A purge can be repeated. What could not be reached is told, and the rest is done.
package purge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/presence"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	atOnce     = 8 // deletions, and requests to the CDN
	within     = 10 * time.Minute
	maxMissed  = 50 // of what could not be reached, told one by one
	answerTime = presence.DeafAfter + time.Second
)

// Renderers are known by their heartbeats.
type Renderers interface{ Names() []string }

// Failures is the failure memory.
type Failures interface {
	// Clear forgets the failures of an original, and tells how many counters there were.
	Clear(ctx context.Context, original string) (int, error)
}

// Config is what a purger is made of.
type Config struct {
	Thumbnails objectstore.Store
	Grammar    *grammar.Reader
	Failures   Failures
	Conn       *nats.Conn
	Edges      *presence.Presence
	Renderers  Renderers
	CDN        settings.Purge
	Log        *slog.Logger
}

// Purger purges.
type Purger struct {
	Config
	cdn *cdn
}

// New makes a purger.
func New(c Config) *Purger { return &Purger{c, newCDN(c.CDN)} }

// Close drops idle connections.
func (p *Purger) Close() { p.cdn.close() }

// Report is what a purge did so far.
type Report struct {
	Original string   `json:"original"`
	Deleted  int      `json:"deleted"`          // thumbnails in the store
	Edges    []string `json:"edges"`            // that forgot them
	CDN      int      `json:"cdn"`              // requests that the CDN answered
	Missed   []string `json:"missed,omitempty"` // what could not be reached, and why
	Unnamed  int      `json:"unnamed,omitempty"`
	Done     bool     `json:"done"`
}

// run is one purge under way.
type run struct {
	*Purger
	tell   func(Report)
	mu     sync.Mutex
	report Report
	urls   []string // that the CDN may have
}

// Purge purges an original, and tells how far it is, from time to time and at the end.
// Everything was reached when nothing was missed.
func (p *Purger) Purge(ctx context.Context, original string, tell func(Report)) Report {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	places := p.Grammar.Places(original)
	r := &run{Purger: p, tell: tell, report: Report{Original: original, Edges: []string{}}, urls: places.URLs}
	r.first(ctx, places.Originals)
	for _, folder := range places.Folders {
		r.empty(ctx, folder)
	}
	for _, at := range places.Originals {
		if _, err := p.Failures.Clear(ctx, at.String()); err != nil {
			r.missed("failure memory: %v", err)
		}
	}
	r.second(ctx, places.Originals)
	r.askCDN(ctx, places.XKey)
	r.note(func(report *Report) { report.Done = true })
	level := slog.LevelInfo
	if len(r.report.Missed) > 0 {
		level = slog.LevelWarn
	}
	p.Log.Log(ctx, level, "purged", "original", original, "thumbnails", r.report.Deleted, "edges", len(r.report.Edges), "cdn", r.report.CDN,
		"missed", r.report.Missed, "and more", r.report.Unnamed)
	return r.report
}

// note changes the report and tells it.
func (r *run) note(change func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.report)
	r.tell(r.report)
}

func (r *run) missed(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.report.Missed) == maxMissed {
		r.report.Unnamed++
		return
	}
	r.report.Missed = append(r.report.Missed, fmt.Sprintf(format, args...))
}

// empty deletes what is in a folder, page by page.
func (r *run) empty(ctx context.Context, folder grammar.Folder) {
	for after := ""; ; {
		page, err := r.Thumbnails.List(ctx, folder.Begin, after)
		if err != nil {
			r.missed("store: %s…: %v", folder.Begin, err)
			return
		}
		r.delete(ctx, page, folder)
		if len(page) < objectstore.ListPage {
			return
		}
		after = page[len(page)-1].Path
	}
}

func (r *run) delete(ctx context.Context, page []thumbnail.Location, folder grammar.Folder) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, at := range page {
		if strings.Contains(strings.TrimPrefix(at.Path, folder.Begin.Path), "/") {
			continue // of another original, of which this one's name is a folder
		}
		if url := folder.URL(at.Path); url != "" {
			r.urls = append(r.urls, url)
		}
		group.Go(func() error {
			if err := r.Thumbnails.Delete(ctx, at); err != nil {
				r.missed("store: %s: %v", at, err)
				return nil
			}
			r.note(func(report *Report) { report.Deleted++ })
			return nil
		})
	}
	_ = group.Wait()
}

// first has renderers and edges forget. What it says of edges the second round says again.
func (r *run) first(ctx context.Context, originals []thumbnail.Location) {
	edges, _ := r.Edges.Edges()
	_, silent := r.ask(ctx, originals, append(edges, r.Renderers.Names()...))
	for _, name := range silent {
		if !slices.Contains(edges, name) {
			r.missed("%s: no answer within %v", name, answerTime)
		}
	}
}

// second has the edges forget what they read meanwhile. One that does not answer uses
// nothing that it remembers by the time that it was waited for, if it hears nothing.
func (r *run) second(ctx context.Context, originals []thumbnail.Location) {
	edges, vanished := r.Edges.Edges()
	answered, silent := r.ask(ctx, originals, edges)
	r.note(func(report *Report) { report.Edges = append(report.Edges, answered...) })
	for _, name := range silent {
		r.missed("%s: no answer within %v", name, answerTime)
	}
	for _, name := range vanished {
		r.missed("%s: it is not heard any more, and did not say that it leaves", name)
	}
}

// ask has those who are named forget, and waits for their answers.
func (r *run) ask(ctx context.Context, originals []thumbnail.Location, expected []string) (answered, silent []string) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	inbox, heard := r.Conn.NewRespInbox(), make(chan string, len(expected))
	answers, err := queue.Subscribe(r.Conn, inbox, func(m *nats.Msg) {
		select {
		case heard <- string(m.Data):
		case <-ctx.Done():
		}
	})
	if err != nil {
		return nil, expected
	}
	defer func() { _ = answers.Unsubscribe() }()
	text, _ := json.Marshal(renderjob.Purge{Version: renderjob.Version, Originals: originals}) // plain values
	err = r.Conn.PublishMsg(&nats.Msg{Subject: renderjob.PurgeSubject, Reply: inbox, Data: text})
	for err == nil && len(expected) > 0 {
		select {
		case name := <-heard:
			if at := slices.Index(expected, name); at >= 0 {
				answered, expected = append(answered, expected[at]), slices.Delete(expected, at, at+1)
			}
		case <-ctx.Done():
			return answered, expected
		}
	}
	return answered, expected
}
