package filter

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

type operation = thumbnail.Operation

// plain returns a picture of one colour.
func plain(width, height, bands int, colour ...byte) *Picture {
	return &Picture{width, height, bands, bytes.Repeat(colour, width*height)}
}

func unbounded() Env { return Env{MaxPixels: 1 << 30, Budget: &Budget{}, Resize: nearest} }

// nearest resizes to the nearest pixels.
func nearest(p *Picture, width, height int) (*Picture, error) {
	out := &Picture{Width: width, Height: height, Bands: p.Bands}
	for y := range height {
		for x := range width {
			at := (y*p.Height/height*p.Width + x*p.Width/width) * p.Bands
			out.Pix = append(out.Pix, p.Pix[at:at+p.Bands]...)
		}
	}
	return out, nil
}

// apply applies operations that must not fail.
func apply(t *testing.T, p *Picture, env Env, operations ...operation) *Picture {
	t.Helper()
	if err := Apply(p, operations, env); err != nil {
		t.Fatal(err)
	}
	return p
}

// Each number is Thumbor 7.7's result for the colour (200, 100, 50).
func TestColours(t *testing.T) {
	for name, c := range map[string]struct {
		do   []operation
		want [3]byte
	}{
		"brighter":           {[]operation{{Name: "brightness", Args: []float64{20}}}, [3]byte{251, 151, 101}},
		"darker":             {[]operation{{Name: "brightness", Args: []float64{-40}}}, [3]byte{98, 0, 0}},
		"contrast":           {[]operation{{Name: "contrast", Args: []float64{30}}}, [3]byte{249, 81, 0}},
		"rgb":                {[]operation{{Name: "rgb", Args: []float64{20, -10, 50}}}, [3]byte{251, 75, 177}},
		"colorize":           {[]operation{{Name: "colorize", Args: []float64{40, 20, 60}, Color: "00ff00ff"}}, [3]byte{120, 131, 20}},
		"grey":               {[]operation{{Name: "grayscale"}}, [3]byte{124, 124, 124}},
		"no saturation":      {[]operation{{Name: "saturation", Args: []float64{0}}}, [3]byte{134, 134, 134}},
		"inverted by curve":  {[]operation{{Name: "curve", Curves: [][]thumbnail.Point{{{X: 0, Y: 255}, {X: 255, Y: 0}}, {{X: 0, Y: 0}, {X: 255, Y: 255}}, {{X: 0, Y: 0}, {X: 255, Y: 255}}, {{X: 0, Y: 0}, {X: 255, Y: 255}}}}}, [3]byte{55, 155, 205}},
		"clipped on the way": {[]operation{{Name: "brightness", Args: []float64{100}}, {Name: "brightness", Args: []float64{-100}}}, [3]byte{0, 0, 0}},
		"order matters":      {[]operation{{Name: "grayscale"}, {Name: "rgb", Args: []float64{10, 0, 0}}}, [3]byte{149, 124, 124}},
	} {
		for _, bands := range []int{3, 4} {
			p := apply(t, plain(3, 2, bands, []byte{200, 100, 50, 77}[:bands]...), unbounded(), c.do...)
			if got := [3]byte(p.Pix[:3]); got != c.want || bands == 4 && p.Pix[3] != 77 {
				t.Errorf("%s: %v, want %v", name, p.Pix[:bands], c.want)
			}
		}
	}
}

// Filters in one pass give the same pixels as filters one after the other.
func TestOnePassEqualsManyPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.Float64Range(-120, 120)
		draw := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation {
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				return operation{Name: thumbnail.StepBrightness, Args: []float64{percent.Draw(t, "p")}}
			case 1:
				return operation{Name: thumbnail.StepContrast, Args: []float64{percent.Draw(t, "p")}}
			case 2:
				return operation{Name: thumbnail.StepGrayscale}
			case 3:
				return operation{Name: thumbnail.StepSaturation, Args: []float64{percent.Draw(t, "p") / 50}}
			}
			return operation{Name: thumbnail.StepNoise, Args: []float64{rapid.Float64Range(1, 200).Draw(t, "a"), 7}}
		}), 1, 5).Draw(t, "filters")
		pixels := rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "pixels")
		together := &Picture{2, 2, 3, bytes.Clone(pixels)}
		apart := &Picture{2, 2, 3, bytes.Clone(pixels)}
		if err := Apply(together, draw, unbounded()); err != nil {
			t.Fatal(err)
		}
		for _, o := range draw {
			if err := Apply(apart, []operation{o}, unbounded()); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(together.Pix, apart.Pix) {
			t.Fatalf("%v: %v and %v", draw, together.Pix, apart.Pix)
		}
	})
}

// The numbers come from glibc's random() after srandom(1).
func TestRandom(t *testing.T) {
	r := newRandom(1)
	for _, want := range []uint32{1804289383, 846930886, 1681692777, 1714636915, 1957747793} {
		if got := r.next(); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	}
}

func TestNeighboursKeepOneColour(t *testing.T) {
	for name, o := range map[string]operation{
		"blur":        {Name: thumbnail.StepBlur, Args: []float64{4, 2}},
		"wide blur":   {Name: thumbnail.StepBlur, Args: []float64{20, 20}},
		"sharpen":     {Name: thumbnail.StepSharpen, Args: []float64{3, 1}},
		"convolution": {Name: thumbnail.StepConvolve, Args: []float64{1, 2, 1, 2, 4, 2, 1, 2, 1}, Columns: 3, On: true},
	} {
		p := apply(t, plain(9, 5, 4, 200, 100, 50, 255), unbounded(), o)
		for i := 0; i < len(p.Pix); i += 4 {
			if p.Pix[i] < 199 || p.Pix[i] > 200 || p.Pix[i+2] < 49 || p.Pix[i+2] > 50 {
				t.Fatalf("%s: pixel %d is %v", name, i/4, p.Pix[i:i+4])
			}
		}
	}
}

func TestBlurSpreadsAPoint(t *testing.T) {
	p := plain(7, 7, 3, 0, 0, 0)
	copy(p.Pix[(3*7+3)*3:], []byte{255, 255, 255})
	apply(t, p, unbounded(), operation{Name: thumbnail.StepBlur, Args: []float64{1, 1}})
	// exp(-1/2) of the middle, on both sides: 0.2741 and 0.4519
	at := func(x, y int) byte { return p.Pix[(y*7+x)*3] }
	if at(3, 3) < 50 || at(3, 3) > 53 || at(2, 3) < 30 || at(2, 3) > 33 || at(2, 2) < 17 || at(2, 2) > 20 || at(1, 3) != 0 {
		t.Errorf("middle %d, beside %d, across %d, beyond %d", at(3, 3), at(2, 3), at(2, 2), at(1, 3))
	}
}

func TestFillCentres(t *testing.T) {
	env := Env{BoxWidth: 5, BoxHeight: 3, MaxPixels: 100, Budget: &Budget{}}
	p := apply(t, plain(3, 3, 3, 1, 2, 3), env, operation{Name: thumbnail.StepFill, Color: "ff0000ff"})
	if p.Width != 5 || p.Height != 3 || !bytes.Equal(p.row(1), []byte{255, 0, 0, 255, 1, 2, 3, 255, 1, 2, 3, 255, 1, 2, 3, 255, 255, 0, 0, 255}) {
		t.Errorf("%d × %d: %v", p.Width, p.Height, p.row(1))
	}
	err := Apply(p, []operation{{Name: thumbnail.StepFill, Color: "ff0000ff"}}, Env{BoxWidth: 50, BoxHeight: 50, MaxPixels: 100, Budget: &Budget{}})
	var refused *fault.Fault
	if !errors.As(err, &refused) || refused.Kind != fault.BadURL {
		t.Errorf("a canvas beyond the limit: %v", err)
	}
}

func TestTransparency(t *testing.T) {
	half := apply(t, plain(1, 1, 4, 0, 0, 0, 128), unbounded(), operation{Name: thumbnail.StepBackground, Color: "ffffffff"})
	if half.Pix[0] != 127 || half.Pix[3] != 255 {
		t.Errorf("half of black over white: %v", half.Pix)
	}
	nothing := plain(1, 1, 4, 9, 9, 9, 0)
	nothing.compose(plain(1, 1, 4, 9, 9, 9, 0), 0, 0)
	if !bytes.Equal(nothing.Pix, []byte{0, 0, 0, 0}) {
		t.Errorf("nothing over nothing: %v", nothing.Pix)
	}
}

func TestRoundCorners(t *testing.T) {
	o := operation{Name: thumbnail.StepCorners, Args: []float64{4, 4}, Color: "ff0000ff"}
	p := apply(t, plain(20, 10, 3, 0, 0, 0), unbounded(), o)
	for _, corner := range []int{0, 19, 180, 199} {
		if !bytes.Equal(p.Pix[3*corner:3*corner+3], []byte{255, 0, 0}) {
			t.Errorf("corner %d is %v", corner, p.Pix[3*corner:3*corner+3])
		}
	}
	if p.Pix[3*10] != 0 || p.Pix[3*(5*20)] != 0 {
		t.Error("the middle of a side is covered")
	}
	o.On = true
	if p = apply(t, plain(20, 10, 3, 0, 0, 0), unbounded(), o); p.Bands != 4 || p.Pix[3] != 0 || p.Pix[4*10+3] != 255 {
		t.Error("corners are not transparent")
	}
}

func TestWatermarkPlaces(t *testing.T) {
	for position, want := range map[string][]int{
		"10": {10}, "-10": {70}, "10p": {10}, "-10p": {70}, "center": {40}, "0": {0}, "-0": {80}, "repeat": {0, 20, 40, 60, 80},
	} {
		if got := places(position, 100, 20); len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%s: %v, want %v", position, got, want)
		}
	}
	if w, h := markSize(plain(200, 100, 3, 0, 0, 0), plain(50, 50, 3, 0, 0, 0), 50, 0); w != 100 || h != 100 {
		t.Errorf("half as wide: %d × %d", w, h)
	}
	if w, h := markSize(plain(200, 100, 3, 0, 0, 0), plain(50, 50, 3, 0, 0, 0), 50, 10); w != 10 || h != 10 {
		t.Errorf("half as wide and a tenth as high at most: %d × %d", w, h)
	}
}

// ninePatch returns a patch with a brown border of two pixels, a hole that stretches, and a content area within the
// border.
func ninePatch() *Picture {
	p := New(9, 9, [4]uint8{})
	set := func(x, y int, c ...byte) { copy(p.Pix[(y*9+x)*4:], c) }
	for y := 1; y < 8; y++ {
		for x := 1; x < 8; x++ {
			if x < 3 || x > 5 || y < 3 || y > 5 {
				set(x, y, 120, 70, 20, 255)
			}
		}
	}
	for i := 3; i < 6; i++ {
		for _, at := range [4][2]int{{i, 0}, {0, i}, {i, 8}, {8, i}} {
			set(at[0], at[1], 0, 0, 0, 255)
		}
	}
	return p
}

func TestFrame(t *testing.T) {
	env := unbounded()
	env.Overlay = func(thumbnail.Location) (*Picture, error) { return ninePatch(), nil }
	p := apply(t, plain(20, 10, 3, 10, 20, 30), env, operation{Name: thumbnail.StepFrame, Picture: &thumbnail.Location{Path: "f.png"}})
	if p.Width != 24 || p.Height != 14 {
		t.Fatalf("%d × %d, want two pixels more on each side", p.Width, p.Height)
	}
	if brown := p.Pix[:4]; !bytes.Equal(brown, []byte{120, 70, 20, 255}) {
		t.Errorf("the corner is %v", brown)
	}
	if middle := p.Pix[(7*24+12)*4:][:4]; !bytes.Equal(middle, []byte{10, 20, 30, 255}) {
		t.Errorf("the middle is %v", middle)
	}
}

// Stretchy runs fill their side to the last pixel for every remainder.
func TestStretchyRunsFillTheirSide(t *testing.T) {
	marked := func(i int) bool { return i == 2 || i == 4 || i == 6 }
	for target := 4; target < 60; target++ {
		all := bands(9, target, marked)
		last := all[len(all)-1]
		if last.to+last.becomes != target {
			t.Errorf("%d pixels: the runs end at %d", target, last.to+last.becomes)
		}
	}
}

func TestBorder(t *testing.T) {
	p := plain(10, 8, 3, 250, 250, 250)
	for _, at := range [][2]int{{2, 3}, {3, 3}, {6, 3}, {8, 5}} {
		copy(p.Pix[(at[1]*10+at[0])*3:], []byte{10, 10, 10})
	}
	if rest, ok := Border(p, false, 0); !ok || rest != (Area{2, 3, 7, 6}) {
		t.Errorf("%+v, %v", rest, ok)
	}
	if _, ok := Border(p, true, 442); ok {
		t.Error("a tolerance over the whole colour cube leaves an area")
	}
}

func TestRedEyes(t *testing.T) {
	p := plain(60, 40, 3, 220, 180, 160)
	for y := 10; y < 16; y++ {
		for x := 20; x < 26; x++ {
			copy(p.Pix[(y*60+x)*3:], []byte{230, 30, 40})
		}
	}
	apply(t, p, Env{Faces: []Area{{0, 0, 60, 40}}, Budget: &Budget{}}, operation{Name: thumbnail.StepRedEye})
	if eye := p.Pix[(12*60+22)*3:][:3]; !bytes.Equal(eye, []byte{35, 35, 35}) {
		t.Errorf("the eye is %v", eye)
	}
	if skin := p.Pix[:3]; !bytes.Equal(skin, []byte{220, 180, 160}) {
		t.Errorf("the skin is %v", skin)
	}
}

func TestFiltersThatTakeTooLongAreRefused(t *testing.T) {
	p := &Picture{Width: 6000, Height: 4000, Bands: 3} // nothing reads the pixels
	var many []operation
	for range 5 {
		many = append(many, operation{Name: thumbnail.StepSharpen, Args: []float64{1, 1}})
	}
	large := operation{Name: thumbnail.StepConvolve, Args: make([]float64, 961), Columns: 31}
	// A filter that enlarges the picture raises the cost of the filters after it.
	grown := append([]operation{{Name: thumbnail.StepFill, Color: "ff0000ff"}}, many...)
	wide := Env{BoxWidth: 6000, BoxHeight: 4000, MaxPixels: 1 << 30, Budget: &Budget{}}
	var refusedLater *fault.Fault
	if err := Apply(plain(10, 10, 3, 1, 2, 3), grown[:1], wide); err != nil || !errors.As(wide.Budget.Spend(cost(many[0], wide)*5, 6000, 4000), &refusedLater) {
		t.Errorf("after a fill: %v", err)
	}
	for name, operations := range map[string][]operation{"many": many, "a large matrix": {large}} {
		var refused *fault.Fault
		if err := Apply(p, operations, Env{Budget: &Budget{}}); !errors.As(err, &refused) || refused.Kind != fault.BadURL {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pixelate takes the mean of each square, and the squares at the right and at the bottom are cut off.
func TestPixelate(t *testing.T) {
	p := &Picture{Width: 3, Height: 2, Bands: 3, Pix: []byte{0, 0, 0, 100, 0, 0, 7, 8, 9, 0, 200, 0, 100, 0, 0, 9, 8, 7}}
	apply(t, p, unbounded(), operation{Name: "pixelate", Args: []float64{2}})
	if want := []byte{50, 50, 0, 50, 50, 0, 8, 8, 8, 50, 50, 0, 50, 50, 0, 8, 8, 8}; !bytes.Equal(p.Pix, want) {
		t.Errorf("%v, want %v", p.Pix, want)
	}
	half := &Picture{Width: 2, Height: 1, Bands: 4, Pix: []byte{10, 20, 30, 0, 50, 60, 70, 255}}
	apply(t, half, unbounded(), operation{Name: "pixelate", Args: []float64{1e9}})
	if want := []byte{50, 60, 70, 128, 50, 60, 70, 128}; !bytes.Equal(half.Pix, want) {
		t.Errorf("%v, want %v: transparent pixels have no colour", half.Pix, want)
	}
}

// A text is faded and placed like a watermark.
func TestText(t *testing.T) {
	env := unbounded()
	env.Text = func(operation) (*Picture, error) { return plain(1, 1, 4, 255, 255, 255, 255), nil }
	p := apply(t, plain(3, 1, 3, 0, 0, 0), env, operation{Name: "text", Word: "-0", Word2: "center", Args: []float64{50, 9}})
	if p.Pix[0] != 0 || p.Pix[8] < 126 || p.Pix[8] > 129 {
		t.Errorf("%v", p.Pix)
	}
}
