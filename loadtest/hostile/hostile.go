// Package hostile draws originals that are out for a renderer: bombs, endless
// files, recursion, references to files and hosts, truncations, random bytes and
// names that a shell would take for more. The tests send them all; each must end
// within the time limit in a clear fault or a picture.
package hostile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/thumbmill/thumbmill/loadtest/samples"
)

// File is one hostile original.
type File struct {
	Name string
	Body []byte
}

// Corpus draws the files; step is how far truncations are apart, in bytes.
func Corpus(step int) ([]File, error) {
	var all []File
	for _, draw := range []func() ([]File, error){pngs, jpegs, gifs, webps, tiffs, svgs, pdfs, others, randoms, polyglots, names, func() ([]File, error) { return truncations(step) }} {
		files, err := draw()
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
func le16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		case int:
			b = append(b, byte(p))
		}
	}
	return b
}

func chunk(kind string, body []byte) []byte {
	data := join(kind, body)
	return join(be32(len(body)), data, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
}

// deflated is at least so many zeros as a zlib stream: a megabyte that was deflated
// once, again and again, since each block stands for itself.
func deflated(n int) []byte {
	const unit = 1 << 20
	var block bytes.Buffer
	w, _ := flate.NewWriter(&block, flate.DefaultCompression) // fails for bad levels alone
	_, _ = w.Write(make([]byte, unit))
	_ = w.Flush()
	times := (n + unit - 1) / unit
	const (
		modulus  = 65_521 // of Adler-32, whose first half stays 1 over zeros
		zlibHead = "\x78\x9c"
		last     = "\x03\x00" // an empty block, the final one
	)
	return join(zlibHead, bytes.Repeat(block.Bytes(), times), last, be32(times*unit%modulus<<16|1))
}

// pngOf is a PNG that declares a size and holds so many bytes of zeros.
func pngOf(width, height, colour, interlaced, zeros int, extra ...[]byte) []byte {
	head := join(be32(width), be32(height), 8, colour, 0, 0, interlaced)
	parts := join("\x89PNG\r\n\x1a\n", chunk("IHDR", head))
	for _, e := range extra {
		parts = append(parts, e...)
	}
	return join(parts, chunk("IDAT", deflated(zeros)), chunk("IEND", nil))
}

func pngs() ([]File, error) {
	return []File{
		{"bomb-declared.png", pngOf(60_000, 60_000, 2, 0, 100)},
		{"bomb-real.png", pngOf(19_000, 19_000, 0, 0, 19_001*19_000)},
		{"bomb-interlaced.png", pngOf(9_900, 9_900, 6, 1, 1<<20)},
		{"bomb-beyond.png", pngOf(1<<31-1, 1<<31-1, 6, 0, 10)},
		{"bomb-text.png", pngOf(10, 10, 0, 0, 110, chunk("zTXt", join("Comment\x00\x00", deflated(500<<20))))},
		{"bomb-profile.png", pngOf(10, 10, 2, 0, 310, chunk("iCCP", join("icc\x00\x00", deflated(200<<20))))},
		{"many-chunks.png", pngOf(10, 10, 0, 0, 110, bytes.Repeat(chunk("tEXt", []byte("a\x00b")), 50_000))},
		{"nothing.png", pngOf(0, 0, 2, 0, 0)},
	}, nil
}

func jpegs() ([]File, error) {
	body, err := samples.JPEG(samples.Landscape(200, 150))
	if err != nil {
		return nil, err
	}
	at := bytes.Index(body, []byte{0xff, 0xc0})
	declared := bytes.Clone(body)
	copy(declared[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	huge := bytes.Clone(body)
	copy(huge[at+5:], []byte{0x4e, 0x20, 0x4e, 0x20}) // 20000 a side, of which a few rows follow
	progressive := bytes.Clone(huge)
	progressive[at+1] = 0xc2
	return []File{
		{"declared.jpg", declared},
		{"huge.jpg", huge},
		{"progressive.jpg", progressive},
		{"endless-segments.jpg", join("\xff\xd8", bytes.Repeat([]byte("\xff\xe0\x00\x02"), 200_000))},
		{"endless-fill.jpg", join("\xff\xd8", bytes.Repeat([]byte{0xff}, 1<<20))},
		{"exif-loop.jpg", join(body[:2], "\xff\xe1\x00\x1eExif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00", body[2:])},
	}, nil
}

// gifOf is a GIF of so many frames of one pixel on a canvas.
func gifOf(width, height, frames int) []byte {
	head := join("GIF89a", le16(width), le16(height), 0x80, 0, 0, "\x00\x00\x00\xff\xff\xff")
	frame := join("\x21\xf9\x04\x00\x01\x00\x00\x00", "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00", "\x02\x02\x44\x01\x00")
	return join(head, bytes.Repeat(frame, frames), ";")
}

func gifs() ([]File, error) {
	return []File{
		{"frames.gif", gifOf(100, 100, 20_000)},
		{"canvas.gif", gifOf(65_535, 65_535, 1)},
		{"canvas-frames.gif", gifOf(9_000, 9_000, 500)},
		{"endless.gif", gifOf(400, 400, 100_000)[:1<<20]},
		{"no-frames.gif", gifOf(100, 100, 0)},
		{"blocks.gif", join(gifOf(10, 10, 0)[:19], bytes.Repeat([]byte("\x21\xfe\x01a\x00"), 200_000))},
	}, nil
}

func webps() ([]File, error) {
	extended := func(flags, width, height int, rest []byte) []byte {
		head := join("VP8X", le32(10), flags, 0, 0, 0, le32(width - 1)[:3], le32(height - 1)[:3])
		return join("RIFF", le32(4+len(head)+len(rest)), "WEBP", head, rest)
	}
	frame := join("ANMF", le32(16), bytes.Repeat([]byte{0}, 16))
	return []File{
		{"canvas.webp", extended(0x10, 16_384, 16_384, nil)},
		{"frames.webp", extended(0x02, 2_000, 2_000, bytes.Repeat(frame, 5_000))},
		{"lossless.webp", join("RIFF", le32(30), "WEBPVP8L", le32(18), 0x2f, le32(0x0fffffff), bytes.Repeat([]byte{0xff}, 13))},
	}, nil
}

// tiffOf is a TIFF whose only directory has the given fields, each a LONG.
func tiffOf(next int, fields ...[2]int) []byte {
	b := join("II*\x00", le32(8), le16(len(fields)))
	for _, f := range fields {
		b = join(b, le16(f[0]), le16(4), le32(1), le32(f[1]))
	}
	return join(b, le32(next))
}

func tiffs() ([]File, error) {
	return []File{
		{"loop.tif", tiffOf(8, [2]int{256, 10}, [2]int{257, 10})},
		{"declared.tif", tiffOf(0, [2]int{256, 1 << 30}, [2]int{257, 1 << 30})},
		{"strips.tif", tiffOf(0, [2]int{256, 20_000}, [2]int{257, 19_000}, [2]int{258, 8}, [2]int{259, 1}, [2]int{262, 1}, [2]int{273, 0}, [2]int{277, 1}, [2]int{278, 1}, [2]int{279, 1 << 30})},
		{"tiles.tif", tiffOf(0, [2]int{256, 19_000}, [2]int{257, 19_000}, [2]int{258, 8}, [2]int{259, 8}, [2]int{262, 1}, [2]int{277, 1}, [2]int{322, 1 << 28}, [2]int{323, 1 << 28}, [2]int{324, 8}, [2]int{325, 100})},
		{"nowhere.tif", join("II*\x00", le32(1<<30))},
		{"bands.tif", join(tiffOf(0, [2]int{256, 20}, [2]int{257, 20}, [2]int{258, 8}, [2]int{259, 1}, [2]int{262, 2}, [2]int{273, 122}, [2]int{277, 40}, [2]int{278, 20}, [2]int{279, 16_000}), make([]byte, 16_000))},
	}, nil
}

func svg(body string) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="400" height="400">` + body + `</svg>`)
}

func svgs() ([]File, error) {
	laughs := `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "ha">`
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf(`<!ENTITY l%d "%s">`, i, strings.Repeat(fmt.Sprintf("&l%d;", i-1), 10))
	}
	nested := `<g id="n0"><rect width="1" height="1"/></g>`
	for i := 1; i < 12; i++ {
		nested += fmt.Sprintf(`<g id="n%d">%s</g>`, i, strings.Repeat(fmt.Sprintf(`<use xlink:href="#n%d"/>`, i-1), 10))
	}
	deep := strings.Repeat("<g>", 100_000)
	return []File{
		{"laughs.svg", []byte(laughs + `]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&l11;</text></svg>`)},
		{"entity.svg", []byte(`<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg" width="400" height="40"><text y="20">&x;</text></svg>`)},
		{"include.svg", svg(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>`)},
		{"image-file.svg", svg(`<image xlink:href="file:///etc/passwd" width="9" height="9"/><image xlink:href="/etc/passwd" width="9" height="9"/>`)},
		{"image-host.svg", svg(`<image xlink:href="http://127.0.0.1:1/x.png" width="9" height="9"/>`)},
		{"style.svg", svg(`<style>@import url(file:///etc/passwd); @font-face{src:url(http://127.0.0.1:1/f)}</style>`)},
		{"script.svg", svg(`<script>while(1){}</script><rect width="9" height="9" onload="for(;;);"/>`)},
		{"uses.svg", svg("<defs>" + nested + `</defs><use xlink:href="#n11"/>`)},
		{"use-itself.svg", svg(`<g id="a"><use xlink:href="#a"/></g>`)},
		{"pattern-itself.svg", svg(`<pattern id="p" width="1" height="1"><rect width="9" height="9" fill="url(#p)"/></pattern><rect width="400" height="400" fill="url(#p)"/>`)},
		{"deep.svg", svg(deep)},
		{"many.svg", svg(strings.Repeat(`<circle cx="200" cy="200" r="199" fill-opacity=".01"/>`, 60_000))},
		{"viewbox.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000000 1000000"><rect width="1000000" height="1000000"/></svg>`)},
		{"thin.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="1" height="100000000"><rect width="1" height="9"/></svg>`)},
		{"blur.svg", svg(`<filter id="f"><feGaussianBlur stdDeviation="100000"/></filter><rect width="400" height="400" filter="url(#f)"/>`)},
		{"turbulence.svg", svg(`<filter id="f" x="0" y="0" width="400" height="400" filterUnits="userSpaceOnUse">` + strings.Repeat(`<feTurbulence baseFrequency=".5" numOctaves="200"/>`, 50) + `</filter><rect width="400" height="400" filter="url(#f)"/>`)},
		{"morphology.svg", svg(`<filter id="f"><feMorphology operator="dilate" radius="5000"/></filter><rect width="400" height="400" filter="url(#f)"/>`)},
		{"dashes.svg", svg(`<path d="M0 0L1e9 1e9" stroke="red" stroke-dasharray=".001"/>`)},
		{"utf16.svg", join("\xff\xfe", bytes.Repeat([]byte("<\x00s\x00v\x00g\x00"), 1000))},
		{"no-size.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
	}, nil
}

// pdfOf is a PDF of one page with the given size and content, and further objects.
func pdfOf(box, content string, objects ...string) []byte {
	all := append([]string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[" + box + "]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(content), content),
	}, objects...)
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, o := range all {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj%s endobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(all)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF", len(all)+1, start)
	return b.Bytes()
}

func pdfs() ([]File, error) {
	form := func(content, resources string) string {
		return fmt.Sprintf("<</Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<<%s>>>>/Length %d>>stream\n%s\nendstream", resources, len(content), content)
	}
	tenTimes := strings.Repeat("/X Do ", 10)
	var forms []string
	for i := range 10 {
		forms = append(forms, form(tenTimes, fmt.Sprintf("/X %d 0 R", 6+i)))
	}
	forms = append(forms, form("0 0 600 800 re f", ""))
	image := string(deflated(200 << 20))
	return []File{
		{"page.pdf", pdfOf("0 0 10000000 10000000", "0 0 9 9 re f")},
		{"thin.pdf", pdfOf("0 0 1 100000000", "0 0 9 9 re f")},
		{"negative.pdf", pdfOf("0 0 -5 0", "0 0 9 9 re f")},
		{"forms.pdf", pdfOf("0 0 600 800", tenTimes, forms...)},
		{"form-itself.pdf", pdfOf("0 0 600 800", "/X Do", form("/X Do", "/X 5 0 R"))},
		{"paths.pdf", pdfOf("0 0 600 800", strings.Repeat("0 0 m 600 800 l 9 w S\n", 300_000))},
		{"image.pdf", pdfOf("0 0 600 800", "600 0 0 800 0 0 cm /X Do", fmt.Sprintf(
			"<</Type/XObject/Subtype/Image/Width 50000/Height 50000/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode/Length %d>>stream\n%s\nendstream", len(image), image))},
		{"pages.pdf", []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 1 0 R/Kids[1 0 R]/Count 1000000000>>endobj\ntrailer<</Root 1 0 R>>")},
		{"half.pdf", pdfOf("0 0 600 800", "0 0 9 9 re f")[:200]},
	}, nil
}

// solid is a binary STL of so many triangles.
func solid(n int, corner func(i int) float32) []byte {
	b := join(make([]byte, 80), le32(n))
	for i := range n {
		b = append(b, make([]byte, 12)...)
		for k := range 9 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(corner(9*i+k)))
		}
		b = append(b, 0, 0)
	}
	return b
}

func others() ([]File, error) {
	random := rand.New(rand.NewPCG(1, 2))
	return []File{
		{"nan.stl", solid(1000, func(int) float32 { return float32(math.NaN()) })},
		{"far.stl", solid(1000, func(i int) float32 { return float32(i%7) * 1e29 })},
		{"flat.stl", solid(1000, func(int) float32 { return 1 })},
		{"large-triangles.stl", solid(200_000, func(int) float32 { return random.Float32()*2 - 1 })},
		{"text.stl", []byte("solid a\nfacet normal 0 0 1\n" + strings.Repeat("vertex 1e400 nan 5\n", 9))},
		{"line.stl", []byte("solid a\nfacet " + strings.Repeat("x", 1<<20))},
		{"declared.stl", join(make([]byte, 80), le32(1<<30), make([]byte, 500))},
		{"canvas.xcf", join("gimp xcf file\x00", be32(200_000), be32(200_000), be32(0), make([]byte, 100))},
		{"layers.xcf", join("gimp xcf file\x00", be32(5000), be32(5000), be32(0), be32(0), be32(0), bytes.Repeat(be32(34), 5000))},
		{"form.djvu", join("AT&TFORM", be32(1<<30), "DJVUINFO", be32(10), "\xff\xff\xff\xff\x18\x00\x2c\x01\x16\x01")},
		{"directory.djvu", join("AT&TFORM", be32(1<<20), "DJVMDIRM", be32(1<<20), "\x81\xff\xff", bytes.Repeat([]byte{0xff}, 1000))},
		{"extent.avif", join(be32(20), "ftypavif\x00\x00\x00\x00mif1", be32(60), "meta\x00\x00\x00\x00", be32(48), "iprp", be32(40), "ipco", be32(20), "ispe\x00\x00\x00\x00", be32(1<<30), be32(1<<30))},
		{"boxes.heic", join(be32(20), "ftypheic\x00\x00\x00\x00mif1", bytes.Repeat(join(be32(8), "free"), 100_000))},
		{"size.jxl", join("\xff\x0a", bytes.Repeat([]byte{0xff}, 100))},
		{"size.jp2", join("\xff\x4f\xff\x51\x00\x2f\x00\x00", be32(30_000), be32(3_000), make([]byte, 100))},
	}, nil
}

// magics begins a file of each type.
var magics = map[string]string{
	"jpg": "\xff\xd8\xff\xe0", "png": "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x06\x00\x00\x00", "gif": "GIF89a",
	"webp": "RIFF\xff\xff\x00\x00WEBPVP8 ", "tif": "II*\x00\x08\x00\x00\x00", "heic": "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
	"avif": "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif", "jxl": "\xff\x0a", "jp2": "\x00\x00\x00\x0cjP  \r\n\x87\n",
	"svg": "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>", "pdf": "%PDF-1.7\n", "djvu": "AT&TFORM\x00\x00\x10\x00DJVUINFO",
	"xcf": "gimp xcf v003\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00", "webm": "\x1a\x45\xdf\xa3", "ogv": "OggS\x00\x02", "mp4": "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42",
	"mpg": "\x00\x00\x01\xba", "stl": "solid x\nfacet normal 0 0 1\n",
}

// extensions in an order that does not change.
var extensions = []string{"jpg", "png", "gif", "webp", "tif", "heic", "avif", "jxl", "jp2", "svg", "pdf", "djvu", "xcf", "webm", "ogv", "mp4", "mpg", "stl"}

func randoms() (files []File, err error) {
	random := rand.NewChaCha8([32]byte{7})
	for _, extension := range extensions {
		files = append(files, File{"empty." + extension, nil}, File{"zeros." + extension, make([]byte, 4096)})
		for i := range 4 {
			body := make([]byte, 100<<(3*i))
			_, _ = random.Read(body)
			files = append(files, File{fmt.Sprintf("random-%d.%s", i, extension), join(magics[extension], body)})
		}
	}
	return files, nil
}

func polyglots() ([]File, error) {
	picture, err := samples.JPEG(samples.Landscape(100, 80))
	if err != nil {
		return nil, err
	}
	drawing := svg(`<rect width="9" height="9"/>`)
	page := pdfOf("0 0 100 100", "0 0 9 9 re f")
	return []File{
		{"jpeg-pdf.pdf", join(picture, page)}, {"pdf-in.jpg", page}, {"svg-in.png", drawing}, {"svg-in.gif", join("GIF89a", drawing)},
		{"playlist.mp4", []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")}, {"concat.ogv", []byte("ffconcat version 1.0\nfile /etc/passwd\n")},
		{"mvg.xcf", []byte("push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'\npop graphic-context")},
		{"postscript.pdf", []byte("%!PS\n(/etc/passwd)(r)file")}, {"html.svg", []byte("<html><script>1</script></html>")},
		{"jpeg-as.svg", picture}, {"zip.djvu", []byte("PK\x03\x04")}, {"elf.stl", []byte("\x7fELF\x02\x01\x01")},
	}, nil
}

// names are of harmless originals that must simply be drawn.
func names() ([]File, error) {
	drawing := svg(`<rect width="9" height="9"/>`)
	page := pdfOf("0 0 100 100", "0 0 9 9 re f")
	var files []File
	for _, name := range []string{"a;touch x", "$(touch x)", "`touch x`", "-rf", "--help", "a b", "it's", `say "no"`, "a|b", "a&b", "*", "~", "%s%n", "xcf:x", "@file", "a\\b", "ünïcödé", "{1..9}"} {
		files = append(files, File{name + ".svg", drawing}, File{name + ".pdf", page})
	}
	return files, nil
}

// truncations cut one file of each kind that can be drawn here, step after step.
func truncations(step int) (files []File, err error) {
	bodies := map[string][]byte{}
	add := func(extension string, body []byte, failed error) {
		bodies[extension], err = body, failed
	}
	picture := samples.Landscape(640, 480)
	for _, s := range []struct {
		extension string
		draw      func() ([]byte, error)
	}{
		{"jpg", func() ([]byte, error) { return samples.JPEG(picture) }}, {"png", func() ([]byte, error) { return samples.PNG(noise(200)) }},
		{"webp", func() ([]byte, error) { return samples.WebP(picture) }}, {"tif", func() ([]byte, error) { return samples.TIFF(picture) }},
		{"gif", func() ([]byte, error) { return samples.GIF(320, 12) }},
	} {
		body, failed := s.draw()
		if add(s.extension, body, failed); err != nil {
			return nil, err
		}
	}
	for _, extension := range []string{"jpg", "png", "webp", "tif", "gif"} {
		body := bodies[extension]
		for at := step; at < len(body) && at/step <= maxCuts; at += step {
			files = append(files, File{fmt.Sprintf("cut-%d.%s", at, extension), body[:at]})
		}
	}
	return files, nil
}

// maxCuts of one file: a TIFF is long.
const maxCuts = 40

// noise does not compress, so that its file is long enough to cut.
func noise(side int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	_, _ = rand.NewChaCha8([32]byte{3}).Read(m.Pix)
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] |= 0x80
	}
	return m
}
