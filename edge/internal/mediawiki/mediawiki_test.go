package mediawiki

import (
	"fmt"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// parser has the settings of Wikimedia's test vectors.
func parser() *Parser {
	s := settings.Default()
	s.Render.QualityLow = 10
	s.Store.Thumbnails.Prefix = "thumbor/"
	s.Store.ShardedContainers = []string{
		"wikipedia-en-local-public", "wikipedia-en-local-temp", "wikipedia-en-local-thumb",
		"wikipedia-commons-local-public", "wikipedia-commons-local-thumb",
	}
	s.Store.PrivateContainers = []string{"wikipedia-office-local-public"}
	return New(s)
}

// filterText writes a spec as the filters of Wikimedia's plugins.
func filterText(s thumbnail.Spec) string {
	var f []string
	if s.Quality == 10 {
		f = append(f, "quality(10)")
	}
	if c := s.Sharpen; c != nil {
		f = append(f, fmt.Sprintf("conditional_sharpen(%.1f,%.1f,%.1f,%.1f,%.2f)", c.Radius, c.Sigma, c.Amount, c.Threshold, c.Ratio))
	}
	f = append(f, "format("+string(s.Format)+")")
	if s.Page > 0 || s.FirstFrame {
		f = append(f, fmt.Sprintf("page(%d)", s.Page))
	}
	if s.Lang != "" {
		f = append(f, "lang("+s.Lang+")")
	}
	return strings.Join(f, ":")
}

// The vectors are from the tests of Wikimedia's Thumbor plugins.
func TestGoldenVectors(t *testing.T) {
	const sharpen = "conditional_sharpen(0.0,0.8,1.0,0.0,0.85)"
	const en, enThumb = "wikipedia-en-local-public.d3", "wikipedia-en-local-thumb.d3"
	for _, v := range []struct {
		path, xkey            string
		container, original   string
		thumbContainer, thumb string
		width                 int
		filters, name         string
	}{
		{"/wikipedia/en/thumb/d/d3/1Mcolors.png/400px-1Mcolors.png", "1Mcolors.png", en, "d/d3/1Mcolors.png",
			enThumb, "d/d3/1Mcolors.png/400px-1Mcolors.png", 400, "format(png)", "1Mcolors.png"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.jpg/qlow-400px-1Mcolors.jpg", "1Mcolors.jpg", en, "d/d3/1Mcolors.jpg",
			enThumb, "d/d3/1Mcolors.jpg/qlow-400px-1Mcolors.jpg", 400, "quality(10):" + sharpen + ":format(jpg)", "1Mcolors.jpg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.pdf/page3-400px-1Mcolors.pdf.jpg", "1Mcolors.pdf", en, "d/d3/1Mcolors.pdf",
			enThumb, "d/d3/1Mcolors.pdf/page3-400px-1Mcolors.pdf.jpg", 400, "format(jpg):page(3)", "1Mcolors.pdf.jpg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.svg/langfr-400px-1Mcolors.svg.png", "1Mcolors.svg", en, "d/d3/1Mcolors.svg",
			enThumb, "d/d3/1Mcolors.svg/langfr-400px-1Mcolors.svg.png", 400, "format(png):lang(fr)", "1Mcolors.svg.png"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.svg/langzh-hans-400px-1Mcolors.svg.png", "1Mcolors.svg", en, "d/d3/1Mcolors.svg",
			enThumb, "d/d3/1Mcolors.svg/langzh-hans-400px-1Mcolors.svg.png", 400, "format(png):lang(zh-hans)", "1Mcolors.svg.png"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.webm/400px-seek=0-1Mcolors.webm.jpg", "1Mcolors.webm", en, "d/d3/1Mcolors.webm",
			enThumb, "d/d3/1Mcolors.webm/400px-seek=0-1Mcolors.webm.jpg", 400, "format(jpg):page(0)", "1Mcolors.webm.jpg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.webm/400px-seek=10-1Mcolors.webm.jpg", "1Mcolors.webm", en, "d/d3/1Mcolors.webm",
			enThumb, "d/d3/1Mcolors.webm/400px-seek=10-1Mcolors.webm.jpg", 400, "format(jpg):page(10)", "1Mcolors.webm.jpg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.jpe/400px-1Mcolors.jpe", "1Mcolors.jpe", en, "d/d3/1Mcolors.jpe",
			enThumb, "d/d3/1Mcolors.jpe/400px-1Mcolors.jpe", 400, sharpen + ":format(jpg)", "1Mcolors.jpe"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.jpeg/400px-1Mcolors.jpeg", "1Mcolors.jpeg", en, "d/d3/1Mcolors.jpeg",
			enThumb, "d/d3/1Mcolors.jpeg/400px-1Mcolors.jpeg", 400, sharpen + ":format(jpg)", "1Mcolors.jpeg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.jpg/400px-1Mcolors.jpg.webp", "1Mcolors.jpg", en, "d/d3/1Mcolors.jpg",
			enThumb, "d/d3/1Mcolors.jpg/400px-1Mcolors.jpg.webp", 400, sharpen + ":format(webp)", "1Mcolors.jpg.webp"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.png/400px-1Mcolors.png.webp", "1Mcolors.png", en, "d/d3/1Mcolors.png",
			enThumb, "d/d3/1Mcolors.png/400px-1Mcolors.png.webp", 400, "format(webp)", "1Mcolors.png.webp"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.pdf/400px-1Mcolors.pdf.jpg.webp", "1Mcolors.pdf", en, "d/d3/1Mcolors.pdf",
			enThumb, "d/d3/1Mcolors.pdf/400px-1Mcolors.pdf.jpg.webp", 400, "format(webp)", "1Mcolors.pdf.webp"},
		{"/wikipedia/meta/thumb/d/d3/1Mcolors.png/400px-1Mcolors.png", "1Mcolors.png", "wikipedia-meta-local-public", "d/d3/1Mcolors.png",
			"wikipedia-meta-local-thumb", "d/d3/1Mcolors.png/400px-1Mcolors.png", 400, "format(png)", "1Mcolors.png"},
		{"/wikipedia/mediawiki/thumb/d/d3/1Mcolors.png/400px-1Mcolors.png", "1Mcolors.png", "wikipedia-mediawiki-local-public", "d/d3/1Mcolors.png",
			"wikipedia-mediawiki-local-thumb", "d/d3/1Mcolors.png/400px-1Mcolors.png", 400, "format(png)", "1Mcolors.png"},
		{"/wikipedia/en/thumb/archive/d/d3/20160729183014!1Mcolors.jpg/400px-1Mcolors.jpg", "20160729183014!1Mcolors.jpg", en, "archive/d/d3/20160729183014!1Mcolors.jpg",
			enThumb, "archive/d/d3/20160729183014!1Mcolors.jpg/400px-1Mcolors.jpg", 400, sharpen + ":format(jpg)", "20160729183014%211Mcolors.jpg"},
		{"/wikipedia/en/thumb/d/d3/1Mcolors.tif/lossless-page1-400px-1Mcolors.tif.png", "1Mcolors.tif", en, "d/d3/1Mcolors.tif",
			enThumb, "d/d3/1Mcolors.tif/lossless-page1-400px-1Mcolors.tif.png", 400, "format(png):page(1)", "1Mcolors.tif.png"},
		{"/wikipedia/en/thumb/d/d3/1M%3Fcolors.tif/lossless-page1-400px-1Mcolors.tif.png", "1M?colors.tif", en, "d/d3/1M?colors.tif",
			enThumb, "d/d3/1M?colors.tif/lossless-page1-400px-1Mcolors.tif.png", 400, "format(png):page(1)", "1M%3Fcolors.tif.png"},
		{"/wikipedia/commons/thumb/c/ce/Dramatische_daling_insectenpopulatie%2C_75%25_is_verdwenen.webm/800px--Dramatische_daling_insectenpopulatie%2C_75%25_is_verdwenen.webm.jpg",
			"Dramatische_daling_insectenpopulatie,_75%_is_verdwenen.webm", "wikipedia-commons-local-public.ce", "c/ce/Dramatische_daling_insectenpopulatie,_75%_is_verdwenen.webm",
			"wikipedia-commons-local-thumb.ce", "c/ce/Dramatische_daling_insectenpopulatie,_75%_is_verdwenen.webm/800px--Dramatische_daling_insectenpopulatie,_75%_is_verdwenen.webm.jpg",
			800, "format(jpg)", "Dramatische_daling_insectenpopulatie%2C_75%25_is_verdwenen.webm.jpg"},
		{"/wikipedia/en/thumb/temp/8/88/20161115090130%21fYJSjm.pdf/page1-71px-20161115090130%21fYJSjm.pdf.jpg", "20161115090130!fYJSjm.pdf",
			"wikipedia-en-local-temp.57", "5/57/20161115090130!fYJSjm.pdf",
			"wikipedia-en-local-temp.88", "thumb/8/88/20161115090130!fYJSjm.pdf/page1-71px-20161115090130!fYJSjm.pdf.jpg", 71, "format(jpg):page(1)", "20161115090130%21fYJSjm.pdf.jpg"},
	} {
		got, err := parser().Parse(v.path, nil)
		if err != nil {
			t.Errorf("%s: %v", v.path, err)
			continue
		}
		check := func(what string, got, want any) {
			if got != want {
				t.Errorf("%s: %s is %v, want %v", v.path, what, got, want)
			}
		}
		check("xkey", got.XKey, "File:"+v.xkey)
		check("original", got.Spec.Original, thumbnail.Location{Container: v.container, Path: v.original})
		check("key", got.Key, thumbnail.Location{Container: v.thumbContainer, Path: "thumbor/" + v.thumb})
		check("width", got.Spec.Width, v.width)
		check("filters", filterText(got.Spec), v.filters)
		check("disposition", got.Disposition, "inline;filename*=UTF-8''"+v.name)
		check("private", got.Private, strings.Contains(v.path, "/temp/"))
	}
}

func TestRefusals(t *testing.T) {
	for path, want := range map[string]fault.Kind{
		"/wikipedia/en/thumb/d/d3/1Mcolors.tif":                                                fault.NoSuchURL,
		"/wikipedia/en/thumb/d/d3/1Mcolors.tif/1Mcolors.tif.jpg/90x55x2-15px-1Mcolors.tif.jpg": fault.NoSuchURL,
		"/wikipedia/en/thumb/d/d3/1Mcolors.png/1Mcolors.png/199px-1Mcolors.png":                fault.NoSuchURL,
		"/": fault.NoSuchURL, "": fault.NoSuchURL, "/favicon.ico": fault.NoSuchURL,
		"/wikipedia/en/thumb/d/d3/A.png/page1-qlow-400px-A.png":                     fault.NoSuchURL, // the order of options is fixed
		"/wikipedia/en/thumb/d/d3/A.png/0px-A.png":                                  fault.BadURL,
		"/wikipedia/en/thumb/d/d3/A.png/99999px-A.png":                              fault.BadURL,
		"/wikipedia/en/thumb/d/d3/A.png/99999999999999999999px-A.png":               fault.BadURL,
		"/wikipedia/en/thumb/d/d3/A.jpg/100px-A.jpg.png":                            fault.BadURL, // types and formats that do not convert
		"/wikipedia/en/thumb/d/d3/A.png/100px-A.png.jpg":                            fault.BadURL,
		"/wikipedia/en/thumb/d/d3/A.ogg/100px-A.exe":                                fault.BadURL,
		"/wikipedia/en/thumb/d/d3/A.mp3/100px-A.mp3.png":                            fault.BadURL,
		"/wikipedia/en/thumb/d/d3/%FF.png/100px-A.png":                              fault.BadURL,
		"/wikipedia/en/thumb/d/d3/%zz.png/100px-A.png":                              fault.BadURL,
		"/wikipedia/en/thumb/d/d3/a%00b.png/100px-A.png":                            fault.BadURL,
		"/wikipedia/%2e%2e/thumb/d/d3/A.png/100px-A.png":                            "", // "wikipedia-..-local-public" is a valid name and leaves no folder
		"/wikipedia/en/thumb/d/d3/" + strings.Repeat("x", 300) + ".png/100px-A.png": fault.BadURL,
	} {
		got, err := parser().Parse(path, nil)
		if want == "" {
			if err != nil || !objectstore.Valid(got.Spec.Original) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if !fault.Is(err, want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestPrivateContainers(t *testing.T) {
	got, err := parser().Parse("/wikipedia/office/thumb/a/ab/A.png/100px-A.png", nil)
	if err != nil || !got.Private {
		t.Errorf("private is %v, %v", got.Private, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/wikipedia/en/thumb/d/d3/1Mcolors.jpg/qlow-400px-1Mcolors.jpg")
	f.Add("/wikipedia/en/thumb/temp/8/88/2016%21f.pdf/page1-71px-2016%21f.pdf.jpg")
	f.Add("/w/l/thumb/a/ab/..%2f..%2fx.png/1px-x.png")
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parser().Parse(path, nil)
		if err == nil && (!objectstore.Valid(got.Spec.Original) || !objectstore.Valid(got.Key) || got.Spec.Width < 1) {
			t.Errorf("%q gives %+v", path, got)
		}
		if err != nil && fault.Of(err).Kind == fault.Internal {
			t.Errorf("%q: %v", path, err)
		}
	})
}
