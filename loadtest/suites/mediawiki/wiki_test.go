package mediawiki

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// inFolder are the sections of the page that set up a wiki whose files are in a folder.
var inFolder = []string{"Read the wiki's folder", "Send thumbnails to thumbmill", "Purge"}

// sections are all sections that tests of this package run.
func sections() []string { return slices.Concat(inFolder, inSwift[:1], private[2:], widths, pools) }

// widths are those for a wiki whose edges render few widths.
var widths = []string{"Bound the widths"}

// pools are those for MediaWiki's pool counters.
var pools = []string{"Bound MediaWiki's own work"}

// private are those for a wiki that shows its files to its own readers alone.
var private = []string{"Read the wiki's folder", "Purge", "Keep a private wiki private"}

// inSwift are those for a wiki whose files are in Swift.
var inSwift = []string{"Or keep the files in Swift", "Send thumbnails to thumbmill", "Purge"}

// alike is how similar a thumbnail must be to MediaWiki's own.
const alike = 0.9

// Pages of a wiki whose files are in a folder, as a reader's browser shows them.
func TestAFolder(t *testing.T) {
	t.Parallel()
	m := setUp(t, inFolder)
	files := shortFiles(t)
	m.upload(files)
	m.readsEverything(files, []int{80, 250})
	m.followsChanges()
}

// The same with its files in Swift.
func TestSwift(t *testing.T) {
	t.Parallel()
	swift := servers.StartSwift(t, "")
	m := setUp(t, inSwift, func(m *machine) {
		m.also = []string{"http://127.0.0.1:8080/auth/v1.0", swift.Bucket.AuthURL, "http://127.0.0.1:8080/auth", strings.TrimSuffix(swift.Bucket.AuthURL, "/v1.0")}
	})
	files := shortFiles(t)
	m.upload(files[:swiftFiles])
	m.readsEverything(files[:swiftFiles], []int{80})
	m.followsChanges()
	m.sharesReaders(swift)
}

// sharesReaders checks that everybody may read MediaWiki's public files in Swift, and thumbnails alike.
func (m *machine) sharesReaders(swift servers.SwiftServer) {
	m.t.Helper()
	for _, container := range []string{"site-en-local-public", "site-en-local-thumb"} {
		if readers := swift.Readers(container); !strings.Contains(readers, ".r:*") {
			m.t.Errorf("%s has the readers %q", container, readers)
		}
	}
}

// swiftFiles are enough in the short form.
const swiftFiles = 4

func (m *machine) upload(files []file) {
	m.t.Helper()
	for _, f := range files {
		m.wiki.Upload(f.Name, f.Body)
	}
}

// readsEverything loads a page with each file in several widths, and each file's own page, and checks all
// images against the HTML.
func (m *machine) readsEverything(files []file, widths []int) {
	m.t.Helper()
	b := open(m.t, m.wiki.Dir+"/chromium")
	var pages []string
	for part := range slices.Chunk(files, onOnePage) {
		title := fmt.Sprintf("Pictures %d", len(pages)+1)
		m.wiki.Edit(title, gallery(part, widths))
		pages = append(pages, title)
	}
	for _, f := range files {
		pages = append(pages, "File:"+f.title())
	}
	seen, urls := map[string]bool{}, 0
	for _, page := range pages {
		s := b.sees(m.wiki.Page(page))
		if len(s.urls()) == 0 {
			m.t.Errorf("%s has no images", page)
		}
		for _, p := range s.Pictures {
			m.holds(page, p)
			if thumb, ok := named(p.Src); ok {
				seen[thumb.title] = true
			}
		}
		for _, address := range s.urls() {
			m.check(page, address)
			urls++
		}
	}
	m.comparesEach(files)
	m.t.Logf("%d URLs of %d pages, %d of them different; thumbnails of %d of %d files", urls, len(pages), len(m.checked), len(seen), len(files))
}

// onOnePage is how many files one page shows: each several times.
const onOnePage = 8

// gallery is the text of a page.
func gallery(files []file, widths []int) string {
	var text strings.Builder
	for _, f := range files {
		fmt.Fprintf(&text, "[[File:%[1]s|thumb|%[1]s]]\n", f.Name)
		for _, width := range widths {
			fmt.Fprintf(&text, "[[File:%s|%dpx]]\n", f.Name, width)
		}
		if strings.HasSuffix(f.Name, ".pdf") {
			fmt.Fprintf(&text, "[[File:%s|thumb|page=2]]\n", f.Name)
		}
	}
	text.WriteString("<gallery>\n")
	for _, f := range files {
		fmt.Fprintf(&text, "File:%s\n", f.Name)
	}
	return text.String() + "</gallery>\n"
}

// urls returns the URLs of a page's images, in all densities.
func (s sight) urls() (all []string) {
	for _, p := range s.Pictures {
		all = append(all, p.Src)
		for candidate := range strings.SplitSeq(p.Srcset, ", ") {
			if address, _, _ := strings.Cut(strings.TrimSpace(candidate), " "); address != "" {
				all = append(all, absolute(p.Src, address))
			}
		}
	}
	return append(all, s.Others...)
}

func absolute(base, address string) string {
	from, err := url.Parse(base)
	if err != nil {
		return address
	}
	to, err := from.Parse(address)
	if err != nil {
		return address
	}
	return to.String()
}

// holds checks that a browser shows an image in the shape of its file.
func (m *machine) holds(page string, p picture) {
	m.t.Helper()
	if p.NaturalWidth == 0 {
		m.t.Errorf("%s: %s does not load; asked again, it answers %d", page, p.Src, m.get(p.Src).status)
		return
	}
	if p.Shown != p.Src {
		return // a denser file that the browser has already; its natural size is divided by the density
	}
	// A file narrower than the page wants it is enlarged by the browser, and a picture in a box
	// has the box's height in HTML; check holds its own height to the pixel.
	off := max(p.NaturalHeight-p.Height, p.Height-p.NaturalHeight)
	if t, ok := named(p.Src); ok && (p.NaturalWidth != t.width || t.width == p.Width && off > 1) {
		m.t.Errorf("%s: %s is %d × %d, and the HTML says %d × %d", page, p.Src, p.NaturalWidth, p.NaturalHeight, p.Width, p.Height)
	}
	if p.Width > 0 && p.Height > 0 {
		stretched := float64(p.NaturalWidth*p.Height)/float64(p.Width) - float64(p.NaturalHeight)
		if stretched > 1.01 || stretched < -1.01 {
			m.t.Errorf("%s: %s is stretched: %d × %d is shown as %d × %d", page, p.Src, p.NaturalWidth, p.NaturalHeight, p.Width, p.Height)
		}
	}
}

// telling is the least width in pixels of a thumbnail that is compared, if the file has one; articles show
// pictures at this width. In a narrower thumbnail the waves of the samples are finer than a pixel, and their
// rest depends on how much each renderer sharpens.
const telling = 250

// tells reports whether a thumbnail tells more than another one: the narrowest from telling on, else the widest.
func (t thumb) tells(than thumb) bool {
	if t.width >= telling && than.width >= telling {
		return t.width < than.width
	}
	return t.width > than.width
}

// comparesEach compares one thumbnail of each file with MediaWiki's own.
func (m *machine) comparesEach(files []file) {
	m.t.Helper()
	compared := map[string]string{} // URLs, by title
	for address, a := range m.checked {
		t, ok := named(address)
		before, known := named(compared[t.title])
		if ok && a.status == 200 && (!known || t.tells(before)) {
			compared[t.title] = address
		}
	}
	unlike := 0
	for _, f := range files {
		address, ok := compared[f.title()]
		if !ok {
			unlike++
			m.t.Logf("%s: the wiki shows no thumbnail of it", f.Name)
			continue
		}
		if mean, err := m.similarity(address); err != nil || mean < alike {
			unlike++
			m.t.Logf("%s is %.3f similar to MediaWiki's own: %v", address, mean, err)
		}
	}
	if unlike > m.unlikeAllowed {
		m.t.Errorf("%d files look otherwise than by MediaWiki itself, at most %d may", unlike, m.unlikeAllowed)
	}
}
