package mediawiki

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
)

// long is the variable that asks for the long form of the tests: make test-mediawiki sets it.
const long = "THUMBMILL_WIKI"

func onlyLong(t *testing.T) {
	t.Helper()
	if os.Getenv(long) == "" {
		t.Skipf("%s is not set: make test-mediawiki sets it", long)
	}
}

// query is a query of thumb.php. differs is the reason for an answer that differs from MediaWiki's own;
// status is then thumbmill's.
type query struct {
	parameters string
	status     int    // of thumbmill's answer, where it differs
	differs    string // the reason; "" where both must answer alike
}

const (
	unscaled = "the edge does not know the original's size; it serves the original's size, as Wikimedia does, where MediaWiki says that nothing was scaled"
	lower    = "MediaWiki's HTML says 425; its own picture is a pixel lower"
	lastPage = "Wikimedia's renderer shows the first page in place of one that is absent, and the conformance cases hold thumbmill to it"
	phpError = "MediaWiki fails by an error of PHP"
	noPages  = "Debian's MediaWiki has no PagedTiffHandler, and ignores lossy; TestPagedTIFFs compares it"
)

// queries are those that wikis, gadgets and old pages send.
var queries = []query{
	{"f=Landscape.jpg&width=300", 0, ""},
	{"f=Landscape.jpg&w=301", 0, ""},
	{"f=Landscape.jpg&w=300px", 0, ""},
	{"f=Landscape.jpg&width=0300", 0, ""},
	{"f=landscape.jpg&width=120", 0, ""},
	{"f=+Landscape.jpg&width=120", 0, ""},
	{"f=Half+pixel.jpg&width=250", 0, ""},
	{"f=Half_pixel.jpg&width=250", 0, ""},
	{"f=half%20pixel.jpg&width=250", 0, ""},
	{"f=Half__pixel.jpg&width=250", 0, ""},
	{"f=Turned.jpg&width=200", 0, ""},
	{"f=K%C3%A4se_%26_Brot,_100_'%C3%BC'_(1).jpg&width=200", 0, ""},
	{"f=k%C3%A4se+%26+Brot,+100+'%C3%BC'+(1).jpg&width=200", 0, ""},
	{"f=Landscape.jpg&width=120&page=1", 0, ""},
	{"f=Landscape.jpg&width=120&page=7", 0, ""},
	{"f=Landscape.jpg&width=120&lang=fr", 0, ""},
	{"f=Landscape.jpg&width=120&r=1", 0, ""},
	{"f=Landscape.jpg&width=120&download", 0, ""},
	{"f=Landscape.jpg&width=120&quality=5", 0, ""},
	{"f=Landscape.jpg&width=120&quality=low", 0, ""},
	{"f=Landscape.jpg&width=120&thumbtime=3", 0, ""},
	{"f=Landscape.jpg&width=120&quality=", 0, ""},
	{"f=Landscape.jpg&width=110&width=120", 0, ""},
	{"f=Landscape.jpg&w=120&width=110", 0, ""},
	{"f=Landscape.jpg&thumbName=150px-Landscape.jpg", 0, ""},
	{"f=Landscape.jpg&width=1600", http.StatusOK, unscaled},
	{"f=Landscape.jpg&width=2000", http.StatusOK, unscaled},
	{"f=Small.jpg&width=90", http.StatusOK, unscaled},
	{"f=Small.jpg&width=89", 0, ""},
	{"f=Disc.png&width=300", 0, ""},
	{"f=Disc.webp&width=300", 0, ""},
	{"f=Disc.webp&width=50", 0, ""},
	{"f=Disc.webp&width=640", 0, ""},
	{"f=Spinner.gif&width=100", 0, ""},
	{"f=Scan.tif&width=300", 0, ""},
	{"f=Scan.tif&width=300&page=1", 0, ""},
	{"f=Scan.tif&width=1200", 0, ""},
	{"f=Scan.tif&width=300&page=x", 0, ""},
	{"f=Scan.tif&width=300&lossy=1", 0, ""},
	{"f=Scan.tif&width=300&lossy=banana", http.StatusOK, noPages},
	{"f=Fraction.svg&width=300", 0, ""},
	{"f=Fraction.svg&width=600&lang=en", 0, ""},
	{"f=Map.svg&width=1000", 0, ""},
	{"f=Map.svg&width=200&lang=de", 0, ""},
	{"f=Map.svg&width=200&lang=!!", 0, ""},
	{"f=Map.svg&width=200&lang=", 0, ""},
	{"f=Book.pdf&width=300", http.StatusOK, lower},
	{"f=Book.pdf&width=300&page=2", 0, ""},
	{"f=Book.pdf&width=300&p=3", 0, ""},
	{"f=Book.pdf&width=300&page=99", http.StatusOK, lastPage},
	{"f=Book.pdf&width=300&page=0", http.StatusOK, lower},
	{"f=Book.pdf&width=300&page=x", http.StatusOK, lower},
	{"f=Book.pdf&width=300&page=2nd", 0, ""},
	{"f=Book.pdf&width=300&p=0", http.StatusOK, lower},
	{"f=Book.pdf&width=300&p=0&page=2", http.StatusOK, lower},
	{"f=Book.pdf&width=300&p=3&page=2", 0, ""},
	{"f=Absent.jpg&width=100", 0, ""},
	{"f=&width=100", 0, ""},
	{"width=100", 0, ""},
	{"f=Landscape.jpg", 0, ""},
	{"f=Landscape.jpg&width=", http.StatusBadRequest, phpError},
	{"f=Landscape.jpg&width=0", 0, ""},
	{"f=Landscape.jpg&width=-5", 0, ""},
	{"f=Landscape.jpg&width=abc", http.StatusBadRequest, phpError},
	{"f=Landscape.jpg&width=120&archived=1", 0, ""},
	{"f=20200101000000!Landscape.jpg&width=120&archived=1", 0, ""},
	{"f=a/b.jpg&width=120", 0, ""},
	{"f=A[b].jpg&width=120", 0, ""},
	{"f=Redirect.jpg&width=120", 0, ""},
}

// thumb.php answers as MediaWiki's own does: status, type and size.
func TestThumbScript(t *testing.T) {
	onlyLong(t)
	m := setUp(t, inFolder)
	m.upload(shortFiles(t))
	m.wiki.Edit("File:Redirect.jpg", "#REDIRECT [[File:Landscape.jpg]]")
	m.answersAs(queries)
}

// answersAs compares the answers to queries with MediaWiki's own.
func (m *machine) answersAs(queries []query) {
	m.t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	alikes := 0
	for _, q := range queries {
		got, own := m.get(m.wiki.URL+"/w/thumb.php?"+q.parameters), m.get(m.wiki.URL+"/own/thumb.php?"+q.parameters)
		same := got.summary() == own.summary()
		if same {
			alikes++
		}
		switch {
		case q.differs == "" && !same:
			m.t.Errorf("%s: %s, and MediaWiki answers %s", q.parameters, got.summary(), own.summary())
		case q.differs != "" && same:
			m.t.Errorf("%s: it answers as MediaWiki does, %s: take its reason away", q.parameters, got.summary())
		case q.differs != "" && got.status != q.status:
			m.t.Errorf("%s: %d, want %d: %s", q.parameters, got.status, q.status, q.differs)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", q.parameters, got.summary(), own.summary(), got.header.Get("Thumbmill-Ignored-Parameters"), q.differs)
	}
	_ = w.Flush()
	m.t.Logf("%d of %d alike\n%s", alikes, len(queries), table.String())
}

// summary returns the parts of an answer that tests compare: the status, a picture's type and size, and a
// redirect's target.
func (a answer) summary() string {
	switch a.status {
	case http.StatusOK:
		return fmt.Sprintf("200 %s %v", a.header.Get("Content-Type"), a.size())
	case http.StatusFound, http.StatusMovedPermanently:
		return fmt.Sprintf("%d %s", a.status, a.header.Get("Location"))
	}
	return fmt.Sprint(a.status)
}
