// Package swiftstore keeps objects in OpenStack Swift.
//
// A few rules of the client library, found by measuring, shape it: every call
// needs a deadline (a hung GET is tried four times); a PUT survives an expired
// token only when its body can seek and the library does not hash it; a
// connection pool of its own, with as many idle connections as are used at once.
package swiftstore

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Swift's ETag
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Concurrency is how many idle connections are kept to Swift.
const Concurrency = 64

// The metadata of a thumbnail, beside the headers that Swift knows itself.
const (
	headerSpec     = "X-Object-Meta-Spec"
	headerRules    = "X-Object-Meta-Rules"
	headerOriginal = "X-Object-Meta-Original-Version"
	headerRendered = "X-Object-Meta-Rendered"
	headerXKey     = "X-Object-Meta-Xkey"
	headerDisp     = "Content-Disposition"
)

// Store is an account of a Swift cluster.
type Store struct {
	conn      *swift.Connection
	container string // of locations that name none
	create    bool
}

// New makes a store; the first operation authenticates.
func New(b settings.Bucket) *Store {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = Concurrency, Concurrency
	transport.DisableCompression = true
	return &Store{
		conn: &swift.Connection{
			AuthUrl: b.AuthURL, UserName: b.User, ApiKey: string(b.Key), Tenant: b.Tenant, Domain: b.Domain,
			Retries: 1, ConnectTimeout: 10 * time.Second, Timeout: 10 * time.Second,
			Transport: idempotent{transport}, UserAgent: "thumbmill",
		},
		container: b.Container, create: b.CreateAll,
	}
}

// Close drops idle connections.
func (s *Store) Close() error {
	if t, ok := s.conn.Transport.(idempotent); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// idempotent tells net/http that Swift's writes may be sent again when the server
// closed a kept connection at the very moment. A header without a value says so, and
// is not sent (see http.Transport). The request stays the caller's own, who cancels it
// by its address.
type idempotent struct{ *http.Transport }

func (i idempotent) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header["X-Idempotency-Key"] = []string{}
	return i.Transport.RoundTrip(r)
}

func (s *Store) locate(at thumbnail.Location) (container, path string, err error) {
	if !objectstore.Valid(at) {
		return "", "", fmt.Errorf("%w: not a name that an object can have", objectstore.ErrNotFound)
	}
	if at.Container == "" {
		return s.container, at.Path, nil
	}
	return at.Container, at.Path, nil
}

func translate(err error) error {
	if errors.Is(err, swift.ObjectNotFound) || errors.Is(err, swift.ContainerNotFound) {
		return fmt.Errorf("%w in Swift", objectstore.ErrNotFound)
	}
	var refused *swift.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusInsufficientStorage {
		return fmt.Errorf("%w: %w", objectstore.ErrFull, err)
	}
	return err
}

// Head tells of an object.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	container, path, err := s.locate(at)
	if err != nil {
		return objectstore.Info{}, err
	}
	_, headers, err := s.conn.Object(ctx, container, path)
	if err != nil {
		return objectstore.Info{}, translate(err)
	}
	return info(headers), nil
}

func info(h swift.Headers) objectstore.Info {
	size, _ := strconv.ParseInt(h["Content-Length"], 10, 64)
	modified, _ := http.ParseTime(h["Last-Modified"])
	rules, _ := strconv.Atoi(h[headerRules])
	rendered, _ := time.Parse(time.RFC3339, h[headerRendered])
	return objectstore.Info{
		Size: size, Modified: modified, Version: h["Etag"],
		Meta: objectstore.Meta{
			ContentType: h["Content-Type"], ETag: h["Etag"], Disposition: h[headerDisp], XKey: h[headerXKey],
			SpecDigest: h[headerSpec], Rules: rules, OriginalVersion: h[headerOriginal], Rendered: rendered,
		},
	}
}

// Open gives an object for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	container, path, err := s.locate(at)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	// checkHash is off: together with a range it reports false corruption.
	file, headers, err := s.conn.ObjectOpen(ctx, container, path, false, nil)
	if err != nil {
		return nil, objectstore.Info{}, translate(err)
	}
	found := info(headers)
	return &object{ctx: ctx, file: file, size: found.Size}, found, nil
}

// object puts off each seek until something is read there, because each seek
// of the library is a new request.
type object struct {
	ctx       context.Context //nolint:containedctx // the library's reads take one
	file      *swift.ObjectOpenFile
	size      int64
	want, pos int64
}

func (o *object) Read(p []byte) (int, error) {
	if o.want >= o.size {
		return 0, io.EOF
	}
	if o.want != o.pos {
		if _, err := o.file.Seek(o.ctx, o.want, io.SeekStart); err != nil {
			return 0, translate(err)
		}
		o.pos = o.want
	}
	n, err := o.file.Read(p)
	o.pos += int64(n)
	o.want = o.pos
	if errors.Is(err, io.EOF) && o.pos < o.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.want
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, errors.New("swiftstore: seek before the start")
	}
	o.want = offset
	return offset, nil
}

func (o *object) Close() error { return o.file.Close() }

// Put keeps an object, and makes its container first where that is asked for.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	container, path, err := s.locate(at)
	if err != nil {
		return err
	}
	put := func() error { return s.put(ctx, container, path, body, meta) }
	err = twice(ctx, put)
	if s.create && (errors.Is(err, swift.ObjectNotFound) || errors.Is(err, swift.ContainerNotFound)) {
		err = twice(ctx, func() error { return s.conn.ContainerCreate(ctx, container, nil) })
		if err == nil {
			err = twice(ctx, put)
		}
	}
	return translate(err)
}

// twice tries again when there was no answer: Swift may have closed an idle
// connection, and net/http repeats no PUT by itself. Writing the same again does
// no harm.
func twice(ctx context.Context, call func() error) error {
	err := call()
	var answered *swift.Error
	if err == nil || errors.As(err, &answered) || ctx.Err() != nil {
		return err
	}
	return call()
}

func (s *Store) put(ctx context.Context, container, path string, body []byte, meta objectstore.Meta) error {
	sum := md5.Sum(body) //nolint:gosec // Swift's ETag
	headers := swift.Headers{
		"Content-Length": strconv.Itoa(len(body)),
		headerSpec:       meta.SpecDigest,
		headerRules:      strconv.Itoa(meta.Rules),
		headerOriginal:   meta.OriginalVersion,
		headerRendered:   meta.Rendered.UTC().Format(time.RFC3339),
		headerXKey:       meta.XKey,
		headerDisp:       meta.Disposition,
	}
	_, err := s.conn.ObjectPut(ctx, container, path, bytes.NewReader(body), false,
		hex.EncodeToString(sum[:]), meta.ContentType, headers)
	return err
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	container, path, err := s.locate(at)
	if err == nil {
		err = translate(s.conn.ObjectDelete(ctx, container, path))
	}
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}
