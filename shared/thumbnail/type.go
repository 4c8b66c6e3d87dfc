package thumbnail

import (
	"path"
	"slices"
	"strings"
)

// Type is the type of an original, with the names of throttle.expensive.types.
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
	TypeBMP     Type = "bmp"
	TypeICO     Type = "ico"
	TypePSD     Type = "psd"
	TypeTGA     Type = "tga"
	TypePNM     Type = "pnm"
	TypeSVG     Type = "svg"
	TypePDF     Type = "pdf"
	TypeDjVu    Type = "djvu"
	TypeXCF     Type = "xcf"
	TypeSTL     Type = "stl"
	TypeVideo   Type = "video"
	TypeAudio   Type = "audio"
	TypeUnknown Type = "unknown"
)

// typeRow has the properties of originals of a type, by their names.
type typeRow struct {
	original Type
	files    []file
	// shown is the format of a thumbnail if the URL names no format; "" means JPEG, or PNG for a
	// picture with transparency.
	shown Format
	// converts lists the formats that Wikimedia serves (field notes of 2026-07-17, T430528); nil means
	// all formats of Wikimedia.
	converts []Format
}

// file is a file extension of originals, with its media type.
type file struct{ extension, mediaType string }

// likeThumbnails returns the files of a type that is also a format of thumbnails.
func likeThumbnails(f Format) (files []file) {
	row := f.Row()
	for _, extension := range row.Spellings {
		files = append(files, file{extension, row.MediaTypes[0]})
	}
	return files
}

// types is the table. Drawings become PNGs, as at Wikimedia.
var types = []typeRow{
	{TypeJPEG, likeThumbnails(FormatJPEG), FormatJPEG, []Format{FormatJPEG, FormatWebP}},
	{TypePNG, likeThumbnails(FormatPNG), FormatPNG, []Format{FormatPNG, FormatWebP}},
	{TypeWebP, likeThumbnails(FormatWebP), FormatWebP, []Format{FormatWebP, FormatPNG}},
	{TypeGIF, likeThumbnails(FormatGIF), FormatGIF, []Format{FormatGIF, FormatPNG, FormatWebP}},
	{TypeTIFF, []file{{"tif", "image/tiff"}, {"tiff", "image/tiff"}}, "", nil},
	{TypeHEIC, []file{{"heic", "image/heic"}, {"heif", "image/heif"}}, "", nil},
	{TypeAVIF, likeThumbnails(FormatAVIF), "", nil},
	{TypeJXL, []file{{"jxl", "image/jxl"}}, "", nil},
	{TypeJP2, []file{{"jp2", "image/jp2"}, {"j2k", "image/j2c"}, {"jpf", "image/jpx"}}, "", nil},
	{TypeBMP, []file{{"bmp", "image/bmp"}, {"dib", "image/bmp"}}, "", nil},
	{TypeICO, []file{{"ico", "image/vnd.microsoft.icon"}, {"cur", "image/vnd.microsoft.icon"}}, "", nil},
	{TypePSD, []file{{"psd", "image/vnd.adobe.photoshop"}, {"psb", "image/vnd.adobe.photoshop"}}, "", nil},
	{TypeTGA, []file{{"tga", "image/x-tga"}}, "", nil},
	{TypePNM, []file{
		{"pnm", "image/x-portable-anymap"}, {"pbm", "image/x-portable-bitmap"}, {"pgm", "image/x-portable-graymap"},
		{"ppm", "image/x-portable-pixmap"}, {"pam", "image/x-portable-arbitrarymap"}, {"pfm", "image/x-portable-floatmap"},
	}, "", nil},
	{TypeSVG, []file{{"svg", "image/svg+xml"}, {"svgz", "image/svg+xml"}}, FormatPNG, []Format{FormatPNG, FormatJPEG, FormatWebP}},
	{TypePDF, []file{{"pdf", "application/pdf"}}, "", []Format{FormatPNG, FormatJPEG, FormatWebP}},
	{TypeDjVu, []file{{"djvu", "image/vnd.djvu"}, {"djv", "image/vnd.djvu"}}, "", nil},
	{TypeXCF, []file{{"xcf", "image/x-xcf"}}, FormatPNG, nil},
	{TypeSTL, []file{{"stl", "model/stl"}}, FormatPNG, nil},
	{TypeVideo, []file{
		{"ogv", "video/ogg"}, {"ogg", "audio/ogg"}, {"webm", "video/webm"}, {"mpg", "video/mpeg"}, {"mpeg", "video/mpeg"}, {"mp4", "video/mp4"},
		{"m4v", "video/x-m4v"}, {"mov", "video/quicktime"}, {"mkv", "video/x-matroska"}, {"avi", "video/x-msvideo"}, {"3gp", "video/3gpp"}, {"3g2", "video/3gpp2"},
		{"ts", "video/mp2t"}, {"m2ts", "video/mp2t"}, {"mts", "video/mp2t"},
	}, "", nil},
	{TypeAudio, []file{
		{"oga", "audio/ogg"}, {"flac", "audio/flac"}, {"wav", "audio/x-wav"}, {"mp3", "audio/mpeg"}, {"opus", "audio/ogg"}, {"mid", "audio/midi"},
	}, "", []Format{}},
	{TypeUnknown, nil, "", nil},
}

// TypeNames returns the types of originals, for messages.
func TypeNames() (names []string) {
	for _, row := range types {
		names = append(names, string(row.original))
	}
	return names
}

// Rendered returns the types that have thumbnails, for messages.
func Rendered() (names []string) {
	for _, row := range types {
		if row.original != TypeUnknown && row.original != TypeAudio {
			names = append(names, string(row.original))
		}
	}
	return names
}

// TypeOf returns the type of an original by the extension of its name, in any case. The name decides
// the lane before a byte is read; the renderer checks the bytes.
func TypeOf(name string) Type {
	if row, _, ok := named(name); ok {
		return row.original
	}
	return TypeUnknown
}

// MediaTypeOf returns the media type of an original by the extension of its name, in any case; "" for
// an unknown extension.
func MediaTypeOf(name string) string {
	_, as, _ := named(name)
	return as.mediaType
}

// named returns the row and the file of a name.
func named(name string) (typeRow, file, bool) {
	extension := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	for _, row := range types {
		for _, f := range row.files {
			if f.extension == extension {
				return row, f, true
			}
		}
	}
	return typeRow{}, file{}, false
}

// DefaultFormat returns the format of a thumbnail if the URL names no format. Thumbnails keep their
// original's format if browsers show it.
func (t Type) DefaultFormat(alpha bool) Format {
	shown := t.row().shown
	switch {
	case shown != FormatAuto:
		return shown
	case alpha:
		return FormatPNG
	}
	return FormatJPEG
}

// Converts reports whether Wikimedia's matrix allows a thumbnail of this format.
func (t Type) Converts(to Format) bool {
	allowed := t.row().converts
	return to.Row().Wikimedia && (allowed == nil || slices.Contains(allowed, to))
}

// row returns the type's row, or an empty row for an unknown type.
func (t Type) row() typeRow {
	if i := slices.IndexFunc(types, func(row typeRow) bool { return row.original == t }); i >= 0 {
		return types[i]
	}
	return typeRow{}
}
