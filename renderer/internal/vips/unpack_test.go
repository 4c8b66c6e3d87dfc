package vips

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// withFilter returns the picture as a PNG whose rows all have one filter.
func withFilter(m raw, filter byte) []byte {
	length := m.width * m.bands
	var rows []byte
	before := make([]byte, length)
	for y := range m.height {
		row := m.pixels[y*length : (y+1)*length]
		rows = append(rows, filter)
		for i, v := range row {
			var left, corner byte
			if i >= m.bands {
				left, corner = row[i-m.bands], before[i-m.bands]
			}
			predicted := []byte{0, left, before[i], byte((int(left) + int(before[i])) / 2), nearest(left, before[i], corner)}
			rows = append(rows, v-predicted[filter%5])
		}
		before = row
	}
	data, err := deflate(quickly, rows)
	if err != nil {
		panic(err)
	}
	return pngFile(m.width, m.height, 8, 2, data)
}

// nearest is Paeth's prediction (PNG, third edition, 9.4).
func nearest(left, above, corner byte) byte {
	at := int(left) + int(above) - int(corner)
	distance := func(v byte) int { return max(at-int(v), int(v)-at) }
	switch {
	case distance(left) <= distance(above) && distance(left) <= distance(corner):
		return left
	case distance(above) <= distance(corner):
		return above
	}
	return corner
}

func TestEachFilterOfAPNGIsUndone(t *testing.T) {
	for name, m := range pictures() {
		if m.bands != bytesOfColours {
			continue
		}
		for filter := range byte(6) {
			rows := unpack(withFilter(m, filter), geometry.Size{Width: m.width, Height: m.height})
			if filter == 5 {
				if rows != nil {
					t.Errorf("%s: a filter that does not exist was undone", name)
				}
				continue
			}
			if rows == nil || !bytes.Equal(pixelsOfRows(rows, m.width, m.height), m.pixels) {
				t.Errorf("%s, filter %d: other pixels", name, filter)
			}
			rows.free()
		}
	}
}

func unpack(file []byte, size geometry.Size) scratch { return unpackRows(packedRows(file, size), size) }

// pixelsOfRows drops the bytes that name the filters.
func pixelsOfRows(rows []byte, width, height int) (pixels []byte) {
	length := width * bytesOfColours
	for y := range height {
		at := y*(length+1) + 1
		pixels = append(pixels, rows[at:at+length]...)
	}
	return pixels
}

// Thumbnails of PNGs that are unpacked at once are as libvips draws them.
func TestUnpackedPNGsAreDrawnAsLibvipsDraws(t *testing.T) {
	var body bytes.Buffer
	if err := png.Encode(&body, slopes(803, 611)); err != nil {
		t.Fatal(err)
	}
	o := read(t, body.Bytes(), nil)
	slow := o
	slow.header.Whole = true
	for name, s := range map[string]thumbnail.Spec{
		"scaled": {Width: 100}, "hardly smaller": {Width: 790}, "in one direction": {Width: 803, Height: 300, Stretch: true}, "cut": {Width: 80, Height: 80},
		"cut smartly": {Width: 90, Height: 60, Smart: true}, "sharpened": {Width: 90, Sharpen: &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 1}},
	} {
		mean, err := apart(o.drawn(t, s, nil), slow.byLibvips(t, s))
		if err != nil || mean > 1 {
			t.Errorf("%s: %.2f apart, %v", name, mean, err)
		}
	}
	if rows := unpack(body.Bytes(), geometry.Size{Width: 803, Height: 611}); rows == nil {
		t.Error("the PNG was not unpacked")
	} else {
		rows.free()
	}
}

func TestOtherPNGsAreNotUnpacked(t *testing.T) {
	size := geometry.Size{Width: 37, Height: 29}
	good := withFilter(pictures()["noise3(37,29)"], 4)
	changed := func(at int) []byte {
		file := bytes.Clone(good)
		file[(at+len(file))%len(file)] ^= 1
		return file
	}
	grey, err := packPNG(pictures()["noise1(37,29)"])
	if err != nil {
		t.Fatal(err)
	}
	alone := append(bytes.Clone(good[:33]), append(chunk("tRNS", make([]byte, 6)), good[33:]...)...)
	for name, file := range map[string][]byte{
		"short": good[:len(good)-20], "with a wrong sum": changed(-17), "with wrong data": changed(60), "of another depth": changed(24), "grey": grey,
		"with a transparent colour": alone, "empty": nil,
	} {
		if rows := unpack(file, size); rows != nil {
			rows.free()
			t.Errorf("a PNG was unpacked that is %s", name)
		}
	}
}

// FuzzUnpack compares with Go's decoder.
func FuzzUnpack(f *testing.F) {
	var body bytes.Buffer
	if err := png.Encode(&body, samples.Landscape(40, 30)); err != nil {
		f.Fatal(err)
	}
	f.Add(body.Bytes())
	f.Add(withFilter(pictures()["noise3(37,29)"], 3))
	f.Fuzz(func(t *testing.T, file []byte) {
		config, err := png.DecodeConfig(bytes.NewReader(file))
		if err != nil || config.Width*config.Height > 1<<20 {
			return
		}
		rows := unpack(file, geometry.Size{Width: config.Width, Height: config.Height})
		if rows == nil {
			return
		}
		defer rows.free()
		m, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			return // Go's decoder refuses more, such as an unknown critical chunk
		}
		i := 0
		for _, v := range pixelsOfRows(rows, config.Width, config.Height) {
			p := i / bytesOfColours
			c := color.NRGBAModel.Convert(m.At(p%config.Width, p/config.Width)).(color.NRGBA)
			if want := [bytesOfColours]byte{c.R, c.G, c.B}[i%bytesOfColours]; v != want {
				t.Fatalf("byte %d of %v is %d, want %d", i, image.Pt(config.Width, config.Height), v, want)
			}
			i++
		}
	})
}
