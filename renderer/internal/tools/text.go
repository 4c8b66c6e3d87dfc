package tools

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/thumbmill/thumbmill/renderer/internal/lettering"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// usualFont is Pango's name for the font of a text that names none.
const usualFont = "Sans"

// drawText draws the text of the spec's only operation. The text's transparency is the filter's.
func drawText(t *task) error {
	operations := t.request.Spec.Operations
	if len(operations) != 1 || len(operations[0].Args) != 2 {
		return fmt.Errorf("a text has %d operations, want 1 with 2 numbers", len(operations))
	}
	o := operations[0]
	text := lettering.Text{Text: o.Text, Font: o.Font, Size: o.Args[1]}
	if text.Font == "" {
		text.Font = usualFont
	}
	rgba, err := hex.DecodeString(o.Color)
	if err != nil || copy(text.Colour[:], rgba) != len(text.Colour) {
		return fmt.Errorf("%q is not the colour of a text, want rrggbbaa", o.Color)
	}
	err = text.Write(t.request.Out, t.request.MaxPixels)
	if errors.Is(err, lettering.ErrTooLarge) {
		return fault.New(fault.BadURL, "the text has more than %d pixels: use a shorter text or a smaller size", t.request.MaxPixels)
	}
	return err
}
