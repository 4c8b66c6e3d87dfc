package filters

import (
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/image/colornames"
)

// maxNumber bounds all numbers. It is above any useful number of pixels, percents or bytes.
const maxNumber = 1_000_000_000

// integer reads a whole number that an expression matched. It returns false beyond ±maxNumber.
func integer(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n <= maxNumber && n >= -maxNumber
}

// integers reads several whole numbers, as integer does.
func integers(texts []string) (values []float64, ok bool) {
	for _, t := range texts {
		n, ok := integer(t)
		if !ok {
			return nil, false
		}
		values = append(values, float64(n))
	}
	return values, true
}

// fraction reads a decimal number. It returns false beyond ±maxNumber.
func fraction(text string) (float64, bool) {
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && v <= maxNumber && v >= -maxNumber
}

// truth reads a boolean. It returns usual for "", which stands for an absent argument.
func truth(text string, usual bool) bool {
	if text == "" {
		return usual
	}
	return strings.EqualFold(text, "true") || text == "1"
}

func zero(values []float64) bool {
	for _, v := range values {
		if v != 0 {
			return false
		}
	}
	return true
}

// colour returns a colour as rrggbbaa. Like Pillow, it reads a name of CSS, or three, four, six or
// eight hexadecimal digits.
func colour(text string) (string, bool) {
	text = strings.ToLower(text)
	if text == "transparent" {
		return "00000000", true
	}
	if text == "rebeccapurple" { // missing in colornames
		return "663399ff", true
	}
	if c, ok := colornames.Map[text]; ok {
		return hexadecimal(c.R, c.G, c.B, c.A), true
	}
	if len(text) == 3 || len(text) == 4 {
		var double strings.Builder
		for _, digit := range text {
			double.WriteRune(digit)
			double.WriteRune(digit)
		}
		text = double.String()
	}
	if len(text) == 6 {
		text += "ff"
	}
	if len(text) != 8 {
		return "", false
	}
	_, err := strconv.ParseUint(text, 16, 32)
	return text, err == nil
}

func hexadecimal(rgba ...uint8) string { return hex.EncodeToString(rgba) }

// unquoted removes the quotes around a text, as in watermark('a,b.png',…).
func unquoted(text string) string {
	if len(text) > 2 && strings.HasPrefix(text, "'") && strings.HasSuffix(text, "'") {
		return text[1 : len(text)-1]
	}
	return text
}
