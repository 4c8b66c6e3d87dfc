// Package tools draws what libvips does not read, or reads badly, with the
// field's own programs. It runs in a worker that is confined to them: nothing
// here is called in the process that talks to the network.
//
// A tool gives a raster, which libvips then resizes and encodes, but for
// animated GIFs, which gifsicle resizes whole, and for optimizers, which repack
// a finished thumbnail.
package tools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Work is what a worker of tools is asked for.
type Work string

// The kinds of work.
const (
	Draw     Work = "draw"     // the original into a raster
	Animate  Work = "animate"  // an animated GIF into a smaller one
	Optimize Work = "optimize" // a thumbnail into fewer bytes, every pixel as it is
	Pack     Work = "pack"     // frames, an animation.Animation, into an animated thumbnail
)

// Name names the work on an original of a type into a thumbnail of a format, as "draw svg"
// or "pack avif".
func (w Work) Name(original thumbnail.Type, made thumbnail.Format) string {
	return Name(w, w.of(original, made))
}

// ByName reports whether programs read the original by its name in the worker's folder; what
// is in memory has none.
func (w Work) ByName() bool { return w == Draw || w == Animate }

// of is what the work depends on: the original's type, or the thumbnail's format.
func (w Work) of(original thumbnail.Type, made thumbnail.Format) string {
	if w == Optimize || w == Pack {
		return string(made)
	}
	return string(original)
}

// entry is one row of the table.
type entry struct {
	work     Work
	what     string   // the original's type, or the thumbnail's format
	programs []string // all of them are needed; of names with | between them, one
	run      func(*task) error
	optional []string // programs that some originals need
}

// The table, with the Debian packages of the programs: librsvg2-bin,
// poppler-utils, djvulibre-bin, imagemagick, ffmpeg, gifsicle,
// libjpeg-turbo-progs, libjxl-tools, libopenjp2-tools, libtiff-tools, mupdf-tools, optipng, libavif-bin.
func table() []entry {
	return []entry{
		{Draw, string(thumbnail.TypeSVG), []string{"rsvg-convert"}, expanded(drawSVG), nil},
		{Draw, string(thumbnail.TypePDF), []string{"pdfinfo", "pdftoppm"}, drawPDF, []string{"mutool"}},
		{Draw, string(thumbnail.TypeDjVu), []string{"djvused", "ddjvu"}, drawDjVu, nil},
		{Draw, string(thumbnail.TypeXCF), nil, drawXCF, nil},
		{Draw, string(thumbnail.TypeBMP), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypeICO), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypePSD), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypeTGA), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypePNM), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypePNG), []string{imageMagick}, drawPNG, nil},
		{Draw, string(thumbnail.TypeTIFF), []string{imageMagick, "tiff2rgba"}, drawTIFF, nil},
		{Draw, string(thumbnail.TypeJPEG), []string{"ffmpeg"}, drawJPEG, nil},
		{Draw, string(thumbnail.TypeVideo), []string{"ffprobe", "ffmpeg"}, drawVideo, nil},
		{Draw, string(thumbnail.TypeAVIF), []string{"ffprobe", "ffmpeg"}, drawSequence, nil},
		{Draw, string(thumbnail.TypeHEIC), []string{"ffprobe", "ffmpeg"}, drawSequence, nil},
		{Draw, string(thumbnail.TypeJP2), []string{"opj_decompress"}, drawJP2, nil},
		{Draw, string(thumbnail.TypeSTL), nil, drawSTL, nil},
		{Draw, string(thumbnail.TypeJXL), []string{"djxl"}, drawJXL, nil},
		{Animate, string(thumbnail.TypeGIF), []string{"gifsicle"}, animateGIF, nil},
		{Optimize, string(thumbnail.FormatJPEG), []string{"jpegtran"}, optimizeJPEG, nil},
		{Optimize, string(thumbnail.FormatGIF), []string{"gifsicle"}, optimizeGIF, nil},
		{Optimize, string(thumbnail.FormatPNG), []string{"optipng"}, optimizePNG, nil},
		{Pack, string(thumbnail.FormatAVIF), []string{"avifenc"}, packAVIF, nil},
	}
}

// imageMagick is version 6's program, or 7's, each with 16 bits a channel.
const imageMagick = "convert-im6.q16|magick-im7.q16"

// Box is the tools that this machine has.
type Box struct {
	paths map[string]string // program to path
}

// Open looks for the programs.
func Open() Box {
	b := Box{paths: map[string]string{}}
	for _, e := range table() {
		for _, program := range slices.Concat(e.programs, e.optional) {
			for name := range strings.SplitSeq(program, "|") {
				if path, err := exec.LookPath(name); err == nil {
					b.paths[program] = path
					break
				}
			}
		}
	}
	return b
}

// A worker's folder has two parts, and the worker stands in the second. All paths
// are seen from there, so that nobody needs a right to the folders above.
const (
	incoming = "in"  // where the original is
	scratch  = "out" // where tools may write
	// original is the name that every original has for the tools: its own could
	// hold what a program takes for an option.
	original = "original"
)

// Incoming is the part of a worker's folder in which tools read.
func Incoming(folder string) string { return filepath.Join(folder, incoming) }

// Scratch is the part of a worker's folder in which tools write.
func Scratch(folder string) string { return filepath.Join(folder, scratch) }

// Named is the path of the original in a worker's folder.
func Named(folder string) string { return filepath.Join(folder, incoming, original) }

// fontRules is the name of fontconfig's file, beside the original: the system's
// rules, and before them those that make a drawing's "sans-serif" what Wikimedia's drawings
// were made for, whichever other fonts are installed.
const fontRules = "fonts.conf"

// fontPath is where fontconfig looks for its file, as a worker sees it.
const fontPath = "../" + incoming + ":/etc/fonts"

// Environ sets what libraries read from the environment of a worker, in which nothing has run yet.
func Environ() error {
	return errors.Join(os.Setenv("FONTCONFIG_PATH", fontPath), os.Setenv("HOME", "."))
}

// Furnish puts into a worker's folder what tools read beside the original.
func Furnish(folder string) error {
	rules := `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>`
	for _, generic := range [][2]string{
		{"Sans", "DejaVu Sans"}, {"sans-serif", "DejaVu Sans"}, {"Serif", "DejaVu Serif"}, {"serif", "DejaVu Serif"},
		{"Monospace", "DejaVu Sans Mono"}, {"monospace", "DejaVu Sans Mono"},
	} {
		rules += fmt.Sprintf(`
<match><test name="family"><string>%s</string></test><edit name="family" mode="prepend" binding="strong"><string>%s</string></edit></match>`,
			generic[0], generic[1])
	}
	rules += `
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
`
	return os.WriteFile(filepath.Join(folder, incoming, fontRules), []byte(rules), 0o644) //nolint:gosec // workers are another user
}

// Writable is what tools may write to, as the worker sees it.
const Writable = "."

// Visible lists what tools may read: programs' libraries and data, fonts, and the original.
func Visible() []string {
	return []string{
		"../" + incoming, "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share", "/usr/local/share/fonts",
		"/etc/fonts", "/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/ld.so.cache", "/var/cache/fontconfig", "/dev/urandom",
		"/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
	}
}

// Executables lists what may be executed: the programs and the dynamic linker,
// which is their interpreter.
func (b Box) Executables() []string {
	paths := []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"}
	for _, path := range b.paths {
		paths = append(paths, path)
	}
	return paths
}

// Types names the work for which all programs are here, as "draw svg".
func (b Box) Types() (names []string) {
	for _, e := range table() {
		if len(b.missing(e)) == 0 {
			names = append(names, Name(e.work, e.what))
		}
	}
	return names
}

// Name names a work on a type or format.
func Name(w Work, what string) string { return string(w) + " " + what }

func (b Box) missing(e entry) []string {
	return slices.DeleteFunc(slices.Clone(e.programs), func(program string) bool { return b.paths[program] != "" })
}

// Request is one piece of work.
type Request struct {
	Work      Work
	Spec      thumbnail.Spec
	Header    guard.Header
	MaxPixels int64         // of what is drawn
	Within    time.Duration // that the work may take; 0 = unknown
	Original  *os.File      // or the thumbnail that is to be optimized
	Out       *os.File
	// Sides is where a page's own sides are told, which its raster has only rounded; it may
	// be nil.
	Sides *objectstore.Sides
	// Spent is set where this process should do no more work after this; it may be nil.
	Spent *bool
}

// Run does the work and writes what was made to Out. Errors are faults.
func (b Box) Run(r Request) error {
	what := r.Work.of(r.Header.Type, r.Spec.Format)
	for _, e := range table() {
		if e.work == r.Work && e.what == what {
			return e.run(&task{request: r, box: b})
		}
	}
	return fault.New(fault.Unsupported, "no engine here renders originals of type %s", what)
}
