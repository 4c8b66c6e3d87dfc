package mediawiki

import (
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
	"fmt"
	"image"
	"net/http"
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

// shows waits until a URL gives a picture of a size, or no picture for image.Point{}, and
// tells how long that took since the wiki's answer.
func (m *machine) shows(when, address string, want image.Point) {
	m.t.Helper()
	began, asked := time.Now(), 0
	eventually.Succeeds(m.t, soon, fmt.Sprintf("%s, %s is %v", when, address, want), func() error {
		asked++
		a := m.get(address)
		if absent := a.status == http.StatusNotFound; absent && want != (image.Point{}) || !absent && (a.status != http.StatusOK || a.size() != want) {
			return fmt.Errorf("it answers %d and %v", a.status, a.size())
		}
		return nil
	})
	m.t.Logf("%s: seen after %d requests, %v", when, asked, time.Since(began).Round(time.Millisecond))
}

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

// waitsForTheNextSecond waits until an upload has another time than a file's last one.
func (m *machine) waitsForTheNextSecond(title string) {
	m.t.Helper()
	old := m.version(title)
	eventually.Holds(m.t, soon, "the next upload has another second", func() bool { return time.Now().UTC().Format("20060102150405") > old })
}

// followsChanges holds thumbnails to the file as it is: absent, uploaded, uploaded anew, moved,
// deleted, undeleted and purged.
func (m *machine) followsChanges() {
	m.t.Helper()
	const before, after = "Changing.jpg", "Changed.jpg"
	none, flat, square := image.Point{}, image.Pt(120, 80), image.Pt(120, 120)
	m.shows("before the upload", m.thumbOf(before, 120), none)
	m.uploadLandscape(before, 600, 400)
	m.shows("after the upload", m.thumbOf(before, 120), flat)
	m.shows("after the upload, by its version", m.thumbOf(before, 120)+"?"+m.version(before), flat)
	m.waitsForTheNextSecond(before)
	m.uploadLandscape(before, 600, 600)
	versioned := m.thumbOf(before, 120) + "?" + m.version(before)
	if a := m.get(versioned); a.status != http.StatusOK || a.size() != square {
		m.t.Errorf("the new upload's own URL shows %v, %d", a.size(), a.status)
	}
	m.shows("after a new upload", m.thumbOf(before, 120), square)
	m.shows("after a new upload, another width", m.thumbOf(before, 100), image.Pt(100, 100))
	m.wiki.API(map[string]string{"action": "move", "from": "File:" + before, "to": "File:" + after, "noredirect": "1"}, nil)
	m.shows("after a move, the new name", m.thumbOf(after, 120), square)
	m.shows("after a move, the old name", m.thumbOf(before, 120), none)
	m.wiki.API(map[string]string{"action": "delete", "title": "File:" + after}, nil)
	m.shows("after a deletion", m.thumbOf(after, 120), none)
	m.wiki.API(map[string]string{"action": "undelete", "title": "File:" + after}, nil)
	m.shows("after the undeletion", m.thumbOf(after, 120), square)
	m.purged(after)
}

// purged checks that the thumbnail is rendered anew after action=purge.
func (m *machine) purged(title string) {
	m.t.Helper()
	rendered := func() string { return m.get(m.thumbOf(title, 120)).header.Get("Last-Modified") }
	first := rendered()
	eventually.Holds(m.t, soon, "the next render has another second", func() bool { return time.Now().UTC().Format(http.TimeFormat) != first })
	m.wiki.API(map[string]string{"action": "purge", "titles": "File:" + title}, nil)
	eventually.Holds(m.t, soon, "the thumbnail is rendered anew after a purge", func() bool { return rendered() != first })
}
