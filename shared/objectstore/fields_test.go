package objectstore

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFieldsAreReadAgain(t *testing.T) {
	meta := Meta{
		ETag: "e", XKey: "File:Käse & Brot+1.png", Spec: strings.Repeat("spec", 300), SpecDigest: "d", Rules: 8, OriginalVersion: `"v 1"`,
		Rendered: time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC), Sides: Sides{640, 480},
	}
	for _, spec := range []bool{true, false} {
		fields := Fields(meta, spec)
		for name, value := range fields {
			if value == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-0123456789") != "" || strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
				t.Errorf("%q: %q", name, value)
			}
		}
		want := meta
		if !spec {
			want.Spec = ""
		}
		if got := ReadFields(func(name string) string { return fields[name] }); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	nonsense := map[string]string{fieldXKey: "%", fieldRules: "x", fieldRendered: "yesterday", fieldSides: "x"}
	if got := ReadFields(func(name string) string { return nonsense[name] }); got.XKey != "%" || got.Rules != 0 || !got.Rendered.IsZero() {
		t.Errorf("of nonsense: %+v", got)
	}
}
