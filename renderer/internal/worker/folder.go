package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

// watchEvery is the interval between two looks at the size of a tool's folder. The kernel bounds a single file; this
// bounds the sum.
const watchEvery = 100 * time.Millisecond

// watch kills the worker when the files of its tool exceed limit bytes.
func (p *process) watch(ctx context.Context, limit int64) {
	for periodic.Sleep(ctx, watchEvery) == nil {
		if size(tools.Scratch(p.folder)) > limit {
			p.overflowed.Store(true)
			p.signalGroup()
			return
		}
	}
}

// size returns the bytes of all files below a folder. Files that vanish meanwhile count nothing.
func size(folder string) (sum int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // the entry vanished
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// wipe removes the files of a tool.
func (p *process) wipe() (err error) {
	entries, err := os.ReadDir(tools.Scratch(p.folder))
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(tools.Scratch(p.folder), entry.Name())))
	}
	return err
}
