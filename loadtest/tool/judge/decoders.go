package judge

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Decoder is a program other than thumbmill that reads originals.
type Decoder struct {
	Name  string
	kinds []string
	// steps are commands; the last one writes OUT.
	steps [][]string
	// stored says that OUT has the file's own colours, not sRGB.
	stored bool
}

//go:embed pillow.py
var pillow string

// python is Debian's; python3-pil gives it Pillow.
const python = "/usr/bin/python3"

// gimpScript merges the visible layers, and writes the picture.
const gimpScript = `(let* ((i (car (gimp-file-load RUN-NONINTERACTIVE "IN" "IN"))) (l (car (gimp-image-merge-visible-layers i CLIP-TO-IMAGE)))) ` +
	`(file-png-save-defaults RUN-NONINTERACTIVE i l "OUT" "OUT"))`

// bitmaps has the kinds that imaging libraries read.
var bitmaps = []string{"jpeg", "png", "webp", "tiff", "jp2", "bmp", "ico", "psd", "tga", "pnm"}

// Decoders returns all decoders, a format's own decoders first.
func Decoders() []Decoder {
	magick := append([]string{"convert", "IN[0]"}, toSRGBOptions...)
	return []Decoder{
		{"djxl", []string{"jxl"}, [][]string{{"djxl", "IN", "OUT"}}, true},
		{"avifdec", []string{"avif"}, [][]string{{"avifdec", "--no-strict", "IN", "OUT"}}, true},
		{"heif-convert", []string{"heic", "avif"}, [][]string{{"heif-convert", "IN", "OUT"}}, true},
		{"dwebp", []string{"webp"}, [][]string{{"dwebp", "-quiet", "IN", "-o", "OUT"}}, true},
		{"djpeg", []string{"jpeg"}, [][]string{{"djpeg", "-outfile", "FIRST.png", "IN"}, {"convert", "FIRST.png", "png32:OUT"}}, false},
		{"opj_decompress", []string{"jp2"}, [][]string{{"opj_decompress", "-i", "IN", "-o", "OUT"}}, false},
		{"mutool", []string{"pdf"}, [][]string{{"mutool", "draw", "-q", "-r", "150", "-o", "OUT", "IN", "1"}}, false},
		{"rsvg-convert", []string{"svg"}, [][]string{{"rsvg-convert", "-w", "640", "--keep-aspect-ratio", "-o", "OUT", "IN"}}, false},
		{"resvg", []string{"svg"}, [][]string{{"resvg", "-w", "640", "IN", "OUT"}}, false},
		{"pdftoppm", []string{"pdf"}, [][]string{{"pdftoppm", "-cropbox", "-r", "150", "-png", "-singlefile", "IN", "OUT"}}, false},
		{"ddjvu", []string{"djvu"}, [][]string{{"ddjvu", "-format=ppm", "-page=1", "IN", "FIRST.ppm"}, {"convert", "FIRST.ppm", "png32:OUT"}}, false},
		{"gimp", []string{"xcf"}, [][]string{{"gimp-console", "-i", "-d", "-f", "-b", gimpScript, "-b", "(gimp-quit 0)"}}, false},
		{"ffmpeg", []string{"video"}, [][]string{{"ffmpeg", "-v", "error", "-i", "IN", "-frames:v", "1", "-vf", "scale=iw*sar:ih", "OUT"}}, false},
		{"ffmpeg-still", []string{"avif", "heic"}, [][]string{{"ffmpeg", "-v", "error", "-i", "IN", "-frames:v", "1", "OUT"}}, true},
		{"imagemagick", bitmaps, [][]string{magick}, false},
		{"imagemagick-coalesced", []string{"gif"}, [][]string{append([]string{"convert", "IN[0]", "-coalesce"}, toSRGBOptions...)}, false},
		{"pillow", append([]string{"avif", "gif"}, bitmaps...), [][]string{{python, "-c", pillow, "IN", "OUT", "SRGB"}}, false},
	}
}

// Installed reports whether all programs of the decoder are installed.
func (d Decoder) Installed() bool {
	return !slices.ContainsFunc(d.steps, func(step []string) bool {
		_, err := exec.LookPath(step[0])
		return err != nil
	})
}

// Reads reports whether the decoder reads a kind.
func (d Decoder) Reads(kind string) bool { return slices.Contains(d.kinds, kind) }

// Read returns the first picture or page of a file, in sRGB.
func (d Decoder) Read(ctx context.Context, path string) (image.Image, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, profile, err := d.decode(ctx, body, strings.TrimPrefix(filepath.Ext(path), "."))
	if err != nil || !d.stored {
		return m, err
	}
	if profile == nil {
		profile, err = declaredProfile(body)
	}
	if err != nil || profile == nil {
		return m, err
	}
	return profiled(ctx, m, profile)
}

// decode returns the picture, and the colour profile that is in the program's output or in the file.
func (d Decoder) decode(ctx context.Context, body []byte, extension string) (m image.Image, profile []byte, err error) {
	out, err := inFolder(body, extension, func(in, out string) error {
		first := filepath.Join(filepath.Dir(out), "first")
		for _, step := range d.steps {
			args := fill(step[1:], in, out)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "FIRST", first)
			}
			if err := run(ctx, step[0], args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if profile = embeddedProfile(out); profile == nil {
		profile = embeddedProfile(body)
	}
	m, err = png.Decode(bytes.NewReader(out))
	return m, profile, err
}

// kinds has the extensions of each kind of original.
var kinds = map[string][]string{
	"jpeg": {"jpg", "jpeg", "jpe", "jfif"}, "png": {"png", "apng"}, "gif": {"gif"}, "webp": {"webp"}, "tiff": {"tif", "tiff"},
	"avif": {"avif", "avifs"}, "heic": {"heic", "heif", "hif"}, "jxl": {"jxl"}, "jp2": {"jp2", "j2k", "jpx", "jpf", "j2c", "jpc"},
	"svg": {"svg", "svgz"}, "pdf": {"pdf"}, "djvu": {"djvu", "djv"}, "xcf": {"xcf"}, "stl": {"stl"}, "bmp": {"bmp", "dib"}, "ico": {"ico", "cur"},
	"psd": {"psd", "psb"}, "tga": {"tga"}, "pnm": {"pnm", "pbm", "pgm", "ppm", "pam", "pfm"},
	"video": {"mp4", "m4v", "mov", "webm", "mkv", "ogv", "ogg", "mpg", "mpeg", "ts", "m2ts", "avi"},
}

// Kind returns the kind of original from its name, or "" if no decoder draws it.
func Kind(name string) string {
	extension := strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))
	for kind, extensions := range kinds {
		if slices.Contains(extensions, extension) {
			return kind
		}
	}
	return ""
}

// Reference returns the picture of a file by the named decoder.
func Reference(ctx context.Context, decoder, path string) (image.Image, error) {
	for _, d := range Decoders() {
		if d.Name == decoder {
			return d.Read(ctx, path)
		}
	}
	return nil, fmt.Errorf("there is no decoder %q", decoder)
}
