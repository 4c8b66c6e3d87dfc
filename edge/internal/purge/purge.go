// Package purge makes everybody forget the thumbnails of an original: first renderers and
// edges, so that what is under way is not stored any more, then the store and the failure
// memory, the edges once more, which may have read what was in the store until then, and
// the CDN last.
//
// A purge can be repeated. What could not be reached is told, and the rest is done.
package purge

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/presence"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	atOnce = 8 // deletions, and requests to the CDN
	within = 10 * time.Minute
	// answerTime is how long edges and renderers have for their answer: an edge that does
	// not hear uses nothing that it remembers by then.
	answerTime = presence.DeafAfter + time.Second
)

// Grammar knows what belongs to an original.
type Grammar interface {
	Places(original string) grammar.Places
}

// Thumbnails is the store, as far as purges need it (objectstore.Store).
type Thumbnails interface {
	List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error)
	Delete(ctx context.Context, at thumbnail.Location) error
}

// Failures is the failure memory.
type Failures interface {
	// Clear forgets the failures of an original, and tells how many counters there were.
	Clear(ctx context.Context, original string) (int, error)
}

// Edges knows the edges by what they tell of themselves.
type Edges interface {
	// Edges are those that live, and those that were heard lately and did not leave.
	Edges() (live, vanished []string)
}

// Renderers knows the renderers by their heartbeats.
type Renderers interface {
	// Names are those of the renderers that live.
	Names() []string
}

// Config is what a purger is made of.
type Config struct {
	Thumbnails Thumbnails
	Grammar    Grammar
	Failures   Failures
	Conn       *nats.Conn
	Edges      Edges
	Renderers  Renderers
	CDN        settings.Purge
	Log        *slog.Logger
}

// listeners are the edges and renderers, which hear what is to be forgotten.
type listeners interface {
	// tellToForget tells all of them, and waits for the answers of those who are named. It
	// gives the names of those that answered in time, and of those that did not.
	tellToForget(ctx context.Context, originals []thumbnail.Location, named []string) (answered, silent []string)
}

// Purger purges.
type Purger struct {
	config    Config
	listeners listeners
	cdn       *cdn
}

// New makes a purger.
func New(c Config) *Purger {
	return &Purger{config: c, listeners: overQueue{conn: c.Conn, within: answerTime}, cdn: newCDN(c.CDN)}
}

// Close drops idle connections.
func (p *Purger) Close() { p.cdn.close() }

// Purge purges an original, and tells how far it is, from time to time and at the end: tell
// is never called twice at once. Everything was reached when nothing was missed. It takes
// at most ten minutes.
func (p *Purger) Purge(ctx context.Context, original string, tell func(Report)) Report {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	places := p.config.Grammar.Places(original)
	done := newProgress(original, tell)
	p.endWork(ctx, places.Originals, done)
	urls := slices.Clone(places.URLs)
	for _, folder := range places.Folders {
		urls = append(urls, p.emptyFolder(ctx, folder, done)...)
	}
	p.clearFailures(ctx, places.Originals, done)
	p.forgetWhatWasRead(ctx, places.Originals, done)
	p.cdn.purge(ctx, places.XKey, urls, done)
	report := done.end()
	p.log(ctx, report)
	return report
}

func (p *Purger) log(ctx context.Context, r Report) {
	level := slog.LevelInfo
	if len(r.Missed) > 0 {
		level = slog.LevelWarn
	}
	p.config.Log.Log(ctx, level, "purged", "original", r.Original, "thumbnails", r.Deleted, "edges", len(r.Edges), "cdn", r.CDN,
		"missed", r.Missed, "and more", r.Unnamed)
}

// endWork makes renderers and edges forget, so that nothing that was begun before is stored
// after the store was emptied. What edges answer counts when they are told again.
func (p *Purger) endWork(ctx context.Context, originals []thumbnail.Location, done *progress) {
	edges, _ := p.config.Edges.Edges()
	_, silent := p.listeners.tellToForget(ctx, originals, slices.Concat(edges, p.config.Renderers.Names()))
	for _, name := range silent {
		if !slices.Contains(edges, name) {
			done.miss("%s: no answer within %v", name, answerTime)
		}
	}
}

// emptyFolder deletes what is in a folder, page by page, and gives the URLs of what was
// there.
func (p *Purger) emptyFolder(ctx context.Context, folder grammar.Folder, done *progress) (urls []grammar.Address) {
	for after := ""; ; {
		page, err := p.config.Thumbnails.List(ctx, folder.Begin, after)
		if err != nil {
			done.miss("store: %s…: %v", folder.Begin, err)
			return urls
		}
		own := ofThisOriginal(page, folder)
		for _, at := range own {
			urls = append(urls, folder.URLs(at.Path)...)
		}
		p.deleteAll(ctx, own, done)
		if len(page) < objectstore.ListPage {
			return urls
		}
		after = page[len(page)-1].Path
	}
}

// ofThisOriginal leaves out thumbnails of other originals, of whose names this one's is a
// folder.
func ofThisOriginal(page []thumbnail.Location, folder grammar.Folder) (own []thumbnail.Location) {
	for _, at := range page {
		if !strings.Contains(strings.TrimPrefix(at.Path, folder.Begin.Path), "/") {
			own = append(own, at)
		}
	}
	return own
}

func (p *Purger) deleteAll(ctx context.Context, all []thumbnail.Location, done *progress) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, at := range all {
		group.Go(func() error {
			if err := p.config.Thumbnails.Delete(ctx, at); err != nil {
				done.miss("store: %s: %v", at, err)
				return nil
			}
			done.change(func(r *Report) { r.Deleted++ })
			return nil
		})
	}
	_ = group.Wait()
}

func (p *Purger) clearFailures(ctx context.Context, originals []thumbnail.Location, done *progress) {
	for _, at := range originals {
		if _, err := p.config.Failures.Clear(ctx, at.String()); err != nil {
			done.miss("failure memory: %v", err)
		}
	}
}

// forgetWhatWasRead makes edges forget what they read while the store was emptied. An edge
// that does not answer uses nothing that it remembers once answerTime is over, if that is
// because it does not hear.
func (p *Purger) forgetWhatWasRead(ctx context.Context, originals []thumbnail.Location, done *progress) {
	edges, vanished := p.config.Edges.Edges()
	answered, silent := p.listeners.tellToForget(ctx, originals, edges)
	done.change(func(r *Report) { r.Edges = append(r.Edges, answered...) })
	for _, name := range silent {
		done.miss("%s: no answer within %v", name, answerTime)
	}
	for _, name := range vanished {
		done.miss("%s: it is not heard any more, and did not say that it leaves", name)
	}
}
