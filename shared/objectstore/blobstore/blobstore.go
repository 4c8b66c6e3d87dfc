//go:build clouds

package blobstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// concurrency is the number of idle connections.
	concurrency = 64
	// headerTimeout bounds the wait for the head of an answer.
	headerTimeout = 10 * time.Second
	// usualType is the type of an object without one: the library demands a type.
	usualType = "application/octet-stream"
	// attempts bounds the attempts to open an object that others replace meanwhile.
	attempts = 8
)

// service holds the differences between the services.
type service struct {
	bucket *blob.Bucket
	// version returns the option of a read that fails if the object is no longer the one with these attributes.
	version func(*blob.Attributes) func(as func(any) bool) error
	// after tells a listing to begin near a key, if the service can; the listing may begin before the key.
	after func(key string) func(as func(any) bool) error
	// changed reports whether an error of a read says that the object has changed.
	changed func(error) bool
}

// Store is one bucket.
type Store struct {
	service   service
	transport *http.Transport
}

// New makes a store of the kind gcs or azure. Only its first operation connects to the service.
func New(ctx context.Context, b storeconfig.Bucket) (*Store, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = concurrency, concurrency
	transport.ResponseHeaderTimeout = headerTimeout
	open := map[string]func(context.Context, storeconfig.Bucket, *http.Transport) (service, error){"gcs": openGoogle, "azure": openAzure}[b.Kind]
	if open == nil {
		return nil, fmt.Errorf("blobstore: the kind is %q: write gcs or azure", b.Kind)
	}
	opened, err := open(ctx, b, transport)
	if err != nil {
		return nil, fmt.Errorf("blobstore: %w", err)
	}
	return &Store{opened, transport}, nil
}

// Close drops idle connections.
func (s *Store) Close() error {
	err := s.service.bucket.Close()
	s.transport.CloseIdleConnections()
	return err
}

func key(at thumbnail.Location) (string, error) {
	if !objectstore.Valid(at) {
		return "", fmt.Errorf("%w: no object can have the name %q", objectstore.ErrNotFound, at)
	}
	return path.Join(at.Container, at.Path), nil
}

// translate marks errors that are answers of a service that works.
func translate(err error) error {
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return fmt.Errorf("%w: %w", objectstore.ErrNotFound, err)
	case denied(err):
		return fmt.Errorf("%w: %w", objectstore.ErrElsewhere, err)
	}
	return err
}

// denied reports whether the account may not do the operation. The library does not know all of Azure's codes.
func denied(err error) bool {
	return gcerrors.Code(err) == gcerrors.PermissionDenied || forbidden(err)
}

// refused marks the error of an account that may not write.
func refused(err error) error {
	if denied(err) {
		return fmt.Errorf("%w: %w", objectstore.ErrReadOnly, err)
	}
	return err
}

// Head returns the data about an object.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	name, err := key(at)
	if err != nil {
		return objectstore.Info{}, err
	}
	found, err := s.service.bucket.Attributes(ctx, name)
	if err != nil {
		return objectstore.Info{}, translate(err)
	}
	return info(found), nil
}

// Open opens an object for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	name, err := key(at)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	for range attempts {
		var found *blob.Attributes
		if found, err = s.service.bucket.Attributes(ctx, name); err != nil {
			break
		}
		var body io.ReadCloser
		if body, err = s.read(ctx, name, found, 0); err == nil {
			told := info(found)
			reopen := func(from int64) (io.ReadCloser, error) { return s.read(ctx, name, found, from) }
			return objectstore.NewStream(body, told.Size, reopen), told, nil
		}
		if !s.service.changed(err) {
			break
		}
	}
	return nil, objectstore.Info{}, translate(err)
}

// read returns the rest of one version of an object.
func (s *Store) read(ctx context.Context, name string, found *blob.Attributes, from int64) (io.ReadCloser, error) {
	body, err := s.service.bucket.NewRangeReader(ctx, name, from, -1, &blob.ReaderOptions{BeforeRead: s.service.version(found)})
	if err != nil { // else the interface would hold a nil pointer
		return nil, err
	}
	return body, nil
}

// Put stores an object.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	name, err := key(at)
	if err != nil {
		return err
	}
	sum := md5.Sum(body) //nolint:gosec // the service refuses a body with another MD5
	return refused(translate(s.service.bucket.Upload(ctx, name, bytes.NewReader(body), &blob.WriterOptions{
		ContentType: cmp.Or(meta.ContentType, usualType), ContentDisposition: meta.Disposition, ContentMD5: sum[:], Metadata: metadata(meta),
		DisableContentTypeDetection: true, BufferSize: len(body) + 1, // else Google's library takes 16 MiB for each object
	})))
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	name, err := key(at)
	if err == nil {
		err = refused(translate(s.service.bucket.Delete(ctx, name)))
	}
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}

// List returns a page of the bucket. Azure cannot begin a listing in the middle, so a later page costs the requests of all
// pages before it.
func (s *Store) List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error) {
	folder := ""
	if in.Container != "" {
		folder = in.Container + "/"
	}
	options := &blob.ListOptions{Prefix: folder + in.Path}
	if after != "" {
		options.BeforeList = s.service.after(folder + after)
	}
	var all []thumbnail.Location
	for listing := s.service.bucket.List(options); len(all) < objectstore.ListPage; {
		o, err := listing.Next(ctx)
		switch {
		case errors.Is(err, io.EOF), gcerrors.Code(err) == gcerrors.NotFound:
			return all, nil
		case err != nil:
			return nil, translate(err)
		}
		if path := strings.TrimPrefix(o.Key, folder); path > after {
			all = append(all, thumbnail.Location{Container: in.Container, Path: path})
		}
	}
	return all, nil
}

// info returns the data about an object.
func info(found *blob.Attributes) objectstore.Info {
	told := objectstore.Info{Size: found.Size, Modified: found.ModTime.Truncate(time.Second), Version: found.ETag, Meta: readMetadata(found)}
	if len(found.MD5) == md5.Size {
		told.MD5 = hex.EncodeToString(found.MD5)
	}
	if told.Meta.ETag == "" {
		told.Meta.ETag = strings.Trim(found.ETag, `"`)
	}
	return told
}
