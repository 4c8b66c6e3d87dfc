package target

import (
	"net/http"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestHints(t *testing.T) {
	off := settings.Default()
	on := settings.Default()
	on.Edge.ClientHints, on.Edge.SaveDataQuality = true, 50
	for _, c := range []struct {
		name, value string
		want        Hints
	}{
		{"Sec-CH-DPR", "1.25", Hints{DPR: 1.5}}, {"DPR", "2", Hints{DPR: 2}}, {"DPR", "9", Hints{DPR: 3}}, {"DPR", "0.5", Hints{DPR: 1}},
		{"DPR", "NaN", Hints{}}, {"DPR", "-1", Hints{}}, {"DPR", "x", Hints{}}, {"Save-Data", "On", Hints{SaveData: true}}, {"Save-Data", "off", Hints{}},
	} {
		header := http.Header{}
		header.Set(c.name, c.value)
		if got := HintsOf(&http.Request{Header: header}, &on); got != c.want {
			t.Errorf("%s: %s: %+v", c.name, c.value, got)
		}
		if got := HintsOf(&http.Request{Header: header}, &off); got != (Hints{}) {
			t.Errorf("%s counts although it is off: %+v", c.name, got)
		}
	}
}
