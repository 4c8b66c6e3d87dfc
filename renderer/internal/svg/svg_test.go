package svg

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func mended(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	facts, err := Survey(strings.NewReader(text), Library{}, "")
	if err != nil {
		t.Fatal(err)
	}
	facts.Width = 320
	if err := Mend(&out, strings.NewReader(text), facts); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// mendCase is a drawing, and the mended text; "" means the same text.
type mendCase struct{ text, want string }

// elementCases are drawings whose flaw an element's own tag shows.
func elementCases() map[string]mendCase {
	long := strings.Repeat("A", 3*maxHeld)
	return map[string]mendCase{
		"a picture of a wrong type":         {`<image href="data:image/jpg;base64,/9j/` + long + `" x="1"/>`, `<image href="data:image/jpeg;base64,/9j/` + long + `" x="1"/>`},
		"a picture of the right type":       {`<image href="data:image/png;base64,iVBORw0KGgoAAA"/>`, ""},
		"a drawing in a drawing":            {`<image href="data:image/svg+xml;base64,PHN2Zz4="/>`, ""},
		"a comment":                         {`<!-- <feTurbulence numOctaves="99"/> --><a/>`, ""},
		"a short comment":                   {`<!----><feTurbulence numOctaves="99"/>`, `<!----><feTurbulence numOctaves="10"/>`},
		"a section":                         {`<![CDATA[<feTurbulence numOctaves="99"/>]]]><a/>`, ""},
		"a document type":                   {`<!DOCTYPE svg [<!ENTITY a '<feTurbulence numOctaves="99"/>'>]><a/>`, ""},
		"too many octaves":                  {`<feTurbulence numOctaves = "2147483647" seed="1"/>`, `<feTurbulence numOctaves = "10" seed="1"/>`},
		"more octaves than a float64":       {`<feTurbulence numOctaves="1e999"/>`, `<feTurbulence numOctaves="10"/>`},
		"few octaves":                       {`<feTurbulence numOctaves="3"/>`, ""},
		"an input that nothing makes":       {`<filter><feOffset in="a" dx="1"/></filter>`, `<filter><feOffset  dx="1"/></filter>`},
		"inputs that exist":                 {`<filter><feOffset in="SourceAlpha" result="a"/><feBlend in="a" in2="SourceGraphic"/></filter>`, ""},
		"a later result":                    {`<filter><s:feBlend in2='b' in='SourceGraphic'/><feOffset result="b"/></filter>`, `<filter><s:feBlend  in='SourceGraphic'/><feOffset result="b"/></filter>`},
		"another filter's result":           {`<filter><feOffset result="a"/></filter><filter><feMerge><feMergeNode in="a"/></feMerge></filter>`, `<filter><feOffset result="a"/></filter><filter><feMerge><feMergeNode /></feMerge></filter>`},
		"a filter that inherits":            {`<filter href="#f"><feOffset in="a"/></filter>`, ""},
		"the background as an input":        {`<filter><feOffset in="BackgroundImage"/></filter>`, `<filter><feOffset /></filter>`},
		"a value that is no word of a list": {`<linearGradient spreadMethod='mirror' id="a"/>`, `<linearGradient  id="a"/>`},
		"a value of a list":                 {`<linearGradient spreadMethod=" reflect "/>`, ""},
		"a value from an entity":            {`<linearGradient spreadMethod="&a;"/>`, ""},
		"a negative blur":                   {`<filter><feGaussianBlur stdDeviation="-1"/></filter>`, `<filter><feGaussianBlur /></filter>`},
		"a blur of two sides":               {`<filter><feGaussianBlur stdDeviation="1, .5e1"/></filter>`, ""},
		"a blur of three sides":             {`<filter><feGaussianBlur stdDeviation="1 2 3"/></filter>`, `<filter><feGaussianBlur /></filter>`},
		"a filter of negative width":        {`<filter width="-1" height="10%"></filter>`, `<filter width="0" height="10%"></filter>`},
		"a matrix of three numbers":         {`<feColorMatrix values="1 0 0"/>`, `<feColorMatrix values="1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0"/>`},
		"a matrix of fifteen numbers":       {`<feColorMatrix type="matrix" values="` + strings.Repeat("\n0.3 ", 15) + `"/>`, `<feColorMatrix type="matrix" values="1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0"/>`},
		"a matrix":                          {`<feColorMatrix type="matrix" values="1 0 0 0 0,0 1 0 0 0 0 0 1 0 0 0 0 0 1e0-.5"/>`, ""},
		"a saturation":                      {`<feColorMatrix type="saturate" values=".5"/>`, ""},
		"a side that is not a length":       {`<rect x="inherit" width="16mm" height="5%"/>`, `<rect  width="16mm" height="5%"/>`},
		"an offset with a unit":             {`<stop offset="5mm"/><stop offset="50%"/>`, `<stop /><stop offset="50%"/>`},
		"a function without a root":         {`<g filter="sepia()"/>`, ""},
		"an origin in pixels":               {`<rect transform-origin="10 20px" transform='rotate(45)'/>`, `<rect  transform='translate(10 20) rotate(45) translate(-10 -20)'/>`},
		"an origin in the middle":           {`<svg viewBox="5,5 40 20"><g transform="scale(2)" transform-origin="center"/></svg>`, `<svg viewBox="5,5 40 20"><g transform="translate(20 10) scale(2) translate(-20 -10)" /></svg>`},
		"an origin of words":                {`<svg width="40px" height="20"><g transform="scale(2)" transform-origin="bottom right"/></svg>`, `<svg width="40px" height="20"><g transform="translate(40 20) scale(2) translate(-40 -20)" /></svg>`},
		"an origin of percentages":          {`<svg width="40" height="20"><g transform="scale(2)" transform-origin="25% 0"/></svg>`, `<svg width="40" height="20"><g transform="translate(10 0) scale(2) translate(-10 0)" /></svg>`},
		"an origin in another drawing":      {`<svg width="4" height="2"><svg><g transform="scale(2)" transform-origin="25% 0"/></svg></svg>`, ""},
		"an origin in three dimensions":     {`<g transform="scale(2)" transform-origin="1 2 3"/>`, ""},
		"an origin of a pattern":            {`<pattern patternTransform="scale(2)" transform-origin="1 2"/>`, ""},
		"a radius in a box":                 {`<svg><filter id="f" primitiveUnits="objectBoundingBox"><feMorphology radius=".5" x=".5" height="1"/></filter><rect x="1" width="4" height="2" filter="url(#f)"/></svg>`, `<svg><filter id="f" primitiveUnits="userSpaceOnUse"><feMorphology radius="2 1" x="3" height="2"/></filter><rect x="1" width="4" height="2" filter="url(#f)"/></svg>`},
		"an image in a box":                 {`<svg><filter id="f" primitiveUnits="objectBoundingBox"><feImage x=".5"/></filter><rect width="4" height="2" filter="url(#f)"/></svg>`, ""},
		"a gradient without a radius":       {`<radialGradient r="0" fr="-1"/>`, `<radialGradient r=".0001" />`},
		"a gradient with a radius":          {`<radialGradient r="0.5%" fr="0"/>`, ""},
		"a light of less than nothing":      {`<feDiffuseLighting diffuseConstant="-1"><feSpotLight specularExponent="-2"/></feDiffuseLighting>`, `<feDiffuseLighting diffuseConstant="0"><feSpotLight specularExponent="1"/></feDiffuseLighting>`},
		"a lighting without a light":        {`<s:feSpecularLighting result="a"/>`, `<s:feFlood flood-opacity="0" result="a"/>`},
		"a spot light":                      {`<feSpotLight x="1"/>`, `<feSpotLight specularExponent="1" x="1"/>`},
		"an offset in percentages":          {`<feFuncB type="gamma" offset="50%"/>`, `<feFuncB type="gamma" />`},
		"more than opaque":                  {`<feFuncA type="linear" slope="2"/>`, `<feFuncA tableValues="` + table(2) + `" type="table" slope="2"/>`},
		"less than opaque":                  {`<feFuncA type="gamma" amplitude=".5" exponent="2" offset=".5"/>`, ""},
		"a marker in percentages":           {`<svg viewBox="0 0 200 100"><marker refY="5%" orient="auto"/></svg>`, `<svg viewBox="0 0 200 100"><marker refY="5" orient="auto"/></svg>`},
		"a mask that moves":                 {`<mask transform="scale(2)" id="a"/>`, `<mask  id="a"/>`},
		"a pattern with a viewBox":          {`<pattern patternUnits="userSpaceOnUse" width="20" height="40" viewBox="0 0 40 40"><g/></pattern>`, `<pattern patternUnits="userSpaceOnUse" width="20" height="40" ><g transform="translate(0 10) scale(0.5)"><g/></g></pattern>`},
		"points and a half":                 {`<polygon points="1,2 3-4 5"/>`, `<polygon points="1,2 3-4"/>`},
		"points":                            {`<polyline points="1,2 3-4"/>`, ""},
		"rules of another language":         {`<style type="text/x-a">a{}</style><style type=" text/css ">a{}</style>`, `<desc>a{}</desc><style type=" text/css ">a{}</style>`},
		"a pale symbol":                     {`<s:symbol opacity=".5" id="a"><s:g/></s:symbol>`, `<s:symbol  id="a"><s:g opacity=".5"><s:g/></s:g></s:symbol>`},
		"a large radius":                    {`<svg viewBox="0 0 200 9"><filter><feMorphology in="SourceAlpha" radius="10 5" result="a"/></filter></svg>`, `<svg viewBox="0 0 200 9"><filter><feMorphology in="SourceAlpha" radius="5 0" result="thumbmill-step1"/><feMorphology in="thumbmill-step1" radius="5 0" result="thumbmill-step2"/><feMorphology in="thumbmill-step2" radius="0 5" result="a"/></filter></svg>`},
		"a radius that leaves nothing":      {`<svg viewBox="0 0 200 9"><filter><feMorphology radius="9" result="a"/></filter></svg>`, `<svg viewBox="0 0 200 9"><filter><feFlood flood-opacity="0" result="a"/></filter></svg>`},
		"a small radius":                    {`<svg viewBox="0 0 200 9"><filter><feMorphology radius="5"/></filter></svg>`, ""},
		"a radius of a box":                 {`<svg viewBox="0 0 2 9"><filter primitiveUnits="objectBoundingBox"><feMorphology radius="5"/></filter></svg>`, ""},
		"a WebP of another type":            {`<image href="data:image/png;base64,UklGRhoA"/>`, `<image href="data:image/webp;base64,UklGRhoA"/>`},
		"a truncated tag":                   {`<feTurbulence numOctaves="99`, ""},
		"only the start of a tag":           {`<`, ""},
		"an attribute without its quotes":   {`<image href=data:image/jpg;base64,/9j/>`, ""},
	}
}

// planCases are drawings whose flaw shows only beside other elements.
func planCases() map[string]mendCase {
	long := strings.Repeat("A", 3*maxHeld)
	return map[string]mendCase{
		"a text without flaws":             {`<svg><g a="x>y"/>text &lt; more</svg>`, ""},
		"a PNG with the type of a JPEG":    {`<svg:image xlink:href=' data:image/jpeg;base64, iVBORw0KGgoAAA'/>`, `<svg:image xlink:href='data:image/png;base64,iVBORw0KGgoAAA'/>`},
		"a gradient of another":            {`<svg><linearGradient id="a" href="#b"/><radialGradient id="b"/></svg>`, ""},
		"a gradient of nothing":            {`<svg><linearGradient id="a" xlink:href="#b"/><rect id="b"/><pattern href="#a"/></svg>`, `<svg><linearGradient id="a" /><rect id="b"/><pattern /></svg>`},
		"gradients in a circle":            {`<svg><linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"/><linearGradient id="c" href="#b"/></svg>`, `<svg><linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"/><linearGradient id="c" /></svg>`},
		"a gradient of an entity":          {`<svg><linearGradient href="#&b;"/></svg>`, ""},
		"a function of a colour":           {`<s:svg><g filter="hue-rotate(100grad) invert(25%)"/></s:svg>`, `<s:svg><s:defs><s:filter id="thumbmill-filter0" x="-.5" y="-.5" width="2" height="2" color-interpolation-filters="sRGB"><s:feColorMatrix type="hueRotate" values="90"/><s:feComponentTransfer><s:feFuncR type="table" tableValues="0.25 0.75"/><s:feFuncG type="table" tableValues="0.25 0.75"/><s:feFuncB type="table" tableValues="0.25 0.75"/></s:feComponentTransfer></s:filter></s:defs><g filter="url(#thumbmill-filter0)"/></s:svg>`},
		"a function and a filter":          {`<svg><filter id="a"/><g filter="sepia() url(#a)"/></svg>`, ""},
		"a reference to a filter":          {`<svg><g filter="url(#a)"/></svg>`, ""},
		"a function of less than nothing":  {`<svg><g filter="sepia(1) contrast(-1)"/></svg>`, `<svg><g /></svg>`},
		"an angle without a unit":          {`<svg><g filter="hue-rotate(45)"/></svg>`, `<svg><g /></svg>`},
		"a list of too many functions":     {`<svg><g filter="` + strings.Repeat("sepia() ", maxPrimitives+1) + `"/></svg>`, ""},
		"a use of a symbol":                {`<svg viewBox="0 0 40 20"><use href="#a" y="5" width="10"/><symbol id="a"/></svg>`, `<svg viewBox="0 0 40 20"><defs><clipPath id="thumbmill-clip0"><rect x="0" y="5" width="10" height="20" /></clipPath></defs><use clip-path="url(#thumbmill-clip0)" href="#a" y="5" width="10"/><symbol id="a"/></svg>`},
		"a use of an open symbol":          {`<svg viewBox="0 0 40 20"><use href="#a" width="10"/><symbol id="a" style="overflow:visible"/></svg>`, ""},
		"a use of a shape":                 {`<svg viewBox="0 0 40 20"><use href="#a" width="10"/><path id="a"/></svg>`, ""},
		"a use of unknown sides":           {`<svg><use href="#a" width="10"/><symbol id="a"/></svg>`, ""},
		"a circle with stops":              {`<svg><linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"><stop/></linearGradient><linearGradient id="c" href="#a"/></svg>`, `<svg><linearGradient id="a" href="#b"/><linearGradient id="b" ><stop/></linearGradient><linearGradient id="c" href="#a"/></svg>`},
		"a use in its own group":           {`<svg><g id="a"><use href="#a" x="1"/><rect/></g></svg>`, `<svg><g id="a"><use  x="1"/><rect/></g></svg>`},
		"uses of each other":               {`<svg><g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g><use href="#b"/></svg>`, `<svg><g id="a"><use href="#b"/></g><g id="b"><use /></g><use href="#b"/></svg>`},
		"masks of each other":              {`<svg><mask id="a" mask="url(#b)"/><mask id="b" mask="url(#a)"/></svg>`, `<svg><mask id="a" mask="url(#b)"/><mask id="b" /></svg>`},
		"a missing filter in a list":       {`<svg><g filter="sepia(0) url(#a) blur(2)"/></svg>`, `<svg><g filter="sepia(0)  blur(2)"/></svg>`},
		"a list of missing filters":        {`<svg><g filter="url(#a) url(#b)"/></svg>`, `<svg><g /></svg>`},
		"a shadow in percentages":          {`<svg><g filter="drop-shadow(red 1% 2px)"/></svg>`, `<svg><g /></svg>`},
		"another language":                 {`<svg><g systemLanguage="de, fr-FR"/><switch><g systemLanguage="de"/></switch></svg>`, `<svg><g display="none" systemLanguage="de, fr-FR"/><switch><g systemLanguage="de"/></switch></svg>`},
		"a reader's language":              {`<svg><g systemLanguage="de,en-GB"/></svg>`, ""},
		"an element in a filter":           {`<svg><filter id="f"><feImage href="#a"/></filter><rect id="a"/><rect x="20" y="10" width="100" height="50" filter="url(#f)"/></svg>`, `<svg><defs><g id="thumbmill-image0"><use href="#a" x="10" y="5"/></g></defs><filter id="f"><feImage href="#thumbmill-image0"/></filter><rect id="a"/><rect x="20" y="10" width="100" height="50" filter="url(#f)"/></svg>`},
		"an element at its own place":      {`<svg><filter id="f" x="0" y="0"><feImage href="#a"/></filter><circle id="a"/><circle cx="5" cy="5" r="5" filter="url(#f)"/></svg>`, ""},
		"an element in a placed primitive": {`<svg><filter id="f"><feImage href="#a" x="3" y="4"/></filter><rect id="a"/></svg>`, `<svg><defs><g id="thumbmill-image0"><use href="#a" x="3" y="4"/></g></defs><filter id="f"><feImage href="#thumbmill-image0" x="3" y="4"/></filter><rect id="a"/></svg>`},
		"an element at two places":         {`<svg><filter id="f"><feImage href="#a"/></filter><rect id="a"/><rect width="9" height="9" filter="url(#f)"/><rect x="2" width="9" height="9" filter="url(#f)"/></svg>`, ""},
		"an element in a path's filter":    {`<svg><filter id="f"><feImage href="#a"/></filter><rect id="a"/><path d="M0 0" filter="url(#f)"/></svg>`, ""},
		"a use of a svg element":           {`<svg viewBox="0 0 9 9"><defs><svg id="a" x="1" width="5" height="6"><g/></svg></defs><use href="#a" x="2" height="7"/></svg>`, `<svg viewBox="0 0 9 9"><defs><clipPath id="thumbmill-clip0"><rect x="3" y="0" width="5" height="7" /></clipPath></defs><defs><symbol id="a"   ><g/></symbol></defs><use clip-path="url(#thumbmill-clip0)" width="5" y="0" href="#a" x="3" height="7"/></svg>`},
		"a use of a svg element in sight":  {`<svg viewBox="0 0 9 9"><svg id="a"><g/></svg><use href="#a" x="2"/></svg>`, ""},
		"a clip in a clip":                 {`<svg><clipPath id="a" clip-path="url(#b)"><path/></clipPath><clipPath id="b"><rect/></clipPath><g clip-path="url(#a)"/></svg>`, `<svg><mask height="100000" width="100000" y="-50000" x="-50000" maskUnits="userSpaceOnUse" mask-type="alpha" id="a" ><g fill="#fff" fill-opacity="1" stroke="none" clip-path="url(#b)"><path/></g></mask><clipPath id="b"><rect/></clipPath><g mask="url(#a)" /></svg>`},
		"a clip of holes":                  {`<svg><clipPath id="a" clip-rule="evenodd"><path fill="none" style="opacity:0;display:inline"/><rect/><g/></clipPath><g clip-path="url(#a)"/></svg>`, `<svg><mask height="100000" width="100000" y="-50000" x="-50000" maskUnits="userSpaceOnUse" mask-type="alpha" id="a" clip-rule="evenodd"><g fill="#fff" fill-opacity="1" stroke="none"><path fill-rule="evenodd"  style="display:inline"/><rect fill-rule="evenodd"/><g display="none"/></g></mask><g mask="url(#a)" /></svg>`},
		"a clip and a mask":                {`<svg><clipPath id="a" clip-rule="evenodd"><path/><rect/></clipPath><mask id="m"/><g clip-path="url(#a)" mask="url(#m)"/></svg>`, ""},
		"a clip of shapes":                 {`<svg><clipPath id="a"><path/><rect/></clipPath><g clip-path="url(#a)"/></svg>`, ""},
		"a gradient of a turned shape":     {`<svg><linearGradient id="a" x2="50%"/><rect width="4" height="2" transform="rotate(9)" fill="url(#a)"/></svg>`, `<svg><defs><linearGradient id="thumbmill-gradient0" href="#a" gradientUnits="userSpaceOnUse" gradientTransform="matrix(4 0 0 2 0 0)" x1="0" y1="0" x2="0.5" y2="0"/></defs><linearGradient id="a" x2="50%"/><rect width="4" height="2" transform="rotate(9)" fill="url(#thumbmill-gradient0)"/></svg>`},
		"a gradient of shapes":             {`<svg><g transform="skewX(9)"><radialGradient id="b" href="#a"/><radialGradient id="a" gradientUnits="userSpaceOnUse"/><rect width="4" height="2" fill="url(#b)"/></g><rect width="4" height="2" fill="url(#b)"/></svg>`, ""},
		"a clip of a turned shape":         {`<svg><clipPath id="a" clipPathUnits="objectBoundingBox"><rect/></clipPath><circle r="5" clip-path="url(#a)" transform="rotate(9)"/></svg>`, `<svg><clipPath transform="matrix(10 0 0 10 -5 -5)" id="a" clipPathUnits="userSpaceOnUse"><rect/></clipPath><circle r="5" clip-path="url(#a)" transform="rotate(9)"/></svg>`},
		"a mask of a turned group":         {`<svg><mask id="a" width="50%"/><g mask="url(#a)" transform="rotate(9)"><polygon points="0,0 20,10"/></g></svg>`, `<svg><mask height="12" y="-1" x="-2" maskUnits="userSpaceOnUse" id="a" width="10"/><g mask="url(#a)" transform="rotate(9)"><polygon points="0,0 20,10"/></g></svg>`},
		"an inclusion":                     {`<svg><xi:include href="a"><xi:fallback/></xi:include></svg>`, `<svg><xi:desc><xi:fallback/></xi:desc></svg>`},
		"a long tag without content":       {`<svg><g><path d="` + long + `"/></g><g id="a"><use href="#a"/></g></svg>`, `<svg><g><path d="` + long + `"/></g><g id="a"><use /></g></svg>`},
		"a long tag with content":          {`<svg><symbol opacity=".5"><path d="` + long + `"><title/></path></symbol></svg>`, `<svg><symbol ><g opacity=".5"><path d="` + long + `"><title/></path></g></symbol></svg>`},
	}
}

// textCases are drawings with texts.
func textCases() map[string]mendCase {
	return map[string]mendCase{
		"text that looks like a picture":    {`<text>href="data:image/jpg;base64,/9j/"</text>`, ""},
		"places of characters":              {"<s:text x='1,2 3' dy=\"4 5\">\n a\u00e9&amp; b </s:text>", "<s:text x='1,2 3' dy=\"4 5\">a<s:tspan x=\"2\" dy=\"5\">\u00e9</s:tspan><s:tspan x=\"3\">&amp;</s:tspan> b </s:text>"},
		"places of spaces":                  {`<tspan xml:space="preserve" y="1 2 3"> ab</tspan>`, `<tspan xml:space="preserve" y="1 2 3"> <tspan y="2">a</tspan><tspan y="3">b</tspan></tspan>`},
		"places of letters that join":       {"<text x='1 2 3'>\u0628\u062a</text>", ""},
		"a part that begins with a space":   {`<text><tspan dx="0 2"> world</tspan></text>`, ""},
		"spaces that an ancestor preserves": {`<text xml:space="preserve"><tspan x="1 2 3">a  b</tspan></text>`, ""},
		"places of an unknown entity":       {"<text x='1 2 3'>&abc;</text>", ""},
		"a place of a text":                 {"<text x='1' y='2'>ab</text>", ""},
		"places of a text's parts":          {"<text x='1 2'><tspan>ab</tspan></text>", ""},
		"a text in the middle":              {`<text y="9" dominant-baseline=" middle ">a</text>`, `<text dy="0.265em" y="9" dominant-baseline=" middle ">a</text>`},
		"a text under a line":               {`<text style="fill:red; dominant-baseline: hanging" dy=".24em"/>`, `<text style="fill:red; dominant-baseline: hanging" dy="1em"/>`},
		"a text with a part's property":     {`<text alignment-baseline="hanging">`, `<text dy="0.76em" alignment-baseline="hanging">`},
		"a text that moves by pixels":       {`<text dominant-baseline="hanging" dy="3"/>`, ""},
		"a part of a text":                  {`<s:tspan alignment-baseline="central">a</s:tspan>`, `<s:tspan baseline-shift="-0.355em" alignment-baseline="central">a</s:tspan>`},
		"the alphabet's baseline":           {`<text dominant-baseline="alphabetic"/>`, ""},
		"a shifted group":                   {`<g baseline-shift="super"><tspan baseline-shift="super"/></g>`, `<g ><tspan baseline-shift="super"/></g>`},
		"a text in a group":                 {`<g dominant-baseline="hanging"><text>a</text></g>`, `<g dominant-baseline="hanging"><text dy="0.76em">a</text></g>`},
		"equal parts of a text":             {`<text dominant-baseline="hanging"><tspan alignment-baseline="hanging">a</tspan></text>`, `<text dy="0.76em" dominant-baseline="hanging"><tspan alignment-baseline="hanging">a</tspan></text>`},
		"a part that stays":                 {`<text dominant-baseline="hanging"><tspan alignment-baseline="alphabetic">a</tspan></text>`, `<text dy="0.76em" dominant-baseline="hanging"><tspan baseline-shift="0.76em" alignment-baseline="alphabetic">a</tspan></text>`},
	}
}

func TestMend(t *testing.T) {
	for _, cases := range []map[string]mendCase{elementCases(), planCases(), textCases()} {
		for name, c := range cases {
			want := c.want
			if want == "" {
				want = c.text
			}
			if got := mended(t, c.text); got != want {
				t.Errorf("%s: %.200q, want %.200q", name, got, want)
			}
			if f, err := Survey(strings.NewReader(c.text), Library{}, ""); err != nil || !f.Flawed && want != c.text {
				t.Errorf("%s: %+v, %v", name, f, err)
			}
		}
	}
}

// table returns the values of a function of alpha with a slope.
func table(slope float64) string {
	var all []string
	for i := range tableSize {
		all = append(all, strconv.FormatFloat(min(slope*float64(i)/(tableSize-1), 1), 'g', 4, 64))
	}
	return strings.Join(all, " ")
}

func TestShadows(t *testing.T) {
	got := mended(t, `<s:feDropShadow dx="3" in='a' flood-color="red" result="r"><s:animate/></s:feDropShadow>`)
	for _, want := range []string{
		`<s:feOffset in='a' dx="0" dy="0" result="thumbmill-in1"/>`, `stdDeviation="2"`, ` dx="3" dy="2" result="thumbmill-blur1"/>`,
		`<s:feFlood flood-color="red"`, `<s:feMerge result="r">`, `<s:animate/></s:feMerge>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	many := mended(t, strings.Repeat("<feDropShadow/>", 3*maxMade))
	if strings.Count(many, "<feDropShadow/>") != 2*maxMade {
		t.Errorf("Mend writes out more than %d shadows", maxMade)
	}
}

func TestSurvey(t *testing.T) {
	f, err := Survey(strings.NewReader(`<svg><style>a{}</style><g systemLanguage="fr, de"/><g systemLanguage="fr"/></svg>`), Library{}, "")
	if err != nil || !f.Styled || !slices.Equal(f.Languages, []string{"fr", "de"}) {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestNewLibrariesMoveTextsByTheirDominantBaseline(t *testing.T) {
	for text, want := range map[string]string{
		`<g alignment-baseline="middle"><text alignment-baseline="inherit">a</text></g>`:                                                     `<g alignment-baseline="middle"><text dominant-baseline="middle" alignment-baseline="inherit">a</text></g>`,
		`<g dominant-baseline="middle"><text><tspan>a</tspan></text></g>`:                                                                    "",
		`<text alignment-baseline="before-edge"><tspan>a</tspan></text>`:                                                                     `<text dominant-baseline="text-before-edge" alignment-baseline="before-edge"><tspan dominant-baseline="auto">a</tspan></text>`,
		`<text dominant-baseline="hanging"><tspan alignment-baseline="middle">a</tspan><tspan alignment-baseline="hanging">a</tspan></text>`: `<text dominant-baseline="hanging"><tspan dominant-baseline="middle" alignment-baseline="middle">a</tspan><tspan alignment-baseline="hanging">a</tspan></text>`,
	} {
		f, err := Survey(strings.NewReader(text), Library{Baselines: true}, "")
		if err != nil || f.Flawed != (want != "") {
			t.Errorf("%s: %+v, %v", text, f, err)
		}
		var out bytes.Buffer
		if err := Mend(&out, strings.NewReader(text), f); err != nil || out.String() != cmp.Or(want, text) {
			t.Errorf("%s: %s, %v", text, out.String(), err)
		}
	}
}

func TestAccept(t *testing.T) {
	chinese := []string{"zh-Hans", "zh-hant", "zh-tw", "zh"}
	for name, c := range map[string]struct {
		asked string
		has   []string
		want  string
	}{
		"the requested language":       {"zh-hant", chinese, "zh-hant"},
		"the language alone":           {"zh", chinese, "zh"},
		"no requested language":        {"", []string{"fr", "en-US"}, "en-us"},
		"a prefix of two":              {"de", []string{"de-AT", "fr", "de-CH"}, "de-at,de-ch"},
		"MediaWiki's replacement":      {"zh-hk", []string{"zh-hans", "zh-hant"}, "zh-hant"},
		"an old code":                  {"be-x-old", []string{"be", "be-tarask"}, "be-tarask"},
		"a language that it lacks":     {"fr", []string{"de"}, "fr"},
		"not a language":               {"C.UTF-8", nil, "en"},
		"an option":                    {"--help", nil, "en"},
		"not a language of BCP 47":     {"zh-classical", nil, "en"},
		"a drawing's invalid language": {"de", []string{"de-xxxxxxxxxxxx"}, "de"},
	} {
		if got := Accept(c.asked, c.has); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzMend(f *testing.F) {
	f.Add(`<svg><image href="data:image/jpg;base64,/9j/"/><feDropShadow in="a"></feDropShadow><!-- x --></svg>`)
	f.Fuzz(func(t *testing.T, text string) {
		var all strings.Builder
		if err := scan(strings.NewReader(text), func(part string, _ kind) error { all.WriteString(part); return nil }); err != nil || all.String() != text {
			t.Fatalf("the parts of %q are %q, %v", text, all.String(), err)
		}
		once := mended(t, text)
		if len(once) > len(text)*100+1000 {
			t.Fatalf("Mend makes %d bytes from %d", len(once), len(text))
		}
		if f, err := Survey(strings.NewReader(text), Library{}, ""); err != nil || !f.Flawed && once != text {
			t.Fatalf("%+v, %v", f, err)
		}
	})
}

func TestBeyond(t *testing.T) {
	for text, want := range map[string]bool{
		`<svg><text>a</text></svg>`:                                false,
		`<svg><text><textPath href="#a">a</textPath></text></svg>`: true,
		`<svg><text x="1 2" dy="1">a</text></svg>`:                 false,
		`<svg><text dx="1 2">a</text></svg>`:                       true,
		`<svg><text textLength="9">a</text></svg>`:                 true,
		`<svg><text><s:tspan rotate="9">a</s:tspan></text></svg>`:  true,
		`<svg><g style="writing-mode: vertical-rl"/></svg>`:        true,
		`<svg writing-mode="lr-tb"><animate rotate="auto"/></svg>`: false,
	} {
		if f, err := Survey(strings.NewReader(text), Library{}, ""); err != nil || f.Beyond != want {
			t.Errorf("%s: %v, %v", text, f.Beyond, err)
		}
	}
}

func TestResize(t *testing.T) {
	for text, want := range map[string]string{
		`<?xml?><svg width="4" height="3px"><svg width="1"/></svg>`: `<?xml?><svg preserveAspectRatio="none" viewBox="0 0 4 3" width="20" height="16"><svg width="1"/></svg>`,
		`<svg viewBox="1 2 4 3"/>`:                                  `<svg height="16" width="20" preserveAspectRatio="none" viewBox="1 2 4 3"/>`,
		`<svg width="4em" height="3"/>`:                             `<svg width="4em" height="3"/>`,
	} {
		var out bytes.Buffer
		if err := Resize(&out, strings.NewReader(text), 20, 16); err != nil || out.String() != want {
			t.Errorf("%s: %s, %v", text, out.String(), err)
		}
	}
}
