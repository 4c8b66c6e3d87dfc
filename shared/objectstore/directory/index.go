package directory

import (
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/shared/cache"
)

// index knows the size of each file and decides which files to evict, by otter's W-TinyLFU weighed by
// size. It takes about 200 bytes for each file.
type index struct {
	cache cache.Cache[string, uint32]
}

func newIndex(root *os.Root, maxBytes uint64) (*index, error) {
	cache, err := otter.New(&otter.Options[string, uint32]{
		MaximumWeight: maxBytes,
		Weigher:       func(_ string, size uint32) uint32 { return size },
		Executor:      cache.InCaller,
		OnDeletion: func(e otter.DeletionEvent[string, uint32]) {
			if e.WasEvicted() {
				_ = remove(root, e.Key) // after a failure, the file stays until the next start
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ix := &index{cache}
	return ix, ix.scan(root)
}

// scan adds the thumbnails of earlier processes to the index.
func (ix *index) scan(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(name, tempDir+"/") {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil // removed since
		}
		ix.stored(name, int(info.Size()))
		return nil
	})
}

func (ix *index) stored(name string, size int) {
	ix.cache.Set(name, uint32(min(size, math.MaxUint32))) //nolint:gosec // bounded by min
}

func (ix *index) used(name string)   { ix.cache.GetIfPresent(name) }
func (ix *index) forget(name string) { ix.cache.Invalidate(name) }
func (ix *index) close()             { ix.cache.CleanUp(); ix.cache.StopAllGoroutines() }
