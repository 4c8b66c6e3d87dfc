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

// direct is an original that is read where it lies: a file of a directory of originals.
// Nothing of it is copied, unless a tool needs it by a name.
type direct struct {
	source *Source
	at     thumbnail.Location
	before fs.FileInfo

	mu   sync.Mutex
	copy *Original // nil: none was needed
}

// openDirectly gives the file itself. Each use has an open file of its own, since workers
// share its offset.
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

// Changed reports whether the file was written to since it was opened, so that what was read
// of it is of no version. One that another was renamed over is as it was.
func (o *Original) Changed() bool {
	if o.direct == nil {
		return false
	}
	now, err := o.File.Stat()
	return err != nil || now.Size() != o.direct.before.Size() || !now.ModTime().Equal(o.direct.before.ModTime())
}

// Named gives the original as a file in the renderer's own folder, which a tool can be shown by
// its name: a copy, where it lies elsewhere, kept for other sizes as downloads are. It is
// closed by Release. Errors are faults.
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
		return nil, fault.New(fault.OriginalStore, "the original changed while it was read")
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
