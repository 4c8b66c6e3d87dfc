package mediawiki

import (
	"bytes"
	"fmt"
	"image"
	_ "image/gif"  // formats of thumbnails
	_ "image/jpeg" // likewise
	_ "image/png"  // likewise
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	_ "golang.org/x/image/webp" // likewise

	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
)

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// visitor is a client that follows no redirects, with the cookies of an account or without any.
func visitor(cookies http.CookieJar) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Jar: cookies, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (m *machine) get(address string) answer {
	m.t.Helper()
	response, err := m.client.Get(address)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatalf("%s: %v", address, err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// size returns the size of the picture, or 0 × 0 for an answer without a picture.
func (a answer) size() image.Point {
	config, _, err := image.DecodeConfig(bytes.NewReader(a.body))
	if err != nil {
		return image.Point{}
	}
	return image.Pt(config.Width, config.Height)
}

// thumb has the parts of a thumbnail's URL.
type thumb struct {
	title       string
	width, page int
	seek        string
}

var thumbURL = regexp.MustCompile(`/thumb/(?:archive/)?(?:[0-9a-f]/[0-9a-f]{2}/)?([^/]+)/(?:lossy-|lossless-|qlow-)*(?:page(\d+)-)?(?:lang[a-z-]+-)?(\d+)px-(?:seek(?:=|%3D)([\d.]+)-)?[^/]*$`)

// named reads a thumbnail's URL.
func named(address string) (t thumb, ok bool) {
	path, _, _ := strings.Cut(address, "?")
	found := thumbURL.FindStringSubmatch(path)
	if found == nil {
		return t, false
	}
	t.title, _ = url.PathUnescape(found[1])
	t.page, _ = strconv.Atoi(found[2])
	t.width, _ = strconv.Atoi(found[3])
	t.seek = found[4]
	return t, true
}

// shape is the size of an original, or of one of its pages, as MediaWiki has it.
func (m *machine) shape(t thumb) image.Point {
	m.t.Helper()
	key := fmt.Sprintf("%s %d", t.title, t.page)
	if known, ok := m.shapes[key]; ok {
		return known
	}
	parameters := map[string]string{"action": "query", "titles": "File:" + t.title, "prop": "imageinfo", "iiprop": "size|url"}
	if t.page > 1 { // the API tells the first page's
		parameters["iiurlwidth"], parameters["iiurlparam"] = "100000", fmt.Sprintf("page%d-100000px", t.page)
	}
	info := at[map[string]any](m, m.wiki.API(parameters, nil), "query", "pages", 0, "imageinfo", 0)
	width, height := "width", "height"
	if t.page > 1 {
		width, height = "thumbwidth", "thumbheight"
	}
	w, _ := info[width].(float64)
	h, _ := info[height].(float64)
	m.shapes[key] = image.Pt(int(w), int(h))
	return m.shapes[key]
}

// at finds a value in JSON.
func at[T any](m *machine, value any, keys ...any) (found T) {
	m.t.Helper()
	for _, key := range keys {
		switch k := key.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[k]
		case int:
			list, _ := value.([]any)
			if k >= len(list) {
				m.t.Fatalf("JSON has no %v", keys)
			}
			value = list[k]
		}
	}
	found, ok := value.(T)
	if !ok {
		m.t.Fatalf("JSON has %v at %v", value, keys)
	}
	return found
}

// scaled is the height for a width as MediaWiki computes it: half a pixel counts up, and no
// thumbnail is lower than one.
func scaled(original image.Point, width int) int {
	if original.X == 0 {
		return 0
	}
	return max(1, (2*original.Y*width+original.X)/(2*original.X))
}

// check tests a URL of a page: the status must be 200, and the size exactly the size in the URL.
func (m *machine) check(on, address string) (a answer, ok bool) {
	m.t.Helper()
	if known, done := m.checked[address]; done {
		return known, known.status == http.StatusOK
	}
	a = m.get(address)
	m.checked[address] = a
	if a.status != http.StatusOK {
		m.t.Errorf("%s: %s answers %d %.200s", on, address, a.status, a.body)
		return a, false
	}
	t, isThumb := named(address)
	if !isThumb {
		return a, true
	}
	want := image.Pt(t.width, scaled(m.shape(t), t.width))
	if own := m.shape(t); t.width > own.X && strings.HasSuffix(t.title, ".tif") {
		want = own // PagedTiffHandler links to wider thumbnails than the file, and enlarges none
	}
	if a.size() != want {
		m.t.Errorf("%s: %s is %v, and %v by MediaWiki's arithmetic (original %v)", on, address, a.size(), want, m.shape(t))
		return a, false
	}
	return a, true
}

// similarity compares a thumbnail with the one that MediaWiki makes itself.
func (m *machine) similarity(address string) (mean float64, err error) {
	m.t.Helper()
	t, _ := named(address)
	query := url.Values{"f": {t.title}, "width": {strconv.Itoa(t.width)}}
	if t.page > 0 {
		query.Set("page", strconv.Itoa(t.page))
	}
	own := m.get(m.wiki.URL + "/own/thumb.php?" + query.Encode())
	if own.status != http.StatusOK {
		return 0, fmt.Errorf("MediaWiki itself answers %d: %s", own.status, regexp.MustCompile(`(?s)<p>.*</p>`).Find(own.body))
	}
	want, _, err := image.Decode(bytes.NewReader(own.body))
	if err != nil {
		return 0, fmt.Errorf("MediaWiki's own: %w", err)
	}
	got, _, err := image.Decode(bytes.NewReader(m.checked[address].body))
	if err != nil {
		return 0, err
	}
	return ssim.Mean(corner(got, want), corner(want, got), 128)
}

// corner is the part of a picture that another one has too: MediaWiki's own pages and drawings
// can be a pixel lower than its HTML says.
func corner(m, other image.Image) image.Image {
	b, o := m.Bounds(), other.Bounds()
	if b.Dy()-o.Dy() > 1 || b.Dx() != o.Dx() {
		return m
	}
	part, ok := m.(interface {
		SubImage(r image.Rectangle) image.Image
	})
	if !ok {
		return m
	}
	return part.SubImage(image.Rect(0, 0, b.Dx(), min(b.Dy(), o.Dy())).Add(b.Min))
}
