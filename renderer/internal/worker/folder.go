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

// watchEvery is how often the room that a tool takes is looked at. A single file
// is bounded by the kernel; this bounds many.
const watchEvery = 100 * time.Millisecond

// watch kills the worker once its tool wrote more than it may.
func (p *process) watch(ctx context.Context, limit int64) {
	for periodic.Sleep(ctx, watchEvery) == nil {
		if size(tools.Scratch(p.folder)) > limit {
			p.overflowed.Store(true)
			p.signalGroup()
			return
		}
	}
}

// size is the bytes of all files below a folder; what vanishes meanwhile counts nothing.
func size(folder string) (sum int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // it vanished
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// wipe removes what a tool left.
func (p *process) wipe() (err error) {
	entries, err := os.ReadDir(tools.Scratch(p.folder))
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(tools.Scratch(p.folder), entry.Name())))
	}
	return err
}
