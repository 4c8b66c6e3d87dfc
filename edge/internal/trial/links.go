package trial

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
)

// Options are a thumbnail as the page's form has it. Zero values mean "not requested".
type Options struct {
	Image   string           `json:"image"`
	Meta    bool             `json:"meta"` // a description in JSON
	Crop    *thumborurl.Crop `json:"crop"` // Left, Top, Right, Bottom in pixels of the original
	Width   int              `json:"width"`
	Height  int              `json:"height"`
	Fit     thumborurl.Fit   `json:"fit"`
	Smart   bool             `json:"smart"`
	Filters []string         `json:"filters"` // Thumbor's, such as blur(3)
}

// Link is a URL in one language, or the reason why the language cannot say the same.
type Link struct {
	Language string `json:"language"`
	Path     string `json:"path,omitempty"` // after the host
	URL      string `json:"url,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Links makes URLs in the languages of a site.
type Links struct {
	Signer thumborurl.Signer // of Thumbor's URLs, without a base
	// Imgproxy signs a path of imgproxy's language without its signature, and returns the whole path; nil means that the site
	// does not read imgproxy's URLs. Its error is the reason for which the edge refuses all of them.
	Imgproxy func(rest string, signed bool) (string, error)
	// MediaWiki returns the path of an original's thumbnail, or "" for originals that are not a wiki's.
	MediaWiki func(original string, width int) string
}

// all returns the links; Thumbor's is the first, and can say everything.
func (l Links) all(o Options, base string, signed bool) []Link {
	link := func(language string, path func(Options) (string, error)) Link {
		at, err := path(o)
		if err != nil {
			return Link{Language: language, Reason: err.Error()}
		}
		return Link{Language: language, Path: at, URL: base + at}
	}
	all := []Link{link("Thumbor", func(o Options) (string, error) { return l.thumbor(o, signed), nil })}
	if l.Imgproxy != nil {
		all = append(all, link("imgproxy", func(o Options) (string, error) {
			rest, err := imgproxy(o)
			if err != nil {
				return "", err
			}
			return l.Imgproxy(rest, signed)
		}))
	}
	return append(all, link("MediaWiki", l.mediaWiki))
}

func (l Links) thumbor(o Options, signed bool) string {
	signer := l.Signer
	if !signed {
		signer.Key = ""
	}
	return signer.URL(thumborurl.Options{
		Image: o.Image, Meta: o.Meta, Crop: o.Crop, Fit: o.Fit, Width: max(0, o.Width), Height: max(0, o.Height), Smart: o.Smart, Filters: o.Filters,
	})
}

func (l Links) mediaWiki(o Options) (string, error) {
	path := l.MediaWiki(o.Image, o.Width)
	switch {
	case path == "":
		return "", errors.New("only originals of a wiki have such URLs")
	case o.Width <= 0 || o.Height > 0 || o.Crop != nil || o.Smart || len(o.Filters) > 0:
		return "", errors.New("such URLs have a width, and no height, crop or filter: give a width alone")
	}
	return path, nil
}

// same has the filters of Thumbor's language that are options of imgproxy's, with the argument that both have. The blur of
// imgproxy has one argument, the sigma.
var same = map[string]string{"quality": "q", "max_bytes": "mb", "pixelate": "pix", "page": "pg", "dpr": "dpr"}

var call = regexp.MustCompile(`^([a-z_]+)\(([^()]*)\)$`)

// imgproxy returns the path after the signature in imgproxy's language, or an error that names the first thing that the
// language lacks.
func imgproxy(o Options) (string, error) {
	var options []string
	add := func(format string, args ...any) { options = append(options, fmt.Sprintf(format, args...)) }
	if o.Meta {
		return "", errors.New("a description needs imgproxy Pro")
	}
	if c := o.Crop; c != nil {
		add("c:%d:%d:nowe:%d:%d", c.Right-c.Left, c.Bottom-c.Top, c.Left, c.Top)
	}
	switch mode := "fill"; {
	case o.Fit == thumborurl.Cover:
		return "", errors.New("full-fit-in has no option")
	case o.Width > 0 || o.Height > 0:
		if o.Fit == thumborurl.In || o.Width <= 0 || o.Height <= 0 {
			mode = "fit"
		}
		enlarge := 1
		if o.Fit == thumborurl.In {
			enlarge = 0
		}
		add("rs:%s:%d:%d:%d", mode, max(0, o.Width), max(0, o.Height), enlarge)
	}
	if o.Smart {
		add("g:sm")
	}
	format := ""
	for _, f := range o.Filters {
		found := call.FindStringSubmatch(f)
		switch {
		case found != nil && found[1] == "format":
			format = "@" + found[2]
		case found != nil && found[1] == "blur":
			add("bl:%s", sigma(found[2]))
		case found != nil && same[found[1]] != "":
			add("%s:%s", same[found[1]], found[2])
		default:
			return "", fmt.Errorf("the filter %s has no option", f)
		}
	}
	return strings.Join(append(options, "plain", url.PathEscape("local:///"+o.Image)+format), "/"), nil
}

// sigma returns the second argument of a blur, by default the first, the radius.
func sigma(arguments string) string {
	radius, sigma, both := strings.Cut(arguments, ",")
	if n, err := strconv.ParseFloat(sigma, 64); both && err == nil && n != 0 {
		return sigma
	}
	return radius
}

// readBody returns a body of at most that many bytes, or answers with an error and returns false.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		http.Error(w, fmt.Sprintf("cannot read the body: %v; at most %d bytes are allowed", err, most), http.StatusRequestEntityTooLarge)
		return nil, false
	}
	return body, true
}
