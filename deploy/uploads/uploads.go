// Package uploads keeps uploaded originals in memory, for the page on which developers try URLs. The newest uploads stay, within
// bounds of their number and their bytes.
package uploads

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	mostBytes = 32 << 20  // of one upload
	allBytes  = 128 << 20 // of all uploads
	mostFiles = 64
)

// Prefix begins the names of uploads.
const Prefix = "try-uploads/"

// Store is a store of originals in memory. Only Add changes it. It is safe for concurrent use.
type Store struct {
	mu    sync.Mutex
	files []file // the oldest first
	bytes int
}

type file struct {
	path  string // without Prefix
	body  []byte
	added time.Time
}

// MostBytes returns the size of the largest upload.
func (*Store) MostBytes() int64 { return mostBytes }

// Add keeps a file, deletes the oldest files beyond the bounds, and returns its name with Prefix and a random folder. The name
// must end in the extension of a type that thumbnails are made of; a folder before it is dropped.
func (s *Store) Add(name string, body []byte) (string, error) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	at := path.Join(rand.Text()[:16], name)
	switch {
	case !objectstore.Valid(thumbnail.Location{Path: at}):
		return "", fmt.Errorf("%q cannot be the name of an original: use a shorter name without special characters", name)
	case thumbnail.TypeOf(name) == thumbnail.TypeUnknown:
		return "", fmt.Errorf("%q has no extension of a picture: use a name such as cat.jpg", name)
	case len(body) == 0 || len(body) > mostBytes:
		return "", fmt.Errorf("the upload has %d bytes: 1 to %d are allowed", len(body), mostBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.bytes = append(s.files, file{at, body, time.Now()}), s.bytes+len(body)
	for s.bytes > allBytes || len(s.files) > mostFiles {
		s.bytes -= len(s.files[0].body)
		s.files[0] = file{}
		s.files = s.files[1:]
	}
	return Prefix + at, nil
}

func (s *Store) find(at thumbnail.Location) (file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.path == at.Path && at.Container == "" {
			return f, nil
		}
	}
	return file{}, fmt.Errorf("%w: %s was uploaded to another process, or made room for newer uploads", objectstore.ErrNotFound, at.Path)
}

// Head returns the data about an upload. Its folder is random, so its name is its version.
func (s *Store) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	f, err := s.find(at)
	if err != nil {
		return objectstore.Info{}, err
	}
	return objectstore.Info{Size: int64(len(f.body)), Modified: f.added.Truncate(time.Second), Version: hex.EncodeToString([]byte(path.Dir(f.path)))}, nil
}

// Open opens an upload.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	info, err := s.Head(ctx, at)
	if err != nil {
		return nil, info, err
	}
	f, err := s.find(at)
	return objectstore.NewWhole(f.body, func() {}), info, err
}

// Put returns errors.ErrUnsupported: Add chooses the names.
func (*Store) Put(context.Context, thumbnail.Location, []byte, objectstore.Meta) error {
	return errors.ErrUnsupported
}

// Delete returns errors.ErrUnsupported.
func (*Store) Delete(context.Context, thumbnail.Location) error { return errors.ErrUnsupported }

// List returns errors.ErrUnsupported.
func (*Store) List(context.Context, thumbnail.Location, string) ([]thumbnail.Location, error) {
	return nil, errors.ErrUnsupported
}

// Close does nothing.
func (*Store) Close() error { return nil }
