package trial

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
)

func links() Links {
	return Links{
		Signer: thumborurl.Signer{Key: "key"},
		Imgproxy: func(rest string, signed bool) (string, error) {
			return map[bool]string{true: "/SIGNED/", false: "/insecure/"}[signed] + rest, nil
		},
		MediaWiki: func(original string, _ int) string {
			return map[string]string{"wiki/a.jpg": "/w/330px-a.jpg"}[original]
		},
	}
}

func TestLinks(t *testing.T) {
	for name, c := range map[string]struct {
		options                      Options
		thumbor, imgproxy, mediaWiki string // a part of the path, or of the reason
	}{
		"the whole":       {Options{Image: "a b.jpg"}, "/unsafe/a%20b.jpg", "/insecure/plain/local:%2F%2F%2Fa%20b.jpg", "only originals of a wiki"},
		"a width":         {Options{Image: "wiki/a.jpg", Width: 330}, "/unsafe/330x0/wiki/a.jpg", "/rs:fit:330:0:1/plain", "/w/330px-a.jpg"},
		"a height":        {Options{Image: "wiki/a.jpg", Height: 330}, "/unsafe/0x330/wiki/a.jpg", "/rs:fit:0:330:1/plain", "no height"},
		"a box":           {Options{Image: "a.jpg", Width: 3, Height: 2, Smart: true}, "/3x2/smart/a.jpg", "/rs:fill:3:2:1/g:sm/", "only"},
		"a fit":           {Options{Image: "a.jpg", Width: 3, Height: 2, Fit: "fit-in"}, "/fit-in/3x2/a.jpg", "/rs:fit:3:2:0/", "only"},
		"a cover":         {Options{Image: "a.jpg", Width: 3, Fit: "full-fit-in"}, "/full-fit-in/3x0/a.jpg", "full-fit-in has no option", "only"},
		"a crop":          {Options{Image: "wiki/a.jpg", Width: 9, Crop: &thumborurl.Crop{Left: 1, Top: 2, Right: 11, Bottom: 32}}, "/1x2:11x32/9x0/", "/c:10:30:nowe:1:2/rs:fit:9:0:1/", "no height, crop"},
		"filters":         {Options{Image: "a.jpg", Filters: []string{"format(webp)", "quality(50)", "blur(3)", "pixelate(8)"}}, "/filters:format(webp):quality(50):blur(3):pixelate(8)/a.jpg", "/q:50/bl:3/pix:8/plain/local:%2F%2F%2Fa.jpg@webp", "only"},
		"a sigma":         {Options{Image: "a.jpg", Filters: []string{"blur(3,1.5)"}}, "/filters:blur(3,1.5)/", "/bl:1.5/", "only"},
		"another filter":  {Options{Image: "a.jpg", Filters: []string{"grayscale()"}}, "/filters:grayscale()/", "the filter grayscale() has no option", "only"},
		"a description":   {Options{Image: "a.jpg", Meta: true}, "/unsafe/meta/a.jpg", "imgproxy Pro", "only"},
		"negative values": {Options{Image: "a.jpg", Width: -4, Height: -1}, "/unsafe/a.jpg", "/insecure/plain/", "only"},
	} {
		t.Run(name, func(t *testing.T) {
			all := links().all(c.options, "http://edge", false)
			for i, want := range []string{c.thumbor, c.imgproxy, c.mediaWiki} {
				l := all[i]
				if said := l.Path + l.Reason; !strings.Contains(said, want) || (l.URL == "") != (l.Path == "") || l.Path != "" && l.URL != "http://edge"+l.Path {
					t.Errorf("%s: %+v, want %s", l.Language, l, want)
				}
			}
		})
	}
}

// A link is signed only for operators, whose requests are POSTs.
func TestOnlyPostsAreSigned(t *testing.T) {
	p := New(Config{Links: links(), Listen: "127.0.0.1:1"})
	options := `{"image": "wiki/a.jpg", "width": 3}`
	const rest = "rs:fit:3:0:1/plain/local:%2F%2F%2Fwiki%2Fa.jpg"
	for _, c := range []struct {
		r    *http.Request
		want []string // paths
	}{
		{httptest.NewRequest("GET", "/try/urls?options="+url.QueryEscape(options), nil), []string{"/unsafe/3x0/wiki/a.jpg", "/insecure/" + rest, "/w/330px-a.jpg"}},
		{httptest.NewRequest("POST", "/try/urls", strings.NewReader(options)), []string{links().Signer.Sign("3x0/wiki/a.jpg"), "/SIGNED/" + rest, "/w/330px-a.jpg"}},
	} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, c.r)
		var all []Link
		if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
			t.Errorf("%s: %v: %s", c.r.Method, err, w.Body)
		}
		var paths []string
		for _, l := range all {
			paths = append(paths, l.Path)
			if l.URL != "http://127.0.0.1:1"+l.Path {
				t.Errorf("%s: the URL of %s is %s", c.r.Method, l.Path, l.URL)
			}
		}
		if !slices.Equal(paths, c.want) {
			t.Errorf("%s: %q, want %q", c.r.Method, paths, c.want)
		}
	}
}

func TestWrongPostsAreRefused(t *testing.T) {
	p := New(Config{Links: links(), Listen: "127.0.0.1:1"})
	for at, want := range map[string]string{"/try/urls": "cannot be read", "/try/uploads?name=a.jpg": "keeps no uploads"} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, at, strings.NewReader("{")))
		if w.Code < 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", at, w.Code, w.Body, want)
		}
	}
}

// echo answers with the request line and the host that an edge sees.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.RequestURI+" "+r.URL.Path+" "+r.Host+" "+r.Header.Get("Authorization"))
}

func TestPicturesComeFromTheEdge(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:8": "127.0.0.1:8", "[::]:8": "admin:8"} {
		p := New(Config{Edge: http.HandlerFunc(echo), Listen: listen})
		r := httptest.NewRequest(http.MethodGet, "http://admin:9/try/picture/unsafe/filters:text(a%2Fb,1)/a%20b.jpg", nil)
		r.RequestURI = "/try/picture/unsafe/filters:text(a%2Fb,1)/a%20b.jpg"
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if got := w.Body.String(); got != "/unsafe/filters:text(a%2Fb,1)/a%20b.jpg /unsafe/filters:text(a/b,1)/a b.jpg "+want+" " {
			t.Errorf("%s: %q", listen, got)
		}
	}
}

// patient is a connection that remembers the deadline of its answer.
type patient struct {
	*httptest.ResponseRecorder
	by time.Time
}

func (c *patient) SetWriteDeadline(by time.Time) error {
	c.by = by
	return nil
}

// A client that stops reading a picture does not keep its connection.
func TestPicturesHaveADeadline(t *testing.T) {
	w, began := &patient{ResponseRecorder: httptest.NewRecorder()}, time.Now()
	edge := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if left := w.by.Sub(began); left < time.Hour || left > 2*time.Hour {
			t.Errorf("the edge answers with %v left, want an hour", left)
		}
	})
	New(Config{Edge: edge, Listen: "127.0.0.1:8", Within: time.Hour}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/try/picture/unsafe/a.jpg", nil))
	if w.by.IsZero() {
		t.Error("a picture has no deadline")
	}
}

// kept is a store of uploads.
type kept struct{ body []byte }

func (k *kept) MostBytes() int64 { return 4 }

func (k *kept) Add(name string, body []byte) (string, error) {
	if name == "" {
		return "", errors.New("no name")
	}
	k.body = body
	return "up/" + name, nil
}

func TestUploads(t *testing.T) {
	for at, c := range map[string]struct {
		body, want string
		status     int
	}{
		"/try/uploads?name=a.jpg": {"1234", `"up/a.jpg"`, http.StatusOK},
		"/try/uploads?name=b.jpg": {"12345", "4 bytes are allowed", http.StatusRequestEntityTooLarge},
		"/try/uploads":            {"1", "no name", http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		New(Config{Uploads: &kept{}}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, at, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", at, w.Code, w.Body)
		}
	}
}
