package packages

import (
	"bytes"
	"context"
	"image/jpeg"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/photograph"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/shown"
)

// alone follows the first commands of docs/deploy.md, without the build: the unit of the whole cluster in one process draws
// a thumbnail, as confined as the units of the roles. Then the machine is as before.
func (m *machine) alone() {
	m.t.Helper()
	picture, err := photograph.JPEG(800, 600, 1)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("/root/cat.jpg", string(picture))
	// Without a network, apt must know no recommended packages.
	m.run("sh", "-c", "rm -rf /etc/apt/sources.list /var/lib/apt/lists/* && mkdir -p /root/bin && ln -s /srv/packages/pool /root/bin/packages")
	for _, line := range shown.Commands(m.t, "docs/deploy.md", "# Deploy") {
		if strings.HasPrefix(line, "make ") {
			continue
		}
		if _, url, curl := strings.Cut(line, "http://"); curl {
			m.drawn("http://" + url)
			continue
		}
		m.run("sh", "-c", "cd /root && "+strings.Replace(line, "thumbmill_*", "thumbmill_"+first+"_*", 1))
	}
	m.hardened("thumbmill")
	m.sandboxed("thumbmill")
	m.run("systemctl", "disable", "--now", "thumbmill")
	m.run("sh", "-c", "apt-get purge --yes thumbmill && rm -r /etc/thumbmill.d")
}

// drawn checks that the machine answers a URL of its own loopback with a thumbnail of 300 pixels.
func (m *machine) drawn(url string) {
	m.t.Helper()
	dial := func(ctx context.Context, protocol, address string) (net.Conn, error) {
		return namespace.Dial(ctx, "/proc/"+m.init+"/ns/net", protocol, address)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body bytes.Buffer
	_, err = body.ReadFrom(answer.Body)
	if config, failed := jpeg.DecodeConfig(&body); err != nil || failed != nil || answer.StatusCode != http.StatusOK || config.Width != 300 {
		m.t.Errorf("%s of %s: status %s, %d pixels wide: %v %v", url, m.name, answer.Status, config.Width, err, failed)
	}
}
