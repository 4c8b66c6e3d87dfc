package filters

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

type operation = thumbnail.Operation

func compile(t thumbnail.Type, text string) (thumbnail.Spec, Notes) {
	s := thumbnail.Spec{Type: t}
	r := New(settings.Default().Thumbor).Apply(&s, text, func(name string) (thumbnail.Location, bool) {
		return thumbnail.Location{Path: name}, !strings.HasPrefix(name, "/")
	})
	return s, r
}

// Each text gives these steps. nil means that the text is skipped.
func TestArguments(t *testing.T) {
	mark := &thumbnail.Location{Path: "m.png"}
	for text, want := range map[string][]operation{
		"brightness(20)":                {{Name: "brightness", Args: []float64{20}}},
		"brightness( -20 )":             {{Name: "brightness", Args: []float64{-20}}},
		"brightness(1.5)":               nil,
		"brightness(20,1)":              nil,
		"rgb( 10 , 20 ,-30 )":           {{Name: "rgb", Args: []float64{10, 20, -30}}},
		"blur(4)":                       {{Name: "blur", Args: []float64{4, 4}}},
		"blur(4,2)":                     {{Name: "blur", Args: []float64{4, 2}}},
		"blur(4,0)":                     {{Name: "blur", Args: []float64{4, 4}}},
		"blur(400)":                     {{Name: "blur", Args: []float64{150, 400}}},
		"blur(0)":                       nil,
		"saturation(.5)":                {{Name: "saturation", Args: []float64{.5}}},
		"saturation(1.)":                {},
		"noise(10)":                     {{Name: "noise", Args: []float64{10, 1}}},
		"noise(10,3)":                   {{Name: "noise", Args: []float64{10, 3}}},
		"sharpen(2,1.0,True)":           {{Name: "sharpen", Args: []float64{2, 1}, On: true}},
		"sharpen(2,1.0)":                nil,
		"convolution(1;2;1,3)":          {{Name: "convolution", Args: []float64{1, 2, 1}, Columns: 3, On: true}},
		"convolution(-1;2.5;1,1,false)": {{Name: "convolution", Args: []float64{-1, 2.5, 1}, Columns: 1}},
		"convolution(1;2,2)":            nil, // the matrix has no centre
		"convolution(1;2;1,0)":          nil,
		"round_corner(5,1,2,255)":       {{Name: "round_corner", Args: []float64{5, 5}, Color: "0102ffff"}},
		"round_corner(5|6,1,2,3,true)":  {{Name: "round_corner", Args: []float64{5, 6}, Color: "010203ff", On: true}},
		"round_corner(5,1,2,256)":       nil,
		"fill(Red)":                     {{Name: "fill", Color: "ff0000ff"}},
		"fill(f0a)":                     {{Name: "fill", Color: "ff00aaff"}},
		"fill(auto,1)":                  {{Name: "fill", Word: "auto", On: true}},
		"fill(blur)":                    {{Name: "fill", Word: "blur"}},
		"fill(transparent)":             {{Name: "fill", Color: "00000000"}},
		"fill(nocolour)":                nil,
		"background_color(0f0f)":        {{Name: "background_color", Color: "00ff00ff"}},
		"colorize(10,20,30,ABCDEF)":     {{Name: "colorize", Args: []float64{10, 20, 30}, Color: "abcdefff"}},
		"colorize(10,20,30,zz)":         nil,
		"rotate(90)":                    {{Name: "rotate", Args: []float64{90}}},
		"rotate(450)":                   {{Name: "rotate", Args: []float64{90}}},
		"rotate(360)":                   {},
		"rotate(45)":                    nil,
		"proportion(0.5)":               {{Name: "proportion", Args: []float64{.5}}},
		"proportion(-1)":                nil,
		"proportion(1.5)":               nil,
		"grayscale()":                   {{Name: "grayscale"}},
		"grayscale(1)":                  nil,
		"red_eye()":                     {{Name: "red_eye"}},
		"watermark(m.png,10,-20p,50)":   {{Name: "watermark", Word: "10", Word2: "-20p", Args: []float64{50, 0, 0}, Picture: mark}},
		"watermark(m.png,center,repeat,0,none,30)":       {{Name: "watermark", Word: "center", Word2: "repeat", Args: []float64{0, 0, 30}, Picture: mark}},
		"watermark('m,n.png',0,0,0)":                     {{Name: "watermark", Word: "0", Word2: "0", Args: []float64{0, 0, 0}, Picture: &thumbnail.Location{Path: "m,n.png"}}},
		"watermark(m.png,x,0,0)":                         nil,
		"watermark(m.png,0,0,0,-5)":                      nil,
		"watermark(/etc/passwd,0,0,0)":                   nil,
		"pixelate(8)":                                    {{Name: "pixelate", Args: []float64{8}}},
		"pixelate(1)":                                    {},
		"pixelate(-1)":                                   nil,
		"text('Ada, 1843',10,-20p,24,red)":               {{Name: "text", Text: "Ada, 1843", Word: "10", Word2: "-20p", Color: "ff0000ff", Args: []float64{0, 24}}},
		"label(Ada,right,bottom,24,fff8,30,Serif_Bold)":  {{Name: "text", Text: "Ada", Word: "-0", Word2: "-0", Color: "ffffff88", Args: []float64{30, 24}, Font: "Serif Bold"}},
		"text(Ada,center,repeat,257,red)":                nil, // too large
		"text(Ada,0,0,0,red)":                            nil,
		"text(Ada,0,0,9,nocolour)":                       nil,
		"text(Ada,0,0,9,red,0,../x)":                     nil,
		"text(Ada)":                                      nil,
		"frame(m.png)":                                   {{Name: "frame", Picture: mark}},
		"curve([(0,0),(255,1)],[(0,0)],[(0,0)],[(0,0)])": {{Name: "curve", Curves: [][]thumbnail.Point{{{X: 0, Y: 0}, {X: 255, Y: 1}}, {{}}, {{}}, {{}}}}},
		"curve([(9,0),(1,1)],[(0,0)],[(0,0)],[(0,0)])":   nil, // the inputs do not rise
		"curve([(0,256)],[(0,0)],[(0,0)],[(0,0)])":       nil,
		"curve([],[(0,0)],[(0,0)],[(0,0)])":              nil,
		"brightness(0)":                                  {}, "contrast(0)": {}, "rgb(0,0,0)": {}, "noise(0)": {}, "sharpen(0,1,true)": {}, // change nothing
		"unknown(3)": nil, "": {},
	} {
		s, r := compile(thumbnail.TypeJPEG, text)
		if skipped := len(r.Skipped) > 0; skipped != (want == nil) {
			t.Errorf("%s: skipped is %v", text, r.Skipped)
		}
		if len(s.Operations) != len(want) || len(want) > 0 && !reflect.DeepEqual(s.Operations, want) {
			t.Errorf("%s: %+v, want %+v", text, s.Operations, want)
		}
	}
}

func TestOrderIsKept(t *testing.T) {
	s, r := compile(thumbnail.TypeJPEG, "grayscale():unknown(1):fill(red):brightness(5)")
	if len(s.Operations) != 3 || s.Operations[0].Name != "grayscale" || s.Operations[2].Name != "brightness" || !reflect.DeepEqual(r.Skipped, []string{"unknown"}) {
		t.Errorf("%+v, skipped %v", s.Operations, r.Skipped)
	}
}

// A GIF keeps its frames, and skips the filters that Thumbor does not apply to GIFs. It may get
// another format.
func TestGIFs(t *testing.T) {
	text := "no_upscale():stretch():focal(1x2:3x4):blur(3):format(webp):quality(20)"
	s, r := compile(thumbnail.TypeGIF, text)
	if !s.NoUpscale || !s.Stretch || len(s.Focal) != 1 || s.Format != thumbnail.FormatWebP || s.Quality != 20 || !reflect.DeepEqual(r.NotOnGIFs, []string{"blur (on a GIF)"}) || r.Skipped != nil {
		t.Errorf("%+v, skipped %v", s, r.Skipped)
	}
	all := thumbnail.Spec{Type: thumbnail.TypeGIF}
	if r := New(settings.Thumbor{GIFFilters: true}).Apply(&all, text, nil); len(r.Skipped) > 0 || all.Format != thumbnail.FormatWebP {
		t.Errorf("with GIFFilters: %+v, skipped %v", all, r.Skipped)
	}
	var gif thumbnail.Spec
	gif.Type = thumbnail.TypeGIF
	if r := New(settings.Thumbor{KeepGIFs: true}).Apply(&gif, "format(webp):quality(20)", nil); gif.Format != "" || gif.Quality != 20 || !reflect.DeepEqual(r.NotOnGIFs, []string{"format (on a GIF)"}) {
		t.Errorf("with KeepGIFs: %+v, skipped %v", gif, r.NotOnGIFs)
	}
}

// With a list of filters, others are skipped and named. No list keeps a URL from its end.
func TestListedFilters(t *testing.T) {
	var s thumbnail.Spec
	r := New(settings.Thumbor{Filters: []string{"quality", "blur"}}).Apply(&s, "blur(3):grayscale():quality(20):expire(1000)", nil)
	if len(s.Operations) != 1 || s.Quality != 20 || !reflect.DeepEqual(r.Skipped, []string{"grayscale"}) || r.Expires.IsZero() {
		t.Errorf("%+v, %+v", s, r)
	}
}

// gifv changes the format of originals that can move.
func TestGifv(t *testing.T) {
	for _, c := range []struct {
		of   thumbnail.Type
		text string
		want thumbnail.Format
	}{
		{thumbnail.TypeGIF, "gifv()", "mp4"}, {thumbnail.TypeGIF, "gifv(mp4)", "mp4"}, {thumbnail.TypeWebP, "gifv(webp)", "webp"},
		{thumbnail.TypeJPEG, "gifv()", ""}, {thumbnail.TypeGIF, "gifv(webm)", ""},
	} {
		s, r := compile(c.of, c.text)
		if s.Format != c.want || (len(r.Skipped) > 0) != (c.text == "gifv(webm)") || r.NotOnGIFs != nil {
			t.Errorf("%s of a %s: format %q, skipped %v", c.text, c.of, s.Format, r.Skipped)
		}
	}
}

func TestStoryboard(t *testing.T) {
	if s, r := compile(thumbnail.TypeVideo, "storyboard(4,3)"); s.Storyboard == nil || *s.Storyboard != (thumbnail.Storyboard{Columns: 4, Rows: 3}) || r.Skipped != nil {
		t.Errorf("%+v, skipped %v", s.Storyboard, r.Skipped)
	}
	for text, of := range map[string]thumbnail.Type{"storyboard(4,6)": thumbnail.TypeVideo, "storyboard(0,1)": thumbnail.TypeVideo, "storyboard(2,2)": thumbnail.TypeJPEG} {
		if s, r := compile(of, text); s.Storyboard != nil || len(r.Skipped) != 1 {
			t.Errorf("%s of a %s: %+v, skipped %v", text, of, s.Storyboard, r.Skipped)
		}
	}
}

// Text after a closing bracket is ignored, as in Thumbor, and noted as skipped.
func TestTextAfterABracket(t *testing.T) {
	s, r := compile(thumbnail.TypeJPEG, "blur(3),quality(10):rotate(90)x")
	if len(s.Operations) != 2 || s.Quality != 0 || !reflect.DeepEqual(r.Skipped, []string{"text after blur", "text after rotate"}) {
		t.Errorf("%+v, skipped %v", s, r.Skipped)
	}
}

func TestPicturesAreBounded(t *testing.T) {
	s, r := compile(thumbnail.TypeJPEG, strings.TrimSuffix(strings.Repeat("watermark(a.png,1,1,1):", 9), ":"))
	if len(s.Operations) != 9 || len(r.Skipped) > 0 {
		t.Errorf("one picture nine times: %d steps, skipped %v", len(s.Operations), r.Skipped)
	}
	s, r = compile(thumbnail.TypeJPEG, "frame(a):frame(b):frame(c):frame(d):frame(e):frame(a)")
	if len(s.Operations) != 5 || !reflect.DeepEqual(r.Skipped, []string{"frame (more than 4 pictures)"}) {
		t.Errorf("five pictures: %d steps, skipped %v", len(s.Operations), r.Skipped)
	}
}

// Thumbor's expression for convolution took exponential time to refuse this text.
func TestConvolutionsExpression(t *testing.T) {
	_, r := compile(thumbnail.TypeJPEG, "convolution("+strings.Repeat("1", 2000)+"x,3,true)")
	if !reflect.DeepEqual(r.Skipped, []string{"convolution"}) {
		t.Error(r.Skipped)
	}
}

func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		"brightness(20):contrast(20)", "curve([(0,0),(255,255)],[(0,50)],[(0,0)],[(0,48)])", "watermark('a,b',-1p,repeat,1,none,2):frame(x)",
		"convolution(1;2;1;2;4;2;1;2;1,3,true):blur(9,.5)", "round_corner(5|6,1,2,3,1):fill(f0f0):autojpg():max_age(9)", "conditional_sharpen(.,1,1,1,1)",
	} {
		f.Add(seed)
	}
	l := New(settings.Thumbor{GIFFilters: true})
	f.Fuzz(func(t *testing.T, text string) {
		var s, again thumbnail.Spec
		picture := func(name string) (thumbnail.Location, bool) { return thumbnail.Location{Path: name}, true }
		l.Apply(&s, text, picture)
		l.Apply(&again, text, picture)
		if _, err := json.Marshal(s); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if s.Digest() != again.Digest() || len(s.Pictures()) > thumbnail.MaxPictures {
			t.Fatalf("%q gives %+v and %+v", text, s, again)
		}
		s.Quality, s.Chroma = max(s.Quality, 1), "4:2:0" // the settings have these
		if err := s.Validate(); err != nil {
			t.Fatalf("%q gives an invalid spec: %v\n%+v", text, err, s)
		}
	})
}

// An end that cannot be read must not become a URL without an end. It also holds for GIFs.
func TestExpire(t *testing.T) {
	for text, want := range map[string]struct {
		at    int64
		wrong bool
	}{
		"expire(1796000000000)":                       {1796000000000, false},
		"expire(1796000000000):expire(1795000000000)": {1795000000000, false},
		"expire(0)":                       {0, false},
		"expire(2027-01-01)":              {0, true},
		"expire()":                        {0, true},
		"expire(1795000000000)x":          {0, true},
		"expire(99999999999999999999999)": {0, true},
	} {
		s, notes := compile(thumbnail.TypeGIF, text)
		if got := !notes.Expires.IsZero(); (notes.Wrong != "") != want.wrong || got == want.wrong || got && notes.Expires.UnixMilli() != want.at {
			t.Errorf("%s: %+v", text, notes)
		}
		if !reflect.DeepEqual(s, thumbnail.Spec{Type: thumbnail.TypeGIF}) || len(notes.Skipped)+len(notes.NotOnGIFs) > 0 {
			t.Errorf("%s changes the spec: %+v, %+v", text, s, notes)
		}
	}
}
