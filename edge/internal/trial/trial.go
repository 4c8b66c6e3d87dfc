// Package trial is the page on which a developer tries URLs: it picks or uploads a picture, draws a crop, and shows the
// thumbnail with its bytes, its time, and its URL in each language. It is a part of the operators' listener.
//
//	GET  /try/            the page
//	GET  /try/state       what the page can offer, as JSON
//	GET  /try/picture/…   the answer of the edge to the rest of the path
//	GET  /try/urls        unsigned URLs of the parameter options, an Options in JSON
//	POST /try/urls        signed URLs of the body, an Options in JSON
//	POST /try/uploads     keeps the body as an original with the name in the parameter name
//
// The operators' listener demands the token for each POST. So only operators sign URLs and upload.
package trial

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

//go:embed page
var page embed.FS

// Uploads keeps uploaded originals in memory, where renderers of the same process find them.
type Uploads interface {
	// Add returns the new original's name in URLs. Errors are for people.
	Add(name string, body []byte) (string, error)
	// MostBytes returns the size of the largest upload.
	MostBytes() int64
}

// Config has the collaborators of the page.
type Config struct {
	Edge  http.Handler // answers URLs of thumbnails
	Links Links
	// Names lists some originals by their names in URLs. It may be nil.
	Names   func(ctx context.Context) ([]string, error)
	Uploads Uploads // nil where renderers are other processes
	Listen  string  // the edge's address in use
	TLS     bool    // the edge serves HTTPS
	// Within is the time from a request for a picture to the end of its answer.
	Within time.Duration
}

// Page serves the page.
type Page struct {
	config Config
	mux    *http.ServeMux
}

// policy allows only resources of the page's own host, and pictures that its script has fetched.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Path is the path of the page; all its other paths are below.
const Path = "/try/"

// New returns the page.
func New(c Config) *Page {
	p := &Page{config: c, mux: http.NewServeMux()}
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic("trial: the embedded folder has another name: " + err.Error())
	}
	p.mux.Handle("GET "+Path, http.StripPrefix(Path, http.FileServerFS(files)))
	p.mux.HandleFunc("GET "+Path+"state", p.state)
	p.mux.HandleFunc("GET "+Path+"picture/", p.picture)
	p.mux.HandleFunc("GET "+Path+"urls", p.unsigned)
	p.mux.HandleFunc("POST "+Path+"urls", p.signed)
	p.mux.HandleFunc("POST "+Path+"uploads", p.upload)
	return p
}

// ServeHTTP serves the page and its requests.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	if !strings.HasPrefix(r.URL.Path, Path+"picture/") {
		header.Set("Content-Security-Policy", policy)
	}
	p.mux.ServeHTTP(w, r)
}

const (
	mostNames   = 200
	namesWithin = 2 * time.Second
)

// state answers the formats, some originals, and the bound of uploads; 0 means no uploads.
func (p *Page) state(w http.ResponseWriter, r *http.Request) {
	answer := struct {
		Originals  []string `json:"originals"`
		Formats    []string `json:"formats"`
		MostUpload int64    `json:"most_upload"`
	}{Originals: []string{}, Formats: thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return !row.MovesOnly })}
	if p.config.Uploads != nil {
		answer.MostUpload = p.config.Uploads.MostBytes()
	}
	if p.config.Names != nil {
		ctx, cancel := context.WithTimeout(r.Context(), namesWithin)
		defer cancel()
		names, _ := p.config.Names(ctx) // without a list, a name can still be typed
		answer.Originals = append(answer.Originals, names[:min(len(names), mostNames)]...)
	}
	operators.Answer(w, answer)
}

// picture asks the edge for the rest of the path, as the client of this request. The operators' listener has no deadline
// for answers, so the picture gets its own; the edge gives a long file more time.
func (p *Page) picture(w http.ResponseWriter, r *http.Request) {
	raw := strings.TrimPrefix(r.RequestURI, Path+"picture")
	at, err := url.ParseRequestURI(raw)
	if err != nil {
		http.Error(w, "cannot read the path: percent-encode it", http.StatusBadRequest)
		return
	}
	asked := r.Clone(r.Context())
	asked.RequestURI, asked.URL, asked.Host = raw, at, p.host(r)
	asked.Header.Del("Authorization")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.config.Within)) // fails for a test's recorder
	p.config.Edge.ServeHTTP(w, asked)
}

// host returns the edge's host and port for a client of this request.
func (p *Page) host(r *http.Request) string {
	host, port, err := net.SplitHostPort(p.config.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return p.config.Listen
	}
	return net.JoinHostPort((&url.URL{Host: r.Host}).Hostname(), port)
}

// base returns the beginning of the edge's URLs.
func (p *Page) base(r *http.Request) string {
	if p.config.TLS {
		return "https://" + p.host(r)
	}
	return "http://" + p.host(r)
}

func (p *Page) unsigned(w http.ResponseWriter, r *http.Request) {
	p.urls(w, r, []byte(r.URL.Query().Get("options")), false)
}

func (p *Page) signed(w http.ResponseWriter, r *http.Request) {
	if body, ok := readBody(w, r, operators.MaxBody); ok {
		p.urls(w, r, body, true)
	}
}

func (p *Page) urls(w http.ResponseWriter, r *http.Request, text []byte, signed bool) {
	var o Options
	if err := json.Unmarshal(text, &o); err != nil || o.Image == "" {
		http.Error(w, `the options cannot be read: send JSON such as {"image": "cat.jpg", "width": 330}`, http.StatusBadRequest)
		return
	}
	operators.Answer(w, p.config.Links.all(o, p.base(r), signed))
}

func (p *Page) upload(w http.ResponseWriter, r *http.Request) {
	if p.config.Uploads == nil {
		http.Error(w, "this edge keeps no uploads: its renderers are other processes, which cannot read them", http.StatusNotFound)
		return
	}
	body, ok := readBody(w, r, p.config.Uploads.MostBytes())
	if !ok {
		return
	}
	name, err := p.config.Uploads.Add(r.URL.Query().Get("name"), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	operators.Answer(w, map[string]string{"name": name})
}
