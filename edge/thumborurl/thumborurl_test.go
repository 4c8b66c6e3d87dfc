package thumborurl

import (
	"fmt"
	"testing"
	"time"
)

const image = "my.server.com/some/path/to/image.jpg"

// libthumbor (2026-05-08), and thumbor 0.1.5 and thumbor-url-builder 0.1.1 of the npm registry, make
// these URLs from the same options and key.
func TestAsOtherClients(t *testing.T) {
	signer := Signer{Key: "my-security-key"}
	for want, o := range map[string]Options{
		"8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/":                                   {Width: 300, Height: 200},
		"a8LGEg1_F-iMRiWs9ns2A4Rvp7E=/meta/300x200/":                              {Width: 300, Height: 200, Meta: true},
		"a6-Wlrgfl_jW4YvfKIuVnmjEPhc=/300x200/smart/":                             {Width: 300, Height: 200, Smart: true},
		"PghwJyQgnc5e6FUX6jzjtnQ2ocM=/fit-in/300x200/":                            {Width: 300, Height: 200, Fit: In},
		"l_GLq1AADEhSE3GnEeJ0ommZRaU=/adaptive-full-fit-in/300x200/":              {Width: 300, Height: 200, Fit: Cover, Adaptive: true},
		"YRoKkBTXD4Az_YeKl4r_izh44u0=/-300x-200/":                                 {Width: 300, Height: 200, FlipHorizontal: true, FlipVertical: true},
		"64KlsO5GWIrhBk9QhDgB6qY-MtI=/-0x0/":                                      {FlipHorizontal: true},
		"mfew20KBufP0HXiogHTbwvnqJV0=/trim/300x0/":                                {Width: 300, Trim: &Trim{}},
		"IYC2XE7c5rYRluo_TYFGOif2gEI=/trim:bottom-right:30/300x0/":                {Width: 300, Trim: &Trim{BottomRight: true, Tolerance: 30}},
		"ptdxwcaBh0DitFDEkiWuPHvSBPM=/10x20:110x120/50x50/":                       {Crop: &Crop{10, 20, 110, 120}, Width: 50, Height: 50},
		"ovkv8bcuwjlwmgW9k64GRdx2ajg=/300x200/left/bottom/":                       {Width: 300, Height: 200, HAlign: "left", VAlign: "bottom"},
		"6cOw-0c9j9xLtnBGujuKYNUvymo=/300x0/filters:brightness(10):contrast(20)/": {Width: 300, Filters: []string{Filter("brightness", 10), "contrast(20)"}},
	} {
		o.Image = image
		if got := signer.URL(o); got != "/"+want+image {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Thumbor checks the signature of the percent-encoded path, so Sign signs that path.
func TestSignsWhatIsSent(t *testing.T) {
	signer := Signer{Base: "http://t.example/", Key: "my-security-key"}
	path := "300x200/my.server.com%2Fsome%2Fpath%2Fto%2Fimage.jpg"
	if got := signer.Sign("unsafe/" + path); got != "http://t.example/joo2SZ8vTqIs99BTVGzEWmU4phk=/"+path {
		t.Error(got)
	}
}

func TestWhatCannotStandInAPathIsEncoded(t *testing.T) {
	for want, o := range map[string]Options{
		"/unsafe/filters:watermark(a%20b%3F.png,0,0,0)/c.jpg": {Image: "c.jpg", Filters: []string{Filter("watermark", "a b?.png", 0, 0, 0)}},
		"/unsafe/unsafe/c.jpg":                                {Image: "unsafe/c.jpg"},
		"/unsafe/0x10/%C3%84.jpg":                             {Image: "Ä.jpg", Width: -5, Height: 10},
	} {
		if got := (Signer{}).URL(o); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// imagor's signer makes the same signatures. The end of a URL stands behind its other filters, in both ways to sign.
func TestOtherSignaturesAndEnds(t *testing.T) {
	signer := Signer{Key: "my-security-key", Algorithm: "sha256", Truncate: 40}
	if got := signer.Sign("300x200/" + image); got != "/3QnVM3BeRl4S3bc29FfAryGF95aVByel9Bu_MPKA/300x200/"+image {
		t.Error(got)
	}
	end := time.UnixMilli(1796000000123)
	want := "/unsafe/300x/filters:blur(3):expire(1796000000123)/a%20b.jpg"
	if got := (Signer{}).URL(Options{Image: "a b.jpg", Width: 300, Filters: []string{"blur(3)"}, Expires: end}); got != "/unsafe/300x0/filters:blur(3):expire(1796000000123)/a%20b.jpg" {
		t.Error(got)
	}
	if got := (Signer{}).SignUntil("unsafe/300x/filters:blur(3)/a%20b.jpg", end); got != want {
		t.Error(got)
	}
}

func ExampleSigner_URL() {
	signer := Signer{Base: "https://thumbs.example", Key: "my-security-key"}
	fmt.Println(signer.URL(Options{
		Image: "cats/a cat.jpg", Width: 300, Height: Original, Smart: true,
		Filters: []string{Filter("blur", 3), Filter("format", "webp")},
	}))
	// Output: https://thumbs.example/dKnmZJtnBDXdvnbqEtHX5tY9FYU=/300xorig/smart/filters:blur(3):format(webp)/cats/a%20cat.jpg
}

func ExampleSigner_Sign() {
	fmt.Println(Signer{Base: "http://127.0.0.1:8888"}.Sign("330x/Cat.jpg"))
	// Output: http://127.0.0.1:8888/unsafe/330x/Cat.jpg
}
