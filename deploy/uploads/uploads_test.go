package uploads

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// at returns the location of an upload as the store of all originals asks for it.
func at(t *testing.T, name string) thumbnail.Location {
	t.Helper()
	path, ok := strings.CutPrefix(name, Prefix)
	if !ok || !objectstore.Valid(thumbnail.Location{Path: path}) {
		t.Fatalf("an upload has the name %q", name)
	}
	return thumbnail.Location{Path: path}
}

func TestUploadsAreKept(t *testing.T) {
	var s Store
	first, err := s.Add(`C:\pictures\a.jpg`, []byte("first"))
	second, err2 := s.Add("../a.jpg", []byte("second"))
	if err != nil || err2 != nil || first == second || !strings.HasSuffix(first, "/a.jpg") {
		t.Fatalf("%s %v, %s %v", first, err, second, err2)
	}
	object, info, err := s.Open(t.Context(), at(t, first))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(object)
	if err != nil || string(body) != "first" || info.Size != 5 || info.Version == "" {
		t.Errorf("%q, %+v, %v", body, info, err)
	}
	if _, err := s.Head(t.Context(), thumbnail.Location{Path: "x/a.jpg"}); !errors.Is(err, objectstore.ErrNotFound) {
		t.Error(err)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	var s Store
	for name, body := range map[string][]byte{"a.jpg": nil, "b.jpg": make([]byte, mostBytes+1), "c.exe": {1}, "": {1}, "..": {1}, "a\n.jpg": {1}} {
		if _, err := s.Add(name, body); err == nil {
			t.Errorf("%q of %d bytes is kept", name, len(body))
		}
	}
	oldest, err := s.Add("a.jpg", []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte{1}, mostBytes)
	for range allBytes / mostBytes {
		if _, err := s.Add("b.jpg", large); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Head(t.Context(), at(t, oldest)); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("the oldest upload: %v", err)
	}
	for range 2 * mostFiles {
		if _, err := s.Add("c.jpg", []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.files) != mostFiles || s.bytes != mostFiles {
		t.Errorf("%d files of %d bytes are kept", len(s.files), s.bytes)
	}
}
