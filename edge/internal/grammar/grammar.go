// Package grammar reads a thumbnail's URL in whichever language it is written: the first
// segment tells. What was read lately is remembered, since sites ask for the same
// pictures again and again, and an expression costs more than the rest of a hit.
package grammar

import (
	"net/http"
	"slices"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/edge/internal/mediawiki"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/edge/internal/thumbor"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	maxPath    = 4096     // bytes of a URL's path
	remembered = 24 << 20 // bytes of what is remembered, about
	maxKey     = 1024     // bytes of one question
	// a target's own size, and that of one of its filters, about
	targetSize, stepSize = 1500, 250
)

// None is the name of no grammar, for metrics.
const None = "none"

// Reader reads URLs. It is safe for concurrent use.
type Reader struct {
	settings  settings.Settings
	mediawiki *mediawiki.Parser
	thumbor   *thumbor.Parser
	anySize   *mediawiki.Parser // which refuses and redirects no width
	accept    bool              // the answer can depend on the header
	hosts     bool              // the answer can depend on the host
	lately    *otter.Cache[question, answer]
}

// question is all that an answer depends on.
type question struct {
	uri, accept string // as they were received
	host        string // "" where it does not matter
	rights      Rights
}

// answer is what one question led to.
type answer struct {
	target  target.Target
	grammar string
}

// New makes a reader.
func New(s settings.Settings) (*Reader, error) {
	lately, err := otter.New(&otter.Options[question, answer]{
		MaximumWeight: remembered, Executor: func(work func()) { work() },
		Weigher: func(q question, a answer) uint32 {
			return uint32(2*len(q.uri) + len(q.accept) + len(q.host) + targetSize + stepSize*len(a.target.Spec.Operations)) //nolint:gosec // bounded by maxKey
		},
	})
	return &Reader{
		settings:  s,
		mediawiki: mediawiki.New(s), anySize: mediawiki.New(withAnySize(s)), thumbor: thumbor.New(s), accept: len(s.Thumbor.AutoFormats) > 0, lately: lately,
		hosts: slices.ContainsFunc(s.MediaWiki.Wikis, func(w settings.Wiki) bool { return w.Host != "" }),
	}, err
}

// Close ends what runs in the background.
func (g *Reader) Close() { g.lately.StopAllGoroutines() }

// Rights are what a client may ask for without a signature.
type Rights struct {
	Local   bool // the client is on this machine
	Trusted bool // an operator asks: nothing need be signed
}

// Read gives what a request asks for, and the grammar's name. Errors are faults.
func (g *Reader) Read(r *http.Request, rights Rights) (target.Target, string, error) {
	asked := question{uri: r.RequestURI, rights: rights}
	if g.accept {
		asked.accept = r.Header.Get("Accept")
	}
	if g.hosts {
		asked.host = r.Host
	}
	if known, ok := g.lately.GetIfPresent(asked); ok {
		return known.target, known.grammar, nil
	}
	raw := rawPath(r)
	if len(raw) > maxPath {
		return target.Target{}, None, fault.New(fault.BadURL, "the URL is longer than %d bytes", maxPath)
	}
	t, name, err := g.parse(raw, r, rights)
	if err == nil && len(asked.uri)+len(asked.accept)+len(asked.host) <= maxKey {
		g.lately.Set(asked.clone(), answer{t, name})
	}
	return t, name, err
}

// clone lets go of the request's memory.
func (q question) clone() question {
	q.uri, q.accept, q.host = strings.Clone(q.uri), strings.Clone(q.accept), strings.Clone(q.host)
	return q
}

// parse reads what was not read lately.
func (g *Reader) parse(raw string, r *http.Request, rights Rights) (target.Target, string, error) {
	if thumbor.Mine(raw) {
		t, err := g.thumbor.Parse(thumbor.Request{Path: raw, Accept: r.Header.Get("Accept"), Local: rights.Local, Trusted: rights.Trusted})
		return t, thumbor.Name, err
	}
	t, err := g.mediawiki.ParseAt(r.Host, raw, r.URL.Query())
	if fault.Is(err, fault.NoSuchURL) {
		return t, None, err
	}
	return t, mediawiki.Name, err
}

func withAnySize(s settings.Settings) settings.Settings {
	s.MediaWiki.SizePolicy = "free"
	return s
}

// Original returns the name of the original that a URL shows, itself or as a thumbnail of
// whatever width, as Places takes it. ok is false for a URL that shows none.
func (g *Reader) Original(r *http.Request) (name string, ok bool) {
	raw := rawPath(r)
	var t target.Target
	var err error
	if thumbor.Mine(raw) {
		t, err = g.thumbor.Parse(thumbor.Request{Path: raw, Trusted: true})
	} else {
		t, err = g.anySize.ParseAt(r.Host, raw, r.URL.Query())
	}
	if err != nil || len(raw) > maxPath {
		return "", false
	}
	if t.Stored != nil {
		return t.Stored.String(), true
	}
	return t.Spec.Original.String(), true
}

// rawPath is the path as it was received: what a signature is over. URL.EscapedPath
// would encode it anew when it holds a byte that should have been encoded.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // the absolute form, which proxies are sent
		_, path, _ = strings.Cut(path, "://")
		_, path, _ = strings.Cut(path, "/")
		path = "/" + path
	}
	return path
}
