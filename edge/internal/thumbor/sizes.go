package thumbor

import (
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// size is a width and a height in pixels. 0 follows from the other side.
type size struct{ width, height int }

// sizesOf returns thumbor.sizes, or nil when every size is permitted.
func sizesOf(t settings.Thumbor) (all []size) {
	if t.SizePolicy == settings.FreeSizes {
		return nil
	}
	for _, text := range t.Sizes {
		if width, height, ok := settings.ParseSize(text); ok {
			all = append(all, size{width, height})
		}
	}
	return all
}

func (s size) area() int { return max(s.width, 1) * max(s.height, 1) }

// like reports whether both sizes give the same sides.
func (s size) like(other size) bool {
	return (s.width > 0) == (other.width > 0) && (s.height > 0) == (other.height > 0)
}

func (s size) covers(other size) bool { return s.width >= other.width && s.height >= other.height }

// permitted returns the permitted size for an asked one: the smallest that gives the same sides and is at least as large,
// else the largest that gives the same sides. ok is false when no permitted size gives the same sides.
func permitted(all []size, asked size) (found size, ok bool) {
	covered := false
	for _, s := range all {
		if !s.like(asked) {
			continue
		}
		covers := s.covers(asked)
		smaller := s.area() < found.area()
		if !ok || covers && !covered || covers == covered && smaller == covers {
			found, ok, covered = s, true, covers
		}
	}
	return found, ok
}

// address is a raw path in two parts, with a function that writes the first part for another second part.
type address struct {
	rest  string
	begin func(rest string) string
}

// sized applies thumbor.size_policy to the parts of a URL. It returns the parts with a permitted size, and the path to
// which the client is redirected, or a fault.
func (t *Parser) sized(p map[string]string, at address) (redirect string, err error) {
	if t.sizes == nil {
		return "", nil
	}
	width, okWidth := side(p["width"])
	height, okHeight := side(p["height"])
	asked := size{width, height}
	instead, ok := permitted(t.sizes, asked)
	switch {
	case !okWidth || !okHeight || !ok:
		return "", fault.New(fault.OddSize, "this site does not serve the size %s: ask for one of %s", p["width"]+"x"+p["height"], strings.Join(t.settings.Thumbor.Sizes, ", "))
	case instead == asked:
		return "", nil
	}
	path := t.pathOf(p, at, instead)
	p["width"], p["height"] = strconv.Itoa(instead.width), strconv.Itoa(instead.height)
	switch t.settings.Thumbor.SizePolicy {
	case settings.RoundUp:
		return "", nil
	case settings.Redirect:
		return path, nil
	}
	f := fault.New(fault.OddSize, "%dx%d is not a size of this site: ask for %s", asked.width, asked.height, path)
	f.Instead = path
	return "", f
}

// side reads a side of a size; ok is false for "orig", and for a number without end.
func side(text string) (pixels int, ok bool) {
	if text == "" {
		return 0, true
	}
	pixels, err := strconv.Atoi(text)
	return pixels, err == nil
}

// pathOf returns the raw path of a URL with another size.
func (t *Parser) pathOf(p map[string]string, at address, s size) string {
	flip := func(part string) string {
		if p[part] != "" {
			return "-"
		}
		return ""
	}
	length := func(pixels int) string {
		if pixels == 0 {
			return ""
		}
		return strconv.Itoa(pixels)
	}
	rest, _ := t.grammar.Replaced(at.rest, "size", flip("flipx")+length(s.width)+"x"+flip("flipy")+length(s.height))
	return at.begin(rest)
}

// begin returns a function that writes a path with the first segment of this one: unsafe, or a signature with the same key.
func (t *Parser) begin(key string) func(rest string) string {
	return func(rest string) string {
		for _, k := range t.keys {
			if k.Name == key {
				return "/" + k.Sign(rest) + "/" + rest
			}
		}
		return "/" + unsafe + "/" + rest
	}
}
