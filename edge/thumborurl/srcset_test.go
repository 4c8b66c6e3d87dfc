package thumborurl

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestSrcSet(t *testing.T) {
	set := Set{Options: Options{Image: "a b.jpg", Width: 300, Height: 200, Smart: true}, Widths: []int{330, 500}}
	want := "/unsafe/330x220/smart/filters:format(webp)/a%20b.jpg 330w, /unsafe/500x333/smart/filters:format(webp)/a%20b.jpg 500w"
	if got := (Signer{}).SrcSet(set, "webp"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(set.Options.Filters) > 0 {
		t.Error("the options of the caller have changed")
	}
}

// A browser's parser reads the element: its sources, sizes and texts.
func TestPicture(t *testing.T) {
	signer := Signer{Base: "https://thumbs.example", Key: "key", Algorithm: "sha256"}
	text := signer.Picture(Set{
		Options: Options{Image: `cats/"a"&b.jpg`, Filters: []string{"quality(80)"}}, Widths: []int{330, 960}, Formats: []string{"avif", "jpg"},
		Sizes: "(max-width: 600px) 100vw, 600px", Alt: `a "cat" <b>`,
	})
	document, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]map[string]string{}
	for n := range document.Descendants() {
		if n.Type == html.ElementNode {
			attributes := map[string]string{}
			for _, a := range n.Attr {
				attributes[a.Key] = a.Val
			}
			found[n.Data] = append(found[n.Data], attributes)
		}
	}
	if len(found["source"]) != 2 || len(found["img"]) != 1 || len(found["b"]) > 0 {
		t.Fatalf("%v", found)
	}
	if s := found["source"][1]; s["type"] != "image/jpeg" || !strings.Contains(s["srcset"], "filters:quality(80):format(jpg)/cats/%22a%22&b.jpg 330w, ") || s["sizes"] != "(max-width: 600px) 100vw, 600px" {
		t.Errorf("%v", s)
	}
	if img := found["img"][0]; img["alt"] != `a "cat" <b>` || img["width"] != "960" || !strings.HasPrefix(img["src"], "https://thumbs.example/") || img["height"] != "" {
		t.Errorf("%v", img)
	}
}
