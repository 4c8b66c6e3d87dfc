package mediawiki

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Values of thumb.php mean the same as in MediaWiki, PdfHandler, PagedTiffHandler and TimedMediaHandler, and
// a parameter without an effect is named.
func TestValuesOfThumbScript(t *testing.T) {
	for query, want := range map[string]struct{ name, ignored string }{
		"f=Cat.jpg&w=300&r=1&download&20261128141510": {"300px-Cat.jpg", ""},
		"f=Cat.jpg&w=300&width=200&page=2&lang=fr":    {"300px-Cat.jpg", "lang, page, width"},
		"f=Cat.jpg&w=200&w=300":                       {"300px-Cat.jpg", ""},
		"f=Cat.jpg&w=300&archived=0&temp":             {"300px-Cat.jpg", ""},
		"f=Cat.jpg&w=300&thumbtime=abc&lossy=1":       {"300px-Cat.jpg", "lossy, thumbtime"},
		"f=Cat.jpg&w=300&quality=low":                 {"qlow-300px-Cat.jpg", ""},
		"f=Cat.png&w=300&quality=5":                   {"300px-Cat.png", "quality"},
		"f=Cat.pdf&w=300&page=x":                      {"page1-300px-Cat.pdf.jpg", "page"},
		"f=Cat.pdf&w=300&page=-2":                     {"page1-300px-Cat.pdf.jpg", "page"},
		"f=Cat.pdf&w=300&page=3rd":                    {"page3-300px-Cat.pdf.jpg", ""},
		"f=Cat.pdf&w=300&p=0":                         {"page1-300px-Cat.pdf.jpg", "p"},
		"f=Cat.pdf&w=300&p=0&page=2":                  {"page1-300px-Cat.pdf.jpg", "p, page"},
		"f=Cat.pdf&w=300&p=3&page=2":                  {"page3-300px-Cat.pdf.jpg", "page"},
		"f=Cat.pdf&w=300&page=99999999999999999999":   {"page9223372036854775807-300px-Cat.pdf.jpg", ""},
		"f=Cat.tif&w=300&lossy=banana":                {"lossless-page1-300px-Cat.tif.png", ""},
		"f=Cat.tif&w=300&lossy=":                      {"lossless-page1-300px-Cat.tif.png", ""},
		"f=Cat.tif&w=300&lossy=true&page=x":           {"lossy-page1-300px-Cat.tif.jpg", "page"},
		"f=Cat.tif&w=300&page=0":                      {"300px-Cat.tif.jpg", "page"},
		"f=Cat.svg&w=300&lang=en":                     {"300px-Cat.svg.png", ""},
		"f=Cat.svg&w=300&lang=!!":                     {"300px-Cat.svg.png", "lang"},
		"f=Cat.svg&w=300&lang=":                       {"300px-Cat.svg.png", "lang"},
		"f=Cat.webm&w=300&thumbtime=1:02.7":           {"300px-seek=62-Cat.webm.jpg", ""},
		"f=Cat.webm&w=300&thumbtime=-5":               {"300px-seek=0-Cat.webm.jpg", ""},
		"f=Cat.webm&w=300&thumbtime=1e400":            {"300px-seek=1073741824-Cat.webm.jpg", ""},
		"f=Cat.webm&w=300&start=5":                    {"300px-Cat.webm.jpg", "start"},
		"f=Cat.jpg&thumbName=20px-Cat.jpg&w=300":      {"20px-Cat.jpg", "w"},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parser().Parse("/wikipedia/de/thumb.php", q)
		if name := got.Key.Name(); err != nil || name != want.name {
			t.Errorf("%s: %s, %v; want %s", query, name, err, want.name)
		}
		if names := strings.Join(got.Ignored, ", "); names != want.ignored {
			t.Errorf("%s: ignored %q, want %q", query, names, want.ignored)
		}
	}
	for _, query := range []string{
		"f=Cat.webm&w=300&thumbtime=abc", "f=Cat.webm&w=300&thumbtime=", "f=Cat.webm&w=300&thumbtime=1:2:3:4", "f=Cat.webm&w=300&thumbtime=0x1p4",
		"f=Cat.webm&w=300&thumbtime=inf", "f=Cat.jpg&w=300&quality=5", "f=Cat.jpg&w=300&quality=", "f=Cat.jpg&w=&width=300",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parser().Parse("/wikipedia/de/thumb.php", q); !fault.Is(err, fault.BadURL) {
			t.Errorf("%s: %s, %v; want a refusal", query, got.Key, err)
		}
	}
}

// An answer names ten parameters at most.
func TestManyIgnoredParameters(t *testing.T) {
	q := url.Values{"f": {"Cat.jpg"}, "w": {"300"}}
	for n := range 2 * maxIgnored {
		q.Set(fmt.Sprintf("x%02d", n), "")
	}
	got, err := parser().Parse("/wikipedia/de/thumb.php", q)
	if err != nil || len(got.Ignored) != maxIgnored || got.Ignored[0] != "x00" {
		t.Errorf("%v, %v", got.Ignored, err)
	}
}
