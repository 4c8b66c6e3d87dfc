package target

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Hints are the headers of a request that may choose a thumbnail's format, density and quality. The settings say which
// headers count; the others are empty, so that equal hints give equal targets.
type Hints struct {
	Accept   string  // the header
	DPR      float64 // of the client's screen, one of densities; 0 = not told
	SaveData bool    // the client wants fewer bytes
}

// densities bounds the thumbnails that one URL can have: other densities become the next one.
var densities = []float64{1, 1.5, 2, 3}

// HintsOf returns the hints of a request.
func HintsOf(r *http.Request, s *settings.Settings) Hints {
	h := Hints{Accept: r.Header.Get("Accept")}
	if s.Edge.ClientHints {
		h.DPR = density(r.Header.Get("Sec-Ch-Dpr"))
		if h.DPR == 0 {
			h.DPR = density(r.Header.Get("Dpr"))
		}
	}
	if s.Edge.SaveDataQuality > 0 {
		h.SaveData = strings.EqualFold(r.Header.Get("Save-Data"), "on")
	}
	return h
}

func density(text string) float64 {
	asked, err := strconv.ParseFloat(text, 64)
	if err != nil || !(asked > 0) {
		return 0
	}
	for _, d := range densities {
		if d >= asked {
			return d
		}
	}
	return densities[len(densities)-1]
}

// Times returns a length in pixels at a density; a density of 0 means 1.
func Times(pixels int, density float64) int {
	if density == 0 {
		return pixels
	}
	return int(math.Round(float64(pixels) * density))
}
