package mediawiki

import (
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
	"fmt"
	"image"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
)

// folders are MediaWiki's two above a file.
func folders(title string) string {
	sum := md5.Sum([]byte(title)) //nolint:gosec // MediaWiki's shards
	hash := hex.EncodeToString(sum[:])
	return hash[:1] + "/" + hash[:2] + "/"
}

// thumbOf is the URL of a file's thumbnail.
func (m *machine) thumbOf(title string, width int) string {
	return fmt.Sprintf("%s/w/images/thumb/%s%s/%dpx-%s", m.wiki.URL, folders(title), title, width, title)
}

const soon = 30 * time.Second // on a busy machine

// sees checks that the first request after a change gets a picture of a size, or no picture for image.Point{}.
func (m *machine) sees(when, address string, want image.Point) {
	m.t.Helper()
	a := m.get(address)
	if absent := a.status == http.StatusNotFound; absent != (want == image.Point{}) || !absent && (a.status != http.StatusOK || a.size() != want) {
		m.t.Errorf("%s, the first request for %s gets %d and %v, want %v", when, address, a.status, a.size(), want)
	}
}

// asked makes a change while readers ask for a URL all the time, so that the edge remembers the state before.
func (m *machine) asked(address string, change func()) {
	m.t.Helper()
	m.get(address)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(askedEvery):
			}
			if response, err := m.client.Get(address); err == nil {
				_ = response.Body.Close()
			}
		}
	}()
	change()
	close(stop)
	<-ended
}

// askedEvery is shorter than the time for which an edge remembers that an original is absent.
const askedEvery = 100 * time.Millisecond

// version is the time of a file's upload, as its URLs have it.
func (m *machine) version(title string) string {
	m.t.Helper()
	info := at[map[string]any](m, m.wiki.API(map[string]string{"action": "query", "titles": "File:" + title, "prop": "imageinfo", "iiprop": "timestamp"}, nil), "query", "pages", 0, "imageinfo", 0)
	return strings.NewReplacer("-", "", ":", "", "T", "", "Z", "").Replace(info["timestamp"].(string))
}

func (m *machine) uploadLandscape(title string, width, height int) {
	m.t.Helper()
	body, err := samples.JPEG(samples.Landscape(width, height))
	m.must(err)
	m.wiki.Upload(title, body)
}

var purgedRequests = regexp.MustCompile(`(?m)^thumbmill_edge_requests_total{[^}]*outcome="purged"[^}]*} (\d+)$`)

// purges returns the number of PURGE requests for files that the edge has carried out.
func (m *machine) purges() (all int) {
	m.t.Helper()
	for _, line := range purgedRequests.FindAllSubmatch(m.get(m.admin+"/metrics").body, -1) {
		n, err := strconv.Atoi(string(line[1]))
		m.must(err)
		all += n
	}
	return all
}

// waitsForTheNextSecond waits until an upload has another time than a file's last one.
func (m *machine) waitsForTheNextSecond(title string) {
	m.t.Helper()
	old := m.version(title)
	eventually.Holds(m.t, soon, "the next upload has another second", func() bool { return time.Now().UTC().Format("20060102150405") > old })
}

// followsChanges holds thumbnails to the file as it is: absent, uploaded, uploaded anew, moved,
// deleted, undeleted and purged. After each change the first request sees it.
func (m *machine) followsChanges() {
	m.t.Helper()
	const before, after = "Changing.jpg", "Changed.jpg"
	none, flat, square := image.Point{}, image.Pt(120, 80), image.Pt(120, 120)
	old, moved := m.thumbOf(before, 120), m.thumbOf(after, 120)
	m.sees("before the upload", old, none)
	purges := m.purges()
	m.asked(old, func() { m.uploadLandscape(before, 600, 400) })
	if m.purges() == purges { // on a slow machine, the edge forgets by itself before MediaWiki answers
		m.t.Error("the upload of a new file purges nothing")
	}
	m.sees("after the upload", old, flat)
	m.sees("after the upload, by its version", old+"?"+m.version(before), flat)
	m.waitsForTheNextSecond(before)
	m.asked(old, func() { m.uploadLandscape(before, 600, 600) })
	m.sees("after a new upload", old, square)
	m.sees("after a new upload, by its version", old+"?"+m.version(before), square)
	m.sees("after a new upload, another width", m.thumbOf(before, 100), image.Pt(100, 100))
	m.asked(moved, func() {
		m.wiki.API(map[string]string{"action": "move", "from": "File:" + before, "to": "File:" + after, "noredirect": "1"}, nil)
	})
	m.sees("after a move, the new name", moved, square)
	m.sees("after a move, the old name", old, none)
	m.asked(moved, func() { m.wiki.API(map[string]string{"action": "delete", "title": "File:" + after}, nil) })
	m.sees("after a deletion", moved, none)
	m.asked(moved, func() { m.wiki.API(map[string]string{"action": "undelete", "title": "File:" + after}, nil) })
	m.sees("after the undeletion", moved, square)
	m.purged(after)
}

// purged checks that the thumbnail is rendered anew after action=purge.
func (m *machine) purged(title string) {
	m.t.Helper()
	rendered := func() string { return m.get(m.thumbOf(title, 120)).header.Get("Last-Modified") }
	first := rendered()
	eventually.Holds(m.t, soon, "the next render has another second", func() bool { return time.Now().UTC().Format(http.TimeFormat) != first })
	m.wiki.API(map[string]string{"action": "purge", "titles": "File:" + title}, nil)
	if second := rendered(); second == first || second == "" {
		m.t.Errorf("the first request after a purge gets the picture of %q, rendered at %q", first, second)
	}
}
