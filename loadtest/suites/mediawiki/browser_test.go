package mediawiki

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// picture is an image of a page, as a browser has it.
type picture struct {
	Src, Srcset                 string
	Shown                       string // the URL that the browser chose of both
	Width, Height               int    // as the HTML says; 0 where it does not
	NaturalWidth, NaturalHeight int    // of the file that was loaded
}

// sight has the pictures that a browser sees on a page.
type sight struct {
	Pictures []picture
	Others   []string // og:image, and posters of videos
}

const look = `(async () => {
	const images = [...document.images].filter(i => !i.src.includes('/resources/') && !i.src.startsWith('data:'));
	await Promise.all(images.map(i => i.complete ? 0 : new Promise(r => { i.onload = i.onerror = r })));
	return {
		Pictures: images.map(i => ({ Src: i.src, Srcset: i.srcset, Shown: i.currentSrc, Width: +i.getAttribute('width'), Height: +i.getAttribute('height'),
			NaturalWidth: i.naturalWidth, NaturalHeight: i.naturalHeight })),
		Others: [...document.querySelectorAll('meta[property="og:image"]')].map(m => m.content)
			.concat([...document.querySelectorAll('video[poster]')].map(v => v.poster)).map(u => new URL(u, location).href),
	};
})()`

// browser is a headless Chromium with one tab.
type browser struct {
	t   *testing.T
	tab context.Context //nolint:containedctx // chromedp's handle of the tab
}

// open starts it; its files are in a folder that goes with the test, also while it still ends.
func open(t *testing.T, files string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.UserDataDir(files),
		chromedp.WSURLReadTimeout(time.Minute))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	tab, end := chromedp.NewContext(allocated, chromedp.WithErrorf(t.Logf)) // it does not know all of a newer browser's events
	tab, cancel := context.WithTimeout(tab, 45*time.Minute)
	t.Cleanup(func() { cancel(); end(); stop() })
	return &browser{t, tab}
}

// sees loads a page with all its images, and returns the pictures on it.
func (b *browser) sees(url string) (s sight) {
	b.t.Helper()
	err := chromedp.Run(b.tab, chromedp.Navigate(url), chromedp.Evaluate(look, &s, awaited))
	if err != nil {
		b.t.Fatalf("%s: %v", url, err)
	}
	return s
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
