package source

import (
	"context"
	"io/fs"
	"os"
	"sync"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// direct is an original that is a plain file in a directory of originals. The renderer reads the
// file in place, and copies it only if a tool needs the file by name.
type direct struct {
	source *Source
	at     thumbnail.Location
	before fs.FileInfo

	mu   sync.Mutex
	copy *Original // nil: no tool needed a copy yet
}

// openDirectly returns the original's own file, or fetches the original if its object is not a plain
// file. Each use opens the file anew, because workers share the offset of an open file.
func (s *Source) openDirectly(ctx context.Context, at thumbnail.Location) (*Original, error) {
	object, info, err := s.look(ctx, at)
	if err != nil {
		return nil, err
	}
	plain, ok := object.(objectstore.Plain)
	if !ok {
		_ = object.Close()
		return s.fetch(ctx, at, info.Version)
	}
	stat, err := plain.File().Stat()
	if err != nil {
		_ = object.Close()
		return nil, fetchFault(err)
	}
	d := &direct{source: s, at: at, before: stat}
	return &Original{File: plain.File(), Version: info.Version, Size: info.Size, direct: d, release: d.release}, nil
}

// Changed reports whether a program wrote to the file since Fetch opened it; the bytes that were
// read then belong to no version. A rename of another file over the name is not a change, because
// the open file stays as it was. Changed is always false for a copy.
func (o *Original) Changed() bool {
	if o.direct == nil {
		return false
	}
	now, err := o.File.Stat()
	return err != nil || now.Size() != o.direct.before.Size() || !now.ModTime().Equal(o.direct.before.ModTime())
}

// Named returns the original as a file in the renderer's own folder, so that a tool can open the
// file by name. If the original lies elsewhere, Named copies it, and keeps the copy for other sizes
// as it keeps downloads. Release closes the file. Errors are faults.
func (o *Original) Named(ctx context.Context) (*os.File, error) {
	d := o.direct
	if d == nil {
		return o.File, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.copy != nil {
		return d.copy.File, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.source.config.Timeout)
	defer cancel()
	made, err := d.source.fetch(ctx, d.at, o.Version)
	if err != nil {
		return nil, err
	}
	if made.Version != o.Version {
		made.Release()
		return nil, fault.New(fault.OriginalStore, "the original changed while the renderer read it: ask again")
	}
	d.copy = made
	return made.File, nil
}

func (d *direct) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.copy != nil {
		d.copy.Release()
		d.copy = nil
	}
}
