package filters

import (
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// addMeaning adds the filters that change the file and not the pixels.
func (l *Language) addMeaning() {
	l.add("quality", quality, positive)
	l.add("format", format, text)
	l.add("max_bytes", maxBytes, positive)
	l.add("max_age", maxAge, positive)
	l.add("exact", func(c *compiler, _ []string) bool { c.spec.Exact = true; return true })
	l.add("strip_exif", func(c *compiler, _ []string) bool { c.spec.StripEXIF = true; return true })
	l.add("strip_icc", func(c *compiler, _ []string) bool { c.spec.StripICC = true; return true })
	l.add("placeholder", func(c *compiler, _ []string) bool { c.spec.Placeholder = true; return true })
	l.add("dpr", dpr, density)
	l.addOptional("gifv", 0, gifv, word)
	l.early("dpr", "placeholder", "gifv")
	l.addOptional("autojpg", 0, autoJPEG, boolean)
	l.filters[expiry] = filter{
		pattern: pattern(expiry, []string{positive}, 1), apply: expire,
		wrong: "the end of the URL cannot be read: write expire(MILLISECONDS), with the milliseconds since 1970",
	}
}

func quality(c *compiler, args []string) bool {
	n, ok := integer(args[0])
	if !ok || n < 1 {
		return false
	}
	c.spec.Quality, c.spec.Qualities = min(n, 100), nil
	return true
}

// maxDPR bounds dpr.
const maxDPR = 8

// dpr multiplies the size of the URL: by a number, or by the client's density.
func dpr(c *compiler, args []string) bool {
	if args[0] == auto {
		c.notes.DPR, c.notes.DPRAuto = 0, true
		return true
	}
	v, ok := fraction(args[0])
	if !ok || v <= 0 || v > maxDPR {
		return false
	}
	c.notes.DPR, c.notes.DPRAuto = v, false
	return true
}

// auto lets the client choose a format or a density.
const auto = "auto"

// format sets the format. An unknown format removes the format of an earlier filter, as in Thumbor. auto lets the client
// choose, also where thumbor.auto_formats lists no formats.
func format(c *compiler, args []string) bool {
	if c.notes.FormatAuto = unquoted(args[0]) == auto; c.notes.FormatAuto {
		c.spec.Format = thumbnail.FormatAuto
		return true
	}
	f, ok := thumbnail.ParseFormat(unquoted(args[0]))
	c.spec.Format = f
	return ok
}

// gifv turns an animation into a video, or into an animated WebP. Other originals stay as they are, as in Thumbor.
func gifv(c *compiler, args []string) bool {
	f, ok := map[string]thumbnail.Format{"": thumbnail.FormatMP4, "mp4": thumbnail.FormatMP4, "webp": thumbnail.FormatWebP}[args[0]]
	if moves := c.spec.Type == thumbnail.TypeGIF || c.spec.Type == thumbnail.TypeWebP; ok && moves {
		c.spec.Format, c.notes.FormatAuto = f, false
	}
	return ok
}

func maxBytes(c *compiler, args []string) bool {
	n, ok := integer(args[0])
	if ok && n > 0 {
		c.spec.MaxBytes = n
	}
	return ok && n > 0
}

func maxAge(c *compiler, args []string) bool {
	n, ok := integer(args[0])
	if ok {
		c.notes.MaxAge = time.Duration(n) * time.Second
	}
	return ok
}

// lastExpiry is the end of the year 9999 in milliseconds since 1970.
const lastExpiry = 253_402_300_799_999

// expire sets the end of the URL in milliseconds since 1970, as imagor has it. The earliest of several ends counts.
func expire(c *compiler, args []string) bool {
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || n > lastExpiry {
		return false
	}
	if end := time.UnixMilli(n); c.notes.Expires.IsZero() || end.Before(c.notes.Expires) {
		c.notes.Expires = end
	}
	return true
}

func autoJPEG(c *compiler, args []string) bool {
	c.spec.PNGToJPEG = truth(args[0], true)
	return true
}

// addWikimedia adds the filters of Wikimedia's plugins.
func (l *Language) addWikimedia() {
	l.add("page", page, positive)
	l.add("storyboard", storyboard, positive, positive)
	l.add("lang", func(c *compiler, args []string) bool { c.spec.Lang = strings.ToLower(args[0]); return true }, language)
	l.add("crop", crop, number, number, number, number)
	l.add("flip", flip, axis)
	l.add("conditional_sharpen", conditionalSharpen, decimal, decimal, decimal, decimal, decimal)
}

func page(c *compiler, args []string) bool {
	n, ok := integer(args[0])
	if ok {
		c.spec.Page, c.spec.FirstFrame = n, n == 0
	}
	return ok
}

// storyboard shows several frames of a video.
func storyboard(c *compiler, args []string) bool {
	v, ok := integers(args)
	if !ok || min(v[0], v[1]) < 1 || max(v[0], v[1]) > thumbnail.MaxStoryboard {
		return false
	}
	if c.spec.Type != thumbnail.TypeVideo {
		c.reason = " (only of a video)"
		return false
	}
	c.spec.Storyboard = &thumbnail.Storyboard{Columns: int(v[0]), Rows: int(v[1])}
	return true
}

func crop(c *compiler, args []string) bool {
	values, ok := integers(args)
	return ok && c.then(thumbnail.Operation{Name: thumbnail.StepCrop, Args: values})
}

// flip mirrors the picture at the named axis, as Wikimedia's filter does: x puts the top at the
// bottom.
func flip(c *compiler, args []string) bool {
	return c.then(thumbnail.Operation{Name: thumbnail.StepFlip, Word: args[0]})
}

// conditionalSharpen sets the sharpening right after the resize, wherever the filter is in the text.
func conditionalSharpen(c *compiler, args []string) bool {
	var v [5]float64
	for i := range v {
		n, ok := fraction(args[i])
		if !ok || n < 0 || n > 100 {
			return false
		}
		v[i] = n
	}
	if v[1] == 0 || v[1] > 10 { // the blur has no effect, or leaves nothing to see
		return false
	}
	c.spec.Sharpen = &thumbnail.Sharpen{Radius: v[0], Sigma: v[1], Amount: v[2], Threshold: v[3], Ratio: v[4]}
	return true
}
