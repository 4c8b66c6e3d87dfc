package metadata

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
)

// tiffOf returns a TIFF of one directory with texts, big-endian as cameras write it.
func tiffOf(texts map[uint16]string) []byte {
	order := binary.BigEndian
	out := []byte("MM\x00*\x00\x00\x00\x08")
	out = order.AppendUint16(out, uint16(len(texts)))
	data := 8 + 2 + 12*len(texts) + 4
	var values []byte
	for tag, text := range texts {
		out = order.AppendUint16(out, tag)
		out = order.AppendUint16(out, asciiKind)
		out = order.AppendUint32(out, uint32(len(text)+1))
		out = order.AppendUint32(out, uint32(data+len(values)))
		values = append(append(values, text...), 0)
	}
	return append(append(out, 0, 0, 0, 0), values...)
}

func TestKeep(t *testing.T) {
	original := append([]byte(exifMagic), tiffOf(map[uint16]string{0x010e: "A hill at dawn", 0x013b: "Jane Doe", 0x010f: "a camera"})...)
	got := readTexts(bytes.TrimPrefix(Keep(original), []byte(exifMagic)), kept)
	if len(got) != 2 || string(got[0x010e]) != "A hill at dawn" || string(got[0x013b]) != "Jane Doe" {
		t.Errorf("Keep keeps %d texts: %v", len(got), got)
	}
	if Keep(append([]byte(exifMagic), tiffOf(map[uint16]string{0x010f: "a camera"})...)) != nil {
		t.Error("Keep returns a segment without texts")
	}
}

func TestTexts(t *testing.T) {
	original := append([]byte(exifMagic), tiffOf(map[uint16]string{0x010e: "a \xff hill", 0x010f: "a camera", 0x0112: "no text"})...)
	if got := Texts(original); len(got) != 2 || got["ImageDescription"] != "a \uFFFD hill" || got["Make"] != "a camera" {
		t.Errorf("Texts returns %v", got)
	}
	if got := Texts(Keep(original)); len(got) != 1 {
		t.Errorf("Texts returns %v of a kept segment", got)
	}
	if Texts(nil) != nil || Texts([]byte(exifMagic)) != nil {
		t.Error("Texts returns texts of no segment")
	}
}

func TestWithProfile(t *testing.T) {
	var plain bytes.Buffer
	if err := png.Encode(&plain, image.NewNRGBA(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	with := WithProfile(plain.Bytes(), colour.Space{}.Profile())
	if m, err := png.Decode(bytes.NewReader(with)); err != nil || m.Bounds().Dx() != 3 || !bytes.Contains(with, []byte("iCCP")) {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(WithProfile(plain.Bytes(), nil), plain.Bytes()) {
		t.Error("WithProfile changes the picture without a profile")
	}
}

func riff(chunks ...string) []byte {
	body := "WEBP"
	for _, c := range chunks {
		body += c
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunkOf(kind, body string) string {
	head := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
	return string(head) + body + string(make([]byte, len(body)&1))
}

func TestWithoutExif(t *testing.T) {
	picture, exif := chunkOf("VP8L", "pixel"), chunkOf("EXIF", "made up")
	extended := func(flags byte) string { return chunkOf("VP8X", string(flags)+"123456789") }
	for name, c := range map[string]struct{ in, want []byte }{
		"Exif alone":        {riff(extended(0x08), picture, exif), riff(picture)},
		"Exif and profile":  {riff(extended(0x28), chunkOf("ICCP", "p"), picture, exif), riff(extended(0x20), chunkOf("ICCP", "p"), picture)},
		"none":              {riff(picture), riff(picture)},
		"truncated":         {riff(picture)[:15], riff(picture)[:15]},
		"a length too long": {[]byte("RIFF\x00\x00\x00\x00WEBPVP8L\xff\xff\xff\xff"), []byte("RIFF\x00\x00\x00\x00WEBPVP8L\xff\xff\xff\xff")},
		"empty":             {nil, nil},
	} {
		if got := WithoutExif(c.in); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzMetadata reads the metadata of hostile originals.
func FuzzMetadata(f *testing.F) {
	f.Add(append([]byte(exifMagic), tiffOf(map[uint16]string{0x010e: "A hill"})...))
	f.Add(colour.Space{}.Profile())
	f.Add(riff(chunkOf("VP8X", "\x08123456789"), chunkOf("EXIF", "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if kept := Keep(b); len(kept) > 6+8+2+3*entrySize+4+3*(maxText+1) {
			t.Errorf("Keep keeps %d bytes", len(kept))
		}
		if len(WithoutExif(b)) > len(b) {
			t.Error("WithoutExif makes the WebP longer")
		}
	})
}
