// Package engine decides which engine draws which original, and has it drawn by
// workers. An engine takes an original on disk and a spec, and gives an image.
//
// libvips ends every way but one: what it does not read itself is first drawn by
// a tool as a raster, to which it then does all that the spec asks for; a GIF
// that stays one is resized by gifsicle, with all its frames.
package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// row of the table: which engine draws the type.
type row struct {
	original thumbnail.Type
	engine   string // what the metrics call it
	draw     func(*Engines, *render) error
}

// table reads: libvips draws what it reads; a tool draws the rest for it.
var table = []row{
	{thumbnail.TypeJPEG, "vips", (*Engines).directly}, // by a tool what libvips does not read
	{thumbnail.TypePNG, "vips", (*Engines).directly},  // likewise
	{thumbnail.TypeWebP, "vips", (*Engines).directly}, // all frames, when it stays one
	{thumbnail.TypeTIFF, "vips", (*Engines).directly}, // any page
	{thumbnail.TypeHEIC, "vips", (*Engines).sequence},
	{thumbnail.TypeAVIF, "vips", (*Engines).sequence}, // by ffmpeg, where pictures are in a track alone
	{thumbnail.TypeJXL, "vips", (*Engines).directly},  // by djxl animations and further colours
	{thumbnail.TypeJP2, "openjpeg", (*Engines).decoded},
	{thumbnail.TypeGIF, "gifsicle", (*Engines).animated},
	{thumbnail.TypeSVG, "rsvg", (*Engines).drawn},
	{thumbnail.TypePDF, "poppler", (*Engines).drawn},
	{thumbnail.TypeDjVu, "djvulibre", (*Engines).drawn},
	{thumbnail.TypeXCF, "xcf", (*Engines).drawn},
	{thumbnail.TypeBMP, "imagemagick", (*Engines).converted},
	{thumbnail.TypeICO, "imagemagick", (*Engines).converted},
	{thumbnail.TypePSD, "imagemagick", (*Engines).converted},
	{thumbnail.TypeTGA, "imagemagick", (*Engines).converted},
	{thumbnail.TypePNM, "imagemagick", (*Engines).converted},
	{thumbnail.TypeVideo, "ffmpeg", (*Engines).drawn},
	{thumbnail.TypeSTL, "solid", (*Engines).drawn},
}

const (
	// maxDrawnPixels bounds what a tool draws for libvips.
	maxDrawnPixels = 50_000_000
	// optimizeWithin bounds an optimizer, which nobody should wait for.
	optimizeWithin = 5 * time.Second
)

// Workers do tasks. *worker.Pool is one.
type Workers interface {
	Do(ctx context.Context, t worker.Task, original *os.File, within time.Duration) (worker.Report, *os.File, error)
	// Several does a task with several specs.
	Several(ctx context.Context, t worker.Task, original *os.File, limits worker.Limits, done func(i int, r worker.Report, image *os.File)) error
	Ready() worker.Ready
}

// Config is what engines are made of.
type Config struct {
	Vips, Tools Workers
	Optimize    []thumbnail.Format // thumbnails that are repacked once more
	Tracer      *tracing.Tracer
	Log         *slog.Logger
	Metrics     prometheus.Registerer
}

// Engines draw.
type Engines struct {
	config   Config
	versions component.Versions
	saved    *prometheus.CounterVec
}

// New makes engines, and logs the types that they cannot draw and the kinds that they draw wrongly.
func New(c Config) *Engines {
	e := &Engines{config: c, versions: component.Versions{}, saved: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_optimizer_saved_bytes_total", Help: "Bytes that optimizers took off thumbnails, by format.",
	}, []string{"format"})}
	c.Metrics.MustRegister(e.saved)
	maps.Copy(e.versions, c.Vips.Ready().Versions)
	maps.Copy(e.versions, c.Tools.Ready().Versions)
	e.logFlaws(c.Log)
	return e
}

// logFlaws logs the types that cannot be drawn here, and the kinds that are drawn wrongly.
func (e *Engines) logFlaws(log *slog.Logger) {
	for _, r := range table {
		if !e.can(r) {
			log.Warn("this machine lacks a program or a library; such originals are refused", "type", r.original, "engine", r.engine)
		}
	}
	for _, f := range e.versions.Flaws() {
		log.Info("originals of a type that are drawn wrongly here", "type", f.Type, "what", f.What,
			"by", f.Component+" "+e.versions[f.Component], "mended_in", cmp.Or(f.Mended, "no version that is known"))
	}
}

// Version names libvips and the rules.
func (e *Engines) Version() string { return e.config.Vips.Ready().Version }

// Versions are those of all libraries and tools of this machine.
func (e *Engines) Versions() component.Versions { return e.versions }

// Types lists what can be drawn, by engine: "vips jpeg".
func (e *Engines) Types() (names []string) {
	for _, r := range table {
		if e.can(r) {
			names = append(names, r.engine+" "+string(r.original))
		}
	}
	return names
}

func (e *Engines) can(r row) bool {
	name := string(r.original)
	return slices.Contains(e.config.Vips.Ready().Types, name) || slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, name))
}

// Result is a thumbnail.
type Result struct {
	Image         []byte
	Format        thumbnail.Format
	Width, Height int
	Engine        string
	CPU           time.Duration // processor time of all workers
	// Sides are those of what was scaled, upright: pixels, or points of a page.
	Sides objectstore.Sides
}

// Source is a file that a render reads, with the header that guard has read.
type Source struct {
	Header guard.Header
	File   *os.File
	// Named gives the same as a file that a tool can be shown by its name; nil: File is one.
	Named func(context.Context) (*os.File, error)
}

// forTool is the file as a tool is shown it.
func (s Source) forTool(ctx context.Context) (*os.File, error) {
	if s.Named == nil {
		return s.File, nil
	}
	return s.Named(ctx)
}

// render is one thumbnail under way.
type render struct {
	tracer    *tracing.Tracer
	ctx       context.Context //nolint:containedctx // of this one call
	spec      thumbnail.Spec
	header    guard.Header
	original  *os.File
	source    Source // of original
	overlays  []worker.Overlay
	drawn     []*os.File // overlays that a tool made
	maxPixels int64
	deadline  time.Time
	result    Result
}

// Render draws the spec from an original, with the overlays of Spec.Pictures. Errors
// are faults, or worker.ErrDied.
func (e *Engines) Render(ctx context.Context, s thumbnail.Spec, original Source, overlays []Source, maxPixels int64, within time.Duration) (Result, error) {
	r := &render{
		tracer: e.config.Tracer, ctx: ctx, spec: s, header: original.Header, original: original.File, source: original, maxPixels: maxPixels, deadline: time.Now().Add(within),
	}
	row, err := e.row(r.header.Type)
	if err != nil {
		return Result{}, err
	}
	defer r.free()
	if err := e.prepare(r, overlays); err != nil {
		return Result{}, err
	}
	r.result.Engine = row.engine
	if err := row.draw(e, r); err != nil {
		return r.result, err
	}
	e.optimize(r)
	return r.result, nil
}

// row finds what draws the type.
func (e *Engines) row(t thumbnail.Type) (row, error) {
	for _, r := range table {
		if r.original == t && e.can(r) {
			return r, nil
		}
		if r.original == t {
			return r, fault.New(fault.Unsupported, "this renderer cannot draw originals of type %s: it lacks %s", t, r.engine)
		}
	}
	return row{}, fault.New(fault.Unsupported, "no engine here renders originals of type %s", t)
}

// prepare has tools draw the overlays that libvips does not read.
func (e *Engines) prepare(r *render, overlays []Source) error {
	for _, o := range overlays {
		if !o.Header.ByTool && !o.Header.Sequence && slices.Contains(e.config.Vips.Ready().Types, string(o.Header.Type)) {
			r.overlays = append(r.overlays, worker.Overlay{Header: o.Header, File: o.File})
			continue
		}
		if err := e.drawOverlay(r, o); err != nil && fault.Of(err).Kind == fault.Overran || errors.Is(err, worker.ErrDied) {
			return err
		} else if err != nil {
			return fault.Wrap(err, fault.BadURL, "a picture that a filter names could not be drawn: %s", fault.Of(err).Message)
		}
	}
	return nil
}

func (e *Engines) drawOverlay(r *render, o Source) error {
	if _, err := e.row(o.Header.Type); err != nil {
		return err
	}
	file, err := o.forTool(r.ctx)
	if err != nil {
		return err
	}
	_, raster, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Draw, Header: o.Header, MaxPixels: maxDrawnPixels}, file, noLimit)
	if err != nil {
		return err
	}
	r.drawn = append(r.drawn, raster)
	h, err := inspect(raster, maxDrawnPixels)
	if err == nil {
		r.overlays = append(r.overlays, worker.Overlay{Header: h, File: raster})
	}
	return err
}

func (r *render) free() {
	for _, f := range r.drawn {
		_ = f.Close()
	}
}

// doTask does a part of the render in a worker, in the time that is left.
func (r *render) doTask(w Workers, t worker.Task, original *os.File, most time.Duration) (worker.Report, *os.File, error) {
	within := min(most, time.Until(r.deadline))
	if within <= 0 {
		return worker.Report{}, nil, fault.New(fault.Overran, "the render took longer than it may")
	}
	ctx, span := r.tracer.Start(r.ctx, taskName(t), trace.WithAttributes(attribute.String("thumbmill.type", string(t.Header.Type))))
	report, out, err := w.Do(ctx, t, original, within)
	span.SetAttributes(attribute.Int64("thumbmill.cpu_ms", report.CPU.Milliseconds()))
	span.End()
	r.result.CPU += report.CPU
	return report, out, err
}

// taskName names a task in traces: vips, or what tools do with what.
func taskName(t worker.Task) string {
	if t.Work == "" {
		return "vips"
	}
	return t.Work.Name(t.Header.Type, t.Spec.Format)
}

const noLimit = 1 << 62 * time.Nanosecond

// directly has libvips read the original itself, unless a tool must.
func (e *Engines) directly(r *render) error {
	if !r.header.ByTool {
		return e.vips(r, r.spec, r.header, r.original)
	}
	if name := string(r.header.Type); !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, name)) {
		return fault.New(fault.Unsupported, "this renderer lacks the program that reads such a %s", name)
	}
	r.result.Engine = toolFor(r.header.Type)
	return e.converted(r)
}

// toolFor names the tool that draws those pictures of a type that libvips does not read.
func toolFor(t thumbnail.Type) string {
	switch t {
	case thumbnail.TypeJPEG:
		return "ffmpeg"
	case thumbnail.TypeJXL:
		return "djxl"
	}
	return "imagemagick"
}

func (e *Engines) vips(r *render, s thumbnail.Spec, h guard.Header, original *os.File) error {
	s = e.packable(s, h)
	report, out, err := r.doTask(e.config.Vips, worker.Task{Spec: s, Header: h, Overlays: r.overlays, MaxPixels: r.maxPixels}, original, noLimit)
	if err == nil && report.Packs {
		out, err = e.pack(r, s, report.Format, out)
	}
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	r.result.Format, r.result.Width, r.result.Height = report.Format, report.Width, report.Height
	if !r.result.Sides.Known() { // a page's own are better than its raster's
		r.result.Sides = report.Sides
	}
	r.result.Image, err = worker.Contents(out)
	return err
}

// drawn has a tool draw what has no pixels of its own. What was drawn at the
// thumbnail's size already is neither larger nor smaller than what is asked for.
func (e *Engines) drawn(r *render) error {
	r.spec.Enlarge = true
	return e.converted(r)
}

// converted has a tool draw a raster, and libvips do the rest.
func (e *Engines) converted(r *render) error {
	task := worker.Task{Work: tools.Draw, Spec: r.spec, Header: r.header, MaxPixels: maxDrawnPixels}
	file, err := r.source.forTool(r.ctx)
	if err != nil {
		return err
	}
	report, raster, err := r.doTask(e.config.Tools, task, file, noLimit)
	if err != nil {
		return err
	}
	defer func() { _ = raster.Close() }()
	r.result.Sides = report.Sides
	h, err := inspect(raster, maxDrawnPixels)
	if err != nil {
		return err
	}
	h.Original = r.header.Type // which the raster shows no more, and a wrong name hides
	s := r.spec
	s.Page, s.Lang = 0, ""
	return e.vips(r, s, h, raster)
}

// decoded has a tool decode the original where this machine has it, else libvips.
func (e *Engines) decoded(r *render) error {
	if slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, string(r.header.Type))) {
		return e.converted(r)
	}
	r.result.Engine = "vips"
	return e.directly(r)
}

func inspect(drawn *os.File, maxPixels int64) (guard.Header, error) {
	info, err := drawn.Stat()
	if err != nil {
		return guard.Header{}, err
	}
	return guard.Drawn(drawn, info.Size(), maxPixels)
}

// animated has gifsicle resize a GIF that stays one, unless more is asked for
// than cutting, resizing and mirroring.
func (e *Engines) animated(r *render) error {
	if !r.staysGIF() || !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Animate, string(thumbnail.TypeGIF))) {
		r.result.Engine = "vips"
		return e.directly(r)
	}
	if err := r.fits(); err != nil {
		return err
	}
	task := worker.Task{Work: tools.Animate, Spec: r.spec, Header: r.header, MaxPixels: r.maxPixels}
	file, err := r.source.forTool(r.ctx)
	if err != nil {
		return err
	}
	_, out, err := r.doTask(e.config.Tools, task, file, noLimit)
	if err != nil && fault.Of(err).Kind == fault.Undecodable { // by gifsicle, which is not the best of decoders
		r.result.Engine = "vips"
		return e.directly(r)
	}
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	h, err := inspect(out, r.maxPixels)
	if err != nil || h.Type != thumbnail.TypeGIF {
		return fault.Wrap(errors.Join(err, fmt.Errorf("a %s", h.Type)), fault.Undecodable, "the original has no frame that could be drawn")
	}
	r.result.Format, r.result.Width, r.result.Height = thumbnail.FormatGIF, h.Width, h.Height
	r.result.Image, err = worker.Contents(out)
	return err
}

func (r *render) staysGIF() bool {
	s := r.spec
	s.FlipX, s.FlipY = false, false
	if r.header.Frames > 1 { // a smart cut of an animation is in the middle
		s.Smart = false
		s.Prefer = slices.DeleteFunc(slices.Clone(s.Prefer), func(f thumbnail.Format) bool { return f.Row().Animation == thumbnail.FirstFrame })
	}
	gif := s.Format == thumbnail.FormatGIF || s.Format == thumbnail.FormatAuto && len(s.Prefer) == 0
	return gif && geometry.Plain(s)
}

// fits refuses a thumbnail of too many pixels, as libvips' worker does for all others.
func (r *render) fits() error {
	size := geometry.New(r.spec, geometry.Size{Width: r.header.Width, Height: r.header.Height}).Size()
	if int64(size.Width)*int64(size.Height) > r.maxPixels {
		return fault.New(fault.BadURL, "the thumbnail would have %d × %d pixels; at most %d are served", size.Width, size.Height, r.maxPixels)
	}
	return nil
}

// optimize repacks the thumbnail. It keeps what is smaller, and whatever goes
// wrong, the thumbnail that there is.
func (e *Engines) optimize(r *render) {
	format := r.result.Format
	if !slices.Contains(e.config.Optimize, format) || !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Optimize, string(format))) {
		return
	}
	image, err := worker.MemoryFile(r.result.Image)
	if err != nil {
		return
	}
	defer func() { _ = image.Close() }()
	s := thumbnail.Spec{Format: format}
	_, out, err := r.doTask(e.config.Tools, worker.Task{Work: tools.Optimize, Spec: s}, image, optimizeWithin)
	if err != nil {
		e.config.Log.Debug("a thumbnail was not optimized", "format", format, "error", err)
		return
	}
	defer func() { _ = out.Close() }()
	smaller, err := worker.Contents(out)
	if err == nil && len(smaller) > 0 && len(smaller) < len(r.result.Image) && alike(smaller, r.result) {
		e.saved.WithLabelValues(string(format)).Add(float64(len(r.result.Image) - len(smaller)))
		r.result.Image = smaller
	}
}

// alike looks whether an optimizer gave a picture of the same format and size.
func alike(image []byte, r Result) bool {
	h, err := guard.Inspect(bytes.NewReader(image), int64(len(image)), thumbnail.TypeUnknown, noPixelLimit)
	format, _ := thumbnail.SniffFormat(image)
	return err == nil && format == r.Format && h.Width == r.Width && h.Height == r.Height
}

const noPixelLimit = 1 << 50
