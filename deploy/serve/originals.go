package serve

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Bounds of the search for a file to show. The search runs at each start, before systemd learns
// that the process is ready.
const (
	mostEntries = 5_000 // files and folders that the search may look at
	batchSize   = 500   // names that one read of a folder returns
)

// checkOriginals returns an error if the directory of originals is missing. Only serve's own
// default is made if missing; any other missing name is probably a typing error.
func checkOriginals(b storeconfig.Bucket) error {
	if b.Kind != "directory" || b.Path == settings.Default().Store.Originals.Path {
		return nil
	}
	info, err := os.Stat(b.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("store.originals.path: the folder %q does not exist: create it, or name the folder that holds your pictures with --originals", b.Path)
	case err != nil:
		return fmt.Errorf("store.originals.path: %w", err)
	case !info.IsDir():
		return fmt.Errorf("store.originals.path: %q is a file: name the folder that holds it with --originals", b.Path)
	}
	return nil
}

// firstOriginal returns the name, as in URLs, of a file in the store's directory that has
// thumbnails, or "" if the first mostEntries entries have no such file. It reads folders from the
// top down, skips hidden files, and prefers pictures to videos and documents.
func firstOriginal(s storeconfig.Store) (name string, err error) {
	root, err := os.OpenRoot(s.Originals.Path)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	search := search{store: s, root: root, left: mostEntries, folders: []string{"."}}
	for len(search.folders) > 0 && search.left > 0 && search.picture == "" {
		folder := search.folders[0]
		search.folders = search.folders[1:]
		search.read(folder)
	}
	return cmp.Or(search.picture, search.other), nil
}

// search is one walk through the folders of a store.
type search struct {
	store   storeconfig.Store
	root    *os.Root
	left    int      // entries that the search may still look at
	folders []string // unread folders
	picture string   // the first picture
	other   string   // the first original that is not a picture
}

// read looks at the entries of a folder. It skips folders that it cannot read.
func (s *search) read(folder string) {
	dir, err := s.root.Open(folder)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	for s.left > 0 && s.picture == "" {
		entries, err := dir.ReadDir(min(batchSize, s.left))
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, entry := range entries {
			s.look(folder, entry)
		}
		if err != nil { // io.EOF, or the rest of the folder cannot be read
			return
		}
	}
}

func (s *search) look(folder string, entry fs.DirEntry) {
	s.left--
	at := path.Join(folder, entry.Name())
	switch {
	case strings.HasPrefix(entry.Name(), "."):
	case entry.IsDir():
		s.folders = append(s.folders, at)
	case s.picture == "":
		s.note(at)
	}
}

// note keeps the name of a file if it has thumbnails.
func (s *search) note(at string) {
	name, ok := strings.CutPrefix(at, s.store.Originals.Prefix)
	_, elsewhere := s.store.Loader(name)
	if !ok || elsewhere || !objectstore.Valid(thumbnail.Location{Path: at}) {
		return
	}
	picture := strings.HasPrefix(thumbnail.MediaTypeOf(at), "image/")
	other := s.other == "" && slices.Contains(thumbnail.Rendered(), string(thumbnail.TypeOf(at)))
	switch {
	case !picture && !other || !s.readable(at):
	case picture:
		s.picture = name
	default:
		s.other = name
	}
}

// readable reports whether a name is a regular file, or a link to a regular file within the store,
// that has content and that this process can read.
func (s *search) readable(at string) bool {
	info, err := s.root.Stat(at)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := s.root.Open(at)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	_, err = io.ReadFull(file, make([]byte, 1))
	return err == nil
}
