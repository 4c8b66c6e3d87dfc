package tools

import (
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// mistaken are drawings of 40 × 40 units. Their middle is red if they are drawn as browsers draw them, and lime as librsvg
// draws them without the rewrites of package svg.
var mistaken = map[string]string{
	"a clip in a clip": `<clipPath id="a" clip-path="url(#b)"><rect width="40" height="40"/></clipPath><clipPath id="b"><rect width="9" height="40"/></clipPath>
		<rect width="40" height="40" fill="red"/><rect width="40" height="40" fill="lime" clip-path="url(#a)"/>`,
	"a clip with a hole": `<clipPath id="a"><path d="M0 0H40V40H0ZM10 10H30V30H10Z" clip-rule="evenodd"/><rect width="1" height="1"/></clipPath>
		<rect width="40" height="40" fill="red"/><rect width="40" height="40" fill="lime" clip-path="url(#a)"/>`,
	"a clip of a turned shape": `<clipPath id="a" clipPathUnits="objectBoundingBox"><rect width=".35" height="1"/></clipPath>
		<rect x="16" y="15" width="20" height="20" transform="rotate(45 20 20)" fill="red" clip-path="url(#a)"/>`,
	"a gradient of a turned shape": `<linearGradient id="a"><stop offset=".25" stop-color="red"/><stop offset=".25" stop-color="lime"/></linearGradient>
		<rect x="16" y="15" width="20" height="20" transform="rotate(45 20 20)" fill="url(#a)"/>`,
	"an element in a filter": `<filter id="f" x="0" y="0" width="1" height="1"><feImage href="#a"/></filter><defs><rect id="a" width="20" height="20" fill="red"/></defs>
		<rect x="10" y="10" width="20" height="20" filter="url(#f)"/>`,
	"a large radius": `<filter id="f" x="0" y="0" width="1" height="1"><feMorphology radius="12"/></filter><rect width="40" height="40" fill="red"/>
		<rect x="8" y="8" width="24" height="24" fill="lime" filter="url(#f)"/>`,
	"a radius in a box": `<filter id="f" primitiveUnits="objectBoundingBox"><feMorphology radius=".5"/></filter><rect width="40" height="40" fill="red"/>
		<rect x="8" y="8" width="24" height="24" fill="lime" filter="url(#f)"/>`,
	"a small use of a svg element": `<defs><svg id="a"><rect width="100%" height="100%" fill="lime"/></svg></defs><rect width="40" height="40" fill="red"/>
		<use href="#a" width="10" height="10"/>`,
	"a use in its own group": `<rect width="40" height="40" fill="red"/><g id="a"><use href="#a" x="15"/><rect width="10" height="40" fill="lime"/></g>`,
	"a gradient without a radius": `<radialGradient id="a" r="0"><stop stop-color="lime"/><stop offset="1" stop-color="red"/></radialGradient>
		<rect width="40" height="40" fill="url(#a)"/>`,
	"a transparent symbol":      `<symbol id="a" opacity="0"><rect width="40" height="40" fill="lime"/></symbol><rect width="40" height="40" fill="red"/><use href="#a"/>`,
	"another language":          `<rect width="40" height="40" fill="red"/><rect width="40" height="40" fill="lime" systemLanguage="fr"/>`,
	"too few values":            `<filter id="f"><feColorMatrix type="matrix" values="0.3 0.3 0.3 0 0 0.3 0.3 0.3 0 0 0.3 0.3 0.3 0 0"/></filter><rect width="40" height="40" fill="red" filter="url(#f)"/>`,
	"a mask that moves":         `<mask id="m" transform="translate(30)"><rect width="40" height="40" fill="white"/></mask><rect width="40" height="40" fill="red" mask="url(#m)"/>`,
	"an odd coordinate":         `<polygon points="0 0 40 0 40 40 0 40 9" fill="red"/>`,
	"rules of another language": `<style type="text/x-a">rect{fill:lime}</style><rect width="40" height="40" fill="red"/>`,
	"a missing filter":          `<rect width="40" height="40" fill="red"/><rect width="40" height="40" fill="lime" filter="url(#no) opacity(0)"/>`,
	"a pattern with a viewBox": `<pattern id="a" patternUnits="userSpaceOnUse" width="20" height="40" viewBox="0 0 40 40"><rect y="20" width="40" height="5" fill="red"/></pattern>
		<rect width="40" height="40" fill="url(#a)"/>`,
}

func TestMendedDrawings(t *testing.T) {
	for name, content := range mistaken {
		t.Run(name, func(t *testing.T) {
			body := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="lime"/>` + content + "</svg>"
			drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 40}}, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, middle := raster(t, drawn); middle != red {
				t.Errorf("%v in the middle, want %v", middle, red)
			}
		})
	}
}
