package thumbnail

import (
	"path"
	"strings"
)

// Format is the file format of a thumbnail.
type Format string

// The formats that a thumbnail can have.
const (
	FormatAuto Format = ""
	FormatJPEG Format = "jpg"
	FormatPNG  Format = "png"
	FormatWebP Format = "webp"
	FormatGIF  Format = "gif"
	FormatAVIF Format = "avif"
	FormatJSON Format = "json" // of Spec.Meta alone
)

// ParseFormat reads a format's name as URLs spell it, in any case.
func ParseFormat(name string) (Format, bool) {
	switch strings.ToLower(name) {
	case "jpg", "jpeg", "jpe":
		return FormatJPEG, true
	case "png":
		return FormatPNG, true
	case "webp":
		return FormatWebP, true
	case "gif":
		return FormatGIF, true
	case "avif":
		return FormatAVIF, true
	}
	return FormatAuto, false
}

// ContentType is the media type of the format.
func (f Format) ContentType() string {
	switch f {
	case FormatJPEG:
		return "image/jpeg"
	case FormatJSON:
		return "application/json"
	}
	return "image/" + string(f)
}

// Type is the kind of an original, named as the throttle of expensive types names it.
type Type string

// The types of originals.
const (
	TypeJPEG    Type = "jpeg"
	TypePNG     Type = "png"
	TypeWebP    Type = "webp"
	TypeGIF     Type = "gif"
	TypeTIFF    Type = "tiff"
	TypeHEIC    Type = "heic"
	TypeAVIF    Type = "avif"
	TypeJXL     Type = "jxl"
	TypeJP2     Type = "jp2"
	TypeSVG     Type = "svg"
	TypePDF     Type = "pdf"
	TypeDjVu    Type = "djvu"
	TypeXCF     Type = "xcf"
	TypeSTL     Type = "stl"
	TypeVideo   Type = "video"
	TypeAudio   Type = "audio"
	TypeUnknown Type = "unknown"
)

var typesByExtension = map[string]Type{
	"jpg": TypeJPEG, "jpeg": TypeJPEG, "jpe": TypeJPEG,
	"png": TypePNG, "webp": TypeWebP, "gif": TypeGIF,
	"tif": TypeTIFF, "tiff": TypeTIFF,
	"heic": TypeHEIC, "heif": TypeHEIC, "avif": TypeAVIF, "jxl": TypeJXL,
	"jp2": TypeJP2, "j2k": TypeJP2, "jpf": TypeJP2,
	"svg": TypeSVG, "pdf": TypePDF, "djvu": TypeDjVu, "djv": TypeDjVu, "xcf": TypeXCF, "stl": TypeSTL,
	"ogv": TypeVideo, "ogg": TypeVideo, "webm": TypeVideo, "mpg": TypeVideo, "mpeg": TypeVideo, "mp4": TypeVideo,
	"oga": TypeAudio, "flac": TypeAudio, "wav": TypeAudio, "mp3": TypeAudio, "opus": TypeAudio, "mid": TypeAudio,
}

// TypeOf tells the type of an original by its name's extension, in any case.
// A name tells the lane before a byte is read; the renderer looks at the bytes.
func TypeOf(name string) Type {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	if t, ok := typesByExtension[ext]; ok {
		return t
	}
	return TypeUnknown
}

// DefaultFormat is the format of a thumbnail for which the URL names none.
// Thumbnails keep their original's format where browsers show it.
func (t Type) DefaultFormat(alpha bool) Format {
	switch t {
	case TypeJPEG:
		return FormatJPEG
	case TypePNG, TypeSVG, TypeXCF, TypeSTL: // drawings, as at Wikimedia
		return FormatPNG
	case TypeWebP:
		return FormatWebP
	case TypeGIF:
		return FormatGIF
	}
	if alpha {
		return FormatPNG
	}
	return FormatJPEG
}

// conversions lists the formats that Wikimedia serves for an original's type
// (field notes of 2026-07-17, T430528). A type that is absent allows any.
var conversions = map[Type][]Format{
	TypeJPEG:  {FormatJPEG, FormatWebP},
	TypePDF:   {FormatPNG, FormatJPEG, FormatWebP},
	TypeSVG:   {FormatPNG, FormatJPEG, FormatWebP},
	TypePNG:   {FormatPNG, FormatWebP},
	TypeGIF:   {FormatGIF, FormatPNG, FormatWebP},
	TypeWebP:  {FormatWebP, FormatPNG},
	TypeAudio: {},
}

// Converts reports whether Wikimedia's matrix allows a thumbnail of this format.
func (t Type) Converts(to Format) bool {
	if to == FormatAVIF {
		return false
	}
	allowed, listed := conversions[t]
	if !listed {
		return true
	}
	for _, f := range allowed {
		if f == to {
			return true
		}
	}
	return false
}

// TypeNames lists the types that an original can have, for messages.
func TypeNames() []string {
	return []string{"jpeg", "png", "webp", "gif", "tiff", "heic", "avif", "jxl", "jp2", "svg", "pdf", "djvu", "xcf", "stl", "video", "audio", "unknown"}
}
