// Package objectstore is the interface of stores of originals and thumbnails. Package directory stores
// them in a folder, swiftstore in OpenStack Swift, s3store behind S3's protocol, and blobstore at
// Google or Azure; all of them pass the suite of package storetest. Package httpstore only reads
// originals, from other sites. Package byprefix combines several stores.
//
// The edge reads heads of originals and thumbnails. The renderer reads originals and writes thumbnails.
package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// ErrNotFound means that the object does not exist. It is an answer, not a failure.
var ErrNotFound = errors.New("no such object")

// ErrFull means that the store has no room for the object.
var ErrFull = errors.New("the object store is full")

// ErrReadOnly means that the store refuses writes: a read-only file system, or an account without
// the permission.
var ErrReadOnly = errors.New("the object store is read-only")

// ErrRefused means that the settings forbid to read the object: its host is not in the list, or its
// address is in a private network. It is an answer, not a failure.
var ErrRefused = errors.New("the settings forbid this source of originals")

// ErrClosed means that the address of a listed host is in a closed network. It is an ErrRefused.
var ErrClosed = fmt.Errorf("%w: the host's address is in a closed network", ErrRefused)

// ErrElsewhere means that one of many hosts failed. The circuit breaker of the store does not count
// it, since other hosts may work.
var ErrElsewhere = errors.New("the original's own server failed")

// ErrSlow means that a store or a host sends an original more slowly than renderer.min_rate. It is an ErrElsewhere.
var ErrSlow = fmt.Errorf("%w: it sends too slowly", ErrElsewhere)

// Store stores objects by container and path. Its methods are safe for concurrent use. They return
// ErrNotFound (possibly wrapped) for absent objects, and end when ctx ends.
type Store interface {
	// Head returns the data about an object without its content.
	Head(ctx context.Context, at thumbnail.Location) (Info, error)
	// Open opens an object for reading. The caller must close it, and ctx must outlive the reading.
	Open(ctx context.Context, at thumbnail.Location) (Object, Info, error)
	// Put stores an object, whole or not at all, and replaces an earlier one.
	Put(ctx context.Context, at thumbnail.Location, body []byte, meta Meta) error
	// Delete removes an object. It returns nil for an absent object.
	Delete(ctx context.Context, at thumbnail.Location) error
	// List returns the objects whose paths begin with in.Path, in the order of their paths' bytes,
	// after the path after ("" = from the first). It returns at most ListPage objects, and fewer only
	// at the end.
	List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error)
	// Close ends the store's background work.
	Close() error
}

// ListPage bounds the objects that one call of List returns.
const ListPage = 1000

// Object is the content of an object.
type Object interface {
	io.ReadSeeker
	io.Closer
}

// Plain is an object that is a whole regular file of this machine.
type Plain interface {
	Object
	// File returns the file, open for reading. The object closes it, unless the caller keeps the file
	// and never closes the object.
	File() *os.File
}

// IsPlain reports whether a store gives the object of a name as Plain. Such a store has the method
// Plain.
func IsPlain(s Store, at thumbnail.Location) bool {
	p, ok := s.(interface {
		Plain(at thumbnail.Location) bool
	})
	return ok && p.Plain(at)
}

// Info is the data about an object.
type Info struct {
	Size     int64
	Modified time.Time // seconds
	// Version changes with each change of the content: it is the ETag if the store has one. "" means
	// unknown: changes go unnoticed, and no cache may keep data by this version.
	Version string
	// MD5 of the content in hex if the store guarantees it, otherwise "".
	MD5  string
	Meta Meta
}

// Meta is the metadata of a thumbnail. Originals have no Meta.
type Meta struct {
	ContentType     string    `json:"content_type"`
	ETag            string    `json:"etag"`             // MD5 of the content in hex
	Disposition     string    `json:"disposition"`      // Content-Disposition
	XKey            string    `json:"xkey"`             // for purges of the CDN by original
	Spec            string    `json:"spec,omitempty"`   // the rendered spec: its canonical JSON in ASCII, if at most MaxSpec bytes
	SpecDigest      string    `json:"spec_digest"`      // of the rendered spec
	Rules           int       `json:"rules"`            // thumbnail.RulesVersion
	OriginalVersion string    `json:"original_version"` // Info.Version of the original
	Rendered        time.Time `json:"rendered"`         // seconds, UTC
	Sides           Sides     `json:"sides,omitzero"`   // of the source of scaling; set only for buckets
}

// MaxSpec is the longest spec in bytes that is stored with a thumbnail. For a longer one only the
// digest is stored: S3 has 2 KB for all metadata.
const MaxSpec = 1250

// Valid reports whether a location can name an object: a relative, clean path without special
// characters of file systems and URLs.
func Valid(at thumbnail.Location) bool {
	whole := at.Path
	if at.Container != "" {
		if strings.Contains(at.Container, "/") {
			return false
		}
		whole = at.Container + "/" + at.Path
	}
	if len(whole) > 1024 || !utf8.ValidString(whole) || strings.ContainsAny(whole, "\x00\n\r") {
		return false
	}
	for segment := range strings.SplitSeq(whole, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > 255 {
			return false
		}
	}
	return true
}
