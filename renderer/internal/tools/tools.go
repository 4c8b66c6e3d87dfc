// Package tools draws originals that libvips does not read, or reads badly, with
// programs such as ffmpeg and poppler. The programs run in a worker whose sandbox
// allows no others, never in the process that talks to the network.
//
// A tool writes a raster, which libvips then resizes and encodes. There are three
// exceptions: gifsicle resizes animated GIFs whole, optimizers repack a finished
// thumbnail, and packers make an animated thumbnail of frames.
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

// Work is a kind of task for a worker of tools.
type Work string

// The kinds of work.
const (
	Draw     Work = "draw"     // the original into a raster
	Animate  Work = "animate"  // an animated GIF into a smaller one
	Optimize Work = "optimize" // a thumbnail into fewer bytes, with the same pixels
	Letter   Work = "letter"   // the text of the spec's only operation into a raster
	Find     Work = "find"     // faces in a small PNG, as JSON
	Pack     Work = "pack"     // frames, an animation.Animation, into an animated thumbnail
)

// Name returns the name of the work for an original of a type and a thumbnail of a format, such as
// "draw svg" or "pack avif".
func (w Work) Name(original thumbnail.Type, made thumbnail.Format) string {
	return Name(w, w.of(original, made))
}

// ByName reports whether programs read the original by its name in the worker's folder. Thumbnails
// and frames in memory have no name.
func (w Work) ByName() bool { return w == Draw || w == Animate }

// Faces is the only thing that Find finds.
const Faces = "faces"

// of returns the thumbnail's format for Optimize and Pack, the step for Letter, and the original's type for other work.
func (w Work) of(original thumbnail.Type, made thumbnail.Format) string {
	switch w {
	case Optimize, Pack:
		return string(made)
	case Letter:
		return string(thumbnail.StepText)
	case Find:
		return Faces
	}
	return string(original)
}

// entry is one row of the table.
type entry struct {
	work     Work
	what     string   // the original's type, or the thumbnail's format
	programs []string // all of them are needed; names with | between them are alternatives
	run      func(*task) error
	optional []string // programs that some originals need
}

// table returns the tools. The programs are in these packages of Debian: librsvg2-bin,
// poppler-utils, djvulibre-bin, imagemagick, ffmpeg, gifsicle,
// libjpeg-turbo-progs, libjxl-tools, libopenjp2-tools, libtiff-tools, mupdf-tools, resvg, optipng, libavif-bin.
func table() []entry {
	return []entry{
		{Draw, string(thumbnail.TypeSVG), []string{"rsvg-convert"}, expanded(drawSVG), []string{"resvg"}},
		{Draw, string(thumbnail.TypePDF), []string{"pdfinfo", "pdftoppm"}, drawPDF, []string{"pdffonts", "mutool"}},
		{Draw, string(thumbnail.TypeDjVu), []string{"djvused", "ddjvu"}, drawDjVu, nil},
		{Draw, string(thumbnail.TypeXCF), nil, drawXCF, nil},
		{Draw, string(thumbnail.TypeBMP), nil, drawBMP, nil},
		{Draw, string(thumbnail.TypeICO), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypePSD), []string{imageMagick}, drawPSD, nil},
		{Draw, string(thumbnail.TypeTGA), nil, drawTGA, nil},
		{Draw, string(thumbnail.TypePNM), []string{imageMagick}, drawBitmap, nil},
		{Draw, string(thumbnail.TypePNG), []string{imageMagick}, drawPNG, nil},
		{Draw, string(thumbnail.TypeTIFF), []string{imageMagick, "tiff2rgba"}, drawTIFF, nil},
		{Draw, string(thumbnail.TypeJPEG), []string{"ffmpeg"}, drawJPEG, nil},
		{Draw, string(thumbnail.TypeVideo), []string{"ffprobe", "ffmpeg"}, drawVideo, nil},
		{Draw, string(thumbnail.TypeAVIF), []string{"ffprobe", "ffmpeg"}, drawSequence, nil},
		{Draw, string(thumbnail.TypeHEIC), []string{"ffprobe", "ffmpeg"}, drawSequence, nil},
		{Draw, string(thumbnail.TypeJP2), []string{"opj_decompress"}, drawJP2, nil},
		{Draw, string(thumbnail.TypeSTL), nil, drawSTL, nil},
		{Draw, string(thumbnail.TypeJXL), []string{"djxl"}, drawJXL, []string{imageMagick}},
		{Letter, string(thumbnail.StepText), nil, drawText, nil},
		{Find, Faces, []string{facesProgram}, findFaces, nil},
		{Animate, string(thumbnail.TypeGIF), []string{"gifsicle"}, animateGIF, nil},
		{Optimize, string(thumbnail.FormatJPEG), []string{"jpegtran"}, optimizeJPEG, nil},
		{Optimize, string(thumbnail.FormatGIF), []string{"gifsicle"}, optimizeGIF, nil},
		{Optimize, string(thumbnail.FormatPNG), []string{"optipng"}, optimizePNG, nil},
		{Pack, string(thumbnail.FormatAVIF), []string{"avifenc"}, packAVIF, nil},
		{Pack, string(thumbnail.FormatMP4), []string{"ffmpeg"}, packMP4, nil},
	}
}

// imageMagick names the programs of ImageMagick 6 and 7 with 16 bits per channel.
const imageMagick = "convert-im6.q16|magick-im7.q16"

// Box has the programs of this machine.
type Box struct {
	paths map[string]string // program to path
}

// Open returns a box of the table's programs that are in PATH.
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

// A worker's folder has two parts; the second is the worker's working directory. All
// paths are relative to it, so the worker needs no rights to the folders above.
const (
	incoming = "in"  // tools read the original here
	scratch  = "out" // tools write here
	// original is the file name of every original. A program could mistake the
	// original's real name for an option.
	original = "original"
)

// Incoming returns the part of a worker's folder in which tools read.
func Incoming(folder string) string { return filepath.Join(folder, incoming) }

// Scratch returns the part of a worker's folder in which tools write.
func Scratch(folder string) string { return filepath.Join(folder, scratch) }

// Named returns the path of the original in a worker's folder.
func Named(folder string) string { return filepath.Join(folder, incoming, original) }

// fontRules is the name of fontconfig's file, beside the original. The file maps generic names such as
// "sans-serif" to the fonts that Wikimedia's drawings expect, even if other fonts are installed. The
// system's rules follow.
const fontRules = "fonts.conf"

// fontPath is the list of folders in which fontconfig looks for its file, as a worker sees them.
const fontPath = "../" + incoming + ":/etc/fonts"

// Environ sets the variables that libraries read in a worker. Call it before the worker does any work.
func Environ() error {
	return errors.Join(os.Setenv("FONTCONFIG_PATH", fontPath), os.Setenv("HOME", "."))
}

// Furnish writes fontRules into a worker's folder.
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
	return os.WriteFile(filepath.Join(folder, incoming, fontRules), []byte(rules), 0o644) //nolint:gosec // workers run as another user
}

// Writable is the folder where tools may write, relative to the worker's working directory.
const Writable = "."

// Visible lists the paths that tools may read: libraries and data of programs, fonts, and the original.
func Visible() []string {
	return []string{
		"../" + incoming, "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share", "/usr/local/share/fonts",
		"/etc/fonts", "/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/ld.so.cache", "/var/cache/fontconfig", "/dev/urandom",
		"/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
	}
}

// Executables lists the paths that tools may execute: the programs and their
// interpreter, the dynamic linker.
func (b Box) Executables() []string {
	paths := []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"}
	for _, path := range b.paths {
		paths = append(paths, path)
	}
	return paths
}

// Types returns the names of the work whose programs are all on this machine, such as "draw svg".
func (b Box) Types() (names []string) {
	for _, e := range table() {
		if len(b.missing(e)) == 0 {
			names = append(names, Name(e.work, e.what))
		}
	}
	return names
}

// Name returns the name of the work on a type or format.
func Name(w Work, what string) string { return string(w) + " " + what }

func (b Box) missing(e entry) []string {
	return slices.DeleteFunc(slices.Clone(e.programs), func(program string) bool { return b.paths[program] != "" })
}

// Request is one piece of work.
type Request struct {
	Work      Work
	Spec      thumbnail.Spec
	Header    guard.Header
	MaxPixels int64         // of the drawn raster
	Within    time.Duration // time limit of the work; 0 = unknown
	Original  *os.File      // the thumbnail for Optimize, the frames for Pack
	Out       *os.File
	// Sides, if not nil, receives a page's exact sides in points. The raster's sides are
	// rounded.
	Sides *objectstore.Sides
	// Careful says that a worker died of this original: no library draws it in this process.
	Careful bool
	// Spent is set where this process should do no more work after this; it may be nil.
	Spent *bool
}

// Run does the work and writes the result to Out. Errors are faults.
func (b Box) Run(r Request) error {
	what := r.Work.of(r.Header.Type, r.Spec.Format)
	for _, e := range table() {
		if e.work == r.Work && e.what == what {
			return e.run(&task{request: r, box: b})
		}
	}
	return fault.New(fault.Unsupported, "no engine draws originals of type %s", what)
}
