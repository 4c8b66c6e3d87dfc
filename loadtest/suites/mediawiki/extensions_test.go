package mediawiki

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// Variables that name the folders of MediaWiki's extensions PagedTiffHandler and TimedMediaHandler for MediaWiki 1.39.
// Debian has no packages of them.
const (
	tiffFolder  = "THUMBMILL_WIKI_PAGEDTIFF"
	mediaFolder = "THUMBMILL_WIKI_TIMEDMEDIA"
)

// withExtension skips the test unless a variable names the folder of an extension. It returns a change that loads the
// extension from a copy, since php-fpm is another user.
func withExtension(t *testing.T, name, variable, settings string) func(*machine) {
	t.Helper()
	onlyLong(t)
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skipf("%s is not set: it names the folder of the extension %s for MediaWiki 1.39, from a clone of github.com/wikimedia/mediawiki-extensions-%s", variable, name, name)
	}
	return func(m *machine) {
		copied := filepath.Join(m.wiki.Dir, name)
		m.must(os.CopyFS(copied, os.DirFS(folder)))
		m.wiki.Configure(fmt.Sprintf("wfLoadExtension( '%s', '%s/extension.json' );\n%s", name, copied, settings))
	}
}

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
	{"f=Disc.tif&width=1200&lossy=0", 0, ""},
}

// Pages of TIFFs with PagedTiffHandler: each picture of a page, and thumb.php beside MediaWiki's own.
func TestPagedTIFFs(t *testing.T) {
	m := setUp(t, inFolder, withExtension(t, "PagedTiffHandler", tiffFolder, ""))
	scan, err := samples.TIFF(grey(samples.Landscape(1200, 901))) // without alpha
	m.must(err)
	disc, err := samples.TIFF(samples.Disc(640))
	m.must(err)
	files := []file{{"Scan.tif", scan}, {"Disc.tif", disc}}
	m.upload(files)
	m.readsEverything(files, []int{80, 250})
	m.answersAs(tiffQueries)
}

// Queries that MediaWiki refuses have widths of their own: without a time it shows a stored thumbnail of the width.
var videoQueries = []query{
	{"f=Film.webm&width=160", 0, ""},
	{"f=Film.webm&width=160&thumbtime=1", 0, ""},
	{"f=Film.webm&width=160&thumbtime=0:02", 0, ""},
	{"f=Film.webm&width=160&thumbtime=0:00:01", 0, ""},
	{"f=Film.webm&width=160&thumbtime=1.5", 0, ""},
	{"f=Film.webm&width=160&thumbtime=-5", 0, ""},
	{"f=Film.webm&width=160&thumbtime=9999", 0, ""},
	{"f=Film.webm&width=161&thumbtime=abc", 0, ""},
	{"f=Film.webm&width=162&thumbtime=", 0, ""},
	{"f=Film.webm&width=163&thumbtime=1:2:3:4", 0, ""},
	{"f=Film.webm&width=160&page=2", 0, ""},
}

// Videos with TimedMediaHandler: each poster of a page, and thumb.php beside MediaWiki's own.
func TestVideos(t *testing.T) {
	m := setUp(t, inFolder, withExtension(t, "TimedMediaHandler", mediaFolder, "require_once '/usr/share/php/getid3/getid3.php'; // Debian's php-getid3\n$wgEnableTranscode = false;"))
	m.wiki.Maintain("update.php", "--quick")
	film := filepath.Join(t.TempDir(), "film.webm")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=720x480:rate=10:duration=4", "-vf", "setsar=8/9", "-c:v", "libvpx", "-deadline", "realtime", film)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg makes no video: %v\n%s", err, said)
	}
	body, err := os.ReadFile(film)
	m.must(err)
	files := []file{{"Film.webm", body}}
	m.upload(files)
	m.readsEverything(files, []int{80, 250})
	posters := 0
	for address := range m.checked {
		if _, ok := named(address); ok {
			posters++
		}
	}
	if posters == 0 {
		t.Error("no page shows a poster")
	}
	m.answersAs(videoQueries)
}
