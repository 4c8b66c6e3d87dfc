package serve

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// invitation is the text that a new user reads at the start: URLs to open.
type invitation struct {
	settings  settings.Settings
	addresses map[string]string // in use, by name
	samples   []samples.Sample  // the drawn samples
	tokenFile string
}

func (i invitation) print(out io.Writer) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	base, admin := i.addresses["http"], i.addresses["admin"]
	say("")
	if i.settings.Store.Originals.Kind == "directory" {
		say("%s", i.own())
	}
	if len(i.samples) > 0 {
		say("Thumbnails of the samples (rendered at the first request, then served from the store):")
		for _, s := range i.samples {
			say("  %s   (%s)", i.url(i.wide(), s.Name), s.Shows)
		}
		say("  %s   (cut to a square, as WebP)", i.url("300x300/smart/filters:format(webp)/", "landscape.jpg"))
		say("  %s/wikipedia/commons/thumb/a/ab/Landscape.jpg/330px-Landscape.jpg   (MediaWiki's path)", base)
	}
	if i.settings.Edge.TryPage != settings.TryNever {
		say("Try URLs with your pictures: %s/try/", admin)
	}
	say("Operators' page: %s/   (to act there, use the token in %s)", admin, i.tokenFile)
	say("The same from a terminal: thumbmill top --admin %s", admin)
	say("Health: %s/healthcheck   Ready: %s/readyz   Metrics: %s/metrics\n\nCtrl-C stops everything.", base, admin, admin)
}

// own returns the line about the user's own files.
func (i invitation) own() string {
	dir := i.settings.Store.Originals.Path
	name, err := firstOriginal(i.settings.Store)
	switch {
	case err != nil:
		return fmt.Sprintf("Cannot read the folder %s: %v", dir, err)
	case name == "":
		return fmt.Sprintf("The folder %s holds no picture yet. Put a file there, such as cat.jpg, and open its thumbnail:\n  %s", dir, i.url(i.wide(), "cat.jpg"))
	}
	return fmt.Sprintf("A thumbnail of the first file in %s:\n  %s", dir, i.url(i.wide(), name))
}

// wide returns the options of a thumbnail that the settings allow: a width of 330 pixels, if they allow every size.
func (i invitation) wide() string {
	t := i.settings.Thumbor
	switch {
	case t.OnlyPresets && len(t.Presets) > 0:
		return "preset:" + slices.Min(slices.Collect(maps.Keys(t.Presets))) + "/"
	case t.SizePolicy != settings.FreeSizes && len(t.Sizes) > 0:
		return t.Sizes[0] + "/"
	}
	return "330x/"
}

// url returns the URL of an original's thumbnail on this edge. It is signed if the edge has a key.
func (i invitation) url(options, name string) string {
	signer := thumborurl.Signer{Base: i.addresses["http"]}
	if keys := i.settings.Edge.Keys(); len(keys) > 0 {
		signer.Key, signer.Algorithm, signer.Truncate = string(keys[0].Key), keys[0].Algorithm, keys[0].Truncate
	}
	return signer.Sign(options + thumborurl.Options{Image: name}.Path())
}
