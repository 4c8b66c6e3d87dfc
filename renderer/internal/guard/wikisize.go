package guard

import (
	"encoding/xml"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// wikiWidth is the width in pixels that MediaWiki gives to a drawing without one.
const wikiWidth = 512

// wikiUnits in pixels: MediaWiki has 90 an inch, where CSS has 96.
var wikiUnits = map[string]float64{"px": 1, "pt": 1.25, "pc": 15, "mm": 3.543307, "cm": 35.43307, "in": 90, "em": 16, "ex": 12, "": 1}

var (
	wikiLength = regexp.MustCompile(`^\s*([-+]?\d*(?:\.\d+|\d+)(?:[Ee][-+]?\d+)?)\s*(em|ex|px|pt|pc|cm|mm|in|%|)\s*$`)
	separator  = regexp.MustCompile(`\s*[\s,]\s*`)
)

// wikiSize returns the sides of a drawing in pixels as MediaWiki has them, which rounds them
// before it scales (SVGReader::handleSVGAttribs). They are zeros where it has none.
func wikiSize(root xml.StartElement) (sides [2]int) {
	attributes := map[string]string{}
	for _, a := range root.Attr {
		if a.Name.Space == "" && a.Value != "0" { // which counts as missing in PHP
			attributes[a.Name.Local] = a.Value
		}
	}
	aspect, defaultHeight := 1.0, float64(wikiWidth)
	if box := separator.Split(strings.TrimSpace(attributes["viewBox"]), -1); len(box) == 4 {
		w, h := scaleUnit(box[2], wikiWidth), scaleUnit(box[3], wikiWidth)
		if w > 0 && h > 0 {
			aspect, defaultHeight = w/h, wikiWidth/(w/h)
		}
	}
	width, height := scaleUnit(attributes["width"], wikiWidth), scaleUnit(attributes["height"], defaultHeight)
	switch noWidth, noHeight := attributes["width"] == "", attributes["height"] == ""; {
	case noWidth && noHeight:
		width, height = wikiWidth, wikiWidth/aspect
	case noHeight:
		height = width / aspect
	case noWidth:
		width = height * aspect
	}
	if !(width > 0) || !(height > 0) || width > math.MaxInt32 || height > math.MaxInt32 {
		return sides
	}
	return [2]int{int(math.Round(width)), int(math.Round(height))}
}

// scaleUnit is SVGReader::scaleSVGUnit: a length in pixels. A percentage is a part of a side.
func scaleUnit(length string, side float64) float64 {
	found := wikiLength.FindStringSubmatch(length)
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(found[1], 64)
	switch {
	case err != nil:
		return 0
	case found[2] == "%":
		return value * 0.01 * side
	}
	return value * wikiUnits[found[2]]
}
