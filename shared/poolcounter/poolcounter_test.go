package poolcounter

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	acquire := func(any bool, key string, w, q, t uint32) Command {
		return Command{Verb: VerbAcquire, ForAnyone: any, Key: key, Limits: Limits{w, q, t}}
	}
	malformed := func(key string, w, q uint32) Command {
		c := acquire(false, key, w, q, 0)
		c.Malformed = true
		return c
	}
	for line, want := range map[string]Command{
		"ACQ4ME k 1 2 3":          acquire(false, "k", 1, 2, 3),
		"ACQ4ANY k 1 2 3\r":       acquire(true, "k", 1, 2, 3),
		"ACQ4ME   k  1   2 3 4 5": acquire(false, "k", 1, 2, 3),
		"ACQ4ME k 1 2":            acquire(false, "k", 1, 2, 0),
		"ACQ4ME k 1 2 -3":         acquire(false, "k", 1, 2, 0),
		"ACQ4ME k 4294967297 2 1": acquire(false, "k", 1, 2, 1),
		"ACQ4ME k 1 2 3\x00junk":  acquire(false, "k", 1, 2, 3),
		"ACQ4ME ":                 malformed("", 0, 0),
		"ACQ4ME k":                malformed("k", 0, 0),
		"ACQ4ME k 0 2 3":          {Verb: VerbAcquire, Key: "k", Limits: Limits{0, 2, 3}, Malformed: true},
		"ACQ4ME":                  {},
		"acq4me k 1 2 3":          {},
		"":                        {},
		"RELEASE":                 {Verb: VerbRelease},
		"RELEASE me":              {Verb: VerbRelease},
		"STATS FULL":              {Verb: VerbStats, Stat: "FULL"},
		"STATS":                   {},
	} {
		if got := Parse(line); got != want {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

func TestKeysCannotBreakTheLine(t *testing.T) {
	for _, name := range []string{"a b", "a\nRELEASE", "", "€", strings.Repeat("ä", 2000)} {
		key := Key("original", name)
		if strings.ContainsAny(key, " \r\n\x00") || len(key) > 400 {
			t.Errorf("%q gives %q", name, key)
		}
		if !strings.HasPrefix(key, "original:") {
			t.Errorf("%q gives %q", name, key)
		}
	}
	long := strings.Repeat("x", 1000)
	if Key("ip", long+"1") == Key("ip", long+"2") {
		t.Error("long names collide")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ACQ4ME k 1 2 3")
	f.Add("STATS FULL\r")
	f.Fuzz(func(t *testing.T, line string) {
		c := Parse(line)
		if c.Verb == VerbAcquire && !c.Malformed && (c.Key == "" || strings.ContainsAny(c.Key, " \x00")) {
			t.Errorf("%q gives the key %q", line, c.Key)
		}
	})
}
