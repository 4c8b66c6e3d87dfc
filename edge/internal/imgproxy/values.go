package imgproxy

import (
	"fmt"
	"strconv"
)

// maxNumber bounds all numbers; it is above any useful number of pixels or bytes.
const maxNumber = 1_000_000_000

// problem returns the reason against an argument.
func problem(format string, args ...any) error { return fmt.Errorf(format, args...) }

// whole reads a whole number of 0 or more.
func whole(into *int, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxNumber {
		return problem("%q is not a whole number of 0 or more", text)
	}
	*into = n
	return nil
}

// percentage reads a number from 0 to 100.
func percentage(into *int, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return problem("%q is not within 0…100", text)
	}
	*into = n
	return nil
}

// measure reads a number of 0 or more.
func measure(into *float64, text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= maxNumber) {
		return problem("%q is not a number of 0 or more", text)
	}
	*into = v
	return nil
}

// maxFactor bounds dpr and zoom.
const maxFactor = 100

// factor reads a number above 0.
func factor(into *float64, text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v <= maxFactor) {
		return problem("%q is not a number above 0, up to %d", text, maxFactor)
	}
	*into = v
	return nil
}

// yes reads a boolean; other texts are false, as in imgproxy.
func yes(text string) bool {
	b, _ := strconv.ParseBool(text)
	return b
}

// no returns the opposite of a boolean.
func no(text string) *bool {
	b := !yes(text)
	return &b
}
