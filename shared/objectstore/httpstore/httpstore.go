// Package httpstore reads originals from other sites, over HTTP and HTTPS. It writes
// nothing.
//
// A name in a URL makes this process connect to where a stranger wants, so what is
// reached is bounded twice: by a list of hosts, for each redirect anew, and by the
// address that is connected to, which is looked at after all names were resolved and
// all spellings read (guard.go). Redirects, times, and the connections to one host
// are bounded, and each host has a circuit breaker, so that one that is dead holds up
// nobody else.
package httpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	maxRedirects   = 5 // Thumbor's
	connectTimeout = 5 * time.Second
	headerTimeout  = 10 * time.Second
	maxHeader      = 64 << 10 // bytes of an answer's head
	connsPerHost   = 32
	// maxSpooling bounds the bodies of unknown length that are read at once: each takes as
	// much of the disk as an original may have.
	maxSpooling = 4
)

// Store is the sites of a loader.
type Store struct {
	client   *http.Client
	dialer   *net.Dialer
	endpoint string
	absolute bool // names are whole URLs
	hosts    hosts
	maxBytes int64
	tempDir  string
	breakers *breakers
	spooling atomic.Int32
}

// New makes a store. maxBytes and tempDir ("" = the system's) are for originals whose
// length is told only by their end: those are written to a file before anybody reads them.
func New(b settings.Bucket, maxBytes int64, tempDir string) (*Store, error) {
	s := &Store{endpoint: b.Endpoint, absolute: b.Scheme() != "", hosts: newHosts(b.Hosts, b.Endpoint), maxBytes: maxBytes, tempDir: tempDir}
	guard, err := newGuard(b.Allow)
	if err != nil {
		return nil, err
	}
	if s.breakers, err = newBreakers(); err != nil {
		return nil, err
	}
	s.dialer = &net.Dialer{Timeout: connectTimeout, Control: guard.Safe}
	transport := &http.Transport{
		DialContext: s.dialer.DialContext, TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: headerTimeout,
		MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: connsPerHost, MaxIdleConnsPerHost: connsPerHost,
		MaxIdleConns: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true, ForceAttemptHTTP2: true,
		Proxy: nil, // the guard would see the proxy's address alone
	}
	s.client = &http.Client{Transport: transport, CheckRedirect: s.follow}
	return s, nil
}

// Close drops idle connections.
func (s *Store) Close() error {
	s.client.CloseIdleConnections()
	s.breakers.close()
	return nil
}

// follow allows a redirect where a first request would be allowed.
func (s *Store) follow(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: more than %d redirects", objectstore.ErrRefused, maxRedirects)
	}
	r.Header.Del("Referer")
	return s.hosts.check(r.URL)
}

// Head tells of an original. A server that answers HEAD otherwise than GET, as those
// behind signed URLs do, is asked by GET.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	response, err := s.ask(ctx, http.MethodHead, at, nil)
	if err == nil {
		_ = response.Body.Close()
		if told := info(response); told.Version != "" {
			return told, nil
		}
	} else if !onlyHead(err) {
		return objectstore.Info{}, err
	}
	response, err = s.ask(ctx, http.MethodGet, at, nil)
	if err != nil {
		return objectstore.Info{}, err
	}
	_ = response.Body.Close()
	return info(response), nil
}

// onlyHead tells an answer that GET may not get from one about the original.
func onlyHead(err error) bool {
	var answer *statusError
	if !errors.As(err, &answer) || errors.Is(err, objectstore.ErrNotFound) {
		return false
	}
	return answer.status < http.StatusInternalServerError || answer.status == http.StatusNotImplemented
}

// Open gives an original for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	response, err := s.ask(ctx, http.MethodGet, at, nil) //nolint:bodyclose // the reader closes it
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	told := info(response)
	if response.ContentLength < 0 {
		return s.spool(response.Body, told)
	}
	reopen := func(from int64) (io.ReadCloser, error) { return s.reopen(ctx, at, from, told.Version) }
	return objectstore.NewStream(response.Body, told.Size, reopen), told, nil
}

// reopen asks for the rest of the same version.
func (s *Store) reopen(ctx context.Context, at thumbnail.Location, from int64, version string) (io.ReadCloser, error) {
	if version == "" {
		return nil, errors.New("read the rest of an original: its server sends no ETag and no Last-Modified, so the rest may belong to another version")
	}
	response, err := s.ask(ctx, http.MethodGet, at, http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}})
	if err != nil {
		return nil, err
	}
	if now := info(response).Version; now != version {
		err = errors.New("the original changed during the read")
	} else if response.StatusCode != http.StatusPartialContent {
		_, err = io.CopyN(io.Discard, response.Body, from)
	} else if !strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", from)) {
		err = errors.New("the server sent another range than the requested one")
	}
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response.Body, nil
}

// spool writes a body of unknown length to a file without a name. One that is too large
// is cut off behind the bound, which is how the reader sees that it is.
func (s *Store) spool(body io.ReadCloser, told objectstore.Info) (objectstore.Object, objectstore.Info, error) {
	defer func() { _ = body.Close() }()
	if s.spooling.Add(1) > maxSpooling {
		s.spooling.Add(-1)
		return nil, told, fmt.Errorf("%w: too many originals of unknown length are read at once", objectstore.ErrElsewhere)
	}
	defer s.spooling.Add(-1)
	file, err := os.CreateTemp(s.tempDir, "thumbmill-http-*")
	if err != nil {
		return nil, told, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		told.Size, err = io.Copy(file, io.LimitReader(body, s.maxBytes+1))
		if err != nil {
			err = fmt.Errorf("%w: %w", objectstore.ErrElsewhere, err)
		}
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, told, errors.Join(err, file.Close())
	}
	return file, told, nil
}

// statusError is an answer that is no original.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the original's server answers %d (%s)", e.status, http.StatusText(e.status))
}

// Unwrap says what the answer means.
func (e *statusError) Unwrap() error {
	if e.status == http.StatusNotFound || e.status == http.StatusGone {
		return objectstore.ErrNotFound
	}
	return nil
}

// ask sends one request, through the breaker of its host.
func (s *Store) ask(ctx context.Context, method string, at thumbnail.Location, header http.Header) (*http.Response, error) {
	target, err := s.locate(at)
	if err != nil {
		return nil, err
	}
	if err := s.hosts.check(target); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", objectstore.ErrRefused, err)
	}
	request.Header = http.Header{"User-Agent": {"thumbmill"}, "Accept-Encoding": {"identity"}, "Accept": {"image/*,*/*;q=0.5"}}
	for name, values := range header {
		request.Header[name] = values
	}
	return s.breakers.do(target.Host, func() (*http.Response, error) { return s.send(request) })
}

func (s *Store) send(request *http.Request) (*http.Response, error) {
	response, err := s.client.Do(request)
	if err != nil {
		return nil, explain(err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		_ = response.Body.Close()
		return nil, &statusError{response.StatusCode}
	}
	return response, nil
}

// explain leaves the URL, which is long and may hold a signature, out of the error.
func explain(err error) error {
	var wrapped interface{ Unwrap() error }
	if errors.As(err, &wrapped) && wrapped.Unwrap() != nil {
		err = wrapped.Unwrap()
	}
	if prohibited(err) {
		return fmt.Errorf("%w: the host's address is in a network that is closed", objectstore.ErrRefused)
	}
	return err
}

// info has the version "" where a server tells nothing by which a change could be noticed.
// The length would be no help: HEAD and GET may tell different ones.
func info(r *http.Response) objectstore.Info {
	modified, _ := http.ParseTime(r.Header.Get("Last-Modified"))
	told := objectstore.Info{Size: r.ContentLength, Modified: modified, Version: r.Header.Get("Etag")}
	if total, ok := strings.CutPrefix(r.Header.Get("Content-Range"), "bytes "); ok {
		_, total, _ = strings.Cut(total, "/")
		told.Size, _ = strconv.ParseInt(total, 10, 64)
	}
	if told.Version == "" {
		told.Version = r.Header.Get("Last-Modified")
	}
	if len(told.Version) > maxVersion {
		told.Version = ""
	}
	told.Size = max(told.Size, 0)
	return told
}

// maxVersion is the longest ETag that fits into a thumbnail's metadata everywhere.
const maxVersion = 200

// Put is refused.
func (s *Store) Put(context.Context, thumbnail.Location, []byte, objectstore.Meta) error {
	return fmt.Errorf("%w: other sites' originals are not written", objectstore.ErrReadOnly)
}

// Delete is refused.
func (s *Store) Delete(context.Context, thumbnail.Location) error {
	return fmt.Errorf("%w: other sites' originals are not deleted", objectstore.ErrReadOnly)
}

// List is not possible over HTTP.
func (s *Store) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, errors.ErrUnsupported
}
