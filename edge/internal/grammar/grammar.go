// Package grammar reads a thumbnail's URL. The first segment of the path tells whether the URL is
// in Thumbor's grammar, imgproxy's or MediaWiki's. The package remembers recent URLs, because sites ask for the
// same pictures again and again, and a regular expression costs more than the rest of a hit.
package grammar

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/edge/internal/imgproxy"
	"github.com/thumbmill/thumbmill/edge/internal/mediawiki"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/edge/internal/thumbor"
	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	maxPath    = 4096     // bytes of a URL's path
	remembered = 24 << 20 // bytes of all remembered questions and answers, about
	maxKey     = 1024     // bytes of a question's texts; longer questions are not remembered
	// bytes of a target without filters, and of one filter, about
	targetSize, stepSize = 1500, 250
)

// The labels in metrics of grammars with signatures.
const (
	Thumbor  = thumbor.Name
	Imgproxy = imgproxy.Name
)

// None is the label in metrics for URLs that no grammar knows.
const None = "none"

// Reader reads URLs. It is safe for concurrent use.
type Reader struct {
	settings  settings.Settings
	mediawiki *mediawiki.Parser
	thumbor   *thumbor.Parser
	imgproxy  *imgproxy.Parser
	anySize   *mediawiki.Parser // it refuses and redirects no width
	accept    bool              // the answer depends on the header Accept
	hosts     bool              // the answer depends on the header Host
	lately    cache.Cache[question, answer]
}

// question has everything that an answer depends on.
type question struct {
	uri    string       // as the client sent it
	hints  target.Hints // without Accept unless the answer can depend on it
	host   string       // "" unless the answer depends on it
	rights Rights
}

// answer is the result of one question.
type answer struct {
	target  target.Target
	grammar string
}

// New returns a reader, or an error for settings that no URL can follow. The caller must close it.
func New(s settings.Settings) (*Reader, error) {
	lately, err := otter.New(&otter.Options[question, answer]{
		MaximumWeight: remembered, Executor: cache.InCaller,
		Weigher: func(q question, a answer) uint32 {
			weight := 2*len(q.uri) + len(q.hints.Accept) + len(q.host) + targetSize + stepSize*len(a.target.Spec.Operations)
			if a.target.Odd != nil {
				weight += targetSize
			}
			return uint32(weight) //nolint:gosec // bounded by maxKey
		},
	})
	if err != nil {
		return nil, err
	}
	parser, err := thumbor.New(s)
	if err != nil {
		lately.StopAllGoroutines()
		return nil, err
	}
	options, err := imgproxy.New(s, parser)
	if err != nil {
		lately.StopAllGoroutines()
		return nil, err
	}
	return &Reader{
		settings:  s,
		mediawiki: mediawiki.New(s), anySize: mediawiki.New(withAnySize(s)), thumbor: parser, imgproxy: options, accept: negotiates(s.Thumbor), lately: lately,
		hosts: slices.ContainsFunc(s.MediaWiki.Wikis, func(w settings.Wiki) bool { return w.Host != "" }),
	}, nil
}

// negotiates reports whether Accept can choose the format of a URL that does not say so.
func negotiates(t settings.Thumbor) bool {
	for _, options := range t.Presets {
		if strings.Contains(options, "auto") {
			return true
		}
	}
	return len(t.AutoFormats) > 0
}

// Close stops the goroutines of the cache.
func (g *Reader) Close() { g.lately.StopAllGoroutines() }

// Rights say which URLs a client may ask for without a signature.
type Rights struct {
	Local   bool // the client is on this machine
	Trusted bool // an operator asks, and needs no signature
}

// Read returns the target of a request, and the name of its grammar or None. Errors are faults.
func (g *Reader) Read(r *http.Request, rights Rights) (target.Target, string, error) {
	asked := question{uri: r.RequestURI, rights: rights}
	hints := target.HintsOf(r, &g.settings)
	asked.hints = hints
	if !g.accept && !strings.Contains(asked.uri, "auto") && !strings.Contains(asked.uri, "%") { // as in format(auto)
		asked.hints.Accept = ""
	}
	if g.hosts {
		asked.host = r.Host
	}
	if known, ok := g.lately.GetIfPresent(asked); ok {
		return known.target, known.grammar, nil
	}
	raw := rawPath(r)
	if len(raw) > maxPath {
		return target.Target{}, None, fault.New(fault.BadURL, "the URL's path has %d bytes: shorten it to %d or fewer", len(raw), maxPath)
	}
	t, name, err := g.parse(raw, r, hints, rights)
	if err == nil && len(asked.uri)+len(asked.hints.Accept)+len(asked.host) <= maxKey {
		g.lately.Set(asked.clone(), answer{t, name})
	}
	return t, name, err
}

// clone copies the texts, so that the cache does not keep the request's memory.
func (q question) clone() question {
	q.uri, q.hints.Accept, q.host = strings.Clone(q.uri), strings.Clone(q.hints.Accept), strings.Clone(q.host)
	return q
}

// parse reads a URL that is not remembered.
func (g *Reader) parse(raw string, r *http.Request, hints target.Hints, rights Rights) (target.Target, string, error) {
	if g.imgproxy.Mine(raw) {
		t, err := g.imgproxy.Parse(imgproxy.Request{Path: raw, Hints: hints, Local: rights.Local, Trusted: rights.Trusted})
		return t, imgproxy.Name, err
	}
	if g.thumbor.Mine(raw) {
		t, err := g.thumbor.Parse(thumbor.Request{Path: raw, Hints: hints, Local: rights.Local, Trusted: rights.Trusted})
		return t, thumbor.Name, err
	}
	t, err := g.mediawiki.ParseAt(r.Host, raw, r.URL.Query())
	if errors.Is(err, mediawiki.ErrUnknown) {
		return t, None, g.mistyped(raw)
	}
	if fault.Is(err, fault.NoSuchURL) {
		return t, None, err
	}
	return t, mediawiki.Name, err
}

func withAnySize(s settings.Settings) settings.Settings {
	s.MediaWiki.SizePolicy = "free"
	return s
}

// Original returns the name of the original that a URL shows, as it is or as a thumbnail of any width.
// Places takes this name. ok is false for any other URL.
func (g *Reader) Original(r *http.Request) (name string, ok bool) {
	raw := rawPath(r)
	if len(raw) > maxPath {
		return "", false
	}
	var t target.Target
	var err error
	switch {
	case g.imgproxy.Mine(raw):
		t, err = g.imgproxy.Parse(imgproxy.Request{Path: raw, Trusted: true})
	case g.thumbor.Mine(raw):
		t, err = g.thumbor.Parse(thumbor.Request{Path: raw, Trusted: true})
	default:
		t, err = g.anySize.ParseAt(r.Host, raw, r.URL.Query())
	}
	if err != nil {
		return "", false
	}
	if t.Stored != nil {
		return t.Stored.String(), true
	}
	return t.Spec.Original.String(), true
}

// rawPath returns the path as the client sent it, because a signature covers these bytes.
// URL.EscapedPath would encode the path again when it has a byte that must be encoded.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // the absolute form, which clients send to proxies
		_, path, _ = strings.Cut(path, "://")
		_, path, _ = strings.Cut(path, "/")
		path = "/" + path
	}
	return path
}
