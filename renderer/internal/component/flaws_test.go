package component

import "testing"

func TestFlawsOfVersions(t *testing.T) {
	for name, c := range map[string]struct {
		has  Versions
		want string // the first ten bytes of each flaw, in the table's order
	}{
		"no components":           {Versions{}, ""},
		"librsvg of Debian 12":    {Versions{Librsvg: "2.54.7"}, "colours in|dominant-b|texts on p|"},
		"librsvg between the two": {Versions{Librsvg: "2.56.3"}, "colours in|dominant-b|texts on p|"},
		"librsvg with a revision": {Versions{Librsvg: "2.59.2+dfsg-1"}, "dominant-b|texts on p|"},
		"librsvg of Debian 13":    {Versions{Librsvg: "2.60.0"}, "a svg elem|texts on p|"},
		"a later librsvg":         {Versions{Librsvg: "2.100.0", Resvg: "0.45.1"}, "a svg elem|"},
		"Debian's ffmpeg 5":       {Versions{FFmpeg: "5.1.9-0+deb12u1"}, ""},
		"libheif of Debian 12":    {Versions{Libheif: "1.15.1"}, "uncompress|"},
	} {
		got := ""
		for _, f := range c.has.Flaws() {
			got += f.What[:10] + "|"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestBefore(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1.2.3", "1.10", true}, {"1.10", "1.2.3", false}, {"1.2", "1.2", false}, {"1.2", "1.2.1", true}, {"2.0", "", false},
	} {
		if got := before(c.a, c.b); got != c.want {
			t.Errorf("%q before %q: %v", c.a, c.b, got)
		}
	}
}
