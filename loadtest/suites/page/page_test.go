package page

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/operators/listener"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	os.Exit(m.Run())
}

const (
	secret = "a-token-for-the-tests"
	greedy = "203.0.113.66"
)

// serve serves a coordinator's page on an operators' listener.
func serve(t *testing.T, co *coordinator.Coordinator) (address string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin, err := listener.New(settings.Admin{Listen: "127.0.0.1:0", TokenFile: file}, readiness.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range coordinator.APIPaths() {
		admin.Handle(path, co.API())
	}
	if err := admin.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = admin.Stop(ctx)
	})
	return "http://" + admin.Addr() + "/"
}

// load sends requests until the test ends: many clients request stored thumbnails, some new ones,
// one far too many, and one a damaged original.
func load(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	body, err := samples.JPEG(samples.Landscape(2400, 1600))
	for i := range 12 {
		c.Original(fmt.Sprintf("photo%d.jpg", i), body, err)
	}
	c.Original("bad.jpg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait() })
	ask := func(every time.Duration, at int, request func(n int) (path, client string)) {
		group.Go(func() {
			n := 0
			periodic.Do(ctx, every, func(ctx context.Context) {
				path, client := request(n)
				c.Get(ctx, c.Edges[at%len(c.Edges)], path, client)
				n++
			})
		})
	}
	for i := range 4 {
		ask(20*time.Millisecond, i, func(n int) (string, string) {
			return fmt.Sprintf("/unsafe/%dx/photo%d.jpg", 100+n%3, i), "198.51.100.7"
		})
		ask(100*time.Millisecond, i, func(n int) (string, string) {
			return fmt.Sprintf("/unsafe/%dx/photo%d.jpg", 200+n, i+4), fmt.Sprintf("10.0.%d.%d", i, n%200)
		})
		for j := range 6 {
			ask(50*time.Millisecond, i, func(n int) (string, string) {
				return fmt.Sprintf("/unsafe/%dx%d/photo%d.jpg", 500+n%1000, 300+n/1000+j*20, i+8), greedy
			})
		}
	}
	ask(300*time.Millisecond, 0, func(n int) (string, string) { return fmt.Sprintf("/unsafe/%dx/bad.jpg", 100+n), "192.0.2.5" })
}

// browser is a tab of a headless Chromium. Errors of the page fail the test.
type browser struct {
	t   *testing.T
	ctx context.Context // chromedp's handle of the tab
}

func open(t *testing.T, url string, width, height int64) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithErrorf(t.Logf)) // it does not know all of a newer browser's events
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(func() {
		cancel()
		end()
		stop()
	})
	b := &browser{t, ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page: %s", e.ExceptionDetails.Error())
		}
		if e, ok := event.(*runtime.EventConsoleAPICalled); ok && e.Type == runtime.APITypeError {
			t.Errorf("the page says %v", e.Args)
		}
	})
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	return b
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// js returns the value of an expression.
func js[T any](b *browser, expression string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &value))
	return value
}

// sees waits until a part of the page contains a text.
func (b *browser) sees(part, text string) {
	b.t.Helper()
	says := eventually.Succeeds(b.t, 30*time.Second, fmt.Sprintf("%s says %q", part, text), func() error {
		if said := js[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", part)); !strings.Contains(said, text) {
			return fmt.Errorf("the page says %q", said)
		}
		return nil
	})
	if !says {
		b.t.FailNow() // the next steps need this text
	}
}

// reports waits until the page has received n more reports.
func (b *browser) reports(n int) {
	b.t.Helper()
	js[any](b, `if (!window.heard) {
		window.heard = new EventSource("api/v1/throttles/stream");
		heard.addEventListener("throttles", () => heard.count = (heard.count ?? 0) + 1);
	}`)
	// The test's stream may receive a report before the page does, or one that the page already
	// has.
	before := js[int](b, "heard.count ?? 0")
	eventually.Holds(b.t, 30*time.Second, "the page has heard of more reports", func() bool { return js[int](b, "heard.count ?? 0") > before+n+1 })
}

func (b *browser) click(selector string) {
	b.t.Helper()
	// A click by script: the part may move between a search for its place and a click there.
	b.do(chromedp.WaitVisible(selector, chromedp.ByQuery))
	js[any](b, fmt.Sprintf("document.querySelector(%q).click()", selector))
}

func (b *browser) enter(selector, text string) {
	b.t.Helper()
	js[string](b, fmt.Sprintf("document.querySelector(%q).value = ''", selector))
	b.do(chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

func (b *browser) photograph(file string) {
	time.Sleep(time.Minute) // the plots of the picture need some history
	b.t.Helper()
	var image []byte
	b.do(chromedp.CaptureScreenshot(&image))
	if err := os.WriteFile(file, image, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func start(t *testing.T) (*cluster.Cluster, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the test needs a browser, which is too slow for -short")
	}
	c := cluster.Start(t, cluster.Options{Workers: true, Edges: 2, Renderers: 2, Settings: func(s *settings.Settings) {
		s.Throttle.PerIP = settings.Pool{Workers: 2, MaxQueue: 4, Timeout: time.Second}
	}})
	load(t, c)
	return c, serve(t, c.Coordinators[0])
}

// visit opens a page of the operators' page.
func (b *browser) visit(page string) {
	b.t.Helper()
	js[any](b, fmt.Sprintf("location.hash = %q", "#/"+page))
	b.do(chromedp.WaitVisible(fmt.Sprintf("[data-page=%q]", cmp.Or(strings.Split(page, "/")[0], "overview")), chromedp.ByQuery))
}

// An operator asks: which clients are refused, and why? Which original fails, and when is it tried
// again? Which renders are slow? How many renderers are enough? Which action helps?
func TestAnOperatorsQuestions(t *testing.T) {
	c, address := start(t)
	b := open(t, address, 1400, 900)
	b.sees("#state", greedy)
	b.sees("#attention-list", greedy+" has ")
	b.sees("#attention-list", "of all refusals")
	b.sees("#attention-list", "by per-ip")
	b.sees("#attention-list", "To change this, limit it")
	b.sees("#speed", "Renders take")
	b.sees("#attention-list", "bad.jpg (undecodable)")
	b.sees("#attention-list", "Refused until")
	b.sees("#chart-renders .legend", "p95")
	b.sees("#chart-requests .legend", "stored")
	b.sees("#chart-renderers .legend", "wanted")
	b.readsCharts()
	if tall := js[int](b, "Math.ceil(document.querySelector('#charts').getBoundingClientRect().bottom)"); tall > 900 {
		t.Errorf("the first screen ends at %d of 900 pixels", tall)
	}
	if file := os.Getenv("THUMBMILL_SCREENSHOT"); file != "" {
		b.photograph(file)
	}
	b.visit("clients")
	b.sees("table[data-table=clients]", greedy)
	b.visit("clients/" + greedy)
	b.sees("[data-page=clients] .detail", "of the renderers’ time")
	b.sees("table[data-table=client-requests]", "refused by per-ip")
	b.sees("table[data-table=client-requests]", "stored")
	b.click("table[data-table=client-originals] tbody a")
	b.sees("[data-page=originals] .detail", "photo")
	b.sees("table[data-table=original-thumbnails]", "/photo")
	b.sees("table[data-table=original-requests]", greedy)
	b.visit("originals/bad.jpg")
	b.sees("[data-page=originals] .detail", "undecodable")
	b.sees("table[data-table=original-requests]", "failed: undecodable")
	b.visit("originals")
	b.sees("table[data-table=failing]", "undecodable")
	b.visit("throttles")
	b.sees("table[data-table=throttles]", "One client renders more at once")
	b.visit("lanes")
	b.sees("table[data-table=lanes]", "standard")
	b.visit("renderers")
	b.sees("#wanted", "wanted for the requests")
	b.sees("#versions", "Renderers draw with")
	b.visit("edges")
	b.sees("table[data-table=requests]", "The thumbnail was stored already.")
	b.visit("coordinators")
	b.sees("table[data-table=coordinators]", c.Settings.Coordinator.Servers[0])
	b.blocksAnAddress(c)
	b.changesALimit()
	b.forgetsAFailure()
}

// A client hammers one machine with the usual limits: one renderer with two slots, whose lane has fewer
// places than per-ip allows. No renderer is wanted for it, the first line names the client, its share of the
// refusals and the button, and after one click others wait no more.
func TestOneClientHammers(t *testing.T) {
	if testing.Short() {
		t.Skip("the test needs a browser, which is too slow for -short")
	}
	c := slow(t)
	address := serve(t, c.Coordinators[0])
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait() })
	group.Go(func() { hammers(ctx, c) })
	v := &visitor{c: c, t: t}
	b := open(t, address, 1400, 900)
	const first = "#attention-list li:first-child"
	says := eventually.Succeeds(t, time.Minute, "the first line names the client and its share", func() error {
		v.waits(ctx)
		if said := js[string](b, "document.querySelector('"+first+"')?.innerText ?? ''"); !strings.Contains(said, greedy+" has ") || !strings.Contains(said, "of all refusals") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	if !says {
		t.FailNow()
	}
	b.blocks(first)
	b.blocked(c, true)
	quick := 0
	eventually.Holds(t, time.Minute, "ten others in turn are served without a wait", func() bool {
		if quick++; v.waits(ctx) {
			quick = 0
		}
		return quick >= 10
	})
	if v.wanted < 1 || v.wanted > 2 {
		t.Errorf("%d renderers were wanted", v.wanted)
	}
}

// slow starts a cluster that renders twenty thumbnails a second, however fast the machine is.
func slow(t *testing.T) *cluster.Cluster {
	pace := time.Tick(time.Second / 20)
	picture, err := samples.PNG(samples.Disc(20))
	if err != nil {
		t.Fatal(err)
	}
	c := cluster.Start(t, cluster.Options{
		Settings: func(s *settings.Settings) { s.Renderer.Slots, s.Renderer.Batch = 2, 1 }, // a batch would draw all the sizes at once
		Render: func(ctx context.Context, _ thumbnail.Spec) ([]byte, error) {
			select {
			case <-pace:
				return picture, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
	body, err := samples.JPEG(samples.Landscape(120, 80))
	c.Original("photo.jpg", body, err)
	c.Original("other.jpg", body, err)
	return c
}

// hammers requests forty new thumbnails a second for the greedy client, until the context ends.
func hammers(ctx context.Context, c *cluster.Cluster) {
	n := 0
	periodic.Do(ctx, time.Second/40, func(ctx context.Context) {
		n++
		c.Go(ctx, c.Edges[0], fmt.Sprintf("/unsafe/%dx%d/photo.jpg", 200+n%800, 100+n/800), greedy)
	})
}

// visitor requests new thumbnails from one address after the other.
type visitor struct {
	c        *cluster.Cluster
	t        *testing.T
	requests int
	wanted   int // the highest number of renderers that the coordinator wanted
}

// waits requests a thumbnail and reports whether it was refused or waited for a place for a tenth of a second.
func (v *visitor) waits(ctx context.Context) bool {
	v.requests++
	answer := v.c.Get(ctx, v.c.Edges[0], fmt.Sprintf("/unsafe/%dx/other.jpg", 100+v.requests), fmt.Sprintf("198.51.100.%d", v.requests%250))
	timing := answer.Header.Get("Server-Timing")
	at := strings.Index(timing, "admit;dur=")
	if answer.Status != http.StatusOK || at < 0 {
		return true
	}
	var wait float64
	if _, err := fmt.Sscanf(timing[at:], "admit;dur=%f", &wait); err != nil {
		v.t.Errorf("%s: %v", timing, err)
	}
	v.wanted = max(v.wanted, v.c.Throttles().Wanted)
	return wait >= 100
}

// blocks presses the button that blocks the greedy client in a line of problems, and confirms it as Ann.
func (b *browser) blocks(line string) {
	b.click(line + " button[aria-label='Block " + greedy + "']")
	b.enter("#token input", secret)
	b.click("#token .go")
	b.enter("#act input[name=who]", "Ann")
	b.click("#act .go") // the page proposes the reason
	b.sees("#said", "Done.")
}

// readsCharts points at a chart, which then has the time and the values there, and gives it a day before.
func (b *browser) readsCharts() {
	b.t.Helper()
	js[any](b, `{
		const over = document.querySelector("#chart-renderers .u-over"), box = over.getBoundingClientRect();
		const at = { clientX: box.right - 3, clientY: box.top + 5, movementX: 1, bubbles: true };
		for (const kind of ["mouseenter", "mousemove"]) over.dispatchEvent(new MouseEvent(kind, at));
	}`)
	const told = `document.querySelector("#chart-renderers .legend").innerText`
	eventually.Holds(b.t, 30*time.Second, "the legend has the time under the pointer", func() bool {
		return js[bool](b, `/^\d\d:\d\d .*live 2/s.test(`+told+`)`)
	})
	js[any](b, `document.querySelector("#chart-renderers .u-over").dispatchEvent(new MouseEvent("mouseleave")); 0`)
	js[any](b, `import("./charts.js").then(({ hour, drawCharts }) => {
		hour.before = { end: hour.end - 86400, step: 60, values: { wanted: Array(60).fill(7) } };
		drawCharts();
	}); 0`)
	b.sees("#chart-renderers .legend", "wanted a day ago 7")
}

// blocksAnAddress goes through the dialogs, a wrong token included. Undo and the audit list follow.
func (b *browser) blocksAnAddress(c *cluster.Cluster) {
	b.t.Helper()
	b.visit("")
	b.click(fmt.Sprintf("#attention-list button[aria-label='Block %s']", greedy))
	b.enter("#token input", "a-wrong-token-it-is")
	b.click("#token .go")
	b.sees("#token-error", "not the token")
	b.enter("#token input", secret)
	b.click("#token .go")
	b.sees("#act-title", "Refuse everything to "+greedy)
	b.sees("#act-text", "renders/s now")
	b.enter("#act input[name=who]", "Ann")
	b.enter("#act input[name=why]", " ")
	js[any](b, "document.querySelector('#act input[name=why]').value = ''")
	b.click("#act .go")
	if !js[bool](b, "document.getElementById('act').open") {
		b.t.Error("the dialog accepted a directive without a reason")
	}
	b.enter("#act input[name=why]", "renders everything at once")
	b.click("#act .go")
	b.sees("#said", "Done.")
	b.blocked(c, true)
	b.click("#undo")
	b.sees("#said", "Undone.")
	b.blocked(c, false)
	b.visit("actions")
	b.sees("table[data-table=directives]", "No directive is in force.")
	b.sees("table[data-table=audit]", "Ended early")
	b.sees("table[data-table=audit]", "renders everything at once")
}

func (b *browser) blocked(c *cluster.Cluster, is bool) {
	b.t.Helper()
	cluster.Eventually(b.t, fmt.Sprint("it is kept out: ", is), func() bool {
		return (c.Get(b.t.Context(), c.Edges[len(c.Edges)-1], "/unsafe/100x/photo0.jpg", greedy).Status == http.StatusForbidden) == is
	})
}

func (b *browser) changesALimit() {
	b.t.Helper()
	b.visit("throttles")
	b.click("table[data-table=rules] button[aria-label='Change per-ip']")
	b.enter("#act input[name=workers]", "1")
	b.enter("#act input[name=max_queue]", "0") // the browser refuses this value
	b.enter("#act input[name=why]", "a test")
	b.click("#act .go")
	b.enter("#act input[name=max_queue]", "7")
	b.click("#act .go")
	b.sees("table[data-table=rules] tr[data-key=per-ip]", "by a directive")
	b.sees("table[data-table=rules] tr[data-key=per-ip]", "7")
}

func (b *browser) forgetsAFailure() {
	b.t.Helper()
	b.visit("originals")
	b.click("table[data-table=failing] button[aria-label^=Try]")
	b.sees("#act-title", "Forget the failures of bad.jpg")
	b.enter("#act input[name=why]", "uploaded anew")
	b.do(chromedp.SendKeys("#act input[name=why]", kb.Enter, chromedp.ByQuery))
	b.visit("actions")
	b.sees("table[data-table=directives]", "Forget the failures of bad.jpg")
}

//go:embed testdata/axe.min.js
var axe string

// pages are all pages of the operators' page, and one of a client and of an original.
func pages() []string {
	return []string{"", "clients", "clients/" + greedy, "originals", "originals/bad.jpg", "throttles", "lanes", "renderers", "coordinators", "edges", "actions"}
}

// accessible runs the rules of axe-core on the page as it is.
func (b *browser) accessible(where, options string) {
	b.t.Helper()
	var violations []string
	b.do(chromedp.Evaluate(`axe.run(`+options+`).then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).slice(0, 2).join("; ")))`, &violations,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	for _, v := range violations {
		b.t.Errorf("%s: %s", where, v)
	}
}

// weight is the number of bytes of the page and all its files.
func (b *browser) weight() int {
	b.t.Helper()
	return js[int](b, "performance.getEntries().filter(e => ['navigation', 'script', 'link', 'css'].includes(e.initiatorType)).reduce((n, e) => n + e.encodedBodySize, 0)")
}

// With a phone, in the dark, by keyboard and with a screen reader.
func TestThePageIsForEverybody(t *testing.T) {
	_, address := start(t)
	b := open(t, address, 390, 844)
	b.sees("#attention-list", greedy+" has ")
	b.sees("#chart-slots .legend", "busy")
	b.sees("#speed", "Renders take")
	if tall := js[int](b, "Math.ceil(document.querySelector('#charts').getBoundingClientRect().bottom)"); tall > 844 {
		t.Errorf("the first screen ends at %d of 844 pixels", tall)
	}
	if file := os.Getenv("THUMBMILL_SCREENSHOT"); file != "" {
		b.photograph(strings.TrimSuffix(file, ".png") + "-phone.png")
	}
	if bytes := b.weight(); bytes < 50_000 || bytes > 150_000 {
		t.Errorf("the page weighs %d bytes", bytes)
	}
	js[any](b, axe+"; 0")
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		for _, page := range pages() {
			b.visit(page)
			if wide := js[int](b, "document.documentElement.scrollWidth"); wide > 390 {
				t.Errorf("%s: %d pixels wide on a phone of 390", page, wide)
			}
			b.accessible(scheme+" "+page, map[string]string{"light": "{}", "dark": `{ runOnly: ["color-contrast"] }`}[scheme])
		}
	}
	b.visit("lanes")
	const button = "table[data-table=lanes] button[aria-label='Pause bulk']"
	b.do(chromedp.Focus(button, chromedp.ByQuery))
	b.reports(2)
	if !js[bool](b, fmt.Sprintf("document.activeElement === document.querySelector(%q)", button)) {
		t.Error("a report moves the focus")
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.sees("#token", "Enter the token")
	b.accessible("the dialog", "{}")
	b.do(chromedp.KeyEvent(kb.Escape))
	if js[bool](b, "document.getElementById('token').open || document.getElementById('act').open") {
		t.Error("Escape closes nothing")
	}
}

// A client's address breaks between its numbers at most, and tables are searched, sorted and filtered.
func TestTablesAreSearched(t *testing.T) {
	_, address := start(t)
	b := open(t, address, 1400, 900)
	b.sees("#attention-list", greedy)
	b.visit("clients")
	b.sees("table[data-table=clients]", greedy)
	rows := "document.querySelectorAll('table[data-table=clients] tbody tr').length"
	eventually.Holds(t, 30*time.Second, "there are clients to search", func() bool { return js[int](b, rows) > 5 })
	b.enter("input[aria-label^='Search: Clients']", greedy)
	eventually.Holds(t, 30*time.Second, "one is found", func() bool { return js[int](b, rows) == 1 })
	b.enter("input[aria-label^='Search: Clients']", "nobody at all")
	b.sees("table[data-table=clients]", "Nothing matches.")
	b.turnsPages()
	js[any](b, `document.querySelector("input[aria-label^='Search: Clients']").value = ""; document.querySelector("input[aria-label^='Search: Clients']").dispatchEvent(new Event("input"))`)
	choose := func(kind string) {
		js[any](b, fmt.Sprintf(`document.querySelector("select[aria-label^='Filter: Clients']").value = %q; document.querySelector("select[aria-label^='Filter: Clients']").dispatchEvent(new Event("change"))`, kind))
	}
	named := fmt.Sprintf("[...document.querySelectorAll('table[data-table=clients] tbody tr')].some(r => r.dataset.key === %q)", greedy)
	choose("served")
	eventually.Holds(t, 30*time.Second, "the refused client is filtered out", func() bool { return !js[bool](b, named) && js[int](b, rows) > 0 })
	choose("refused")
	eventually.Holds(t, 30*time.Second, "the refused client is found", func() bool { return js[bool](b, named) })
	choose("")
	b.click("table[data-table=clients] th:nth-child(1) button")
	sorted := `(() => { const names = [...document.querySelectorAll("table[data-table=clients] tbody tr")].map(r => r.dataset.key); return names.join() === names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).join(); })()`
	eventually.Holds(t, 30*time.Second, "names are sorted", func() bool { return js[bool](b, sorted) })
	if broken := js[int](b, "[...document.querySelectorAll('table[data-table=clients] tbody td:first-child a')].filter(a => a.getClientRects().length > 1).length"); broken > 0 {
		t.Errorf("%d addresses are broken into lines", broken)
	}
}

// turnsPages turns the pages of a table of its own.
func (b *browser) turnsPages() {
	b.t.Helper()
	js[any](b, `import("./table.js").then(({ Table }) => {
		const table = new Table("paged", "Paged", [{ title: "row" }]);
		table.show(Array.from({ length: 120 }, (_, i) => ({ key: String(i), cells: ["row " + i] })));
		document.querySelector("[data-page=clients]").append(table.root);
	}); 0`)
	b.sees("table[data-table=paged]", "row 0")
	js[any](b, `document.querySelector("table[data-table=paged] + .pager button:last-child").click()`)
	b.sees("table[data-table=paged] + .pager", "page 2 of")
	if js[bool](b, `document.querySelector("table[data-table=paged]").innerText.includes("row 0\n")`) {
		b.t.Error("the second page has the first row")
	}
}
