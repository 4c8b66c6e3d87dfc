package filters

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// addSizes adds the filters that change the size, or the part that a crop keeps.
func (l *Language) addSizes() {
	l.add("stretch", func(c *compiler, _ []string) bool { c.spec.Stretch = true; return true })
	l.add("no_upscale", func(c *compiler, _ []string) bool { c.spec.NoUpscale = true; return true })
	l.add("upscale", step(thumbnail.StepUpscale))
	l.add("focal", focal, text)
	l.add("extract_focal", func(c *compiler, _ []string) bool { c.notes.ExtractFocal = true; return true })
	l.add("cover", func(c *compiler, _ []string) bool { c.spec.MaxAnimatedArea = 0; return true })
	l.early("cover", "stretch", "no_upscale", "focal", "extract_focal")
	l.early("format", "quality", "max_bytes") // decide the format and size of the file
	l.add("proportion", proportion, decimal)
	l.add("rotate", rotate, number)
}

// step returns the function of a filter without arguments.
func step(name thumbnail.Step) func(*compiler, []string) bool {
	return func(c *compiler, _ []string) bool { return c.then(thumbnail.Operation{Name: name}) }
}

// maxFocal bounds the focal points of one URL.
const maxFocal = 16

var rectangle = regexp.MustCompile(`^(\d+)x(\d+):(\d+)x(\d+)`)

func focal(c *compiler, args []string) bool {
	found := rectangle.FindStringSubmatch(unquoted(args[0]))
	if found == nil {
		return false
	}
	v, ok := integers(found[1:])
	if !ok || v[2] <= v[0] || v[3] <= v[1] || len(c.spec.Focal) == maxFocal {
		return false
	}
	c.spec.Focal = append(c.spec.Focal, thumbnail.Rect{Left: int(v[0]), Top: int(v[1]), Right: int(v[2]), Bottom: int(v[3])})
	return true
}

// proportion shrinks only, as Thumbor does since 7.8.
func proportion(c *compiler, args []string) bool {
	v, ok := fraction(args[0])
	if !ok || v <= 0 || v > 1 {
		return false
	}
	return v == 1 || c.then(thumbnail.Operation{Name: thumbnail.StepProportion, Args: []float64{v}})
}

// rotate allows only multiples of 90 degrees. In Thumbor the engine decides the direction:
// Wikimedia's engines turn clockwise, and Pillow turns counterclockwise.
func rotate(c *compiler, args []string) bool {
	n, ok := integer(args[0])
	if !ok || n%90 != 0 {
		return false
	}
	if c.language.dialect.Rotate == "counterclockwise" {
		n = -n
	}
	if n = ((n % 360) + 360) % 360; n == 0 {
		return true
	}
	return c.then(thumbnail.Operation{Name: thumbnail.StepRotate, Args: []float64{float64(n)}})
}

// addColours adds the filters that change each pixel by itself.
func (l *Language) addColours() {
	l.add("brightness", percents(thumbnail.StepBrightness), number)
	l.add("contrast", percents(thumbnail.StepContrast), number)
	l.add("rgb", percents(thumbnail.StepRGB), number, number, number)
	l.add("colorize", colorize, positive, positive, positive, text)
	l.add("curve", curve, curvePoints, curvePoints, curvePoints, curvePoints)
	l.add("grayscale", step(thumbnail.StepGrayscale))
	l.add("saturation", saturation, decimal)
	l.add("equalize", step(thumbnail.StepEqualize))
	l.addOptional("noise", 1, noise, positive, positive)
	l.add("red_eye", step(thumbnail.StepRedEye))
}

// percents returns the function of a filter with percentages. It leaves out a filter whose numbers
// are all 0.
func percents(name thumbnail.Step) func(*compiler, []string) bool {
	return func(c *compiler, args []string) bool {
		values, ok := integers(args)
		if !ok {
			return false
		}
		return zero(values) || c.then(thumbnail.Operation{Name: name, Args: values})
	}
}

var sixDigits = regexp.MustCompile(`^[0-9a-fA-F]{6}$`)

func colorize(c *compiler, args []string) bool {
	values, ok := integers(args[:3])
	fill := unquoted(args[3])
	if !ok || !sixDigits.MatchString(fill) {
		return false
	}
	if zero(values) {
		return true
	}
	return c.then(thumbnail.Operation{Name: thumbnail.StepColorize, Args: values, Color: strings.ToLower(fill) + "ff"})
}

func saturation(c *compiler, args []string) bool {
	v, ok := fraction(args[0])
	if !ok {
		return false
	}
	return v == 1 || c.then(thumbnail.Operation{Name: thumbnail.StepSaturation, Args: []float64{v}})
}

func noise(c *compiler, args []string) bool {
	if args[1] == "" {
		args[1] = "0"
	}
	values, ok := integers(args)
	if !ok {
		return false
	}
	values[1] = max(values[1], 1) // a fixed seed, so that the result is the same each time
	return values[0] == 0 || c.then(thumbnail.Operation{Name: thumbnail.StepNoise, Args: values})
}

// curve takes four lists of points: for all channels together, red, green and blue.
func curve(c *compiler, args []string) bool {
	o := thumbnail.Operation{Name: thumbnail.StepCurve}
	for _, a := range args {
		points, ok := curveOf(a)
		if !ok {
			return false
		}
		o.Curves = append(o.Curves, points)
	}
	return c.then(o)
}

var point = regexp.MustCompile(`\((\d+),(\d+)\)`)

// curveOf reads the points of one curve. It returns false for no points, for a number above 255,
// and for inputs that do not rise.
func curveOf(text string) (points []thumbnail.Point, ok bool) {
	for _, found := range point.FindAllStringSubmatch(text, -1) {
		x, errX := strconv.ParseUint(found[1], 10, 8)
		y, errY := strconv.ParseUint(found[2], 10, 8)
		p := thumbnail.Point{X: uint8(x), Y: uint8(y)}
		if errX != nil || errY != nil || len(points) > 0 && p.X <= points[len(points)-1].X {
			return nil, false
		}
		points = append(points, p)
	}
	return points, len(points) > 0
}

// maxRadius bounds the radius of a blur in pixels, as in Thumbor.
const maxRadius = 150

// maxMatrix bounds the numbers in a convolution's matrix: 31 × 31.
const maxMatrix = 961

// addNeighbours adds the filters that read a pixel's neighbours.
func (l *Language) addNeighbours() {
	l.addOptional("blur", 1, blur, nonZero, decimal)
	l.add("sharpen", sharpen, decimal, decimal, boolean)
	l.add("pixelate", pixelate, positive)
	l.addOptional("convolution", 2, convolution, matrix, positive, boolean)
}

func blur(c *compiler, args []string) bool {
	radius, ok := integer(args[0])
	sigma := 0.0
	if args[1] != "" {
		var read bool
		sigma, read = fraction(args[1])
		ok = ok && read
	}
	if !ok {
		return false
	}
	if sigma == 0 {
		sigma = float64(radius)
	}
	return c.then(thumbnail.Operation{Name: thumbnail.StepBlur, Args: []float64{float64(min(radius, maxRadius)), max(sigma, -sigma)}})
}

func sharpen(c *compiler, args []string) bool {
	amount, okAmount := fraction(args[0])
	radius, okRadius := fraction(args[1])
	if !okAmount || !okRadius {
		return false
	}
	return amount == 0 || c.then(thumbnail.Operation{Name: thumbnail.StepSharpen, Args: []float64{amount, radius}, On: truth(args[2], false)})
}

func pixelate(c *compiler, args []string) bool {
	side, ok := integer(args[0])
	return ok && (side <= 1 || c.then(thumbnail.Operation{Name: thumbnail.StepPixelate, Args: []float64{float64(side)}}))
}

func convolution(c *compiler, args []string) bool {
	o := thumbnail.Operation{Name: thumbnail.StepConvolve, On: truth(args[2], true)}
	for _, item := range strings.Split(args[0], ";") {
		v, ok := fraction(item)
		if !ok {
			return false
		}
		o.Args = append(o.Args, v)
	}
	columns, ok := integer(args[1])
	size := len(o.Args)
	if !ok || columns == 0 || size > maxMatrix || size%columns != 0 || size%2 == 0 {
		return false // also for an even number of values: the matrix has no centre
	}
	o.Columns = columns
	return c.then(o)
}

// addCanvas adds the filters that combine the picture with a background or another picture.
func (l *Language) addCanvas() {
	l.addOptional("round_corner", 4, roundCorner, radii, positive, positive, positive, boolean)
	l.add("background_color", background, word)
	l.addOptional("fill", 1, fill, word, boolean)
	l.addOptional("watermark", 4, watermark, text, position, position, positive, ratio, ratio)
	l.add("frame", frame, text)
	for _, name := range []string{"text", "label"} { // label is imagor's name
		l.addOptional(name, 5, lettering, text, place, place, nonZero, word, positive, fontName)
	}
}

func roundCorner(c *compiler, args []string) bool {
	across, down, both := strings.Cut(args[0], "|")
	if !both {
		down = across
	}
	radii, ok := integers([]string{across, down})
	if !ok {
		return false
	}
	o := thumbnail.Operation{Name: thumbnail.StepCorners, Args: radii, On: truth(args[4], false)}
	for _, a := range args[1:4] {
		v, err := strconv.ParseUint(a, 10, 8)
		if err != nil {
			return false
		}
		o.Color += hexadecimal(uint8(v))
	}
	o.Color += "ff"
	return radii[0] == 0 || radii[1] == 0 || c.then(o)
}

func background(c *compiler, args []string) bool {
	return c.canvas(thumbnail.Operation{Name: thumbnail.StepBackground}, args[0], "auto")
}

func fill(c *compiler, args []string) bool {
	return c.canvas(thumbnail.Operation{Name: thumbnail.StepFill, On: truth(args[1], false)}, args[0], "auto", "blur")
}

// canvas adds the step with one of words, or with a colour. It returns false for any other text.
func (c *compiler) canvas(o thumbnail.Operation, asked string, words ...string) bool {
	for _, w := range words {
		if asked == w {
			o.Word = w
			return c.then(o)
		}
	}
	rgba, ok := colour(asked)
	o.Color = rgba
	return ok && c.then(o)
}

func watermark(c *compiler, args []string) bool {
	o := thumbnail.Operation{Name: thumbnail.StepWatermark, Word: args[1], Word2: args[2]}
	for _, a := range []string{args[3], args[4], args[5]} {
		if a == "" || a == "none" {
			a = "0"
		}
		v, ok := integer(a)
		if !ok || v < 0 {
			return false
		}
		o.Args = append(o.Args, float64(v))
	}
	return plain(&o.Word) && plain(&o.Word2) && c.withPicture(o, args[0])
}

// lettering draws a text. Its arguments are imagor's: text, x, y, size in pixels, colour, transparency in percent, font.
func lettering(c *compiler, args []string) bool {
	o := thumbnail.Operation{Name: thumbnail.StepText, Text: unquoted(args[0]), Word: corner(args[1]), Word2: corner(args[2]), Font: strings.ReplaceAll(args[6], "_", " ")}
	size, ok := integer(args[3])
	transparency, read := 0, true
	if args[5] != "" {
		transparency, read = integer(args[5])
	}
	rgba, known := colour(args[4])
	o.Color, o.Args = rgba, []float64{float64(min(transparency, 100)), float64(size)}
	switch {
	case !ok || !read || !known || size > thumbnail.MaxTextSize || !plain(&o.Word) || !plain(&o.Word2):
		return false
	case utf8.RuneCountInString(o.Text) > thumbnail.MaxText || strings.ContainsFunc(o.Text, unicode.IsControl):
		c.reason = " (a text of more than " + strconv.Itoa(thumbnail.MaxText) + " characters or with control characters)"
		return false
	case len(c.spec.Texts()) == thumbnail.MaxTexts:
		c.reason = " (more than " + strconv.Itoa(thumbnail.MaxTexts) + " texts)"
		return false
	}
	return c.then(o)
}

// corner returns a watermark's position for the name of a side.
func corner(position string) string {
	switch position {
	case "left", "top":
		return "0"
	case "right", "bottom":
		return "-0"
	}
	return position
}

// plain writes a position's number without leading zeros, and reports whether the number is in
// bounds. It keeps -0, which counts from the other side.
func plain(position *string) bool {
	if *position == "center" || *position == "repeat" {
		return true
	}
	number, percent := strings.CutSuffix(*position, "p")
	n, ok := integer(strings.TrimPrefix(number, "-"))
	sign, unit := "", ""
	if strings.HasPrefix(number, "-") {
		sign = "-"
	}
	if percent {
		unit = "p"
	}
	*position = sign + strconv.Itoa(n) + unit
	return ok
}

func frame(c *compiler, args []string) bool {
	return c.withPicture(thumbnail.Operation{Name: thumbnail.StepFrame}, args[0])
}

func (c *compiler) withPicture(o thumbnail.Operation, text string) bool {
	at, ok := c.picture(unquoted(text))
	if !ok {
		return false
	}
	o.Picture = &at
	c.then(o)
	if len(c.spec.Pictures()) > thumbnail.MaxPictures {
		c.spec.Operations = c.spec.Operations[:len(c.spec.Operations)-1]
		c.reason = " (more than " + strconv.Itoa(thumbnail.MaxPictures) + " pictures)"
		return false
	}
	return true
}
