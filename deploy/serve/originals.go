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
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Bounds of the search for a file to show. It runs at each start, before systemd hears that
// the process is ready.
const (
	mostEntries = 5_000 // files and folders that are looked at
	batchSize   = 500   // names that are read from a folder at once
)

// checkOriginals returns an error when the directory of originals is not there. serve's own
// default is made when it is missing; any other name is more likely a typing error.
func checkOriginals(b settings.Bucket) error {
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

// firstOriginal returns the name of a file in the store's directory that has thumbnails, as
// URLs name it, or "" when there is none among the first mostEntries. It reads folders from
// the top down, passes over hidden files, and prefers pictures to videos and documents.
func firstOriginal(s settings.Store) (name string, err error) {
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
	store   settings.Store
	root    *os.Root
	left    int      // entries that may still be looked at
	folders []string // yet to be read
	picture string   // the first picture
	other   string   // the first original that is no picture
}

// read looks at the entries of a folder. A folder that cannot be read is passed over.
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
		if err != nil { // io.EOF, or a folder that cannot be read further
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

// note keeps the name of a file that can be shown.
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

// readable reports whether a name is a regular file, or a link to one within the store, that
// this process can read and that is not empty.
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
