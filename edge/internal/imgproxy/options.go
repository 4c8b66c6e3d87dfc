package imgproxy

import (
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// asked is the sum of the options of a URL.
type asked struct {
	hidden        bool // the source is encrypted
	resize        thumbnail.Resize
	width, height int
	enlarge       bool
	smart         bool // the cut after the resize keeps the part that stands out
	cropped       bool
	cropAnchored  bool // the crop has a place of its own
	trim          *thumbnail.Trim
	rotate        int // degrees clockwise: 0, 90, 180 or 270
	flipX, flipY  bool
	background    string // rrggbbaa; "" = none
	blur, sharpen float64
	pixelate      int // side of a square in pixels; 0 and 1 change nothing
	watermark     *watermark
	quality       int
	qualities     thumbnail.Qualities
	maxBytes      int
	format        thumbnail.Format
	asStored      *bool
	keepEXIF      *bool
	dropCopyright bool
	stripICC      bool
	page          int
	still         bool
	skip          []thumbnail.Type
	raw           bool
	expires       time.Time
	filename      string
	attachment    bool
}

// watermark has the arguments of the option of that name.
type watermark struct {
	opacity, scale float64
	anchor         thumbnail.Anchor
	repeat         bool
}

// call is one option with its arguments.
type call struct {
	name string
	args []string
}

// text returns the option as in a URL.
func (c call) text() string { return strings.Join(append([]string{c.name}, c.args...), ":") }

// option is one known option.
type option struct {
	most  int // the largest number of arguments; 0 = any
	apply func(a *asked, args []string) error
}

// options returns the options by their names.
func options() map[string]option {
	all := map[string]option{}
	for names, o := range map[string]option{
		"resize rs":                             {8, resize},
		"size s":                                {7, size},
		"resizing_type rt":                      {1, mode},
		"width w":                               {1, func(a *asked, args []string) error { return whole(&a.width, args[0]) }},
		"height h":                              {1, func(a *asked, args []string) error { return whole(&a.height, args[0]) }},
		"min-width mw":                          {1, func(a *asked, args []string) error { return whole(&a.resize.MinWidth, args[0]) }},
		"min-height mh":                         {1, func(a *asked, args []string) error { return whole(&a.resize.MinHeight, args[0]) }},
		"zoom z":                                {2, zoom},
		"dpr":                                   {1, func(a *asked, args []string) error { return factor(&a.resize.Density, args[0]) }},
		"enlarge el":                            {1, func(a *asked, args []string) error { a.enlarge = yes(args[0]); return nil }},
		"extend ex":                             {4, extend(thumbnail.ExtendToSize)},
		"extend_aspect_ratio extend_ar exar":    {4, extend(thumbnail.ExtendToRatio)},
		"gravity g":                             {3, gravity},
		"crop c":                                {5, crop},
		"trim t":                                {4, trim},
		"padding pd":                            {4, padding},
		"auto_rotate ar":                        {1, func(a *asked, args []string) error { a.asStored = no(args[0]); return nil }},
		"rotate rot":                            {1, rotate},
		"flip fl":                               {2, flip},
		"background bg":                         {3, background},
		"blur bl":                               {1, func(a *asked, args []string) error { return measure(&a.blur, args[0]) }},
		"sharpen sh":                            {1, func(a *asked, args []string) error { return measure(&a.sharpen, args[0]) }},
		"watermark wm":                          {5, mark},
		"strip_metadata sm":                     {1, func(a *asked, args []string) error { a.keepEXIF = no(args[0]); return nil }},
		"keep_copyright kcr":                    {1, func(a *asked, args []string) error { a.dropCopyright = !yes(args[0]); return nil }},
		"strip_color_profile scp":               {1, func(a *asked, args []string) error { a.stripICC = yes(args[0]); return nil }},
		"quality q":                             {1, quality},
		"format_quality fq":                     {0, formatQuality},
		"max_bytes mb":                          {1, func(a *asked, args []string) error { return whole(&a.maxBytes, args[0]) }},
		"format f ext":                          {1, format},
		"page pg":                               {1, page},
		"disable_animation da":                  {1, func(a *asked, args []string) error { a.still = yes(args[0]); return nil }},
		"skip_processing skp":                   {0, skipProcessing},
		"raw":                                   {1, func(a *asked, args []string) error { a.raw = yes(args[0]); return nil }},
		"cachebuster cb":                        {1, func(*asked, []string) error { return nil }},
		"expires exp":                           {1, expires},
		"filename fn":                           {2, filename},
		"return_attachment att":                 {1, func(a *asked, args []string) error { a.attachment = yes(args[0]); return nil }},
		"preset pr":                             {0, nil}, // apply reads it
		"enforce_thumbnail eth preserve_hdr ph": {1, off},
		"pixelate pix":                          {1, func(a *asked, args []string) error { return whole(&a.pixelate, args[0]) }},
	} {
		for _, name := range strings.Fields(names) {
			all[name] = o
		}
	}
	return all
}

func (p *Parser) separator() string { return p.settings.Imgproxy.Separator }

// calls returns the options at the beginning of the segments, and the other segments.
func (p *Parser) calls(segments []string) (calls []call, rest []string) {
	for i, segment := range segments {
		parts := strings.Split(segment, p.separator())
		if len(parts) == 1 {
			return calls, segments[i:]
		}
		calls = append(calls, call{parts[0], parts[1:]})
	}
	return calls, nil
}

// maxCalls bounds the options of a URL, with the options of its presets.
const maxCalls = 200

// apply applies options in their order. used has the presets that the options come from.
func (p *Parser) apply(a *asked, calls []call, used ...string) error {
	if len(calls) > maxCalls || len(used) > len(p.presets)+1 {
		return refused("the URL has more than %d options, or presets that name each other: leave some out", maxCalls)
	}
	for _, c := range calls {
		o, known := p.options[c.name]
		switch {
		case !known:
			return refused("the option %s of the URL is unknown, or cannot be rendered here: leave it out", call{c.name, nil}.text())
		case o.most > 0 && len(c.args) > o.most:
			return refused("the option %s has %d arguments: it takes up to %d", c.text(), len(c.args), o.most)
		case o.apply == nil:
			if err := p.applyPresets(a, c.args, used...); err != nil {
				return err
			}
		default:
			if err := o.apply(a, c.args); err != nil {
				return refused("the option %s cannot be rendered here: %v", c.text(), err)
			}
		}
	}
	return nil
}

// applyPresets applies presets, except those that the options come from.
func (p *Parser) applyPresets(a *asked, names []string, used ...string) error {
	for _, name := range names {
		calls, ok := p.presets[canonical(name)]
		switch {
		case slices.Contains(used, canonical(name)):
		case !ok:
			return refused("the preset %q is unknown: use one of %s", name, strings.Join(slices.Sorted(maps.Keys(p.presets)), ", "))
		default:
			if err := p.apply(a, calls, append(slices.Clone(used), canonical(name))...); err != nil {
				return err
			}
		}
	}
	return nil
}

// resize is the meta-option of a mode and a size.
func resize(a *asked, args []string) error {
	if args[0] != "" {
		if err := mode(a, args[:1]); err != nil {
			return err
		}
	}
	return size(a, args[1:])
}

// size is the meta-option of width, height, enlarge and extend. Empty arguments change nothing.
func size(a *asked, args []string) error {
	for i, one := range []func(*asked, []string) error{
		func(a *asked, args []string) error { return whole(&a.width, args[0]) },
		func(a *asked, args []string) error { return whole(&a.height, args[0]) },
		func(a *asked, args []string) error { a.enlarge = yes(args[0]); return nil },
		func(a *asked, args []string) error { return extend(thumbnail.ExtendToSize)(a, args) },
	} {
		if i >= len(args) || args[i] == "" {
			continue
		}
		if err := one(a, args[i:]); err != nil {
			return err
		}
	}
	return nil
}

func mode(a *asked, args []string) error {
	m := thumbnail.Mode(args[0])
	if !slices.Contains([]thumbnail.Mode{thumbnail.ModeFit, thumbnail.ModeFill, thumbnail.ModeFillDown, thumbnail.ModeForce, thumbnail.ModeAuto}, m) {
		return problem("%q is not one of fit, fill, fill-down, force, auto", args[0])
	}
	a.resize.Mode = m
	return nil
}

func zoom(a *asked, args []string) error {
	if err := factor(&a.resize.ZoomX, args[0]); err != nil {
		return err
	}
	return factor(&a.resize.ZoomY, args[len(args)-1])
}

// extend returns the function of an option that enlarges the canvas.
func extend(to thumbnail.Extend) func(*asked, []string) error {
	return func(a *asked, args []string) error {
		a.resize.Extend = thumbnail.ExtendNot
		if yes(args[0]) {
			a.resize.Extend = to
		}
		if len(args) == 1 {
			return nil
		}
		anchor, smart, err := anchorOf(args[1:])
		if smart {
			return problem("sm is not a place on a canvas")
		}
		a.resize.ExtendAnchor = anchor
		return err
	}
}

func gravity(a *asked, args []string) (err error) {
	a.resize.Anchor, a.smart, err = anchorOf(args)
	return err
}

func crop(a *asked, args []string) error {
	c := &a.resize.Crop
	a.cropped = true
	if err := measure(&c.Width, args[0]); err != nil {
		return err
	}
	if len(args) > 1 {
		if err := measure(&c.Height, args[1]); err != nil {
			return err
		}
	}
	if len(args) < 3 {
		return nil
	}
	anchor, smart, err := anchorOf(args[2:])
	if smart {
		return problem("a crop cannot be smart: give it another gravity")
	}
	c.Anchor, a.cropAnchored = anchor, true
	return err
}

// anchors has the places of imgproxy's gravities: -1 = left or top, 1 = right or bottom.
var anchors = map[string][2]int{
	"ce": {0, 0}, "no": {0, -1}, "so": {0, 1}, "ea": {1, 0}, "we": {-1, 0}, "noea": {1, -1}, "nowe": {-1, -1}, "soea": {1, 1}, "sowe": {-1, 1},
}

// anchorOf reads a gravity.
func anchorOf(args []string) (anchor thumbnail.Anchor, smart bool, err error) {
	at, known := anchors[args[0]]
	switch {
	case args[0] == "sm" && len(args) == 1:
		return anchor, true, nil
	case args[0] == "fp" && len(args) == 3:
		anchor.Point = true
	case !known || len(args) > 3:
		return anchor, false, problem("%q is not a gravity: write one of %s, sm, or fp with two coordinates", strings.Join(args, ":"), strings.Join(slices.Sorted(maps.Keys(anchors)), ", "))
	}
	anchor.Across, anchor.Down = at[0], at[1]
	for i, field := range []*float64{&anchor.X, &anchor.Y} {
		if len(args) <= i+1 || args[i+1] == "" {
			continue
		}
		v, err := strconv.ParseFloat(args[i+1], 64)
		if err != nil || !(math.Abs(v) <= maxOffset) || anchor.Point && (v < 0 || v > 1) {
			return anchor, false, problem("%q is not an offset", args[i+1])
		}
		*field = v
	}
	return anchor, false, nil
}

// maxOffset bounds an offset in pixels.
const maxOffset = 100_000

func trim(a *asked, args []string) error {
	if len(args) > 1 && args[1] != "" || len(args) > 2 && yes(args[2]) || len(args) > 3 && yes(args[3]) {
		return problem("a border is found by the colour of its corner, and each side is cut by itself: leave out colour and equal parts")
	}
	if args[0] == "" {
		a.trim = nil
		return nil
	}
	var threshold float64
	if err := measure(&threshold, args[0]); err != nil {
		return err
	}
	a.trim = &thumbnail.Trim{Corner: "top-left", Tolerance: int(min(threshold, maxTolerance))}
	return nil
}

// maxTolerance is the largest distance between two colours.
const maxTolerance = 442

// padding reads sides as CSS does.
func padding(a *asked, args []string) error {
	var sides [4]int
	for i := range sides {
		if from := []int{0, 0, 0, 1}[i]; i > 0 {
			sides[i] = sides[from]
		}
		if i < len(args) && args[i] != "" {
			if err := whole(&sides[i], args[i]); err != nil {
				return err
			}
		}
	}
	a.resize.Padding = thumbnail.Padding{Top: sides[0], Right: sides[1], Bottom: sides[2], Left: sides[3]}
	return nil
}

func rotate(a *asked, args []string) error {
	degrees, err := strconv.Atoi(args[0])
	if err != nil || degrees%90 != 0 {
		return problem("%q is not a multiple of 90", args[0])
	}
	a.rotate = (degrees%360 + 360) % 360
	return nil
}

func flip(a *asked, args []string) error {
	a.flipX = yes(args[0])
	a.flipY = len(args) > 1 && yes(args[1])
	return nil
}

func background(a *asked, args []string) error {
	if len(args) == 1 && args[0] == "" {
		a.background = ""
		return nil
	}
	text := args[0]
	if len(args) == 3 {
		text = ""
		for _, channel := range args {
			v, err := strconv.ParseUint(channel, 10, 8)
			if err != nil {
				return problem("%q is not within 0…255", channel)
			}
			text += hexByte(uint8(v))
		}
	}
	if len(text) == 3 {
		text = strings.Repeat(text[:1], 2) + strings.Repeat(text[1:2], 2) + strings.Repeat(text[2:], 2)
	}
	if _, err := strconv.ParseUint(text, 16, 32); err != nil || len(text) != 6 {
		return problem("%q is not a colour: write RRGGBB, or three numbers from 0 to 255", strings.Join(args, ":"))
	}
	a.background = strings.ToLower(text) + "ff"
	return nil
}

func hexByte(v uint8) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[v>>4], digits[v&15]})
}

func mark(a *asked, args []string) error {
	w := watermark{}
	if err := measure(&w.opacity, args[0]); err != nil || w.opacity > 1 {
		return problem("the opacity %q is not within 0…1", args[0])
	}
	at := args[1:min(len(args), 4)]
	switch {
	case len(at) > 0 && at[0] == "re":
		w.repeat = true
		if strings.Trim(strings.Join(at[1:], ""), "0") != "" {
			return problem("repeated watermarks have no gaps: leave out their offsets")
		}
	case len(at) > 0 && at[0] != "":
		anchor, smart, err := anchorOf(at)
		if err != nil || smart || anchor.Point {
			return problem("%q is not the place of a watermark", strings.Join(at, ":"))
		}
		w.anchor = anchor
	}
	if len(args) > 4 && args[4] != "" {
		if err := measure(&w.scale, args[4]); err != nil || w.scale > 1 {
			return problem("the scale %q is not within 0…1", args[4])
		}
	}
	if a.watermark = &w; w.opacity == 0 {
		a.watermark = nil
	}
	return nil
}

func quality(a *asked, args []string) error { return percentage(&a.quality, args[0]) }

func formatQuality(a *asked, args []string) error {
	if len(args)%2 != 0 {
		return problem("a quality is missing after %s", args[len(args)-1])
	}
	for i := 0; i < len(args); i += 2 {
		f, ok := thumbnail.ParseFormat(args[i])
		if !ok || !f.Row().Lossy {
			return problem("%q is not one of %s", args[i], strings.Join(thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Lossy }), ", "))
		}
		n := 0
		if err := percentage(&n, args[i+1]); err != nil || n == 0 {
			return problem("the quality %q is not within 1…100", args[i+1])
		}
		if a.qualities == nil {
			a.qualities = thumbnail.Qualities{}
		}
		a.qualities[f] = n
	}
	return nil
}

func format(a *asked, args []string) error {
	f, ok := thumbnail.ParseFormat(args[0])
	if !ok {
		return refused("the format %q cannot be written here: ask for one of %s", args[0], strings.Join(thumbnail.FormatNames(func(thumbnail.FormatRow) bool { return true }), ", "))
	}
	a.format = f
	return nil
}

// page counts from 0.
func page(a *asked, args []string) error {
	n := 0
	err := whole(&n, args[0])
	a.page = n + 1
	return err
}

func skipProcessing(a *asked, args []string) error {
	for _, name := range args {
		t := thumbnail.TypeOf("x." + name)
		if t == thumbnail.TypeUnknown {
			return problem("%q is not the extension of a picture", name)
		}
		a.skip = append(a.skip, t)
	}
	return nil
}

func expires(a *asked, args []string) error {
	seconds, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || seconds > lastSecond {
		return problem("%q is not a time in seconds since 1970", args[0])
	}
	a.expires = until(seconds)
	return nil
}

// lastSecond is the end of the year 9999 in seconds since 1970.
const lastSecond = 253_402_300_799

func filename(a *asked, args []string) error {
	name := args[0]
	if len(args) > 1 && yes(args[1]) {
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(name, "="))
		if err != nil {
			return problem("%q is not URL-safe base64", name)
		}
		name = string(decoded)
	}
	a.filename = name
	return nil
}

// off takes the value that changes nothing.
func off(_ *asked, args []string) error {
	if yes(args[0]) {
		return problem("leave it out")
	}
	return nil
}
