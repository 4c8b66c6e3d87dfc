package svg

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func mended(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	facts, err := Survey(strings.NewReader(text), Library{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Mend(&out, strings.NewReader(text), facts); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMend(t *testing.T) {
	long := strings.Repeat("A", 3*maxHeld)
	for name, c := range map[string]struct{ text, want string }{
		"a text without flaws":              {`<svg><g a="x>y"/>text &lt; more</svg>`, ""},
		"a picture of a wrong type":         {`<image href="data:image/jpg;base64,/9j/` + long + `" x="1"/>`, `<image href="data:image/jpeg;base64,/9j/` + long + `" x="1"/>`},
		"a PNG with the type of a JPEG":     {`<svg:image xlink:href=' data:image/jpeg;base64, iVBORw0KGgoAAA'/>`, `<svg:image xlink:href='data:image/png;base64,iVBORw0KGgoAAA'/>`},
		"a picture of the right type":       {`<image href="data:image/png;base64,iVBORw0KGgoAAA"/>`, ""},
		"a drawing in a drawing":            {`<image href="data:image/svg+xml;base64,PHN2Zz4="/>`, ""},
		"text that looks like a picture":    {`<text>href="data:image/jpg;base64,/9j/"</text>`, ""},
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
		"a filter of negative width":        {`<filter width="-1" height="10%"></filter>`, `<filter  height="10%"></filter>`},
		"a matrix of three numbers":         {`<feColorMatrix values="1 0 0"/>`, `<feColorMatrix />`},
		"a matrix":                          {`<feColorMatrix type="matrix" values="1 0 0 0 0,0 1 0 0 0 0 0 1 0 0 0 0 0 1e0-.5"/>`, ""},
		"a saturation":                      {`<feColorMatrix type="saturate" values=".5"/>`, ""},
		"a side that is not a length":       {`<rect x="inherit" width="16mm" height="5%"/>`, `<rect  width="16mm" height="5%"/>`},
		"an offset with a unit":             {`<stop offset="5mm"/><stop offset="50%"/>`, `<stop /><stop offset="50%"/>`},
		"a gradient of another":             {`<linearGradient id="a" href="#b"/><radialGradient id="b"/>`, ""},
		"a gradient of nothing":             {`<linearGradient id="a" xlink:href="#b"/><rect id="b"/><pattern href="#a"/>`, `<linearGradient id="a" /><rect id="b"/><pattern />`},
		"gradients in a circle":             {`<linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"/><linearGradient id="c" href="#b"/>`, `<linearGradient id="a" href="#b"/><linearGradient id="b" href="#c"/><linearGradient id="c" />`},
		"a gradient of an entity":           {`<linearGradient href="#&b;"/>`, ""},
		"a function of a colour":            {`<s:svg><g filter="hue-rotate(100grad) invert(25%)"/></s:svg>`, `<s:svg><s:defs><s:filter id="thumbmill-filter0" x="-.5" y="-.5" width="2" height="2" color-interpolation-filters="sRGB"><s:feColorMatrix type="hueRotate" values="90"/><s:feComponentTransfer><s:feFuncR type="table" tableValues="0.25 0.75"/><s:feFuncG type="table" tableValues="0.25 0.75"/><s:feFuncB type="table" tableValues="0.25 0.75"/></s:feComponentTransfer></s:filter></s:defs><g filter="url(#thumbmill-filter0)"/></s:svg>`},
		"a function without a root":         {`<g filter="sepia()"/>`, ""},
		"a function and a filter":           {`<svg><g filter="sepia() url(#a)"/></svg>`, ""},
		"a reference to a filter":           {`<svg><g filter="url(#a)"/></svg>`, ""},
		"a function of less than nothing":   {`<svg><g filter="sepia(1) contrast(-1)"/></svg>`, `<svg><g /></svg>`},
		"an angle without a unit":           {`<svg><g filter="hue-rotate(45)"/></svg>`, `<svg><g /></svg>`},
		"places of characters":              {"<s:text x='1,2 3' dy=\"4 5\">\n a\u00e9&amp; b </s:text>", "<s:text x='1,2 3' dy=\"4 5\">a<s:tspan x=\"2\" dy=\"5\">\u00e9</s:tspan><s:tspan x=\"3\">&amp;</s:tspan> b </s:text>"},
		"places of spaces":                  {`<tspan xml:space="preserve" y="1 2 3"> ab</tspan>`, `<tspan xml:space="preserve" y="1 2 3"> <tspan y="2">a</tspan><tspan y="3">b</tspan></tspan>`},
		"places of letters that join":       {"<text x='1 2 3'>\u0628\u062a</text>", ""},
		"a part that begins with a space":   {`<text><tspan dx="0 2"> world</tspan></text>`, ""},
		"spaces that an ancestor preserves": {`<text xml:space="preserve"><tspan x="1 2 3">a  b</tspan></text>`, ""},
		"a list of too many functions":      {`<svg><g filter="` + strings.Repeat("sepia() ", maxPrimitives+1) + `"/></svg>`, ""},
		"places of an unknown entity":       {"<text x='1 2 3'>&abc;</text>", ""},
		"a place of a text":                 {"<text x='1' y='2'>ab</text>", ""},
		"places of a text's parts":          {"<text x='1 2'><tspan>ab</tspan></text>", ""},
		"a text in the middle":              {`<text y="9" dominant-baseline=" middle ">a</text>`, `<text dy="0.265em" y="9" dominant-baseline=" middle ">a</text>`},
		"a text under a line":               {`<text style="fill:red; dominant-baseline: hanging" dy=".24em"/>`, `<text style="fill:red; dominant-baseline: hanging" dy="1em"/>`},
		"a text with a part's property":     {`<text alignment-baseline="hanging">`, `<text dy="0.76em" alignment-baseline="hanging">`},
		"a text that moves by pixels":       {`<text dominant-baseline="hanging" dy="3"/>`, ""},
		"a part of a text":                  {`<s:tspan alignment-baseline="central">a</s:tspan>`, `<s:tspan baseline-shift="-0.355em" alignment-baseline="central">a</s:tspan>`},
		"the alphabet's baseline":           {`<text dominant-baseline="alphabetic"/>`, ""},
		"a use of a symbol":                 {`<svg viewBox="0 0 40 20"><use href="#a" y="5" width="10"/><symbol id="a"/></svg>`, `<svg viewBox="0 0 40 20"><defs><clipPath id="thumbmill-clip0"><rect x="0" y="5" width="10" height="20" /></clipPath></defs><use clip-path="url(#thumbmill-clip0)" href="#a" y="5" width="10"/><symbol id="a"/></svg>`},
		"a use of an open symbol":           {`<svg viewBox="0 0 40 20"><use href="#a" width="10"/><symbol id="a" style="overflow:visible"/></svg>`, ""},
		"a use of a shape":                  {`<svg viewBox="0 0 40 20"><use href="#a" width="10"/><path id="a"/></svg>`, ""},
		"a use of unknown sides":            {`<svg><use href="#a" width="10"/><symbol id="a"/></svg>`, ""},
		"an origin in pixels":               {`<rect transform-origin="10 20px" transform='rotate(45)'/>`, `<rect  transform='translate(10 20) rotate(45) translate(-10 -20)'/>`},
		"an origin in the middle":           {`<svg viewBox="5,5 40 20"><g transform="scale(2)" transform-origin="center"/></svg>`, `<svg viewBox="5,5 40 20"><g transform="translate(20 10) scale(2) translate(-20 -10)" /></svg>`},
		"an origin of words":                {`<svg width="40px" height="20"><g transform="scale(2)" transform-origin="bottom right"/></svg>`, `<svg width="40px" height="20"><g transform="translate(40 20) scale(2) translate(-40 -20)" /></svg>`},
		"an origin of percentages":          {`<svg width="40" height="20"><g transform="scale(2)" transform-origin="25% 0"/></svg>`, `<svg width="40" height="20"><g transform="translate(10 0) scale(2) translate(-10 0)" /></svg>`},
		"an origin in another drawing":      {`<svg width="4" height="2"><svg><g transform="scale(2)" transform-origin="25% 0"/></svg></svg>`, ""},
		"an origin in three dimensions":     {`<g transform="scale(2)" transform-origin="1 2 3"/>`, ""},
		"an origin of a pattern":            {`<pattern patternTransform="scale(2)" transform-origin="1 2"/>`, ""},
		"a WebP of another type":            {`<image href="data:image/png;base64,UklGRhoA"/>`, `<image href="data:image/webp;base64,UklGRhoA"/>`},
		"a truncated tag":                   {`<feTurbulence numOctaves="99`, ""},
		"only the start of a tag":           {`<`, ""},
		"an attribute without its quotes":   {`<image href=data:image/jpg;base64,/9j/>`, ""},
	} {
		want := c.want
		if want == "" {
			want = c.text
		}
		if got := mended(t, c.text); got != want {
			t.Errorf("%s: %.200q, want %.200q", name, got, want)
		}
		if f, err := Survey(strings.NewReader(c.text), Library{}); err != nil || f.Flawed != (want != c.text) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
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
	many := mended(t, strings.Repeat("<feDropShadow/>", 3*maxShadows))
	if strings.Count(many, "<feDropShadow/>") != 2*maxShadows {
		t.Errorf("Mend writes out more than %d shadows", maxShadows)
	}
}

func TestSurvey(t *testing.T) {
	f, err := Survey(strings.NewReader(`<svg><style>a{}</style><g systemLanguage="fr, de"/><g systemLanguage="fr"/></svg>`), Library{})
	if err != nil || !f.Styled || !slices.Equal(f.Languages, []string{"fr", "de"}) {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestNewLibrariesMoveTextsThemselves(t *testing.T) {
	f, err := Survey(strings.NewReader(`<text dominant-baseline="middle"/>`), Library{Baselines: true})
	if err != nil || f.Flawed {
		t.Errorf("%+v, %v", f, err)
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
		if f, err := Survey(strings.NewReader(text), Library{}); err != nil || f.Flawed != (once != text) {
			t.Fatalf("%+v, %v", f, err)
		}
	})
}
