package thumbor

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func limited(policy string) *Parser {
	s := settings.Default()
	s.Edge.SecurityKeys = []settings.SecurityKey{{Name: "new", Key: "n", Algorithm: "sha256"}, {Name: "old", Key: "o"}}
	s.Edge.AllowUnsafe = true
	s.Thumbor.Sizes, s.Thumbor.SizePolicy = []string{"330x", "960x", "300x200", "600x400", "x100", "400x400"}, policy
	return must(s)
}

// Each size becomes the smallest permitted one that is as large, else the largest; a permitted size stays.
func TestSizesArePermitted(t *testing.T) {
	for asked, want := range map[string]string{
		"330x/a.jpg": "330x/a.jpg", "330x0/a.jpg": "330x0/a.jpg", "10x/a.jpg": "330x/a.jpg", "331x/a.jpg": "960x/a.jpg", "5000x/a.jpg": "960x/a.jpg",
		"x7/a.jpg": "x100/a.jpg", "x700/a.jpg": "x100/a.jpg", "fit-in/10x10/smart/a.jpg": "fit-in/300x200/smart/a.jpg", "300x201/a.jpg": "400x400/a.jpg",
		"401x10/a.jpg": "600x400/a.jpg", "700x10/a.jpg": "600x400/a.jpg", "-10x-20/filters:blur(3)/a%20b.jpg": "-300x-200/filters:blur(3)/a%20b.jpg",
	} {
		free, err := limited("free").Parse(Request{Path: "/unsafe/" + want})
		if err != nil {
			t.Fatal(err)
		}
		rounded, err := limited("round_up").Parse(Request{Path: "/unsafe/" + asked})
		if err != nil || rounded.Redirect != "" || rounded.Key != free.Key {
			t.Errorf("%s: %v, %v; want %s", asked, rounded.Key, err, want)
		}
		redirected, err := limited("redirect").Parse(Request{Path: "/unsafe/" + asked})
		if path := "/unsafe/" + want; err != nil || asked == want && redirected.Redirect != "" || asked != want && redirected.Redirect != path {
			t.Errorf("%s: %q, %v; want %q", asked, redirected.Redirect, err, path)
		}
		_, err = limited("refuse").Parse(Request{Path: "/unsafe/" + asked})
		if asked == want && err != nil || asked != want && (!fault.Is(err, fault.OddSize) || fault.Of(err).Instead != "/unsafe/"+want) {
			t.Errorf("%s: %v", asked, err)
		}
	}
}

// The original's own size is permitted only as 0x0. No policy makes another size of it.
func TestTheOriginalsOwnSize(t *testing.T) {
	for _, policy := range []string{"round_up", "redirect", "refuse"} {
		p := limited(policy)
		for _, path := range []string{"a.jpg", "0x0/a.jpg", "origx/a.jpg", "330xorig/a.jpg", "99999999999999999999x/a.jpg"} {
			if _, err := p.Parse(Request{Path: "/unsafe/" + path}); !fault.Is(err, fault.OddSize) || !strings.Contains(err.Error(), "one of 330x, ") {
				t.Errorf("%s: %s: %v", policy, path, err)
			}
			if _, err := p.Parse(Request{Path: "/unsafe/330x/a.jpg", Trusted: true}); err != nil {
				t.Errorf("an operator asks: %v", err)
			}
		}
		p.sizes = append(p.sizes, size{})
		if got, err := p.Parse(Request{Path: "/unsafe/a.jpg"}); err != nil || got.Redirect != "" || got.Spec.Width != 0 {
			t.Errorf("%s: %v %v", policy, got.Redirect, err)
		}
	}
}

// A redirect leads to a URL that the same key signed.
func TestRedirectsAreSigned(t *testing.T) {
	p := limited("redirect")
	for _, key := range []signature.Key{p.keys[0], p.keys[1]} {
		got, err := p.Parse(Request{Path: "/" + key.Sign("10x/a.jpg") + "/10x/a.jpg"})
		if want := "/" + key.Sign("330x/a.jpg") + "/330x/a.jpg"; err != nil || got.Redirect != want {
			t.Errorf("%s: %q, %v; want %q", key.Name, got.Redirect, err, want)
		}
	}
}

// A permitted size covers the asked one if any does, and then no smaller one does; it is permitted itself.
func TestPermitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(0, 12)
		one := rapid.Custom(func(t *rapid.T) size { return size{side.Draw(t, "w"), side.Draw(t, "h")} })
		all, asked := rapid.SliceOf(one).Draw(t, "all"), one.Draw(t, "asked")
		got, ok := permitted(all, asked)
		for _, s := range all {
			if !s.like(asked) {
				continue
			}
			better := s.covers(asked) && (!got.covers(asked) || s.area() < got.area()) || !got.covers(asked) && s.area() > got.area()
			if !ok || better {
				t.Fatalf("%v for %v of %v", got, asked, all)
			}
		}
		again, _ := permitted(all, got)
		if ok && (!got.like(asked) || again != got) {
			t.Fatalf("%v for %v", got, asked)
		}
	})
}
