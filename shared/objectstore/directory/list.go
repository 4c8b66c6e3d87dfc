package directory

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// List walks the folder at the end of the prefix and all folders below. Folders have another order than
// names, so List holds all names before it returns a page.
func (s *Store) List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error) {
	probe := in
	probe.Path += "x" // a prefix may be empty, or end in a slash
	if _, err := s.name(ctx, probe); err != nil {
		return nil, nil //nolint:nilerr // no object can have such a name
	}
	var all []thumbnail.Location
	folder := path.Dir(path.Join(in.Container, in.Path+"x"))
	err := fs.WalkDir(s.root.FS(), folder, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != folder {
			return nil // evicted during the walk
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		at := thumbnail.Location{Container: in.Container, Path: name}
		if in.Container != "" {
			at.Path = strings.TrimPrefix(name, in.Container+"/")
		}
		if name == tempDir || entry.IsDir() && name != folder && !strings.HasPrefix(at.Path, in.Path) && !strings.HasPrefix(in.Path, at.Path+"/") {
			return fs.SkipDir
		}
		if entry.Type().IsRegular() && strings.HasPrefix(at.Path, in.Path) && at.Path > after {
			all = append(all, at)
		}
		return nil
	})
	if err != nil && !errors.Is(notFound(err), objectstore.ErrNotFound) {
		return nil, err
	}
	slices.SortFunc(all, func(a, b thumbnail.Location) int { return strings.Compare(a.Path, b.Path) })
	return all[:min(len(all), objectstore.ListPage)], nil
}
