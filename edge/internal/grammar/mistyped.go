package grammar

import (
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// mostShown bounds the bytes of a path in a message.
const mostShown = 120

// mistyped returns the fault of a path that no grammar knows. It names the path that was probably meant: a path of options
// or of a picture lacks its first segment.
func (g *Reader) mistyped(raw string) error {
	rest := strings.TrimPrefix(raw, "/")
	meant := "/unsafe/330x/photo.jpg"
	strange := func(r rune) bool { return r <= ' ' || r > '~' }
	switch {
	case len(rest) > mostShown || strings.ContainsFunc(rest, strange):
	case g.imgproxy.Mine("/insecure/"+rest) && g.imgproxy.Begins(rest):
		meant = "/insecure/" + rest
	case g.thumbor.Begins(rest):
		meant = "/unsafe/" + rest
	case thumbnail.TypeOf(rest) != thumbnail.TypeUnknown:
		meant = "/unsafe/330x/" + rest
	}
	return fault.New(fault.NoSuchURL, "no thumbnail has this URL: begin with /unsafe/ or a signature, as in %s", meant)
}
