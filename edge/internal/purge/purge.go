// Package purge removes the thumbnails of an original everywhere. First it asks renderers and edges to
// forget the original, so that they store no render under way. Then it empties the store and clears
// the failure memory. Then it asks again, because edges may have read a thumbnail in between. The CDN
// comes last.
//
// A purge can be repeated. It reports the parts that it misses, and goes on with the others.
package purge

import (
	"context"
	"errors"
	"fmt"
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
	// answerTime bounds the wait for answers of edges and renderers. It is longer than an edge needs
	// to notice that it is deaf; a deaf edge uses nothing that it remembers.
	answerTime = presence.DeafAfter + time.Second
)

// Grammar knows the places of an original; package grammar implements it.
type Grammar interface {
	Places(original string) grammar.Places
	// Named returns the name of the original of a text: a name, or the URL or the path of a thumbnail.
	Named(text string) string
	// Under returns the beginning of the places of thumbnails whose originals' names begin with a prefix, and the text
	// before these names.
	Under(prefix string) (begin thumbnail.Location, before string)
}

// Thumbnails has the methods of objectstore.Store that purges need.
type Thumbnails interface {
	List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error)
	Delete(ctx context.Context, at thumbnail.Location) error
}

// Originals is the store of originals.
type Originals interface {
	Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error)
}

// Failures is the failure memory.
type Failures interface {
	// Clear forgets the failures of an original, and returns the number of deleted counters.
	Clear(ctx context.Context, original string) (int, error)
}

// Edges knows the edges by their announcements.
type Edges interface {
	// Edges returns the living edges, and the edges that fell silent without a farewell.
	Edges() (live, vanished []string)
}

// Renderers knows the renderers by their heartbeats.
type Renderers interface {
	// Names returns the names of the living renderers.
	Names() []string
}

// Config has the settings and the collaborators of a purger.
type Config struct {
	Thumbnails Thumbnails
	Originals  Originals
	Grammar    Grammar
	Failures   Failures
	Conn       *nats.Conn
	Edges      Edges
	Renderers  Renderers
	CDN        settings.Purge
	Log        *slog.Logger
}

// listeners are the edges and renderers that hear purges.
type listeners interface {
	// tellToForget asks all of them to forget the originals, and waits for the answers of the named
	// ones. It returns the names that answered in time, and the names that did not.
	tellToForget(ctx context.Context, originals []thumbnail.Location, named []string) (answered, silent []string)
}

// Purger purges originals.
type Purger struct {
	config    Config
	listeners listeners
	cdn       *cdn
}

// New returns a purger. The caller must close it.
func New(c Config) *Purger {
	return &Purger{config: c, listeners: overQueue{conn: c.Conn, within: answerTime}, cdn: newCDN(c.CDN)}
}

// Close closes idle connections to the CDN.
func (p *Purger) Close() { p.cdn.close() }

// mostUnder bounds the originals of one prefix.
const mostUnder = 10_000

// Under returns the names of the originals that begin with a prefix and have thumbnails in the store. It returns an error
// when they are more than mostUnder, or when the store does not answer.
func (p *Purger) Under(ctx context.Context, prefix string) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begin, before := p.config.Grammar.Under(prefix)
	for after := ""; ; {
		page, err := p.config.Thumbnails.List(ctx, begin, after)
		if err != nil {
			return nil, err
		}
		for _, at := range page {
			name := strings.TrimPrefix(at.Path, before)
			if cut := strings.LastIndex(name, "/"); cut > 0 && !slices.Contains(names[max(0, len(names)-1):], name[:cut]) {
				names = append(names, name[:cut])
			}
		}
		if len(names) > mostUnder {
			return nil, fmt.Errorf("more than %d originals begin with %s: name a smaller folder", mostUnder, prefix)
		}
		if len(page) < objectstore.ListPage {
			slices.Sort(names)
			return slices.Compact(names), nil
		}
		after = page[len(page)-1].Path
	}
}

// Purge purges an original, which is named as in logs, or by the URL or the path of one of its thumbnails, and returns the report. It passes the report to tell after each step and
// at the end, from one goroutine at a time. The purge is complete when Missed is empty. Purge takes
// at most ten minutes.
func (p *Purger) Purge(ctx context.Context, original string, tell func(Report)) Report {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	original = p.config.Grammar.Named(original)
	places := p.config.Grammar.Places(original)
	done := newProgress(original, tell)
	renderers := p.endWork(ctx, places.Originals, done)
	urls := slices.Clone(places.URLs)
	for _, folder := range places.Folders {
		urls = append(urls, p.emptyFolder(ctx, folder, done)...)
	}
	p.clearFailures(ctx, places.Originals, done)
	p.askAgain(ctx, places.Originals, renderers, done)
	p.cdn.purge(ctx, places.XKeys, urls, done)
	p.noteAbsence(ctx, places.Originals, done)
	report := done.end()
	p.log(ctx, report)
	return report
}

func (p *Purger) log(ctx context.Context, r Report) {
	level := slog.LevelInfo
	if len(r.Missed) > 0 {
		level = slog.LevelWarn
	}
	p.config.Log.Log(ctx, level, "purge original", "original", r.Original, "thumbnails", r.Deleted, "edges", len(r.Edges), "cdn", r.CDN,
		"missed", r.Missed, "and more", r.Unnamed)
}

// endWork asks renderers and edges to forget the originals, so that they store no earlier work after
// the store is empty, and returns the renderers that answered. It reports only silent renderers: the
// answers of edges count in askAgain.
func (p *Purger) endWork(ctx context.Context, originals []thumbnail.Location, done *progress) (renderers []string) {
	edges, _ := p.config.Edges.Edges()
	isEdge := func(name string) bool { return slices.Contains(edges, name) }
	answered, silent := p.listeners.tellToForget(ctx, originals, slices.Concat(edges, p.config.Renderers.Names()))
	for _, name := range slices.DeleteFunc(silent, isEdge) {
		done.miss("%s: no answer within %v", name, answerTime)
	}
	return slices.DeleteFunc(answered, isEdge)
}

// emptyFolder deletes the thumbnails of a folder, page by page, and returns their addresses.
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

// ofThisOriginal leaves out thumbnails of other originals: an original's name can be a folder of
// another original's name.
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

// noteAbsence notes that a purge without thumbnails was of a name that no original has: it is probably
// misspelt.
func (p *Purger) noteAbsence(ctx context.Context, originals []thumbnail.Location, done *progress) {
	if done.deleted() > 0 || done.hasMissed() {
		return
	}
	for _, at := range originals {
		if _, err := p.config.Originals.Head(ctx, at); !errors.Is(err, objectstore.ErrNotFound) {
			return // it exists, or the store does not answer
		}
	}
	done.change(func(r *Report) { r.Absent = true })
}

// askAgain asks edges to forget thumbnails that they read before the store was empty. An edge
// that does not answer because it is deaf uses nothing that it remembers after answerTime. Renderers hear
// the question too, and must have forgotten before the purge ends: a later render is of the new original.
func (p *Purger) askAgain(ctx context.Context, originals []thumbnail.Location, renderers []string, done *progress) {
	edges, vanished := p.config.Edges.Edges()
	isRenderer := func(name string) bool { return slices.Contains(renderers, name) }
	answered, silent := p.listeners.tellToForget(ctx, originals, slices.Concat(edges, renderers))
	done.change(func(r *Report) { r.Edges = append(r.Edges, slices.DeleteFunc(answered, isRenderer)...) })
	for _, name := range slices.DeleteFunc(silent, isRenderer) {
		done.miss("%s: no answer within %v", name, answerTime)
	}
	for _, name := range vanished {
		done.miss("%s: the edge fell silent without a farewell: purge again if it still runs", name)
	}
}
