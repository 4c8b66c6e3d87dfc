package guard

import "testing"

// MediaWiki 1.39's SVGReader gives these sizes.
func TestSizesAsMediaWikiHasThem(t *testing.T) {
	for attributes, want := range map[string][2]int{
		`width="400.4" height="237.5"`:            {400, 238},
		`width="210mm" height="297mm"`:            {744, 1052},
		`width="4in" height="3in"`:                {360, 270},
		`viewBox="0 0 100 33"`:                    {512, 169},
		`width="300" viewBox="0,0,100,33"`:        {300, 99},
		`height="100%" viewBox="0 0 200 100"`:     {512, 256},
		`width="0" height="50" viewBox="0 0 2 1"`: {100, 50},
		`width="0.4" height="10"`:                 {0, 10},
		`width="-5" height="10"`:                  {},
		`width="x" height="10"`:                   {},
		``:                                        {512, 512},
	} {
		h, ok := svgHeader([]byte(`<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `/>`))
		if !ok || h.Shown != want {
			t.Errorf("%s: %v, want %v", attributes, h.Shown, want)
		}
	}
}
