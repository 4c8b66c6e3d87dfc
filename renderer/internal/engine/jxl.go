package engine

import (
	"slices"

	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// jxl has djxl draw the first frame of an animation, where libvips before 8.16 takes the
// last one. All else libvips reads itself.
func (e *Engines) jxl(r *render) error {
	if !r.header.Animated || !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, string(thumbnail.TypeJXL))) {
		return e.directly(r)
	}
	task := worker.Task{Work: tools.Draw, Spec: r.spec, Header: r.header, MaxPixels: maxDrawnPixels}
	_, drawn, err := r.doTask(e.config.Tools, task, r.original, noLimit)
	if err != nil {
		return err
	}
	defer func() { _ = drawn.Close() }()
	h, err := inspect(drawn, maxDrawnPixels)
	if err != nil {
		return err
	}
	r.result.Engine = "djxl"
	h.Original = thumbnail.TypeJXL
	return e.vips(r, r.spec, h, drawn)
}
