package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
)

// serving starts thumbmill serve with a signing key and imgproxy's URLs, and returns the address of its operators' listener.
func serving(t *testing.T, originals string) (admin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the test needs a browser, which is too slow for -short")
	}
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "thumbmill.yaml")
	const keys = "imgproxy: {enabled: true, keys: [{name: tests, key: 6b6579, salt: 73616c74}]}\n"
	if err := os.WriteFile(config, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	any := "127.0.0.1:0"
	serve := exec.Command(filepath.Join(programs.Build(t, programs.Thumbmill), "thumbmill"), "serve", "--config", config, "--print-addresses", "--originals", originals,
		"--thumbnails", filepath.Join(dir, "thumbnails"), "--listen", any, "--admin-listen", any, "--coordinator-listen", any)
	serve.Env = append(os.Environ(), "THUMBMILL_ADMIN_TOKEN_FILE="+token, "THUMBMILL_EDGE_SECURITY_KEY=a key of the tests",
		"XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir)
	out, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	var addresses map[string]string
	if err == nil {
		err = json.Unmarshal([]byte(line), &addresses)
	}
	if err != nil || addresses["admin"] == "" {
		t.Fatalf("serve prints %q: %v", line, err)
	}
	return addresses["admin"]
}

// A developer opens the page, enters the token, crops a picture, chooses a format and a filter, and uploads a picture.
func TestADeveloperTriesURLs(t *testing.T) {
	dir := t.TempDir()
	body, err := samples.JPEG(samples.Landscape(1200, 800))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hill.jpg"), body, 0o600)
	}
	disc, err2 := samples.PNG(samples.Disc(90))
	file := filepath.Join(t.TempDir(), "disc.png")
	if err2 == nil {
		err2 = os.WriteFile(file, disc, 0o600)
	}
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	b := open(t, serving(t, dir)+"/try/", 1300, 900)
	b.sees("#wrong", "not signed")
	b.enter("#token input", "wrong")
	b.click("#token button")
	b.sees("#access", "The token is wrong")
	b.enter("#token input", secret)
	b.click("#token button")
	b.sees("#access", "URLs are signed")
	b.sees("#facts", "330 × 220 · image/jpeg · ")
	b.drags("#preview", 0.05, 0.08, 0.55, 0.33)
	b.sees("#crop-text", "Cropped to ")
	b.sees("#facts", "330 × 110 · ")
	b.set("select[name=format]", "webp")
	b.set("input[name=filters]", "grayscale():text('Hill, at (dawn)',-9,-9,24,white)")
	b.sees("#facts", "330 × 110 · image/webp")
	b.sees("#urls", "/filters:format(webp):grayscale():text(")
	b.sees("#urls", "the filter grayscale() has no option")
	b.set("input[name=filters]", "quality(50)")
	b.sees("#urls", ":fit:330:0:1/q:50/plain/local:")
	b.opensItsURL()
	b.photographsTheTrial()
	b.set("input[name=filters]", "nonsense(3)")
	b.sees("#wrong", "Skipped filters: nonsense")
	b.set("input[name=filters]", "placeholder()")
	b.sees("#text", `"thumbhash"`)
	b.set("input[name=filters]", "")
	b.do(chromedp.SetUploadFiles("input[name=file]", []string{file}, chromedp.ByQuery))
	b.sees("#facts", "330 × 330 · image/webp")
	if name := js[string](b, "document.querySelector('input[name=image]').value"); !strings.HasPrefix(name, "try-uploads/") || !strings.HasSuffix(name, "/disc.png") {
		t.Errorf("the upload has the name %q", name)
	}
	b.sees("#upload", "its thumbnails stay in the store")
	b.choosesTwice()
	b.set("input[name=image]", "nothing.jpg")
	b.sees("#wrong", "does not exist")
}

// choosesTwice chooses a picture whose description comes only after the description of the next choice, the present one. A
// crop is still in pixels of the chosen picture.
func (b *browser) choosesTwice() {
	b.t.Helper()
	js[any](b, `{
		const real = window.fetch;
		window.fetch = async (at, how) => {
			const answer = await real(at, how);
			if (/picture.*meta.*hill/.test(at)) await new Promise((go) => { window.late = go; });
			return answer;
		};
	}`)
	upload := js[string](b, "document.querySelector('input[name=image]').value")
	b.set("input[name=image]", "hill.jpg")
	eventually.Holds(b.t, 30*time.Second, "the page asks about hill.jpg", func() bool { return js[bool](b, "!!window.late") })
	js[any](b, "document.querySelector('#facts').textContent = ''")
	b.set("input[name=image]", upload)
	b.sees("#facts", "330 × 330 · image/webp")
	js[any](b, "window.late()")
	time.Sleep(300 * time.Millisecond) // in which the page would use the late description
	b.drags("#preview", 0.1, 0.1, 0.9, 0.9)
	b.sees("#crop-text", "Cropped to 72 × 72")
}

// set gives an element of the form a value, as typing does.
func (b *browser) set(selector, value string) {
	b.t.Helper()
	js[any](b, fmt.Sprintf("(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event('input', { bubbles: true })); })()", selector, value))
}

// drags draws a rectangle over an element, between two corners in shares of its sides.
func (b *browser) drags(selector string, left, top, right, bottom float64) {
	b.t.Helper()
	eventually.Holds(b.t, 30*time.Second, "the original is shown", func() bool { return js[bool](b, "document.querySelector('#preview').naturalWidth > 0") })
	box := js[map[string]float64](b, fmt.Sprintf("(() => { const r = document.querySelector(%q).getBoundingClientRect(); return { x: r.x, y: r.y, width: r.width, height: r.height }; })()", selector))
	x := func(share float64) float64 { return box["x"] + share*box["width"] }
	y := func(share float64) float64 { return box["y"] + share*box["height"] }
	b.do(
		chromedp.MouseEvent("mousePressed", x(left), y(top), chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseMoved", x(right), y(bottom), chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseReleased", x(right), y(bottom), chromedp.ButtonLeft),
	)
}

// opensItsURL asks the edge itself for the shown URL of Thumbor's language, whose signature it checks.
func (b *browser) opensItsURL() {
	b.t.Helper()
	at := js[string](b, "document.querySelector('#urls a').href")
	status := fetched(b.t, at)
	if status != 200 || strings.Contains(at, "/unsafe/") {
		b.t.Errorf("%s: status %d", at, status)
	}
}

// photographsTheTrial writes the picture for the README, if THUMBMILL_TRIAL_SCREENSHOT names a file.
func (b *browser) photographsTheTrial() {
	b.t.Helper()
	if name := os.Getenv("THUMBMILL_TRIAL_SCREENSHOT"); name != "" {
		b.set("input[name=filters]", "blur(1)")
		b.sees("#urls", "/bl:1/")
		b.photograph(name)
	}
}

// fetched returns the status of an answer.
func fetched(t *testing.T, at string) int {
	t.Helper()
	answer, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
