package vips

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// patch returns a PNG of one colour, 128 × 128, with the chunks behind its header.
func patch(t *testing.T, c color.Color, chunks ...[]byte) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	for i := range 128 * 128 {
		m.Set(i%128, i/128, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return slices.Insert(b.Bytes(), 33, slices.Concat(chunks...)...)
}

func pngChunk(kind string, content []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	b = append(append(b, kind...), content...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// shown returns the colour in the middle of the thumbnail, and its profile.
func shown(t *testing.T, o original, s thumbnail.Spec) (color.NRGBA, []byte) {
	t.Helper()
	s.Width = 96
	result, body, err := o.render(t, s)
	if err != nil {
		t.Fatal(err)
	}
	drawn := read(t, body, nil)
	head, err := open(int(drawn.file.Fd()), "", true)
	if err != nil {
		t.Fatal(err)
	}
	defer head.free()
	p, err := pixelsOf(head)
	if err != nil {
		t.Fatal(err)
	}
	at := ((result.Height/2)*p.Width + p.Width/2) * p.Bands
	switch px := p.Pix[at:]; p.Bands {
	case 1:
		return color.NRGBA{px[0], px[0], px[0], 255}, head.blob(iccName)
	case 3:
		return color.NRGBA{px[0], px[1], px[2], 255}, head.blob(iccName)
	default:
		return color.NRGBA{px[0], px[1], px[2], px[3]}, head.blob(iccName)
	}
}

func near(a, b color.NRGBA, by float64) bool {
	for _, d := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}, {a.A, b.A}} {
		if math.Abs(float64(d[0])-float64(d[1])) > by {
			return false
		}
	}
	return true
}

// The wanted colours follow from IEC 61966-2-1, the chromaticities, and ST 2084.
func TestColoursMeanTheSame(t *testing.T) {
	gamma18 := colour.Space{Transfer: colour.TransferGamma, Gamma: 1.8}.Profile()
	linear := colour.Space{Transfer: colour.TransferLinear}.Profile()
	exchanged := colour.Space{Primaries: colour.Primaries{colour.SRGB[2], colour.SRGB[1], colour.SRGB[0], colour.SRGB[3]}}.Profile()
	p3 := colour.Space{Primaries: colour.DisplayP3}.Profile()
	wide := colour.Space{Primaries: colour.DisplayP3, Transfer: colour.TransferGamma, Gamma: 1.8}.Profile()
	with := func(c color.NRGBA, profile []byte) []byte { return metadata.WithProfile(patch(t, c), profile) }
	ink := color.NRGBA{55, 10, 100, 255}
	for name, c := range map[string]struct {
		body []byte
		spec thumbnail.Spec
		want color.NRGBA
		icc  bool
	}{
		"grey in a profile of gamma 1.8": {with(color.NRGBA{128, 128, 128, 255}, gamma18), thumbnail.Spec{Format: thumbnail.FormatPNG}, color.NRGBA{146, 146, 146, 255}, false},
		"the same as WebP":               {with(color.NRGBA{128, 128, 128, 255}, gamma18), thumbnail.Spec{Format: thumbnail.FormatWebP}, color.NRGBA{146, 146, 146, 255}, false},
		"the same through a filter": {with(color.NRGBA{128, 128, 128, 255}, gamma18), thumbnail.Spec{
			Format: thumbnail.FormatPNG, Operations: []thumbnail.Operation{{Name: thumbnail.StepBlur, Args: []float64{1, 1}}},
		}, color.NRGBA{146, 146, 146, 255}, false},
		"grey in a wide profile":           {with(color.NRGBA{128, 128, 128, 255}, wide), thumbnail.Spec{Format: thumbnail.FormatPNG}, color.NRGBA{146, 146, 146, 255}, false},
		"the same as JPEG":                 {with(color.NRGBA{128, 128, 128, 255}, wide), thumbnail.Spec{Format: thumbnail.FormatJPEG, Quality: 90}, color.NRGBA{146, 146, 146, 255}, false},
		"linear light":                     {with(ink, linear), thumbnail.Spec{Format: thumbnail.FormatPNG}, color.NRGBA{128, 56, 168, 255}, false},
		"gAMA of 1":                        {patch(t, ink, pngChunk("gAMA", []byte{0, 1, 0x86, 0xa0})), thumbnail.Spec{Format: thumbnail.FormatPNG}, color.NRGBA{128, 56, 168, 255}, false},
		"gAMA beside sRGB means nothing":   {patch(t, ink, pngChunk("gAMA", []byte{0, 1, 0x86, 0xa0}), pngChunk("sRGB", []byte{0})), thumbnail.Spec{Format: thumbnail.FormatPNG}, ink, false},
		"red and blue exchanged, as GIF":   {with(color.NRGBA{200, 60, 30, 255}, exchanged), thumbnail.Spec{Format: thumbnail.FormatGIF}, color.NRGBA{30, 60, 200, 255}, false},
		"Display P3 keeps its profile":     {with(ink, p3), thumbnail.Spec{Format: thumbnail.FormatPNG}, ink, true},
		"Display P3 as GIF":                {with(color.NRGBA{180, 16, 15, 255}, p3), thumbnail.Spec{Format: thumbnail.FormatGIF}, color.NRGBA{197, 0, 0, 255}, false},
		"Display P3 with strip_icc":        {with(color.NRGBA{180, 16, 15, 255}, p3), thumbnail.Spec{Format: thumbnail.FormatPNG, StripICC: true}, color.NRGBA{197, 0, 0, 255}, false},
		"cICP of P3 goes before a profile": {slices.Insert(with(color.NRGBA{180, 16, 15, 255}, gamma18), 33, pngChunk("cICP", []byte{12, 13, 0, 1})...), thumbnail.Spec{Format: thumbnail.FormatGIF}, color.NRGBA{197, 0, 0, 255}, false},
		"cICP of PQ, white of graphics":    {patch(t, color.NRGBA{148, 148, 148, 255}, pngChunk("cICP", []byte{9, 16, 0, 1})), thumbnail.Spec{Format: thumbnail.FormatPNG}, color.NRGBA{187, 187, 187, 255}, false},
	} {
		got, profile := shown(t, read(t, c.body, nil), c.spec)
		if !near(got, c.want, 3) || (len(profile) > 0) != c.icc {
			t.Errorf("%s: %v with a profile of %d bytes, want %v", name, got, len(profile), c.want)
		}
	}
}

// tiffOf returns a TIFF of 128 × 128 equal pixels in one uncompressed strip. photometric 1 is grey, 2 is RGB,
// 5 is CMYK. format 1 is numbers, 2 is numbers with a sign, 3 is floats.
func tiffOf(photometric, bits, format uint16, extra []uint16, pixel []byte) []byte {
	const side, first = 128, 8
	samples := uint16(len(pixel) / int(bits/8))
	fields := [][3]uint32{
		{256, 3, side}, {257, 3, side}, {258, 3, uint32(bits)}, {259, 3, 1}, {262, 3, uint32(photometric)}, {273, 4, 0},
		{277, 3, uint32(samples)}, {278, 3, side}, {279, 4, uint32(side * side * len(pixel))}, {284, 3, 1}, {338, 3, 0}, {339, 3, uint32(format)},
	}
	var strip []byte
	if len(extra) == 0 {
		fields = slices.Delete(fields, 10, 11)
	}
	lists := uint32(first + 2 + 12*len(fields) + 4)
	body := binary.LittleEndian.AppendUint16([]byte("II*\x00\x08\x00\x00\x00"), uint16(len(fields)))
	lists32 := lists + 2*uint32(samples)*2
	for _, f := range fields {
		count, value := uint32(1), f[2]
		switch f[0] {
		case 258, 339: // one number for each sample; the numbers are behind the directory
			count = uint32(samples)
			for range samples {
				strip = binary.LittleEndian.AppendUint16(strip, uint16(f[2]))
			}
			if samples > 2 {
				value = lists + uint32(len(strip)) - 2*uint32(samples)
			} else if samples == 2 {
				value |= value << 16
			}
		case 338:
			count = uint32(len(extra))
			value = uint32(extra[0])
			if len(extra) > 1 {
				value |= uint32(extra[1]) << 16
			}
		case 273:
			value = lists32
		}
		body = binary.LittleEndian.AppendUint16(body, uint16(f[0]))
		body = binary.LittleEndian.AppendUint16(body, uint16(f[1]))
		body = binary.LittleEndian.AppendUint32(body, count)
		body = binary.LittleEndian.AppendUint32(body, value)
	}
	body = append(body, 0, 0, 0, 0)
	body = append(body, strip...)
	return append(body, bytes.Repeat(pixel, side*side)...)
}

func floats(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func numbers(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestSamplesOfATIFF(t *testing.T) {
	const grey, rgb, cmyk = 1, 2, 5
	for name, c := range map[string]struct {
		body []byte
		want color.NRGBA
	}{
		"grey floats":                       {tiffOf(grey, 32, 3, nil, floats(0.5)), color.NRGBA{128, 128, 128, 255}},
		"RGB floats":                        {tiffOf(rgb, 32, 3, nil, floats(1, 0.5, 0)), color.NRGBA{255, 128, 0, 255}},
		"grey of 32 bits":                   {tiffOf(grey, 32, 1, nil, numbers(0x80000000)), color.NRGBA{128, 128, 128, 255}},
		"RGB of 32 bits":                    {tiffOf(rgb, 32, 1, nil, numbers(0xffffffff, 0x80000000, 0)), color.NRGBA{255, 128, 0, 255}},
		"grey of 8 bits with a sign":        {tiffOf(grey, 8, 2, nil, []byte{0xb8}), color.NRGBA{0xb8, 0xb8, 0xb8, 255}},
		"grey of 16 bits with a sign":       {tiffOf(grey, 16, 2, nil, []byte{0, 0x40}), color.NRGBA{128, 128, 128, 255}},
		"an unspecified band is not alpha":  {tiffOf(rgb, 8, 1, []uint16{0}, []byte{200, 100, 50, 128}), color.NRGBA{200, 100, 50, 255}},
		"alpha before another band":         {tiffOf(rgb, 8, 1, []uint16{2, 0}, []byte{200, 100, 50, 128, 7}), color.NRGBA{200, 100, 50, 128}},
		"alpha behind another band":         {tiffOf(rgb, 8, 1, []uint16{0, 2}, []byte{200, 100, 50, 7, 128}), color.NRGBA{200, 100, 50, 128}},
		"colours multiplied by their alpha": {tiffOf(rgb, 8, 1, []uint16{1}, []byte{100, 50, 25, 128}), color.NRGBA{200, 100, 50, 128}},
		"inks with alpha":                   {tiffOf(cmyk, 8, 1, []uint16{2}, []byte{255, 0, 0, 0, 128}), color.NRGBA{0, 255, 255, 128}},
		"inks with a spot colour":           {tiffOf(cmyk, 8, 1, []uint16{0}, []byte{255, 0, 0, 0, 128}), color.NRGBA{0, 255, 255, 255}},
	} {
		o := read(t, c.body, nil)
		got, _ := shown(t, o, thumbnail.Spec{Format: thumbnail.FormatPNG})
		if !near(got, c.want, 4) {
			t.Errorf("%s: %v, want %v; header %+v", name, got, c.want, o.header)
		}
	}
}
