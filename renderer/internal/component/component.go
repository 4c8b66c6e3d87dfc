// Package component describes the libraries and programs that a renderer draws with: the components that each type of
// original needs, and the known flaws of their versions.
package component

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Names of components.
const (
	Libvips      = "libvips"
	LibjpegTurbo = "libjpeg-turbo"
	Libpng       = "libpng"
	Libspng      = "libspng"
	Libwebp      = "libwebp"
	Libtiff      = "libtiff"
	Libheif      = "libheif"
	Libde265     = "libde265"
	Dav1d        = "dav1d"
	Libaom       = "libaom"
	Libjxl       = "libjxl"
	OpenJPEG     = "openjpeg"
	Librsvg      = "librsvg"
	Resvg        = "resvg"
	Poppler      = "poppler"
	DjVuLibre    = "djvulibre"
	ImageMagick  = "imagemagick"
	FFmpeg       = "ffmpeg"
	Gifsicle     = "gifsicle"
	OptiPNG      = "optipng"
	OpenCV       = "opencv"
)

// decoders lists, by type of original, the components whose upgrade can fix a failed render. For types that a tool
// draws, it lists only the tool: libvips then scales a raster, which does not fail.
var decoders = map[thumbnail.Type][]string{
	thumbnail.TypeJPEG:  {Libvips, LibjpegTurbo, FFmpeg},
	thumbnail.TypePNG:   {Libvips, Libpng, Libspng, ImageMagick},
	thumbnail.TypeWebP:  {Libvips, Libwebp},
	thumbnail.TypeTIFF:  {Libvips, Libtiff, ImageMagick},
	thumbnail.TypeHEIC:  {Libvips, Libheif, Libde265, FFmpeg},
	thumbnail.TypeAVIF:  {Libvips, Libheif, Dav1d, Libaom, FFmpeg},
	thumbnail.TypeJXL:   {Libvips, Libjxl},
	thumbnail.TypeJP2:   {Libvips, OpenJPEG},
	thumbnail.TypeGIF:   {Gifsicle, Libvips},
	thumbnail.TypeSVG:   {Librsvg, Resvg},
	thumbnail.TypePDF:   {Poppler},
	thumbnail.TypeDjVu:  {DjVuLibre},
	thumbnail.TypeXCF:   {},
	thumbnail.TypeVideo: {FFmpeg},
	thumbnail.TypeBMP:   {},
	thumbnail.TypeICO:   {ImageMagick},
	thumbnail.TypePSD:   {ImageMagick, FFmpeg},
	thumbnail.TypeTGA:   {},
	thumbnail.TypePNM:   {ImageMagick},
	thumbnail.TypeSTL:   {},
}

// Versions maps the machine's components to their versions.
type Versions map[string]string

// Engine returns the versions that draw a type, with the version of the rules of rendering, for example
// "librsvg-2.54.7-rules-3". When the text changes, the cluster tries failed originals again. A type without an entry
// in decoders gets all components.
func (v Versions) Engine(t thumbnail.Type) string {
	names, known := decoders[t]
	if !known {
		names = slices.Sorted(maps.Keys(v))
	}
	var parts []string
	for _, name := range names {
		if version := v[name]; version != "" {
			parts = append(parts, name+"-"+version)
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("rules-%d", thumbnail.RulesVersion)), "-")
}

// Engines returns Engine for each known type and for TypeUnknown.
func (v Versions) Engines() map[thumbnail.Type]string {
	all := map[thumbnail.Type]string{thumbnail.TypeUnknown: v.Engine(thumbnail.TypeUnknown)}
	for t := range decoders {
		all[t] = v.Engine(t)
	}
	return all
}

// number matches a version in the output of a program or library: "2.54.7", "5.1.9-0+deb12u1".
var number = regexp.MustCompile(`\d+(\.\d+)+[^\s,()]*`)

// Find returns the first version in a text, or "" without a version.
func Find(text string) string { return number.FindString(text) }
