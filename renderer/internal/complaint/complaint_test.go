package complaint

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLast(t *testing.T) {
	for name, c := range map[string]struct{ said, want string }{
		"nothing": {"", ""},
		"ImageMagick": {"convert-im6.q16: improper image header `../in/original' @ error/psd.c/ReadPSDImage/2246.\n" +
			"convert-im6.q16: no images defined `png:-' @ error/convert.c/ConvertImageCommand/3234.\n", "improper image header"},
		"ImageMagick 7":          {"magick-im7.q16: unable to decompress image `../in/original' @ error/psd.c/ReadPSDChannel/1431.", "unable to decompress image"},
		"ffmpeg":                 {"Warning: using insecure memory!\n[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55aa] moov atom not found\n../in/original: Invalid data found when processing input\n", "moov atom not found"},
		"ffmpeg, nothing better": {"../in/original: Invalid data found when processing input\nWarning: using insecure memory!\n", "Invalid data found when processing input"},
		"libgcrypt alone":        {"Warning: using insecure memory!\n", ""},
		"poppler":                {"Syntax Warning: May not be a PDF file (continuing anyway)\nSyntax Error (12): Couldn't find trailer dictionary\n", "Couldn't find trailer dictionary"},
		"DjVuLibre":              {"*** [1-12311] Failed to open document 'file://localhost/dev/stdin'\n*** (DjVuDocEditor.cpp:123)\n*** 'void DJVU::DjVuDocEditor::init(const DJVU::GURL&)'\n", "Failed to open document"},
		"librsvg":                {"Error reading SVG stdin: XML parse error: Premature end of data in tag svg line 1", "XML parse error: Premature end of data in tag svg line 1"},
		"librsvg, no size":       {"The SVG stdin has no dimensions\n", "The SVG has no dimensions"},
		"librsvg, a panic":       {"thread 'main' panicked at 'assertion failed'\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", "thread 'main' panicked at 'assertion failed'"},
		"gifsicle":               {"gifsicle:../in/original: file not in GIF format", "file not in GIF format"},
		"libvips":                {"VipsJpeg: Premature end of JPEG file\nVipsJpeg: Invalid JPEG file structure: missing SOS marker\n", "Invalid JPEG file structure: missing SOS marker"},
		"libvips, a loader":      {"jxlload_source: error JxlDecoderProcessInput\n", "error JxlDecoderProcessInput"},
		"libvips with libpng":    {"IHDR: CRC error\nvipspng: libpng read error\n", "IHDR: CRC error"},
		"another path":           {"cannot read /usr/lib/x/y.so: broken", "cannot read broken"},
		"binary data":            {"a\x00b\xff\x1b[1m", "a b [1m"},
	} {
		if got := Last(c.said); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := Last(strings.Repeat("é", longest)); len(got) > longest || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestLacks(t *testing.T) {
	for said, want := range map[string]bool{
		"convert: no decode delegate for this image format `JXL'":     true,
		"rsvg-convert: error while loading shared libraries: libx.so": true,
		"heifload: Unsupported feature: Unsupported codec (4.3000)":   true,
		"Decoder (codec av1) not found for input stream #0:0":         true,
		"Syntax Error: Couldn't find trailer dictionary":              false,
		"": false,
	} {
		if Lacks(said) != want {
			t.Errorf("%q: %v", said, !want)
		}
	}
}

func FuzzLast(f *testing.F) {
	f.Add("convert-im6.q16: improper image header `../in/original' @ error/psd.c/ReadPSDImage/2246.")
	f.Fuzz(func(t *testing.T, said string) {
		if got := Last(said); len(got) > longest || !utf8.ValidString(got) || strings.Contains(got, "\n") {
			t.Errorf("%q", got)
		}
	})
}
