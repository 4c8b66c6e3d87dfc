package thumbor

import (
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestPresets(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKey = "key"
	s.Thumbor.Presets = map[string]string{"card": "fit-in/330x200/filters:quality(80)", "my_hero": "/-500x/filters:watermark(a%20b.png,0,0,0)/"}
	s.Thumbor.Sizes, s.Thumbor.SizePolicy = []string{"100x"}, "refuse" // presets have any size
	p := must(s)
	for path, same := range map[string]string{
		"preset:card/a/330x200/b.jpg": "fit-in/330x200/filters:quality(80)/a/330x200/b.jpg",
		"preset:my-hero/smart/b.jpg":  "-500x/filters:watermark(a%20b.png,0,0,0)/smart%2Fb.jpg",
		"preset:my_hero/K%C3%A4.jpg":  "-500x/filters:watermark(a%20b.png,0,0,0)/Kä.jpg",
	} {
		got, err := p.Parse(Request{Path: "/" + p.keys[0].Sign(path) + "/" + path})
		want, err2 := p.Parse(Request{Path: "/unsafe/" + same, Trusted: true})
		if err != nil || err2 != nil || got.Key != want.Key || got.SignedBy != "security_key" {
			t.Errorf("%s: %v, %v; want %v, %v", path, got.Key, err, want.Key, err2)
		}
	}
	for path, says := range map[string]string{"preset:crad/a.jpg": "use one of card, my_hero", "preset:card/": "no image", "preset:card": "no image", "preset:%ff/a.jpg": "unknown"} {
		if _, err := p.Parse(Request{Path: "/unsafe/" + path, Trusted: true}); !fault.Is(err, fault.BadURL) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPresetsThatAreWrong(t *testing.T) {
	for options, says := range map[string]string{
		"330x200/fit-in": "not the options", "blur(3)": "not the options", "330x/filters:blurry(3)": "blurry", "99999x": "too large",
		"filters:quality(%ff)": "percent-encoding", "filters:expire(soon)": "expire", "330x/a.jpg": "not the options",
	} {
		s := settings.Default()
		s.Thumbor.Presets = map[string]string{"card": options}
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "thumbor.presets.card") {
			t.Errorf("%s: %v", options, err)
		}
	}
}

func TestOnlyPresets(t *testing.T) {
	s := settings.Default()
	s.Thumbor.Presets, s.Thumbor.OnlyPresets = map[string]string{"card": "330x"}, true
	p := must(s)
	for path, ok := range map[string]bool{"/unsafe/preset:card/a.jpg": true, "/unsafe/330x/a.jpg": false, "/unsafe/a.jpg": false} {
		if _, err := p.Parse(Request{Path: path, Local: true}); (err == nil) != ok || !ok && !strings.Contains(err.Error(), "one of card") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := p.Parse(Request{Path: path, Trusted: true}); err != nil {
			t.Errorf("an operator asks for %s: %v", path, err)
		}
	}
}
