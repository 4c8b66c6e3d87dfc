package byprefix

import (
	"context"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// named is a store that remembers the last location.
type named struct {
	objectstore.Store
	name  string
	asked *string
}

func (n named) Head(_ context.Context, at thumbnail.Location) (objectstore.Info, error) {
	*n.asked = n.name + " " + at.Container + "|" + at.Path
	return objectstore.Info{}, nil
}

// A store without containers sees a name without For, whether a container is part of For
// or not. Swift sees containers as they are.
func TestWhatStoresSee(t *testing.T) {
	var asked string
	store := func(name string) named { return named{name: name, asked: &asked} }
	s := New(store("rest"), []Loader{
		{For: "site-en-local-public/", Store: store("folder")},
		{For: "site-de-local-public/", Prefix: "de/", Store: store("prefixed")},
		{For: "other-", Containers: true, Store: store("swift")},
		{For: "media/", Store: store("media")},
		{For: "https://", Store: store("web")},
	})
	const public = "-local-public"
	for want, at := range map[string]thumbnail.Location{
		"folder |a/ab/Cat.jpg":                      {Container: "site-en" + public, Path: "a/ab/Cat.jpg"},
		"folder |Cat.jpg":                           {Path: "site-en" + public + "/Cat.jpg"},
		"prefixed |de/a/ab/Cat.jpg":                 {Container: "site-de" + public, Path: "a/ab/Cat.jpg"},
		"swift other-en-local-public|a/ab/Cat.jpg":  {Container: "other-en" + public, Path: "a/ab/Cat.jpg"},
		"media |a.jpg":                              {Path: "media/a.jpg"},
		"web |https://site.example/a.jpg":           {Path: "https://site.example/a.jpg"},
		"rest site-fr-local-public|a/ab/Cat.jpg":    {Container: "site-fr" + public, Path: "a/ab/Cat.jpg"},
		"rest site-en-local-public.ab|a/ab/Cat.jpg": {Container: "site-en" + public + ".ab", Path: "a/ab/Cat.jpg"},
	} {
		if _, err := s.Head(t.Context(), at); err != nil || asked != want {
			t.Errorf("%+v: the store sees %q, want %q; %v", at, asked, want, err)
		}
	}
}
