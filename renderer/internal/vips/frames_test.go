package vips

import (
	"bytes"
	"compress/lzw"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/filter"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

var colours4 = color.Palette{color.White, color.Black, color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}

// part is a frame in one colour of colours4.
type part struct {
	at       image.Rectangle
	colour   uint8
	disposal byte
}

// gifOf returns a GIF with a screen of 40 × 20 pixels.
func gifOf(t *testing.T, loops int, parts ...part) original {
	t.Helper()
	g := &gif.GIF{LoopCount: loops, Config: image.Config{Width: 40, Height: 20, ColorModel: colours4}}
	for i, p := range parts {
		m := image.NewPaletted(p.at, colours4)
		for at := range m.Pix {
			m.Pix[at] = p.colour
		}
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 7+i), append(g.Disposal, p.disposal)
	}
	var b bytes.Buffer
	err := gif.EncodeAll(&b, g)
	return read(t, b.Bytes(), err)
}

var screen = image.Rect(0, 0, 40, 20)

// framesOf decodes all frames of a thumbnail.
func framesOf(t *testing.T, body []byte) (all []*filter.Picture, from picture) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "animation")
	err := os.WriteFile(path, body, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	options := "[n=-1]"
	if bytes.HasPrefix(body, []byte("\x89PNG")) {
		options = ""
	}
	from, err = open(int(f.Fd()), options, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(from.free)
	roll, err := pixelsOf(from)
	if err != nil {
		t.Fatal(err)
	}
	count := pagesOf(from)
	height := roll.Height / count
	length := height * roll.Width * roll.Bands
	for i := range count {
		all = append(all, &filter.Picture{Width: roll.Width, Height: height, Bands: roll.Bands, Pix: roll.Pix[i*length : (i+1)*length]})
	}
	return all, from
}

func pixel(p *filter.Picture, x, y int) []byte {
	at := (y*p.Width + x) * p.Bands
	return p.Pix[at : at+p.Bands]
}

// alternating returns a GIF whose frames are white, black, white, black.
func alternating(t *testing.T) original {
	t.Helper()
	return gifOf(t, 2, part{screen, 0, 0}, part{screen, 1, 0}, part{screen, 0, 0}, part{screen, 1, 0})
}

func TestFramesDoNotBleedIntoEachOther(t *testing.T) {
	_, body, err := alternating(t).render(t, thumbnail.Spec{Width: 60, Enlarge: true, Format: thumbnail.FormatWebP, MaxAnimatedArea: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	all, from := framesOf(t, body)
	if len(all) != 4 || from.number("loop") != 3 { // a GIF counts the loops after the first
		t.Fatalf("%d frames of 4, shown %d times of 3", len(all), from.number("loop"))
	}
	for i, f := range all {
		for _, y := range []int{0, f.Height - 1} {
			if light := pixel(f, 30, y)[0] > 250; light != (i%2 == 0) || pixel(f, 30, y)[0] > 5 && i%2 == 1 {
				t.Errorf("frame %d has %v in row %d", i, pixel(f, 30, y), y)
			}
		}
	}
}

func TestWhatKeepsAnAnimation(t *testing.T) {
	const webP, jxl = thumbnail.FormatWebP, thumbnail.FormatJXL
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		frames int
		format thumbnail.Format
	}{
		"a size":                           {thumbnail.Spec{Width: 20, Format: webP}, 4, webP},
		"as a GIF":                         {thumbnail.Spec{Width: 20, FlipX: true}, 4, thumbnail.FormatGIF},
		"a crop":                           {thumbnail.Spec{Crop: &thumbnail.Rect{Right: 10, Bottom: 10}, Format: webP}, 4, webP},
		"a cut":                            {thumbnail.Spec{Width: 10, Height: 10, Format: webP}, 4, webP},
		"a smart cut":                      {thumbnail.Spec{Width: 10, Height: 10, Smart: true, Format: webP}, 4, webP},
		"a flip":                           {thumbnail.Spec{FlipY: true, Format: webP}, 4, webP},
		"filters":                          {thumbnail.Spec{Format: webP, Operations: []thumbnail.Operation{{Name: thumbnail.StepBlur, Args: []float64{2, 1}}, {Name: thumbnail.StepRotate, Args: []float64{90}}}}, 4, webP},
		"a preferred format":               {thumbnail.Spec{Prefer: []thumbnail.Format{webP}}, 4, webP},
		"the preferred animated format":    {thumbnail.Spec{Prefer: []thumbnail.Format{jxl, webP}}, 4, webP},
		"only still formats are preferred": {thumbnail.Spec{Prefer: []thumbnail.Format{jxl}}, 4, thumbnail.FormatGIF},
		"no frames with a trimmed border":  {thumbnail.Spec{Trim: &thumbnail.Trim{Corner: "top-left"}, Format: webP}, 1, webP},
		"no frames in a still format":      {thumbnail.Spec{Format: thumbnail.FormatPNG}, 1, thumbnail.FormatPNG},
		"no frames that grow too large":    {thumbnail.Spec{Width: 800, Enlarge: true, Format: webP}, 1, webP},
		"no frames that a filter enlarges": {thumbnail.Spec{Format: webP, Operations: []thumbnail.Operation{{Name: thumbnail.StepProportion, Args: []float64{20}}}}, 1, webP},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.MaxAnimatedArea = 1_000_000
			result, body, err := alternating(t).render(t, c.spec)
			if err != nil || result.Format != c.format {
				t.Fatalf("%+v, %v; want %s", result, err, c.format)
			}
			if all, _ := framesOf(t, body); len(all) != c.frames || all[0].Width != result.Width || all[0].Height != result.Height {
				t.Errorf("%d frames of %d × %d, want %d of %+v", len(all), all[0].Width, all[0].Height, c.frames, result)
			}
		})
	}
}

// All frames are cut at the place of the first frame's cut: a spot elsewhere does not show. An encoder merges
// equal frames.
func TestASmartCutStaysWhereItIs(t *testing.T) {
	o := gifOf(t, 0, part{image.Rect(30, 5, 38, 15), 2, 0}, part{screen, 3, 0}, part{image.Rect(2, 5, 10, 15), 2, 0})
	_, body, err := o.render(t, thumbnail.Spec{Width: 20, Height: 20, Smart: true, Format: thumbnail.FormatWebP, MaxAnimatedArea: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := framesOf(t, body)
	if red := pixel(all[0], 14, 10); len(all) != 2 || red[0] < 200 {
		t.Errorf("%d frames of 2, the spot in the first is %v", len(all), red)
	}
}

// Parts that no frame covers are transparent. Parts of a cleared frame are transparent too.
func TestTransparentGIFs(t *testing.T) {
	small := image.Rect(10, 5, 20, 15)
	for name, c := range map[string]struct {
		parts []part
		alpha []byte // for each frame, the alpha in the middle of the small frame and in a corner
	}{
		"the first covers a part":        {[]part{{small, 1, 0}}, []byte{255, 0}},
		"the second covers another part": {[]part{{small, 1, 0}, {image.Rect(0, 0, 5, 5), 2, 0}}, []byte{255, 0, 255, 255}},
		"a frame is cleared":             {[]part{{screen, 2, 2}, {small, 3, 0}}, []byte{255, 255, 255, 0}},
		"every frame covers the screen":  {[]part{{screen, 2, 2}, {screen, 3, 0}}, []byte{255, 255, 255, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			_, body, err := gifOf(t, 0, c.parts...).render(t, thumbnail.Spec{Format: thumbnail.FormatWebP, MaxAnimatedArea: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			all, _ := framesOf(t, body)
			var got []byte
			for _, f := range all {
				for _, p := range [][]byte{pixel(f, 15, 10), pixel(f, 0, 0)} {
					got = append(got, append(p, 255)[3])
				}
			}
			if !bytes.Equal(got, c.alpha) {
				t.Errorf("alpha is %v, want %v", got, c.alpha)
			}
		})
	}
}

func FuzzMarkTransparent(f *testing.F) {
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00abcabc\x21\xf9\x04\x08\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b"))
	f.Fuzz(func(t *testing.T, body []byte) {
		markTransparent(append(body, clearFrame...), len(body))
	})
}

// A frame of 256 colours gives up a colour that no pixel has.
func TestUnusedColours(t *testing.T) {
	frame := func(most int) []byte {
		var packed bytes.Buffer
		w := lzw.NewWriter(&packed, lzw.LSB, 8)
		for c := range most {
			_, _ = w.Write([]byte{byte(c)}) // to memory
		}
		_ = w.Close() // to memory
		data := []byte{8}
		for b := packed.Bytes(); len(b) > 0; {
			n := min(len(b), 255)
			data, b = append(append(data, byte(n)), b[:n]...), b[n:]
		}
		return append(data, 0)
	}
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"some colours": {frame(200), 200}, "all colours": {frame(256), -1}, "few bits": {[]byte{7}, 255}, "too many bits": {[]byte{9}, -1},
		"no data": {[]byte{8}, 0},
	} {
		if got := unused(c.data); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
