// Package objectstore is the one small interface behind which originals are
// read and thumbnails are kept. Package directory keeps them in a folder,
// swiftstore in OpenStack Swift, s3store behind S3's protocol; package storetest is
// the suite that all pass. Package httpstore reads originals alone, from other
// sites; package byprefix puts several stores behind one.
//
// The edge reads originals' heads and thumbnails, the renderer reads originals
// and writes thumbnails.
package objectstore

import (
	"context"
	"errors"
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
var ErrRefused = errors.New("this source of originals is closed")

// ErrElsewhere means that one of many hosts failed. The circuit breaker of the store does not count
// it, since other hosts may work.
var ErrElsewhere = errors.New("the original's own server failed")

// Store keeps objects by container and path. Methods are safe for concurrent
// use and return ErrNotFound (possibly wrapped) for what is not there. They end
// with ctx.
type Store interface {
	// Head tells of an object without reading it.
	Head(ctx context.Context, at thumbnail.Location) (Info, error)
	// Open gives an object for reading. It is closed by the caller, and ctx must outlive the reading.
	Open(ctx context.Context, at thumbnail.Location) (Object, Info, error)
	// Put keeps an object, whole or not at all, in place of an earlier one.
	Put(ctx context.Context, at thumbnail.Location, body []byte, meta Meta) error
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, at thumbnail.Location) error
	// List gives the objects whose paths begin with in.Path, in the order of their
	// paths' bytes, from the one behind the path after ("" = from the first): at most
	// ListPage of them, and fewer only when there are no more.
	List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error)
	// Close ends what the store runs in the background.
	Close() error
}

// ListPage is how many objects one call of List gives at most.
const ListPage = 1000

// Object is an object's content.
type Object interface {
	io.ReadSeeker
	io.Closer
}

// Plain is an object that is the whole of a regular file of this machine.
type Plain interface {
	Object
	// File is the file, open for reading; it is the object's to close, unless the caller keeps
	// it and leaves the object alone.
	File() *os.File
}

// IsPlain reports whether a store gives the object of a name as Plain. A store that does so
// for some has the method Plain.
func IsPlain(s Store, at thumbnail.Location) bool {
	p, ok := s.(interface {
		Plain(at thumbnail.Location) bool
	})
	return ok && p.Plain(at)
}

// Info is what Head and Open tell of an object.
type Info struct {
	Size     int64
	Modified time.Time // seconds
	// Version changes whenever the content does: the ETag where the store has one. "" is
	// not known: nobody can tell a change then, and nothing is kept by it.
	Version string
	// MD5 of the content in hex, where the store promises it; else "".
	MD5  string
	Meta Meta
}

// Meta travels with a thumbnail. Originals have none.
type Meta struct {
	ContentType     string    `json:"content_type"`
	ETag            string    `json:"etag"`             // MD5 of the content in hex
	Disposition     string    `json:"disposition"`      // Content-Disposition
	XKey            string    `json:"xkey"`             // for purges of the CDN by original
	Spec            string    `json:"spec,omitempty"`   // what was rendered: its canonical JSON in ASCII, where that is no longer than MaxSpec
	SpecDigest      string    `json:"spec_digest"`      // of the spec that was rendered
	Rules           int       `json:"rules"`            // thumbnail.RulesVersion
	OriginalVersion string    `json:"original_version"` // Info.Version of the original
	Rendered        time.Time `json:"rendered"`         // seconds, UTC
	Sides           Sides     `json:"sides,omitzero"`   // of what was scaled; of buckets alone
}

// MaxSpec is the longest spec in bytes that is kept with a thumbnail; of a longer one
// only the digest is. S3 has 2 KB for all metadata.
const MaxSpec = 1250

// Valid reports whether a location can be asked for: relative, clean, and
// without anything that a file system or a URL would take for more than a name.
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
