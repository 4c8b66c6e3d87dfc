package thumbnail

import (
	"slices"
	"strings"
)

// Format is the file format of a thumbnail, named by its file extension.
type Format string

// The formats of thumbnails. The table of formats has their properties.
const (
	FormatAuto Format = "" // the format that suits the original
	FormatJPEG Format = "jpg"
	FormatPNG  Format = "png"
	FormatWebP Format = "webp"
	FormatGIF  Format = "gif"
	FormatAVIF Format = "avif"
	FormatJXL  Format = "jxl"
	FormatMP4  Format = "mp4"
	FormatJSON Format = "json" // only for Spec.Described: not a picture, and so not in the table
)

// FormatRow has all properties of a format. The encoders are in the renderer's package vips, where a
// test fails for a row without one.
type FormatRow struct {
	Format      Format
	Name        string      // name for people
	Spellings   []string    // names in URLs and extensions of files, in lower case; Format is the first
	MediaTypes  []string    // answers have the first; a client's Accept may name any
	Signatures  []Signature // every file of the format begins with one of them
	LongestSide int         // of a picture, in pixels
	Alpha       bool        // pixels can be transparent; otherwise transparent parts become white
	Profiles    bool        // files can carry a colour profile
	MovesOnly   bool        // has no still pictures: a thumbnail of one frame gets the usual format of its original
	Animation   Animation   // how all frames of an animation are written
	Lossy       bool        // the encoder takes a quality, and render.qualities can name the format
	Negotiable  bool        // browsers name it in Accept, and thumbor.auto_formats can list it
	Optimized   bool        // a tool repacks it, and renderer.optimizers can list it
	Wikimedia   bool        // MediaWiki's URLs can ask for it (field notes of 2026-07-17, T430528)
}

// Signature is a byte sequence at a place in each file of a format.
type Signature struct {
	At    int // offset in bytes
	Bytes string
}

// Animation is the way to write all frames of an animated thumbnail.
type Animation string

// The ways to write an animation.
const (
	FirstFrame Animation = ""        // not at all: the thumbnail is the first frame
	ByEncoder  Animation = "encoder" // libvips, as it writes a still picture
	ByTool     Animation = "tool"    // a program resizes the animated original itself
	Packed     Animation = "packed"  // a program packs frames that libvips draws
)

// formats is the table. Its order is the order of qualities in a spec's canonical form, which digests
// depend on: add a new format at the end.
var formats = []FormatRow{
	{
		Format: FormatJPEG, Name: "JPEG", Spellings: []string{"jpg", "jpeg", "jpe"}, MediaTypes: []string{"image/jpeg", "image/jpg"},
		Signatures:  []Signature{{0, "\xff\xd8\xff"}},
		LongestSide: 65_535, Profiles: true, Lossy: true, Negotiable: true, Optimized: true, Wikimedia: true,
	},
	{
		Format: FormatPNG, Name: "PNG", Spellings: []string{"png"}, MediaTypes: []string{"image/png"},
		Signatures:  []Signature{{0, "\x89PNG\r\n\x1a\n"}},
		LongestSide: 65_535, Profiles: true, Alpha: true, Negotiable: true, Optimized: true, Wikimedia: true,
	},
	{
		Format: FormatWebP, Name: "WebP", Spellings: []string{"webp"}, MediaTypes: []string{"image/webp"},
		Signatures:  []Signature{{8, "WEBPVP8"}}, // after RIFF and the file's length
		LongestSide: 16_383, Profiles: true, Alpha: true, Animation: ByEncoder, Lossy: true, Negotiable: true, Wikimedia: true,
	},
	{
		Format: FormatGIF, Name: "GIF", Spellings: []string{"gif"}, MediaTypes: []string{"image/gif"},
		Signatures:  []Signature{{0, "GIF87a"}, {0, "GIF89a"}},
		LongestSide: 65_535, Alpha: true, Animation: ByTool, Optimized: true, Wikimedia: true,
	},
	{
		Format: FormatAVIF, Name: "AVIF", Spellings: []string{"avif"}, MediaTypes: []string{"image/avif"},
		Signatures:  []Signature{{4, "ftypavif"}, {4, "ftypavis"}}, // after the box's length
		LongestSide: 65_535, Profiles: true, Alpha: true, Animation: Packed, Lossy: true, Negotiable: true,
	},
	{
		Format: FormatJXL, Name: "JPEG XL", Spellings: []string{"jxl"}, MediaTypes: []string{"image/jxl"},
		Signatures:  []Signature{{0, "\xff\x0a"}, {0, "\x00\x00\x00\x0cJXL \r\n\x87\n"}},
		LongestSide: 65_535, Profiles: true, Alpha: true, Lossy: true, Negotiable: true,
	},
	{
		Format: FormatMP4, Name: "MP4", Spellings: []string{"mp4"}, MediaTypes: []string{"video/mp4"},
		Signatures:  []Signature{{4, "ftypisom"}}, // after the box's length
		LongestSide: 16_384, MovesOnly: true, Animation: Packed, Lossy: true,
	},
}

// Formats returns the rows of all formats.
func Formats() []FormatRow { return slices.Clone(formats) }

// FormatNames returns the names of the formats with a property, for settings and their messages.
func FormatNames(has func(FormatRow) bool) (names []string) {
	for _, row := range formats {
		if has(row) {
			names = append(names, string(row.Format))
		}
	}
	return names
}

// Row returns the format's row. It is empty for FormatAuto, FormatJSON and unknown names.
func (f Format) Row() FormatRow {
	row, _ := findFormat(func(row FormatRow) bool { return row.Format == f })
	return row
}

// ContentType returns the media type of the format; "" for FormatAuto.
func (f Format) ContentType() string {
	if f == FormatJSON {
		return "application/json"
	}
	if types := f.Row().MediaTypes; len(types) > 0 {
		return types[0]
	}
	return ""
}

// ParseFormat parses a format's name as in URLs, in any case.
func ParseFormat(name string) (Format, bool) {
	name = strings.ToLower(name)
	row, ok := findFormat(func(row FormatRow) bool { return slices.Contains(row.Spellings, name) })
	return row.Format, ok
}

// FormatOfMedia returns the format of a media type, also FormatJSON.
func FormatOfMedia(mediaType string) (Format, bool) {
	if mediaType == FormatJSON.ContentType() {
		return FormatJSON, true
	}
	row, ok := findFormat(func(row FormatRow) bool { return slices.Contains(row.MediaTypes, mediaType) })
	return row.Format, ok
}

// SniffFormat returns the format of a file by its first bytes. 16 bytes are enough.
func SniffFormat(head []byte) (Format, bool) {
	row, ok := findFormat(func(row FormatRow) bool {
		return slices.ContainsFunc(row.Signatures, func(s Signature) bool {
			return len(head) >= s.At && strings.HasPrefix(string(head[s.At:min(len(head), s.At+len(s.Bytes))]), s.Bytes)
		})
	})
	return row.Format, ok
}

func findFormat(is func(FormatRow) bool) (FormatRow, bool) {
	if i := slices.IndexFunc(formats, is); i >= 0 {
		return formats[i], true
	}
	return FormatRow{}, false
}
