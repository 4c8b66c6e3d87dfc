package thumbor

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"net/http"
	"strings"

	_ "golang.org/x/image/webp"
)

// side of a picture made small.
const side = 12

// Answer is what a server said, as far as it is compared.
type Answer struct {
	Status int    `json:"status"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Small  []byte `json:"small,omitempty"` // side × side pixels of RGB, over white
}

// Read asks a server at a base such as http://127.0.0.1:8888.
func Read(client *http.Client, base, url string) (Answer, error) {
	response, err := client.Get(base + "/unsafe/" + url)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: response.StatusCode}
	if a.Status != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "image/") {
		return a, nil
	}
	m, _, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	a.Width, a.Height, a.Small = m.Bounds().Dx(), m.Bounds().Dy(), small(m)
	return a, nil
}

// small averages the picture over white in side × side fields.
func small(m image.Image) []byte {
	out := make([]byte, 0, side*side*3)
	b := m.Bounds()
	for y := range side {
		for x := range side {
			field := image.Rect(b.Min.X+x*b.Dx()/side, b.Min.Y+y*b.Dy()/side, b.Min.X+(x+1)*b.Dx()/side, b.Min.Y+(y+1)*b.Dy()/side)
			field.Max.X, field.Max.Y = max(field.Max.X, field.Min.X+1), max(field.Max.Y, field.Min.Y+1)
			out = append(out, average(m, field)...)
		}
	}
	return out
}

func average(m image.Image, field image.Rectangle) []byte {
	var sum [3]uint64
	for y := field.Min.Y; y < field.Max.Y; y++ {
		for x := field.Min.X; x < field.Max.X; x++ {
			r, g, b, a := m.At(x, y).RGBA()
			for i, v := range [3]uint32{r, g, b} {
				sum[i] += uint64(v + 0xffff - a)
			}
		}
	}
	n := uint64(field.Dx()*field.Dy()) * 0x101
	return []byte{byte(sum[0] / n), byte(sum[1] / n), byte(sum[2] / n)}
}

// Distance is the root of the mean square of the difference, 0 to 255.
func Distance(a, b []byte) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 255
	}
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}
