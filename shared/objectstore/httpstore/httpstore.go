// Package httpstore reads originals from other sites, over HTTP and HTTPS. It writes nothing.
//
// Strangers choose the names in URLs and so the hosts that this process connects to. Two checks limit
// these hosts: a list of hosts, for each redirect too, and a check of the address of each connection,
// after all names are resolved (guard.go). Redirects, times, and the connections to one host are
// bounded. Each host has a circuit breaker: a dead host does not hold up others.
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
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	maxRedirects   = 5 // as in Thumbor
	connectTimeout = 5 * time.Second
	headerTimeout  = 10 * time.Second
	maxHeader      = 64 << 10 // bytes of an answer's head
	connsPerHost   = 32
	// maxSpooling bounds the concurrent reads of bodies of unknown length, and spoolingPerHost the
	// reads from one host. Each may take as much disk as the largest original.
	maxSpooling, spoolingPerHost = 8, 2
)

// Store is the sites of a loader.
type Store struct {
	client   *http.Client
	dialer   *net.Dialer
	endpoint string
	absolute bool // names are whole URLs
	hosts    hosts
	maxBytes int64
	minRate  int64
	tempDir  string
	breakers *breakers
	spooling atomic.Int32
}

// New makes a store. It writes originals of unknown length to a file in tempDir ("" = the system's)
// before they are read, and cuts them after maxBytes. Bodies that come more slowly than minRate bytes a
// second end with ErrSlow; 0 means any rate.
func New(b storeconfig.Bucket, maxBytes, minRate int64, tempDir string) (*Store, error) {
	s := &Store{endpoint: b.Endpoint, absolute: b.Scheme() != "", hosts: newHosts(b.Hosts, b.Endpoint), maxBytes: maxBytes, minRate: minRate, tempDir: tempDir}
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
		Proxy: nil, // behind a proxy, the guard checks only the proxy's address
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

// follow allows a redirect if a first request to its URL is allowed.
func (s *Store) follow(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: more than %d redirects", objectstore.ErrRefused, maxRedirects)
	}
	r.Header.Del("Referer")
	return s.hosts.check(r.URL)
}

// Head returns the data about an original. It sends GET if the server answers HEAD differently, as
// servers with signed URLs do.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	response, err := s.request(ctx, http.MethodHead, at, nil)
	if err == nil {
		_ = response.Body.Close()
		if told := info(response); told.Version != "" {
			return told, nil
		}
	} else if !onlyHead(err) {
		return objectstore.Info{}, err
	}
	response, err = s.request(ctx, http.MethodGet, at, nil)
	if err != nil {
		return objectstore.Info{}, err
	}
	_ = response.Body.Close()
	return info(response), nil
}

// onlyHead reports whether GET may get another answer than HEAD.
func onlyHead(err error) bool {
	var answer *statusError
	if !errors.As(err, &answer) || errors.Is(err, objectstore.ErrNotFound) {
		return false
	}
	return answer.status < http.StatusInternalServerError || answer.status == http.StatusNotImplemented
}

// Open opens an original for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	response, err := s.askBody(ctx, at, nil) //nolint:bodyclose // the reader closes it
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	told := info(response)
	if response.ContentLength < 0 {
		return s.spool(response, told)
	}
	reopen := func(from int64) (io.ReadCloser, error) { return s.reopen(ctx, at, from, told.Version) }
	return objectstore.NewStream(response.Body, told.Size, reopen), told, nil
}

// reopen asks for the rest of the same version.
func (s *Store) reopen(ctx context.Context, at thumbnail.Location, from int64, version string) (io.ReadCloser, error) {
	if version == "" {
		return nil, errors.New("read the rest of an original: its server sends no ETag and no Last-Modified, so the rest may belong to another version")
	}
	response, err := s.askBody(ctx, at, http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}})
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

// spool writes a body of unknown length to a file without a name. It cuts a body after one byte above
// the bound: readers then see that it is too large.
func (s *Store) spool(response *http.Response, told objectstore.Info) (objectstore.Object, objectstore.Info, error) {
	body := response.Body
	defer func() { _ = body.Close() }()
	host := &s.breakers.of(response.Request.URL.Host).spooling
	defer s.spooling.Add(-1)
	defer host.Add(-1)
	if all, here := s.spooling.Add(1), host.Add(1); all > maxSpooling || here > spoolingPerHost {
		return nil, told, fmt.Errorf("%w: %d originals of unknown length are being read, %d of them from this host; at most %d and %d are allowed: try again",
			objectstore.ErrElsewhere, all-1, here-1, maxSpooling, spoolingPerHost)
	}
	file, err := os.CreateTemp(s.tempDir, "thumbmill-http-*")
	if err != nil {
		return nil, told, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		told.Size, err = io.Copy(file, io.LimitReader(body, s.maxBytes+1))
		if err != nil && !errors.Is(err, objectstore.ErrSlow) {
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

// statusError is a status other than 200 and 206.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the original's server answers %d (%s)", e.status, http.StatusText(e.status))
}

// Unwrap returns the meaning of the status.
func (e *statusError) Unwrap() error {
	if e.status == http.StatusNotFound || e.status == http.StatusGone {
		return objectstore.ErrNotFound
	}
	return nil
}

// request sends one request through the breaker of its host.
func (s *Store) request(ctx context.Context, method string, at thumbnail.Location, header http.Header) (*http.Response, error) {
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

// explain removes the URL, which is long and may contain a signature, from the error.
func explain(err error) error {
	var wrapped interface{ Unwrap() error }
	if errors.As(err, &wrapped) && wrapped.Unwrap() != nil {
		err = wrapped.Unwrap()
	}
	if prohibited(err) {
		return fmt.Errorf("%w: %w", objectstore.ErrClosed, err)
	}
	return err
}

// info returns the version "" if the server sends nothing that changes with the content. The length
// does not help: answers to HEAD and GET may have different lengths.
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

// maxVersion is the longest ETag that fits into a thumbnail's metadata in all stores.
const maxVersion = 200

// Put returns ErrReadOnly.
func (s *Store) Put(context.Context, thumbnail.Location, []byte, objectstore.Meta) error {
	return fmt.Errorf("%w: other sites take no writes", objectstore.ErrReadOnly)
}

// Delete returns ErrReadOnly.
func (s *Store) Delete(context.Context, thumbnail.Location) error {
	return fmt.Errorf("%w: other sites take no deletions", objectstore.ErrReadOnly)
}

// List returns errors.ErrUnsupported: HTTP has no lists.
func (s *Store) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, errors.ErrUnsupported
}
