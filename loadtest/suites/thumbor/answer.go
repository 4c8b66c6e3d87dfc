package thumbor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"

	_ "golang.org/x/image/webp"
)

// side is the side of a small picture in pixels.
const side = 12

// Answer has the compared parts of a server's answer.
type Answer struct {
	Status int    `json:"status"`
	Type   string `json:"type,omitempty"` // the media type of a picture, of its bytes
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Small  []byte `json:"small,omitempty"` // side × side pixels of RGB, over white

	picture image.Image
}

// Unsafe requests a URL without a signature from a server with a base such as http://127.0.0.1:8888.
func Unsafe(client *http.Client, base, url string) (Answer, error) {
	request, err := http.NewRequest(http.MethodGet, base+"/unsafe/"+url, nil)
	if err != nil {
		return Answer{}, err
	}
	return Read(client, request)
}

// Read sends a request, and reads the answer's picture. It returns an error for a picture that Go cannot
// decode, and for one whose Content-Type is another than its bytes'.
func Read(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request)
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
	m, _, err := image.Decode(bytes.NewReader(firstFrame(body)))
	if err != nil {
		return a, err
	}
	told := response.Header.Get("Content-Type")
	if a.Type = http.DetectContentType(body); a.Type != told {
		return a, fmt.Errorf("the Content-Type of a %s is %s", a.Type, told)
	}
	a.picture = m
	a.Width, a.Height, a.Small = m.Bounds().Dx(), m.Bounds().Dy(), small(m)
	return a, nil
}

// firstFrame returns the first frame of an animated WebP as a still one, because Go's decoder does
// not read animations. It returns other bodies unchanged.
func firstFrame(body []byte) []byte {
	const head, frameHead = 12, 16 // RIFF, size, WEBP; and a frame's place, size and duration
	for at := head; at+8+frameHead <= len(body) && string(body[8:head]) == "WEBP"; {
		size := int(binary.LittleEndian.Uint32(body[at+4:]))
		if string(body[at:at+4]) == "ANMF" && at+8+size <= len(body) {
			frame := body[at+8 : at+8+size]
			flags := []byte{0, 0, 0, 0}
			if string(frame[frameHead:frameHead+4]) == "ALPH" {
				flags[0] = 0x10
			}
			still := slices.Concat([]byte("WEBPVP8X\x0a\x00\x00\x00"), flags, frame[6:12], frame[frameHead:])
			return slices.Concat([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(still))), still)
		}
		at += 8 + size + size&1
	}
	return body
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

// pixels returns all pixels of the picture over white, as RGB.
func (a Answer) pixels() (all []byte) {
	b := a.picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			all = append(all, average(a.picture, image.Rect(x, y, x+1, y+1))...)
		}
	}
	return all
}

// Distance returns the root mean square of the differences, 0 to 255.
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
