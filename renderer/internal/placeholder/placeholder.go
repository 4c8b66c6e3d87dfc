// Package placeholder describes a picture so that a page has something to show before the picture arrives: a BlurHash, a ThumbHash,
// and the picture's colours. It takes decoded pixels; only workers call it.
package placeholder

import (
	"encoding/base64"
	"image"
	"image/color"
	"image/draw"

	"github.com/bbrks/go-blurhash"
)

// MaxSide is the longest side of a described picture in pixels: the bound of a ThumbHash.
const MaxSide = 100

// Description is the answer to a URL with the filter placeholder().
type Description struct {
	Width     int               `json:"width"`     // of the thumbnail, in pixels
	Height    int               `json:"height"`    // of the thumbnail, in pixels
	BlurHash  string            `json:"blurhash"`  // of the picture on white: a BlurHash has no transparency
	ThumbHash string            `json:"thumbhash"` // in Base64
	Average   string            `json:"average"`   // a colour such as #a0b1c2
	Dominant  []string          `json:"dominant"`  // at most five colours, the most frequent first
	EXIF      map[string]string `json:"exif,omitempty"`
}

// Of describes a picture of at least 1 and at most MaxSide pixels a side. Width, Height and EXIF are the caller's.
func Of(p *image.NRGBA) (Description, error) {
	across, down := 4, 3 // the numbers of waves that blurha.sh advises for photographs
	if p.Bounds().Dy() > p.Bounds().Dx() {
		across, down = down, across
	}
	blur, err := blurhash.Encode(across, down, onWhite(p))
	if err != nil {
		return Description{}, err
	}
	average, dominant := colours(p)
	return Description{BlurHash: blur, ThumbHash: base64.StdEncoding.EncodeToString(thumbHash(p)), Average: average, Dominant: dominant}, nil
}

func onWhite(p *image.NRGBA) image.Image {
	white := image.NewRGBA(p.Bounds())
	draw.Draw(white, white.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(white, white.Bounds(), p, p.Bounds().Min, draw.Over)
	return white
}
