package mediawiki

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// tiffFolder is the variable that names the folder of MediaWiki's extension PagedTiffHandler, branch REL1_39. Debian
// has no package of it.
const tiffFolder = "THUMBMILL_WIKI_PAGEDTIFF"

const alpha = "PagedTiffHandler looks into the file for alpha; the URLs of its pages name the format, and thumb.php's need lossy=0"

var tiffQueries = []query{
	{"f=Scan.tif&width=300", 0, ""},
	{"f=Scan.tif&width=300&lossy=1", 0, ""},
	{"f=Scan.tif&width=300&lossy=lossy", 0, ""},
	{"f=Scan.tif&width=300&lossy=0", 0, ""},
	{"f=Scan.tif&width=300&lossy=lossless", 0, ""},
	{"f=Scan.tif&width=300&lossy=banana", 0, ""},
	{"f=Scan.tif&width=300&lossy=", 0, ""},
	{"f=Scan.tif&width=300&page=x", 0, ""},
	{"f=Scan.tif&width=300&page=0", 0, ""},
	{"f=Scan.tif&width=300&page=1&lossy=true", 0, ""},
	{"f=Disc.tif&width=200&lossy=0", 0, ""},
	{"f=Disc.tif&width=200&lossy=1", 0, ""},
	{"f=Disc.tif&width=200", http.StatusOK, alpha},
}

// Pages of TIFFs with PagedTiffHandler: each picture of a page, and thumb.php beside MediaWiki's own.
func TestPagedTIFFs(t *testing.T) {
	onlyLong(t)
	folder := os.Getenv(tiffFolder)
	if folder == "" {
		t.Skipf("%s is not set: it names the folder of the extension PagedTiffHandler, branch REL1_39, a clone of github.com/wikimedia/mediawiki-extensions-PagedTiffHandler", tiffFolder)
	}
	m := setUp(t, inFolder, func(m *machine) {
		copied := filepath.Join(m.wiki.Dir, "PagedTiffHandler")
		m.must(os.CopyFS(copied, os.DirFS(folder)))
		m.wiki.Configure("wfLoadExtension( 'PagedTiffHandler', '" + copied + "/extension.json' );")
	})
	scan, err := samples.TIFF(samples.Landscape(1200, 901))
	m.must(err)
	disc, err := samples.TIFF(samples.Disc(640))
	m.must(err)
	files := []file{{"Scan.tif", scan}, {"Disc.tif", disc}}
	m.upload(files)
	m.readsEverything(files, []int{80, 250})
	m.answersAs(tiffQueries)
}
