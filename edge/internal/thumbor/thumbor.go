// Package thumbor understands Thumbor's paths, in Thumbor's order:
//
//	/(unsafe|<signature>)/[debug/][meta/][trim[:corner][:tolerance]/][LxT:RxB/]
//	    [[adaptive-][full-]fit-in/][[-]WxH/][halign/][valign/][smart/][filters:…/]<image>
//
// The signature is over the raw path that follows it: only the prefix is cut
// off, so that a signature that stands again inside of the path stays part of
// what is signed.
package thumbor

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/edge/internal/filters"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/signature"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name of the grammar, for metrics.
const Name = "thumbor"

const unsafe = "unsafe"

var grammar = regexp.MustCompile(`^(?:(?P<debug>debug)/)?(?:(?P<meta>meta)/)?` +
	`(?:(?P<trim>trim(?::(?P<corner>top-left|bottom-right))?(?::(?P<tolerance>\d+))?)/)?` +
	`(?:(?P<left>\d+)x(?P<top>\d+):(?P<right>\d+)x(?P<bottom>\d+)/)?` +
	`(?:(?P<adaptive>adaptive-)?(?P<full>full-)?(?P<fit>fit-in)/)?` +
	`(?:(?P<size>(?P<flipx>-)?(?P<width>\d+|orig)?x(?P<flipy>-)?(?P<height>\d+|orig)?)/)?` +
	`(?:(?P<halign>left|right|center)/)?(?:(?P<valign>top|bottom|middle)/)?(?:(?P<smart>smart)/)?` +
	`(?:filters:(?P<filters>.+?\))/)?(?P<image>.+)$`)

// Parser turns paths into targets.
type Parser struct {
	Settings settings.Settings
}

// Mine reports whether a raw path is of this grammar: its first segment is
// "unsafe" or has the form of a signature.
func Mine(raw string) bool {
	first, _, _ := split(raw)
	return first == unsafe || signature.Looks(first)
}

// split gives the first segment, unquoted, and the raw rest.
func split(raw string) (first, rest string, ok bool) {
	first, rest, ok = strings.Cut(strings.TrimPrefix(raw, "/"), "/")
	if unquoted, err := url.PathUnescape(first); err == nil {
		first = unquoted
	}
	return first, rest, ok
}

// Parse reads a path as it was received, percent-encoded and without a query.
// local says that the client is on this machine, which may ask unsafely as long
// as there is no key.
func (t Parser) Parse(raw string, local bool) (target.Target, error) {
	first, rest, _ := split(raw)
	if err := t.authorize(first, rest, local); err != nil {
		return target.Target{}, err
	}
	decoded, err := url.PathUnescape(rest)
	if err != nil || !utf8.ValidString(decoded) {
		return target.Target{}, fault.New(fault.BadURL, "the URL's percent-encoding is not valid UTF-8")
	}
	p := match(decoded)
	if p == nil {
		return target.Target{}, fault.New(fault.BadURL, "the URL names no image")
	}
	spec, skipped, err := t.spec(p)
	if err != nil {
		return target.Target{}, err
	}
	return t.target(spec, skipped)
}

func (t Parser) authorize(first, rest string, local bool) error {
	e := t.Settings.Edge
	if first != unsafe {
		if !signature.Valid(string(e.SecurityKey), rest, first) {
			return fault.New(fault.Forbidden, "the URL's signature is wrong")
		}
		return nil
	}
	if e.AllowUnsafe || e.SecurityKey == "" && local {
		return nil
	}
	return fault.New(fault.Forbidden, "unsigned URLs are not served here: sign them, or set edge.allow_unsafe")
}

func match(decoded string) map[string]string {
	found := grammar.FindStringSubmatch(decoded)
	if found == nil {
		return nil
	}
	p := map[string]string{}
	for i, name := range grammar.SubexpNames() {
		if name != "" {
			p[name] = found[i]
		}
	}
	return p
}

func (t Parser) spec(p map[string]string) (thumbnail.Spec, []string, error) {
	s := target.Base(t.Settings.Render)
	if p["meta"] != "" || p["debug"] != "" {
		return s, nil, fault.New(fault.BadURL, "meta and debug are not served here yet")
	}
	s.Original = thumbnail.Location{Path: t.Settings.Store.Originals.Prefix + p["image"]}
	s.Type = thumbnail.TypeOf(p["image"])
	s.Adaptive, s.Smart = p["adaptive"] != "", p["smart"] != ""
	s.FlipX, s.FlipY = p["flipx"] != "", p["flipy"] != ""
	s.HAlign, s.VAlign = align(p["halign"], "center"), align(p["valign"], "middle")
	switch {
	case p["full"] != "":
		s.Fit = thumbnail.FitFull
	case p["fit"] != "":
		s.Fit = thumbnail.FitIn
	}
	// Thumbor fills the size that is asked for, with what there is.
	s.Enlarge = s.Fit != thumbnail.FitIn
	if err := numbers(&s, p); err != nil {
		return s, nil, err
	}
	skipped := filters.Apply(&s, p["filters"])
	return s, skipped, target.CheckSize(s, t.Settings.Edge)
}

// align drops the default, so that both spellings give one spec.
func align(asked, usual string) string {
	if asked == usual {
		return ""
	}
	return asked
}

func numbers(s *thumbnail.Spec, p map[string]string) error {
	s.OriginalWidth, s.OriginalHeight = p["width"] == "orig", p["height"] == "orig"
	var crop thumbnail.Rect
	trim := thumbnail.Trim{Corner: "top-left"}
	for name, field := range map[string]*int{
		"width": &s.Width, "height": &s.Height, "tolerance": &trim.Tolerance,
		"left": &crop.Left, "top": &crop.Top, "right": &crop.Right, "bottom": &crop.Bottom,
	} {
		if p[name] == "" || p[name] == "orig" {
			continue
		}
		n, err := strconv.Atoi(p[name])
		if err != nil || n > 1_000_000_000 {
			return fault.New(fault.BadURL, "%s is too large a number", p[name])
		}
		*field = n
	}
	if crop != (thumbnail.Rect{}) {
		s.Crop = &crop
	}
	if p["trim"] != "" {
		if p["corner"] != "" {
			trim.Corner = p["corner"]
		}
		s.Trim = &trim
	}
	return nil
}

func (t Parser) target(s thumbnail.Spec, skipped []string) (target.Target, error) {
	ext := string(s.Format)
	if s.Format == thumbnail.FormatAuto {
		ext = "auto"
	}
	found := target.Target{
		Spec: s, Skipped: skipped,
		Key: thumbnail.Location{
			Path: t.Settings.Store.Thumbnails.Prefix + "thumbor/" + s.Original.Path + "/" + s.Digest() + "." + ext,
		},
		Private:     t.private(s.Original.Path),
		XKey:        "File:" + s.Original.Path[strings.LastIndex(s.Original.Path, "/")+1:],
		Disposition: target.Disposition(s.Original.Path, string(s.Format)),
	}
	if !objectstore.Valid(s.Original) || !objectstore.Valid(found.Key) {
		return found, fault.New(fault.BadURL, "the URL names no image that could exist")
	}
	return found, nil
}

// private: a directory of originals holds MediaWiki's containers as folders, and
// a Thumbor path must not be a way around their secret.
func (t Parser) private(path string) bool {
	folder, _, _ := strings.Cut(path, "/")
	folder, _, _ = strings.Cut(folder, ".")
	return strings.HasSuffix(folder, "-local-temp") || slices.Contains(t.Settings.Store.PrivateContainers, folder)
}
