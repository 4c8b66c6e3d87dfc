package thumbor

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// presetMark begins the segment of a preset: /unsafe/preset:card/a.jpg.
const presetMark = "preset:"

// presets has the parts of thumbor.presets by name, percent-encoded as in a URL.
type presets map[string]map[string]string

// sampleImage stands for any image while a preset is read.
const sampleImage = "image.jpg"

// readPresets reads thumbor.presets. It returns an error for a text that is not the options of a URL, and for a filter
// that would be skipped.
func (t *Parser) readPresets() error {
	t.presets = presets{}
	for name, options := range t.settings.Thumbor.Presets {
		p := t.grammar.Parts(strings.Trim(options, "/") + "/" + sampleImage)
		if p == nil || p["image"] != sampleImage {
			return fmt.Errorf("thumbor.presets.%s: %q is not the options of a URL in their order: write options such as fit-in/330x200/filters:quality(80)", name, options)
		}
		found, err := t.sample(p)
		if err == nil && len(found.Skipped) > 0 {
			err = fmt.Errorf("the filters %s are unknown or malformed", strings.Join(found.Skipped, ", "))
		}
		if err != nil {
			return fmt.Errorf("thumbor.presets.%s: %q: %w", name, options, err)
		}
		t.presets[name] = p
	}
	return nil
}

// sample returns the target of a preset's parts.
func (t *Parser) sample(p map[string]string) (target.Target, error) {
	p = maps.Clone(p)
	if err := unquote(p); err != nil {
		return target.Target{}, err
	}
	return t.target(p, target.Hints{})
}

// preset returns the parts of a raw path that names a preset; named is false for any other path.
func (t *Parser) preset(rest string) (p map[string]string, named bool, err error) {
	text, named := strings.CutPrefix(rest, presetMark)
	if !named {
		return nil, false, nil
	}
	name, image, _ := strings.Cut(text, "/")
	if unquoted, err := url.PathUnescape(name); err == nil {
		name = unquoted
	}
	known, ok := t.presets[strings.ReplaceAll(name, "-", "_")] // the settings replace hyphens in keys
	switch {
	case !ok:
		return nil, true, fault.New(fault.BadURL, "the preset %q is unknown: use %s", name, t.presets.names())
	case image == "":
		return nil, true, errNoImage()
	}
	p = maps.Clone(known)
	p["image"] = image
	return p, true, nil
}

// names returns the names of the presets, for messages.
func (all presets) names() string {
	if len(all) == 0 {
		return "a size, since this site has no presets"
	}
	return "one of " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}
