package tools

import (
	"context"
	"os/exec"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
)

// versions are the programs that are asked for their version, and how.
var versions = []struct {
	name     string
	program  string
	question string
}{
	{component.Librsvg, "rsvg-convert", "--version"},
	{component.Poppler, "pdftoppm", "-v"},
	{component.DjVuLibre, "ddjvu", "--help"},
	{component.ImageMagick, imageMagick, "-version"},
	{component.FFmpeg, "ffmpeg", "-version"},
	{component.Gifsicle, "gifsicle", "--version"},
	{component.LibjpegTurbo, "jpegtran", "-version"}, // of the library's own package
	{component.OptiPNG, "optipng", "-v"},
}

// askWithin is how long a program may take to tell its version: at most half of a start.
const askWithin = 10 * time.Second

// Versions asks all programs at once for theirs, before the worker is confined. One that does
// not answer is left out.
func (b Box) Versions() component.Versions {
	all := component.Versions{}
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, v := range versions {
		path := b.paths[v.program]
		if path == "" {
			continue
		}
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), askWithin)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, v.question) //nolint:gosec // programs and words of the table
			cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=.", "LC_ALL=C.UTF-8"}
			said, _ := cmd.CombinedOutput() // some end as if they had failed
			mu.Lock()
			defer mu.Unlock()
			if version := component.Find(string(said)); version != "" {
				all[v.name] = version
			}
		})
	}
	asked.Wait()
	return all
}
