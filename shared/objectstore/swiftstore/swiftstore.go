// Package swiftstore stores objects in OpenStack Swift.
//
// Measurements of the client library gave three rules. Every call needs a deadline: the library tries a
// hung GET four times. A PUT survives an expired token only if its body can seek and the library does
// not hash it. The store has its own connection pool, with as many idle connections as concurrent
// requests.
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
	"slices"
	"strings"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// concurrency is the number of idle connections to Swift.
const concurrency = 64

// Store is one account of a Swift cluster.
type Store struct {
	conn      *swift.Connection
	container string // of locations without a container
	create    bool
	readers   string        // X-Container-Read of containers that it creates
	private   []string      // store.private_containers
	expire    time.Duration // age at which Swift deletes thumbnails; 0 = never
	share     float64       // share of thumbnails that expire, 0…1
}

// New makes a store. Its first operation authenticates. private is store.private_containers.
func New(b storeconfig.Bucket, private ...string) *Store {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = concurrency, concurrency
	transport.DisableCompression = true
	return &Store{
		conn: &swift.Connection{
			AuthUrl: b.AuthURL, UserName: b.User, ApiKey: string(b.Key), Tenant: b.Tenant, Domain: b.Domain,
			Retries: 1, ConnectTimeout: 10 * time.Second, Timeout: 10 * time.Second,
			Transport: idempotent{transport}, UserAgent: "thumbmill",
		},
		container: b.Container, create: b.CreateAll, readers: b.ReadACL, private: private, expire: b.Expire, share: b.ExpireShare,
	}
}

// Close drops idle connections.
func (s *Store) Close() error {
	if t, ok := s.conn.Transport.(idempotent); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// idempotent tells net/http that it may send Swift's writes again if the server closed the idle
// connection at that moment. A header without a value says so, and is not sent (see http.Transport).
// RoundTrip changes the caller's own request and makes no copy, because the caller cancels a request by
// its address. The type embeds the transport for two methods that the Swift library looks for:
// CancelRequest, for its timeouts, and CloseIdleConnections.
type idempotent struct{ *http.Transport }

func (i idempotent) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header["X-Idempotency-Key"] = []string{}
	return i.Transport.RoundTrip(r)
}

func (s *Store) locate(at thumbnail.Location) (container, path string, err error) {
	if !objectstore.Valid(at) {
		return "", "", fmt.Errorf("%w: no object can have the name %q", objectstore.ErrNotFound, at)
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
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.StatusCode {
	case http.StatusInsufficientStorage, http.StatusRequestEntityTooLarge: // 413: the account has no room left
		return fmt.Errorf("%w: %w", objectstore.ErrFull, err)
	}
	return err
}

// Head returns the data about an object.
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

// Open opens an object for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	container, path, err := s.locate(at)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	// checkHash is off: with a range it reports false corruption.
	file, headers, err := s.conn.ObjectOpen(ctx, container, path, false, nil)
	if err != nil {
		return nil, objectstore.Info{}, translate(err)
	}
	found := info(headers)
	reopen := func(from int64) (io.ReadCloser, error) {
		if _, err := file.Seek(ctx, from, io.SeekStart); err != nil {
			return nil, translate(err)
		}
		return io.NopCloser(file), nil
	}
	return closing{objectstore.NewStream(io.NopCloser(file), found.Size, reopen), file}, found, nil
}

// closing closes the library's file, which stays the same through all seeks.
type closing struct {
	objectstore.Object
	file io.Closer
}

func (c closing) Close() error { return c.file.Close() }

// Put stores an object. It makes the container first if the settings ask for that.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	container, path, err := s.locate(at)
	if err != nil {
		return err
	}
	put := func() error { return s.put(ctx, container, path, body, meta) }
	err = twice(ctx, put)
	if s.create && (errors.Is(err, swift.ObjectNotFound) || errors.Is(err, swift.ContainerNotFound)) {
		err = twice(ctx, func() error { return s.conn.ContainerCreate(ctx, container, s.access(container)) })
		if err == nil {
			err = twice(ctx, put)
		}
	}
	return refused(translate(err))
}

// access returns the headers for a new container: a public wiki's containers have the same readers as
// MediaWiki's own. The container of Thumbor's URLs has no other readers, because thumbnails of private
// originals can be in it.
func (s *Store) access(container string) swift.Headers {
	wiki, zone, isWikis := strings.Cut(container, "-local-")
	private := strings.HasPrefix(zone, "temp") || slices.Contains(s.private, wiki+"-local-public")
	if s.readers == "" || !isWikis || private {
		return nil
	}
	return swift.Headers{"X-Container-Read": s.readers}
}

// refused marks the error of an account that may not write.
func refused(err error) error {
	var answer *swift.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", objectstore.ErrReadOnly, err)
	}
	return err
}

// twice tries again after a failure without an answer: Swift may have closed an idle connection, and
// net/http does not repeat a PUT by itself. Writing the same object twice is harmless.
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
	headers := headers(meta, len(body))
	if s.expires(thumbnail.Location{Container: container, Path: path}) {
		headers[headerExpiry] = s.expiry()
	}
	_, err := s.conn.ObjectPut(ctx, container, path, bytes.NewReader(body), false,
		hex.EncodeToString(sum[:]), meta.ContentType, headers)
	return err
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	container, path, err := s.locate(at)
	if err == nil {
		err = refused(translate(s.conn.ObjectDelete(ctx, container, path)))
	}
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}

// List returns a page of a container.
func (s *Store) List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error) {
	container := in.Container
	if container == "" {
		container = s.container
	}
	found, err := s.conn.Objects(ctx, container, &swift.ObjectsOpts{Prefix: in.Path, Marker: after, Limit: objectstore.ListPage})
	if err = translate(err); err != nil {
		if errors.Is(err, objectstore.ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	all := make([]thumbnail.Location, len(found))
	for i, o := range found {
		all[i] = thumbnail.Location{Container: in.Container, Path: o.Name}
	}
	return all, nil
}
