// Package thumbor reads Thumbor's URL paths, in Thumbor's order:
//
//	/(unsafe|<signature>)/[debug/][meta/][trim[:corner][:tolerance]/][LxT:RxB/]
//	    [[adaptive-][full-]fit-in/][[-]WxH/][halign/][valign/][smart/][filters:…/]<image>
//
// Like Thumbor, the parser matches the path as the client sent it, and then unquotes its parts. The
// signature covers the raw path after it. The parser cuts off only the leading signature, so a
// second signature inside the path belongs to the signed path.
package thumbor

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/edge/internal/filters"
	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/edge/internal/syntax"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name is the grammar's label in metrics.
const Name = "thumbor"

const unsafe = "unsafe"

// Parser turns paths into targets. It is safe for concurrent use.
type Parser struct {
	settings settings.Settings
	filters  *filters.Language
	keys     signature.Keys
	grammar  syntax.Form
	presets  presets
	sizes    []size      // permitted sizes; nil permits every size
	nested   syntax.Form // a whole Thumbor URL that is the image of another
}

// New returns a parser, or an error for a preset that cannot be read.
func New(s settings.Settings) (*Parser, error) {
	t := &Parser{
		settings: s, filters: filters.New(s.Thumbor), keys: keys(s.Edge), grammar: syntax.Path(), nested: syntax.Whole(), sizes: sizesOf(s.Thumbor),
	}
	return t, t.readPresets()
}

// keys returns the keys of the settings, the newest first.
func keys(e settings.Edge) (all signature.Keys) {
	for _, k := range e.Keys() {
		all = append(all, signature.Key{Name: k.Name, Secret: string(k.Key), Algorithm: k.Algorithm, Length: k.Truncate})
	}
	return all
}

// Mine reports whether a raw path is in this grammar: its first segment is "unsafe" or has the form
// of a signature.
func (t *Parser) Mine(raw string) bool {
	first, _ := split(raw)
	return first == unsafe || t.keys.Looks(first)
}

// Begins reports whether a raw path without its first segment begins with an option.
func (t *Parser) Begins(rest string) bool {
	p := t.grammar.Parts(rest)
	return strings.HasPrefix(rest, presetMark) || p != nil && p["image"] != rest
}

// split returns the first segment, unquoted, and the raw rest.
func split(raw string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimPrefix(raw, "/"), "/")
	if unquoted, err := url.PathUnescape(first); err == nil {
		first = unquoted
	}
	return first, rest
}

// Request has the parts of an HTTP request that a parser reads.
type Request struct {
	Path  string // percent-encoded as the client sent it, without a query
	Hints target.Hints
	// Local says that the client is on this machine. Without edge.security_key, such a client
	// needs no signature.
	Local bool
	// Trusted says that an operator asks, and needs no signature.
	Trusted bool
}

// Parse returns the target of a request. Errors are faults.
func (t *Parser) Parse(r Request) (target.Target, error) {
	first, rest := split(r.Path)
	key, err := t.authorize(first, rest, r)
	if err != nil {
		return target.Target{}, err
	}
	p, redirect, err := t.parts(rest, r, key)
	if err != nil {
		return target.Target{}, err
	}
	found, err := t.target(p, r.Hints)
	found.SignedBy, found.Redirect = key, redirect
	return found, err
}

func errNoImage() error {
	return fault.New(fault.BadURL, "the URL has no image: write the image's path at the end")
}

// parts returns the parts of a raw path after its first segment, unquoted, and the path to which the client is redirected.
// Operators ask for any size.
func (t *Parser) parts(rest string, r Request, key string) (p map[string]string, redirect string, err error) {
	p, preset, err := t.preset(rest)
	if !preset {
		p = t.grammar.Parts(rest)
	}
	switch {
	case err != nil:
		return nil, "", err
	case !preset && t.settings.Thumbor.OnlyPresets && !r.Trusted:
		return nil, "", fault.New(fault.BadURL, "this site serves presets alone: ask for preset:NAME/IMAGE with %s", t.presets.names())
	case p == nil:
		return nil, "", errNoImage()
	}
	if err := unquote(p); err != nil {
		return nil, "", err
	}
	if !preset && !r.Trusted {
		redirect, err = t.sized(p, address{rest, t.begin(key)})
	}
	return p, redirect, err
}

// unquote decodes the percent-encoding of each part.
func unquote(p map[string]string) error {
	for name, text := range p {
		unquoted, err := url.PathUnescape(text)
		if err != nil || !utf8.ValidString(unquoted) {
			return fault.New(fault.BadURL, "the URL's percent-encoding is wrong or not UTF-8: encode the name's UTF-8, as in /K%%C3%%A4se.jpg")
		}
		p[name] = unquoted
	}
	return nil
}

// authorize returns the name of the key that signed the path, or "" for an unsigned path that the client may ask for.
func (t *Parser) authorize(first, rest string, r Request) (key string, err error) {
	switch {
	case first == unsafe && (r.Trusted || t.settings.Edge.AllowUnsafe || len(t.keys) == 0 && r.Local):
		return "", nil
	case first == unsafe:
		return "", fault.New(fault.Forbidden, "the URL is not signed: sign it with the site's key").Remedied("sign URLs with edge.security_key, or set edge.allow_unsafe")
	case len(t.keys) == 0 && !r.Trusted:
		return "", fault.New(fault.Forbidden, "cannot check the URL's signature: this site has no key").Remedied("set edge.security_key")
	}
	signed, ok := t.keys.Find(rest, first)
	if ok || r.Trusted {
		return signed.Name, nil
	}
	return "", fault.New(fault.Forbidden, "the URL's signature is wrong: sign the path with the site's key, percent-encoded as it is sent").Remedied("compare the key of the signing program with edge.security_key and edge.security_keys")
}

func (t *Parser) target(p map[string]string, hints target.Hints) (target.Target, error) {
	s, err := t.spec(p)
	if err != nil {
		return target.Target{}, err
	}
	asked := t.filters.Apply(&s, p["filters"], t.picture)
	if t.settings.Thumbor.StrictFilters && len(asked.Skipped) > 0 {
		return target.Target{}, fault.New(fault.BadURL, "unknown or malformed filters: %s; correct them, or leave them out", strings.Join(asked.Skipped, ", "))
	}
	if asked.Wrong != "" {
		return target.Target{}, fault.New(fault.BadURL, "%s", asked.Wrong)
	}
	asked.Skipped = append(asked.Skipped, asked.NotOnGIFs...)
	if asked.ExtractFocal {
		t.extractFocal(&s, p["image"])
	}
	vary := t.Choose(&s, hints, asked.FormatAuto, asked.DPRAuto)
	s.Width, s.Height = target.Times(s.Width, asked.DPR), target.Times(s.Height, asked.DPR)
	found, err := t.FromSpec(s)
	found.Skipped, found.Vary, found.Expires = asked.Skipped, vary, asked.Expires
	if asked.MaxAge >= 0 {
		found.MaxAge = asked.MaxAge
	}
	return found, err
}

// FromSpec returns the target of a spec, with the key of this grammar. Errors are faults.
func (t *Parser) FromSpec(s thumbnail.Spec) (target.Target, error) {
	s.Exact = s.Exact && t.hasBucket(s)
	key, kin := t.key(s)
	found := target.Target{
		Spec: s, Key: key, Kin: kin, MaxAge: t.settings.Edge.MaxAge, Private: t.private(s),
		XKey: target.XKey(s.Original), Disposition: target.Disposition(s.Original.Name(), string(s.Format)),
	}
	if err := t.checkNames(found); err != nil {
		return found, err
	}
	return found, target.CheckSize(s, t.settings.Edge)
}

func (t *Parser) spec(p map[string]string) (thumbnail.Spec, error) {
	s := target.Base(t.settings.Render)
	s.Original = t.Original(p["image"])
	s.Type = thumbnail.TypeOf(s.Original.Name())
	s.HalfToEven, s.PNGToJPEG = true, t.settings.Thumbor.PNGToJPEG
	s.Adaptive, s.Smart = p["adaptive"] != "", p["smart"] != ""
	s.FlipX, s.FlipY = p["flipx"] != "", p["flipy"] != ""
	s.HAlign, s.VAlign = align(p["halign"], "center"), align(p["valign"], "middle")
	s.Debug, s.Meta = p["debug"] != "", p["meta"] != ""
	switch {
	case p["full"] != "":
		s.Fit = thumbnail.FitFull
	case p["fit"] != "":
		s.Fit = thumbnail.FitIn
	}
	// Thumbor enlarges a small picture to the size of the URL.
	s.Enlarge = s.Fit != thumbnail.FitIn
	err := t.numbers(&s, p)
	return s, err
}

// Original returns the location of an image: a URL of another site if the settings have a loader for
// it, else a path in the store of originals.
func (t *Parser) Original(image string) thumbnail.Location {
	if name, ok := t.web(image); ok {
		return thumbnail.Location{Path: name}
	}
	if _, ok := t.settings.Store.Loader(image); ok {
		return thumbnail.Location{Path: image}
	}
	return thumbnail.Location{Path: t.settings.Store.Originals.Prefix + image}
}

// picture returns the location of a watermark or a frame, which is another original; ok is false
// when no store can have it. Thumbor unquotes the name once more than the image's name.
func (t *Parser) picture(text string) (thumbnail.Location, bool) {
	if unquoted, err := url.PathUnescape(text); err == nil {
		text = unquoted
	}
	at := t.Original(text)
	return at, t.reads(at) || objectstore.Valid(at)
}

// align returns "" for the default, so that both spellings give one spec.
func align(asked, usual string) string {
	if asked == usual {
		return ""
	}
	return asked
}

func (t *Parser) numbers(s *thumbnail.Spec, p map[string]string) error {
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
			return fault.New(fault.BadURL, "the number %s is too large: use a smaller %s", p[name], name)
		}
		*field = n
	}
	s.Width, s.Height = atMost(s.Width, t.settings.Thumbor.MaxWidth), atMost(s.Height, t.settings.Thumbor.MaxHeight)
	if w, h := t.settings.Thumbor.MaxWidth, t.settings.Thumbor.MaxHeight; w+h > 0 && s.Width+s.Height == 0 {
		s.Fit, s.Enlarge, s.Width, s.Height = thumbnail.FitIn, false, w, h // shrinks a larger original to fit
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

func atMost(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// maxNesting bounds the URLs within URLs, as Thumbor does.
const maxNesting = 10

// extractFocal looks for a Thumbor URL with a crop in the image. It takes that URL's image as the
// original, and the crop as a focal point.
func (t *Parser) extractFocal(s *thumbnail.Spec, image string) {
	for range maxNesting {
		image = withoutHost(image)
		p := t.nested.Parts(image)
		if p == nil || p["unsafe"] == "" && p["hash"] == "" {
			return
		}
		image = p["image"]
		if p["right"] == "" {
			continue
		}
		var inner thumbnail.Spec
		if t.numbers(&inner, p) == nil && inner.Crop != nil {
			s.Focal = append(s.Focal, *inner.Crop)
		}
		s.Original = t.Original(image)
		s.Type = thumbnail.TypeOf(s.Original.Name())
		return
	}
}

// withoutHost cuts off the scheme and the text up to the first slash after it.
func withoutHost(image string) string {
	for _, scheme := range []string{"http://", "https://"} {
		image = strings.TrimPrefix(image, scheme)
	}
	if _, rest, ok := strings.Cut(image, "/"); ok {
		return rest
	}
	return image
}

// Choose lets a client's hints choose the format, the density and the quality of a spec, where the URL leaves them open. It
// returns the headers that the answer depends on. With formats, the URL asks for the client's format, and with density for
// the client's density.
func (t *Parser) Choose(s *thumbnail.Spec, hints target.Hints, formats, density bool) (vary []string) {
	if t.negotiate(s, hints.Accept, formats) {
		vary = append(vary, "Accept")
	}
	if density && t.settings.Edge.ClientHints {
		vary = append(vary, "Sec-CH-DPR", "DPR")
		s.Width, s.Height = target.Times(s.Width, hints.DPR), target.Times(s.Height, hints.DPR)
	}
	if quality := t.settings.Edge.SaveDataQuality; quality > 0 && t.asUsual(*s) {
		vary = append(vary, "Save-Data")
		if hints.SaveData {
			s.Quality, s.Qualities = min(quality, s.Quality), nil
		}
	}
	return vary
}

// asUsual reports whether a spec has the qualities of the settings.
func (t *Parser) asUsual(s thumbnail.Spec) bool {
	return s.Quality == t.settings.Render.Quality && maps.Equal(s.Qualities, t.settings.Render.Qualities)
}

// usualFormats are the formats of format(auto) without thumbor.auto_formats, the best first.
var usualFormats = []string{string(thumbnail.FormatAVIF), string(thumbnail.FormatWebP)}

// negotiate lets the client's Accept choose the formats when the URL names none. vary is true when
// the answer depends on Accept.
func (t *Parser) negotiate(s *thumbnail.Spec, accept string, asked bool) (vary bool) {
	formats := t.settings.Thumbor.AutoFormats
	if asked && len(formats) == 0 {
		formats = usualFormats
	}
	if len(formats) == 0 || s.Format != thumbnail.FormatAuto || s.Described() {
		return false
	}
	for _, name := range formats {
		f, ok := thumbnail.ParseFormat(name)
		if !ok || !accepts(accept, f) {
			continue
		}
		s.Prefer = append(s.Prefer, f)
		moving := f.Row().Animation == thumbnail.ByEncoder || s.Type != thumbnail.TypeGIF && s.Type != thumbnail.TypeWebP
		if f.Row().Alpha && moving { // this format can hold any picture, so no other is needed
			break
		}
	}
	return true
}

// accepts reports whether accept names a media type of the format, as Thumbor reads the header. For
// a JPEG, */* is enough.
func accepts(accept string, f thumbnail.Format) bool {
	for _, part := range strings.Split(accept, ",") {
		media, parameters, _ := strings.Cut(part, ";")
		if _, q, ok := strings.Cut(parameters, "q="); ok && strings.Trim(q, "0. ") == "" {
			continue
		}
		media = strings.ToLower(strings.TrimSpace(media))
		if slices.Contains(f.Row().MediaTypes, media) || f == thumbnail.FormatJPEG && media == "*/*" {
			return true
		}
	}
	return false
}

// key returns the location of a thumbnail, and its kin. The path has the original's folder, a digest
// of the spec without the size, and then the size, so that other sizes lie beside it.
func (t *Parser) key(s thumbnail.Spec) (thumbnail.Location, target.Kin) {
	ext := string(s.Format)
	switch {
	case s.Described():
		ext = string(thumbnail.FormatJSON)
	case s.Format == thumbnail.FormatAuto:
		ext = "auto"
	}
	size := strconv.Itoa(s.Width) + "x" + strconv.Itoa(s.Height)
	family := s
	family.Width, family.Height = 0, 0
	at := target.Kin{Before: t.Folder(s.Original) + family.Digest() + "-", Behind: "." + ext}
	key := thumbnail.Location{Path: at.Before + size + at.Behind}
	if s.Described() { // another size has another description
		return key, target.Kin{}
	}
	return key, at
}

// checkNames returns a fault for names that no store can have, for URLs that no loader reads, and for
// originals of edge.blacklist.
func (t *Parser) checkNames(found target.Target) error {
	at := found.Spec.Original
	if scheme, _, is := strings.Cut(strings.TrimPrefix(at.Path, t.settings.Store.Originals.Prefix), "://"); is && !t.reads(at) {
		return fault.New(fault.NoSuchURL, "images at URLs of %s are not served here: ask for another image", scheme).Remedied("add a loader for the URL's scheme to store.loaders")
	} else if !at.IsURL() && !objectstore.Valid(at) || !objectstore.Valid(found.Key) {
		return fault.New(fault.NoSuchURL, "no image can have the name %q: check the URL", at.Path)
	}
	return found.Blacklisted(t.settings)
}

// wikiOf returns a function that reports whether a container is of the folder's wiki. The containers
// of a private wiki's transcoded files, thumbnails and timelines are private too.
func wikiOf(folder string) func(container string) bool {
	return func(container string) bool {
		wiki, _, _ := strings.Cut(container, "-local-")
		return folder == container || strings.HasPrefix(folder, wiki+"-local-") || strings.HasPrefix(folder, wiki+"-timeline-")
	}
}

// private reports whether the spec reads an original of a private container. A directory of originals
// has MediaWiki's containers as folders, and a Thumbor path must not bypass the secret of a container.
func (t *Parser) private(s thumbnail.Spec) bool {
	for _, at := range append(s.Pictures(), s.Original) {
		for _, name := range t.settings.Store.Names(at.Path) {
			folder, _, _ := strings.Cut(name, "/")
			folder, _, _ = strings.Cut(folder, ".")
			if strings.HasSuffix(folder, "-local-temp") || slices.ContainsFunc(t.settings.Store.PrivateContainers, wikiOf(folder)) {
				return true
			}
		}
	}
	return false
}
