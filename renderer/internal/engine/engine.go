// Package engine chooses the engine for an original's type, and lets workers draw with it. An engine takes an
// original on disk and a spec, and returns an image.
//
// libvips makes every thumbnail but one kind. For originals that it does not read, a tool first draws a raster, and
// libvips applies the spec to the raster. gifsicle resizes a GIF that stays a GIF, with all its frames.
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

// row says which engine draws a type.
type row struct {
	original thumbnail.Type
	engine   string // its name in metrics
	draw     func(*Engines, *render) error
}

// table lists the engine of each type: libvips, or the tool that draws a raster for libvips.
var table = []row{
	{thumbnail.TypeJPEG, "vips", (*Engines).directly}, // a tool draws JPEGs that libvips does not read
	{thumbnail.TypePNG, "vips", (*Engines).directly},  // likewise for PNGs
	{thumbnail.TypeWebP, "vips", (*Engines).directly}, // all frames, when the thumbnail is WebP too
	{thumbnail.TypeTIFF, "vips", (*Engines).directly}, // any page
	{thumbnail.TypeHEIC, "vips", (*Engines).sequence},
	{thumbnail.TypeAVIF, "vips", (*Engines).sequence}, // ffmpeg draws files whose pictures are only in a track
	{thumbnail.TypeJXL, "vips", (*Engines).directly},  // djxl draws animations and further colours
	{thumbnail.TypeJP2, "openjpeg", (*Engines).decoded},
	{thumbnail.TypeGIF, "gifsicle", (*Engines).animated},
	{thumbnail.TypeSVG, "rsvg", (*Engines).drawn},
	{thumbnail.TypePDF, "poppler", (*Engines).drawn},
	{thumbnail.TypeDjVu, "djvulibre", (*Engines).drawn},
	{thumbnail.TypeXCF, "xcf", (*Engines).drawn},
	{thumbnail.TypeBMP, "bmp", (*Engines).converted},
	{thumbnail.TypeICO, "imagemagick", (*Engines).converted},
	{thumbnail.TypePSD, "imagemagick", (*Engines).converted},
	{thumbnail.TypeTGA, "tga", (*Engines).converted},
	{thumbnail.TypePNM, "imagemagick", (*Engines).converted},
	{thumbnail.TypeVideo, "ffmpeg", (*Engines).drawn},
	{thumbnail.TypeSTL, "solid", (*Engines).drawn},
}

const (
	// maxDrawnPixels bounds the raster that a tool draws for libvips.
	maxDrawnPixels = 50_000_000
	// optimizeWithin bounds an optimizer: clients must not wait for it.
	optimizeWithin = 5 * time.Second
)

// Workers do tasks. *worker.Pool implements it.
type Workers interface {
	Do(ctx context.Context, t worker.Task, original *os.File, within time.Duration) (worker.Report, *os.File, error)
	// Several does a task with several specs.
	Several(ctx context.Context, t worker.Task, original *os.File, limits worker.Limits, done func(i int, r worker.Report, image *os.File)) error
	Ready() worker.Ready
}

// Config holds the dependencies of engines.
type Config struct {
	Vips, Tools Workers
	Optimize    []thumbnail.Format // formats whose thumbnails an optimizer repacks
	Tracer      *tracing.Tracer
	Log         *slog.Logger
	Metrics     prometheus.Registerer
}

// Engines draw thumbnails with workers.
type Engines struct {
	config   Config
	versions component.Versions
	saved    *prometheus.CounterVec
}

// New returns engines. It logs the types that this machine cannot draw, and the types that it draws wrongly.
func New(c Config) *Engines {
	e := &Engines{config: c, versions: component.Versions{}, saved: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_optimizer_saved_bytes_total", Help: "Bytes that optimizers saved, by format.",
	}, []string{"format"})}
	c.Metrics.MustRegister(e.saved)
	maps.Copy(e.versions, c.Vips.Ready().Versions)
	maps.Copy(e.versions, c.Tools.Ready().Versions)
	e.logFlaws(c.Log)
	return e
}

// logFlaws logs the types that this machine cannot draw, the types that it draws wrongly, and that it finds no faces.
func (e *Engines) logFlaws(log *slog.Logger) {
	for _, r := range table {
		if !e.can(r) {
			log.Warn("refuse originals of a type: this machine lacks the program or library", "type", r.original, "engine", r.engine)
		}
	}
	if !e.findsFaces() {
		log.Info("find no faces for smart cuts: this machine lacks the program", "package", "thumbmill-faces")
	}
	for _, f := range e.versions.Flaws() {
		log.Info("draw originals of a type wrongly: a component has a known flaw", "type", f.Type, "what", f.What,
			"by", f.Component+" "+e.versions[f.Component], "mended_in", cmp.Or(f.Mended, "no known version"))
	}
}

// Version returns the version of libvips and of the rules of rendering.
func (e *Engines) Version() string { return e.config.Vips.Ready().Version }

// Versions returns the versions of all libraries and tools on this machine.
func (e *Engines) Versions() component.Versions { return e.versions }

// Types lists the types that this machine can draw, after their engine: "vips jpeg". It ends with "find faces" on a machine
// that finds faces for smart cuts.
func (e *Engines) Types() (names []string) {
	for _, r := range table {
		if e.can(r) {
			names = append(names, r.engine+" "+string(r.original))
		}
	}
	if e.findsFaces() {
		names = append(names, tools.Name(tools.Find, tools.Faces))
	}
	return names
}

func (e *Engines) can(r row) bool {
	name := string(r.original)
	return slices.Contains(e.config.Vips.Ready().Types, name) || slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, name))
}

// Result is a thumbnail with its properties.
type Result struct {
	Image         []byte
	Format        thumbnail.Format
	Width, Height int
	Engine        string
	CPU           time.Duration // processor time of all workers
	// Sides are the sides of the upright picture before scaling: pixels, or a page's points.
	Sides objectstore.Sides
}

// Source is a file that a render reads, with the header that guard read.
type Source struct {
	Header guard.Header
	File   *os.File
	// Named returns the same content as a file with a name, for tools; nil means that File has a name.
	Named func(context.Context) (*os.File, error)
	// Careful says that a worker died of it: a program draws it, not a library in a worker.
	Careful bool
	// Yields says that renders of other originals come first when processors are short.
	Yields bool
	// Effort is the encoder's.
	Effort worker.Effort
}

// forTool returns the file that a tool can open by name.
func (s Source) forTool(ctx context.Context) (*os.File, error) {
	if s.Named == nil {
		return s.File, nil
	}
	return s.Named(ctx)
}

// render is one thumbnail under way.
type render struct {
	tracer    *tracing.Tracer
	ctx       context.Context //nolint:containedctx // of one call
	spec      thumbnail.Spec
	header    guard.Header
	original  *os.File
	source    Source // holds original
	overlays  []worker.Overlay
	drawn     []*os.File // overlays that a tool drew
	maxPixels int64
	deadline  time.Time
	result    Result
}

// Render draws the spec from an original, with the overlays of Spec.Pictures in their order. Its errors are faults,
// or worker.ErrDied.
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
		return r.result, err
	}
	r.result.Engine = row.engine
	if err := row.draw(e, r); err != nil {
		return r.result, err
	}
	e.optimize(r)
	return r.result, nil
}

// row returns the row of a type, or the fault Unsupported.
func (e *Engines) row(t thumbnail.Type) (row, error) {
	for _, r := range table {
		if r.original == t && e.can(r) {
			return r, nil
		}
		if r.original == t {
			return r, fault.New(fault.Unsupported, "this renderer cannot draw originals of type %s: install %s with support for them", t, r.engine)
		}
	}
	return row{}, fault.New(fault.Unsupported, "no engine draws originals of type %s", t)
}

// prepare lets tools draw the overlays that libvips does not read, and the texts, which follow the overlays.
func (e *Engines) prepare(r *render, overlays []Source) error {
	for _, o := range overlays {
		if !o.Header.ByTool && !o.Header.Sequence && slices.Contains(e.config.Vips.Ready().Types, string(o.Header.Type)) {
			r.overlays = append(r.overlays, worker.Overlay{Header: o.Header, File: o.File})
			continue
		}
		if err := e.drawOverlay(r, o); err != nil && fault.Of(err).Kind == fault.Overran || errors.Is(err, worker.ErrDied) {
			return err
		} else if err != nil {
			return fault.Wrap(err, fault.BadURL, "cannot draw the picture that a filter names: %s", fault.Of(err).Message)
		}
	}
	return e.letter(r)
}

// letter lets a tool draw the texts of the spec as overlays.
func (e *Engines) letter(r *render) error {
	for _, o := range r.spec.Texts() {
		nothing, err := worker.MemoryFile(nil)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "cannot make a memory file for a text")
		}
		err = e.overlay(r, worker.Task{Work: tools.Letter, Spec: thumbnail.Spec{Operations: []thumbnail.Operation{o}}, MaxPixels: r.maxPixels}, nothing)
		_ = nothing.Close()
		if err != nil {
			return err
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
	return e.overlay(r, worker.Task{Work: tools.Draw, Header: o.Header, MaxPixels: maxDrawnPixels, Careful: o.Careful}, file)
}

// overlay lets a tool draw an overlay.
func (e *Engines) overlay(r *render, t worker.Task, original *os.File) error {
	_, raster, err := r.doTask(e.config.Tools, t, original, noLimit)
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

// doTask does a part of the render in a worker, within the remaining time and most.
func (r *render) doTask(w Workers, t worker.Task, original *os.File, most time.Duration) (worker.Report, *os.File, error) {
	within := min(most, time.Until(r.deadline))
	if within <= 0 {
		return worker.Report{}, nil, fault.New(fault.Overran, "the render exceeded its time limit")
	}
	ctx, span := r.tracer.Start(r.ctx, taskName(t), trace.WithAttributes(attribute.String("thumbmill.type", string(t.Header.Type))))
	t.Yields, t.Effort = r.source.Yields, r.source.Effort
	report, out, err := w.Do(ctx, t, original, within)
	span.SetAttributes(attribute.Int64("thumbmill.cpu_ms", report.CPU.Milliseconds()))
	span.End()
	r.result.CPU += report.CPU
	return report, out, err
}

// taskName names a task in traces: vips, or the tool's work with type and format.
func taskName(t worker.Task) string {
	if t.Work == "" {
		return "vips"
	}
	return t.Work.Name(t.Header.Type, t.Spec.Format)
}

const noLimit = 1 << 62 * time.Nanosecond

// directly lets libvips read the original. A tool reads originals with ByTool.
func (e *Engines) directly(r *render) error {
	if !r.header.ByTool {
		return e.vips(r, r.spec, r.header, r.original)
	}
	if name := string(r.header.Type); !slices.Contains(e.config.Tools.Ready().Types, tools.Name(tools.Draw, name)) {
		return fault.New(fault.Unsupported, "this renderer cannot draw this kind of %s: it lacks the program", name)
	}
	r.result.Engine = toolFor(r.header.Type)
	return e.converted(r)
}

// toolFor names the tool that draws a type's pictures that libvips does not read.
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
	s = e.packable(e.withFaces(r, s, h, original), h)
	report, out, err := r.doTask(e.config.Vips, worker.Task{Spec: s, Header: h, Overlays: r.overlays, MaxPixels: r.maxPixels}, original, noLimit)
	if err == nil && report.Packs {
		out, err = e.pack(r, s, report.Format, out)
	}
	if err != nil {
		return whyNotRead(h, err)
	}
	defer func() { _ = out.Close() }()
	r.result.Format, r.result.Width, r.result.Height = report.Format, report.Width, report.Height
	if !r.result.Sides.Known() { // a page's own sides are better than its raster's
		r.result.Sides = report.Sides
	}
	r.result.Image, err = worker.Contents(out)
	return err
}

// whyNotRead returns the fault of a file that libheif refuses as damaged because it does not know the file's coding.
func whyNotRead(h guard.Header, err error) error {
	if !h.Uncompressed || !fault.Is(err, fault.Undecodable) {
		return err
	}
	return fault.Wrap(err, fault.Unsupported, "the original is a picture without compression; this renderer's libheif cannot read it, version 1.23.6 can")
}

// drawn lets a tool draw an original without pixels of its own. It sets Enlarge, because the tool already draws at
// the thumbnail's size.
func (e *Engines) drawn(r *render) error {
	r.spec.Enlarge = true
	return e.converted(r)
}

// converted lets a tool draw a raster, and libvips make the thumbnail from it.
func (e *Engines) converted(r *render) error {
	task := worker.Task{Work: tools.Draw, Spec: r.spec, Header: r.header, MaxPixels: maxDrawnPixels, Careful: r.source.Careful}
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
	h.Original = r.header.Type // the raster no longer shows the type, and a wrong name would hide it
	s := r.spec
	s.Page, s.Lang = 0, ""
	return e.vips(r, s, h, raster)
}

// decoded lets a tool decode the original where this machine has the tool, otherwise libvips.
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

// animated lets gifsicle resize a GIF that stays a GIF, if the spec only cuts, resizes and mirrors. Otherwise libvips
// draws it.
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
	if err != nil && fault.Of(err).Kind == fault.Undecodable { // libvips decodes some GIFs that gifsicle cannot
		r.result.Engine = "vips"
		return e.directly(r)
	}
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	h, err := inspect(out, r.maxPixels)
	if err != nil || h.Type != thumbnail.TypeGIF {
		return fault.Wrap(errors.Join(err, fmt.Errorf("a %s", h.Type)), fault.Undecodable, "no frame of the original can be drawn")
	}
	r.result.Format, r.result.Width, r.result.Height = thumbnail.FormatGIF, h.Width, h.Height
	r.result.Image, err = worker.Contents(out)
	return err
}

func (r *render) staysGIF() bool {
	s := r.spec
	s.FlipX, s.FlipY = false, false
	if r.header.Frames > 1 { // a smart cut of an animation is its middle
		s.Smart = false
		s.Prefer = slices.DeleteFunc(slices.Clone(s.Prefer), func(f thumbnail.Format) bool { return f.Row().Animation == thumbnail.FirstFrame })
	}
	gif := s.Format == thumbnail.FormatGIF || s.Format == thumbnail.FormatAuto && len(s.Prefer) == 0
	return gif && geometry.Plain(s)
}

// fits returns the fault BadURL for a thumbnail of too many pixels, as libvips' worker does for all others.
func (r *render) fits() error {
	size := geometry.New(r.spec, geometry.Size{Width: r.header.Width, Height: r.header.Height}).Size()
	if int64(size.Width)*int64(size.Height) > r.maxPixels {
		return fault.New(fault.BadURL, "the thumbnail has %d × %d pixels, at most %d are allowed: request a smaller size", size.Width, size.Height, r.maxPixels)
	}
	return nil
}

// optimize repacks the thumbnail. It keeps the new file if that is smaller; after any error it keeps the old file.
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
		e.config.Log.Debug("optimize thumbnail", "format", format, "error", err)
		return
	}
	defer func() { _ = out.Close() }()
	smaller, err := worker.Contents(out)
	if err == nil && len(smaller) > 0 && len(smaller) < len(r.result.Image) && alike(smaller, r.result) {
		e.saved.WithLabelValues(string(format)).Add(float64(len(r.result.Image) - len(smaller)))
		r.result.Image = smaller
	}
}

// alike reports whether an optimizer kept the thumbnail's format and size.
func alike(image []byte, r Result) bool {
	h, err := guard.Inspect(bytes.NewReader(image), int64(len(image)), thumbnail.TypeUnknown, noPixelLimit)
	format, _ := thumbnail.SniffFormat(image)
	return err == nil && format == r.Format && h.Width == r.Width && h.Height == r.Height
}

const noPixelLimit = 1 << 50
