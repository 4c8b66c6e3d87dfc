// Package vips draws thumbnails with libvips. Only worker processes call it; the renderer's own process never
// decodes.
//
// Package geometry plans a spec. This package then draws it in one pass: decode at the right shrink, resize
// once, cut, sharpen, do the operations in their order, encode once. It reads originals in sequence and
// shrinks them while they load; alpha is premultiplied. DESIGN.md says why it does not use vips_thumbnail.
package vips

// #include <stdlib.h>
// #include "vips.h"
// #include "warnings.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Init starts libvips in this process: one thread, no cache, no loaders that
// libvips itself calls untrusted except the loaders of JPEG XL and JPEG 2000. Call it once, before Render.
func Init() error {
	DefaultSignals()
	if C.tm_init() != 0 {
		return vipsError()
	}
	C.tm_keep_warnings()
	return nil
}

// DefaultSignals lets the limits of processor time and of file size end this process by their signals. Its
// parent then sees which limit it was. Without it Go ignores one signal and crashes at the other.
func DefaultSignals() { C.tm_default_signals() }

// Version returns the versions of libvips and of the rules of rendering, for the failure memory: a newer
// version tries originals again that failed.
func Version() string {
	return fmt.Sprintf("vips-%d.%d.%d-rules-%d", C.vips_version(0), C.vips_version(1), C.vips_version(2), thumbnail.RulesVersion)
}

// loaders lists the loaders that libvips can have, with the types of originals that they read.
var loaders = []struct {
	original thumbnail.Type
	name     string
}{
	{thumbnail.TypeJPEG, "jpegload_source"}, {thumbnail.TypePNG, "pngload_source"}, {thumbnail.TypeWebP, "webpload_source"},
	{thumbnail.TypeTIFF, "tiffload_source"}, {thumbnail.TypeGIF, "gifload_source"},
	{thumbnail.TypeHEIC, "heifload_source"}, {thumbnail.TypeAVIF, "heifload_source"},
	{thumbnail.TypeJXL, "jxlload_source"}, {thumbnail.TypeJP2, "jp2kload_source"},
}

// Types returns the types of originals that this machine's libvips reads. Call it after Init.
func Types() (types []string) {
	for _, l := range loaders {
		if has(l.name) {
			types = append(types, string(l.original))
		}
	}
	return types
}

// has reports whether this machine's libvips has an operation.
func has(operation string) bool {
	name := C.CString(operation)
	defer C.free(unsafe.Pointer(name))
	return C.tm_has(name) != 0
}

// maxTrimPixels is the most pixels of an original whose border is trimmed: trim reads all pixels at full
// size, in any order.
const maxTrimPixels = 50_000_000

// Result describes the thumbnail.
type Result struct {
	Format        thumbnail.Format
	Width, Height int
	Source        geometry.Size // the size before scaling: upright, after trim
	// Packs says that the output is an animation.Animation. A program of the format makes the thumbnail
	// from its frames.
	Packs bool
}

// Overlay is a picture beside the original that the spec names.
type Overlay struct {
	Header guard.Header
	File   *os.File
}

// Render draws the spec from the original and writes the thumbnail to out. overlays has the pictures of
// Spec.Pictures, in that order. Render refuses a thumbnail of more than maxPixels (BadURL). Other errors are
// faults of the original, usually Undecodable.
func Render(s thumbnail.Spec, h guard.Header, maxPixels int64, effort Effort, original, out *os.File, overlays []Overlay) (Result, error) {
	once := &decoding{}
	defer once.free()
	return draw(&render{spec: s, header: h, maxPixels: maxPixels, effort: effort, fd: int(original.Fd()), overlays: overlays, decoding: once}, out)
}

// draw does one pass. An error that is not a fault becomes a fault of the original.
func draw(r *render, out *os.File) (Result, error) {
	forget() // errors and warnings of an earlier original
	if int64(r.header.Width)*int64(r.header.Height) > maxTrimPixels && r.spec.Trim != nil {
		return Result{}, fault.New(fault.BadURL, "trim cannot read an original of %d × %d pixels, at most %d are allowed", r.header.Width, r.header.Height, maxTrimPixels)
	}
	defer r.free()
	result, err := r.drawTo(int(out.Fd()))
	var refused *fault.Fault
	if errors.As(err, &refused) {
		return result, err
	}
	if err != nil {
		return result, refusal(err)
	}
	return result, nil
}

// mapRaster maps a raster's header and the pixels that the header names.
func mapRaster(fd int, h guard.Header) ([]byte, error) {
	size := h.Offset + int64(h.Width)*int64(h.Height)*int64(h.Bands)
	if h.Offset <= 0 || size <= h.Offset {
		return nil, errors.New("the raster has no pixels")
	}
	return unix.Mmap(fd, 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
}

// render is one pass; current is the latest step's image.
type render struct {
	spec      thumbnail.Spec
	header    guard.Header
	maxPixels int64
	effort    Effort
	fd        int
	overlays  []Overlay
	source    geometry.Size // upright, after trim
	trimmed   geometry.Rect // of the upright original; its size is 0 if nothing was trimmed
	planned   geometry.Plan
	budget    filter.Budget
	profile   []byte // the colour profile between release and adopt
	decoded   map[thumbnail.Location]*filter.Picture
	steps     []picture
	current   picture
	frames    int              // the frames of an animation, under each other
	scaled    bool             // the thumbnail has another size than the original
	changed   []byte           // the original, if it is read from memory
	mapped    []byte           // the raster that a tool drew, or an animation's frames
	isFrame   bool             // the picture is a frame of an animation
	first     *render          // the render of the first frame, in later frames
	attended  *geometry.Rect   // the area that a smart cut took
	decoding  *decoding        // of a JPEG or a WebP; nil for frames and for pictures beside the original
	planes    *planar          // the finished picture, if it is written from planes
	target    thumbnail.Format // of planes
	sharpened bool             // the planes are sharpened already
}

func (r *render) free() {
	r.planes.free()
	for _, i := range slices.Backward(r.steps) {
		i.free()
	}
	for _, memory := range [][]byte{r.mapped, r.changed} {
		if memory != nil {
			_ = unix.Munmap(memory)
		}
	}
}

func (r *render) drawTo(out int) (Result, error) {
	switch {
	case r.spec.Meta:
		return r.describe(out)
	case r.spec.Placeholder:
		return r.placeholder(out)
	}
	format, err := r.draw()
	if err != nil {
		return Result{}, err
	}
	if err := r.save(format, out); err != nil {
		return Result{}, unwritten(err, format)
	}
	return Result{Format: format, Width: r.width(), Height: r.height() / max(1, r.frames), Source: r.source, Packs: r.packs(format)}, nil
}

// width returns the width of the finished picture in pixels.
func (r *render) width() int {
	if r.planes != nil {
		return r.planes.width()
	}
	return r.current.width()
}

func (r *render) height() int {
	if r.planes != nil {
		return r.planes.height()
	}
	return r.current.height()
}

// draw makes the finished picture, or all frames of an animation.
func (r *render) draw() (thumbnail.Format, error) {
	if format, ok := r.moving(); ok {
		if drawn, err := r.drawFrames(format); drawn || err != nil {
			return format, err
		}
	}
	if err := r.load(); err != nil {
		return "", err
	}
	if r.planes != nil {
		return r.target, nil
	}
	if err := r.each(r.mirror, r.sharpen, r.debug, r.operate); err != nil {
		return "", err
	}
	format, err := r.format()
	if err != nil {
		return "", err
	}
	return format, r.finish(format)
}

// each does the steps until one fails.
func (r *render) each(steps ...func() error) error {
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// then makes the next step's image from the current one.
func (r *render) then(call func(in *C.VipsImage, out **C.VipsImage) C.int) error {
	next, err := step(func(out **C.VipsImage) C.int { return call(r.current.ptr, out) })
	if err != nil {
		return err
	}
	r.keep(next)
	return nil
}

func (r *render) keep(i picture) {
	r.steps = append(r.steps, i)
	r.current = i
}

// load decodes to the planned size. Crops and trims need the original's own pixels; other originals shrink
// while they load.
func (r *render) load() error {
	if r.header.Type == guard.TypeRaster {
		return r.loadRaster()
	}
	head, err := r.open(1, false)
	if err != nil {
		return err
	}
	r.keep(head)
	stored := geometry.Size{Width: head.width(), Height: head.height()}
	orientation := r.orientation()
	r.source = stored.Turned(orientation)
	if r.spec.Trim != nil || r.spec.Cuts() {
		return r.loadPart()
	}
	plan, err := r.plan()
	if err != nil {
		return err
	}
	scaled := plan.Scaled.Turned(orientation)
	if done, err := r.loadPlanes(stored, scaled, orientation); done || err != nil {
		return err
	}
	if done, err := r.reduce(stored, scaled, orientation); err != nil {
		return err
	} else if done {
		return r.arrange(plan, orientation)
	}
	whole, err := r.open(r.shrink(stored, scaled), false)
	if err != nil {
		return err
	}
	r.keep(whole)
	return r.scaleWhole(plan, scaled, orientation)
}

// scaleWhole scales an image as it is stored, turns it, and cuts it.
func (r *render) scaleWhole(plan geometry.Plan, scaled geometry.Size, orientation int) error {
	if err := r.scale(scaled); err != nil {
		return err
	}
	return r.arrange(plan, orientation)
}

// arrange turns and cuts a scaled image.
func (r *render) arrange(plan geometry.Plan, orientation int) error {
	compute := r.settle
	if orientation > 1 { // turning reads pixels in another order than a decoder writes them
		compute = r.compute
	}
	if err := compute(); err != nil {
		return err
	}
	if err := r.upright(); err != nil {
		return err
	}
	return r.cut(plan)
}

// orientation returns the current image's orientation, or 1 if the spec ignores it.
func (r *render) orientation() int {
	if r.spec.AsStored {
		return 1
	}
	return r.current.orientation()
}

func (r *render) upright() error {
	if r.orientation() <= 1 {
		return nil
	}
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_upright(in, out) })
}

// A sharpened JPEG is decoded larger than its thumbnail by these factors: sharpening shows what the decoder
// did to blocks. libjpeg's averages of pixels show more than the transform to planes. The finest planes
// suffice with less, because the next finer decoding is of the whole picture.
const (
	averagedSlack  = 3
	sharpenedSlack = 1.75
	finestSlack    = 1.5
)

// larger returns how much larger a picture is than its reduction, in the direction that is reduced less.
func larger(from, to geometry.Size) float64 {
	return min(float64(from.Width)/float64(to.Width), float64(from.Height)/float64(to.Height))
}

// shrink returns the factor by which the decoder shrinks while it loads: 1, 2, 4 or 8.
func (r *render) shrink(from, to geometry.Size) int {
	slack := 1.0
	if r.spec.Sharpen != nil {
		slack = averagedSlack
	}
	least := larger(from, to)
	if r.header.Type == thumbnail.TypeWebP {
		return r.shrinkWebP(least)
	}
	if r.header.Type != thumbnail.TypeJPEG || r.header.Indexed { // a drawing's averages would show
		return 1
	}
	for _, factor := range []int{8, 4, 2} {
		if least >= float64(factor)*slack {
			return factor
		}
	}
	return 1
}

func (r *render) open(shrink int, anyOrder bool) (picture, error) {
	if r.turnsHere() {
		return r.openTurned()
	}
	return r.openPages(r.options(shrink), anyOrder)
}

// options returns libvips' options for the page or the shrink. Without the named page it selects the first
// page, as Wikimedia does.
func (r *render) options(shrink int) string {
	switch {
	case r.header.Pages > 1 && r.spec.Page > 1 && r.spec.Page <= r.header.Pages:
		return fmt.Sprintf("[page=%d]", r.spec.Page-1)
	case shrink > 1 && r.header.Type == thumbnail.TypeWebP:
		return fmt.Sprintf("[scale=%.9f]", 1/float64(shrink))
	case shrink > 1:
		return fmt.Sprintf("[shrink=%d]", shrink)
	}
	return ""
}

func (r *render) scale(to geometry.Size) error {
	r.scaled = to != r.source
	soft := r.header.Indexed || r.header.Type == guard.TypeRaster
	if err := r.settleBands(); err != nil {
		return err
	}
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_scale(in, C.int(to.Width), C.int(to.Height), cBool(soft), cBool(r.spec.Sharpen != nil), cBool(r.header.Premultiplied), out)
	})
	if err != nil {
		return err
	}
	return r.settleColours()
}

// settleBands drops the bands that the header does not name as colours or alpha.
func (r *render) settleBands() error {
	if r.header.Colours == 0 {
		return nil
	}
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_bands(in, C.int(r.header.Colours), C.int(r.header.AlphaBand), out)
	})
}

// loadRaster maps a raster that a tool drew; nothing is decoded.
func (r *render) loadRaster() error {
	h := r.header
	pixels, err := mapRaster(r.fd, h)
	if err != nil {
		return err
	}
	r.mapped = pixels
	raster, err := step(func(out **C.VipsImage) C.int {
		return C.tm_raster(unsafe.Pointer(&pixels[h.Offset]), C.int(h.Width), C.int(h.Height), C.int(h.Bands), out)
	})
	if err != nil {
		return err
	}
	r.keep(raster)
	r.source = geometry.Size{Width: h.Width, Height: h.Height}
	return r.scalePart()
}

func (r *render) plan() (geometry.Plan, error) {
	p := geometry.New(r.spec, r.source)
	r.planned = p
	size := p.Size()
	scaled := int64(p.Scaled.Width) * int64(p.Scaled.Height)
	enlarged := scaled > int64(p.Crop.Width)*int64(p.Crop.Height)
	if int64(size.Width)*int64(size.Height) > r.maxPixels || enlarged && scaled > r.maxPixels {
		return p, fault.New(fault.BadURL, "the thumbnail would be made of %d × %d pixels, at most %d are allowed", p.Scaled.Width, p.Scaled.Height, r.maxPixels)
	}
	return p, nil
}

// settle computes the scaled picture if a later step reads its pixels out of order.
func (r *render) settle() error {
	s := r.spec
	if !s.Smart && !s.FlipY && !s.Debug && len(s.Operations) == 0 {
		return nil
	}
	return r.compute()
}

func (r *render) compute() error {
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_settle(in, out) })
}

func (r *render) loadPart() error {
	anyOrder := r.spec.Trim != nil || r.orientation() > 1
	whole, err := r.open(1, anyOrder)
	if err != nil {
		return err
	}
	r.keep(whole)
	if err := r.upright(); err != nil {
		return err
	}
	return r.scalePart()
}

// scalePart trims, cuts and scales an image that is open at its full size.
func (r *render) scalePart() error {
	if err := r.trim(); err != nil {
		return err
	}
	plan, err := r.plan()
	if err != nil {
		return err
	}
	if err := r.extract(plan.Crop); err != nil {
		return err
	}
	if err := r.scale(plan.Scaled); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	return r.cut(plan)
}

// trim cuts the border off. The numbers of a crop count from the untrimmed corner.
func (r *render) trim() error {
	if r.spec.Trim == nil {
		return nil
	}
	whole, err := r.pixels()
	if err != nil {
		return err
	}
	box, ok := filter.Border(whole, r.spec.Trim.Corner == "bottom-right", r.spec.Trim.Tolerance)
	if !ok {
		return nil // the picture has one colour, and so no border
	}
	r.trimmed = geometry.Rect{Left: box.Left, Top: box.Top, Width: box.Right - box.Left, Height: box.Bottom - box.Top}
	r.source = geometry.Size{Width: r.trimmed.Width, Height: r.trimmed.Height}
	if c := r.spec.Crop; c != nil {
		r.spec.Crop = &thumbnail.Rect{Left: c.Left - box.Left, Top: c.Top - box.Top, Right: c.Right - box.Left, Bottom: c.Bottom - box.Top}
	}
	return r.extract(r.trimmed)
}

func (r *render) cut(plan geometry.Plan) error {
	if r.cutsSmartly() {
		return r.attend(plan)
	}
	return r.extract(plan.Cut)
}

// cutsSmartly reports whether pixels decide where the picture is cut.
func (r *render) cutsSmartly() bool {
	return r.spec.Smart && len(r.spec.Focal) == 0 && r.planned.Size() != r.planned.Scaled
}

// attend cuts to the area that attracts attention. All frames of an animation are cut to the area of the
// first frame.
func (r *render) attend(plan geometry.Plan) error {
	if r.first != nil && r.first.attended != nil {
		return r.extract(*r.first.attended)
	}
	err := r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_attention(in, C.int(plan.Cut.Width), C.int(plan.Cut.Height), out)
	})
	if err == nil {
		cut := r.current.ptr
		r.attended = &geometry.Rect{Left: -int(cut.Xoffset), Top: -int(cut.Yoffset), Width: plan.Cut.Width, Height: plan.Cut.Height}
	}
	return err
}

func (r *render) extract(area geometry.Rect) error {
	if area.Width == r.current.width() && area.Height == r.current.height() {
		return nil
	}
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_extract(in, C.int(area.Left), C.int(area.Top), C.int(area.Width), C.int(area.Height), out)
	})
}

func (r *render) mirror() error {
	if r.spec.FlipX {
		if err := r.flip(false); err != nil {
			return err
		}
	}
	if r.spec.FlipY {
		return r.flip(true)
	}
	return nil
}

func (r *render) flip(upsideDown bool) error {
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int { return C.tm_flip(in, cBool(upsideDown), out) })
}

func (r *render) sharpen() error {
	s := r.spec.Sharpen
	if r.sharpened || !geometry.SharpenApplies(s, r.source, geometry.Size{Width: r.current.width(), Height: r.current.height()}) {
		return nil
	}
	return r.then(func(in *C.VipsImage, out **C.VipsImage) C.int {
		return C.tm_unsharp(in, C.double(s.Sigma), C.double(s.Amount), C.double(s.Threshold*255), out)
	})
}
