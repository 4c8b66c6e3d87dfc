// Package imgproxy reads the URL paths of imgproxy 4:
//
//	/<signature>/[<option>:<argument>:…/]plain/<source>[@<extension>]
//	/<signature>/[<option>:<argument>:…/]<source in base64>[.<extension>]
//	/<signature>/[<option>:<argument>:…/]enc/<encrypted source>[.<extension>]
//
// An option that thumbmill cannot render is an error that names the option, because a picture without it would be
// another picture. The thumbnails are stored as Thumbor's are: a spec that both languages can express has one key.
package imgproxy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name is the grammar's label in metrics.
const Name = "imgproxy"

// Store knows where originals and thumbnails are. Thumbor's parser implements it.
type Store interface {
	// Original returns the location of an image: a URL, or a path in the store of originals.
	Original(image string) thumbnail.Location
	// Choose lets a client's hints choose the format and the quality of a spec that leaves them open. It returns the
	// headers that the answer depends on. With density, the hints multiply the size.
	Choose(s *thumbnail.Spec, hints target.Hints, formats, density bool) (vary []string)
	// FromSpec returns the target of a spec. Errors are faults.
	FromSpec(s thumbnail.Spec) (target.Target, error)
}

// Parser turns paths into targets. It is safe for concurrent use.
type Parser struct {
	settings settings.Settings
	store    Store
	keys     []key
	secret   []byte // of encrypted sources
	options  map[string]option
	presets  map[string][]call
}

// New returns a parser, or an error for a key, a secret or a preset that cannot be read.
func New(s settings.Settings, store Store) (*Parser, error) {
	p := &Parser{settings: s, store: store, options: options(), presets: map[string][]call{}}
	if !s.Imgproxy.Enabled {
		return p, nil
	}
	if err := p.readKeys(); err != nil {
		return nil, err
	}
	for name, text := range s.Imgproxy.Presets {
		calls, rest := p.calls(strings.Split(strings.Trim(text, "/"), "/"))
		if len(rest) > 0 {
			return nil, fmt.Errorf("imgproxy.presets.%s: %q is not an option: write options such as rs:fit:300:200/q:80", name, rest[0])
		}
		p.presets[canonical(name)] = calls
	}
	for name := range p.presets {
		if err := p.apply(&asked{}, p.presets[name], name); err != nil {
			return nil, fmt.Errorf("imgproxy.presets.%s: %w", name, err)
		}
	}
	return p, nil
}

// canonical returns the name of a preset in the settings, which replace hyphens in keys.
func canonical(preset string) string { return strings.ReplaceAll(preset, "-", "_") }

// Request has the parts of an HTTP request that a parser reads.
type Request struct {
	Path  string // percent-encoded as the client sent it, without a query
	Hints target.Hints
	// Local says that the client is on this machine, and Trusted that an operator asks: both as in Thumbor's language.
	Local, Trusted bool
}

// Parse returns the target of a request. Errors are faults.
func (p *Parser) Parse(r Request) (target.Target, error) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.Path, p.settings.Imgproxy.Prefix), "/"), "/")
	signer, err := p.authorize(first, rest, r)
	if err != nil {
		return target.Target{}, err
	}
	a, source, err := p.read(restored(rest), r)
	if err != nil {
		return target.Target{}, err
	}
	found, err := p.target(a, source, r.Hints)
	found.SignedBy, found.Expires = signer, a.expires
	if a.hidden {
		found.Hidden, found.XKey = true, target.HiddenXKey(found.Spec.Original)
	}
	if err == nil && found.Stored != nil && found.Stored.IsURL() && signer == "" && !r.Trusted {
		return target.Target{}, fault.New(fault.Forbidden, "the original of another site is served as it is only for signed URLs: sign the URL, or leave out raw and skp").Remedied("sign such URLs with a key of imgproxy.keys")
	}
	return found, err
}

// read returns the options and the source of a path after its signature.
func (p *Parser) read(rest string, r Request) (*asked, string, error) {
	a := &asked{}
	if calls := p.presets["default"]; calls != nil {
		if err := p.apply(a, calls, "default"); err != nil {
			return nil, "", err
		}
	}
	segments := strings.Split(rest, "/")
	if names := strings.Split(segments[0], p.separator()); p.settings.Imgproxy.OnlyPresets && (!r.Trusted || p.arePresets(names)) {
		err := p.applyPresets(a, names)
		segments = segments[1:]
		if err != nil {
			return nil, "", err
		}
	} else {
		var calls []call
		calls, segments = p.calls(segments)
		if err := p.apply(a, calls); err != nil {
			return nil, "", err
		}
	}
	a.hidden = len(segments) > 0 && segments[0] == encrypted
	source, extension, err := p.source(segments)
	if err == nil && extension != "" && !a.raw {
		err = format(a, []string{extension})
	}
	return a, source, err
}

// arePresets reports whether all names are names of presets.
func (p *Parser) arePresets(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { _, known := p.presets[canonical(name)]; return !known })
}

// target returns the target of the options and a source.
func (p *Parser) target(a *asked, source string, hints target.Hints) (target.Target, error) {
	open := a.resize.Density == 0 && p.settings.Edge.ClientHints
	if open {
		a.resize.Density = hints.DPR
	}
	original := p.store.Original(source)
	s, err := p.spec(a, original)
	if err != nil {
		return target.Target{}, err
	}
	vary := p.store.Choose(&s, hints, false, false)
	if open {
		vary = append(vary, "Sec-CH-DPR", "DPR")
	}
	s.Prefer = append(s.Prefer, fallbacks(s)...)
	found, err := p.store.FromSpec(s)
	found.Vary = vary
	if err != nil {
		return found, err
	}
	if a.raw || a.skips(s) {
		found.Stored = &original
	}
	if a.filename != "" {
		found.Disposition = target.Disposition(a.filename, string(s.Format))
	}
	if a.attachment {
		found.Disposition = strings.Replace(found.Disposition, "inline", "attachment", 1)
	}
	return found, nil
}

// fallbacks returns the formats of thumbnails of WebPs, which imgproxy does not write by default: JPEG, else PNG.
func fallbacks(s thumbnail.Spec) []thumbnail.Format {
	if s.Format != thumbnail.FormatAuto || s.Type != thumbnail.TypeWebP {
		return nil
	}
	return []thumbnail.Format{thumbnail.FormatJPEG, thumbnail.FormatPNG}
}

// skips reports whether the URL asks for the original itself, because of its type.
func (a *asked) skips(s thumbnail.Spec) bool {
	own, _ := thumbnail.ParseFormat(string(s.Type))
	same := s.Format == thumbnail.FormatAuto || s.Format == own
	return same && slices.Contains(a.skip, s.Type)
}

// refused returns the fault of a URL that is wrong.
func refused(format string, args ...any) error { return fault.New(fault.BadURL, format, args...) }

// until returns the time of a Unix timestamp; 0 means no end.
func until(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
