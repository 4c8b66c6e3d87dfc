package tools

import (
	"context"
	"os/exec"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
)

// versions lists the programs that can print their version, with the argument for it.
var versions = []struct {
	name     string
	program  string
	question string
}{
	{component.Librsvg, "rsvg-convert", "--version"},
	{component.Resvg, "resvg", "--version"},
	{component.Poppler, "pdftoppm", "-v"},
	{component.DjVuLibre, "ddjvu", "--help"},
	{component.ImageMagick, imageMagick, "-version"},
	{component.FFmpeg, "ffmpeg", "-version"},
	{component.Gifsicle, "gifsicle", "--version"},
	{component.LibjpegTurbo, "jpegtran", "-version"}, // in the library's own package
	{component.OptiPNG, "optipng", "-v"},
	{component.OpenCV, facesProgram, "--version"},
}

// askWithin is the time limit of a program that prints its version. It is at most half of the time for a worker's start.
const askWithin = 10 * time.Second

// Versions runs all programs at once and returns the versions that they print. It omits programs that print none.
// The worker calls it before it enters the sandbox.
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
			cmd := exec.CommandContext(ctx, path, v.question) //nolint:gosec // programs and arguments of the table
			cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=.", "LC_ALL=C.UTF-8"}
			said, _ := cmd.CombinedOutput() // some programs print their version and exit with an error
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
