// Package loaders runs the image loaders of docs/loaders.md in the frameworks that they are for. THUMBMILL_LOADERS names the
// folder that `make test-loaders` fills with these frameworks.
package loaders

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	os.Exit(m.Run())
}

const (
	page = "../../../docs/loaders.md"
	host = "https://thumbs.example" // of the page's URLs
	// image is an original whose name must be percent-encoded.
	image = "2026/11/a hill (1)?.jpg"
)

// snippets returns the code on the page by its language.
func snippets(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, found := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all[found[1]] = found[2]
	}
	return all
}

// framework is a driver program, which writes the URLs of a picture as a list in JSON. It finds the loader in a file.
type framework struct{ snippet, file, program, driver string }

func frameworks() map[string]framework {
	return map[string]framework{
		"Next.js": {"js", "loader.mjs", "node", `
			import { createRequire } from "node:module";
			import loader from "./loader.mjs";
			const { getImageProps } = createRequire(process.env.THUMBMILL_LOADERS + "/x.js")("next/image");
			const { props } = getImageProps({ loader, src: "/" + process.env.IMAGE, alt: "", width: 330, height: 220, quality: 60 });
			console.log(JSON.stringify(props.srcSet.split(", ").map((source) => source.split(" ")[0])));`},
		"Nuxt Image": {"mjs", "loader.mjs", "node", `
			import * as provider from "./loader.mjs";
			const { createImage } = await import(process.env.THUMBMILL_LOADERS + "/node_modules/@nuxt/image/dist/runtime/image.js");
			const $img = createImage({ provider: "thumbmill", providers: { thumbmill: { provider, defaults: { baseURL: "https://thumbs.example" } } }, screens: {}, presets: {}, domains: [], alias: {}, densities: [1, 2], format: [], nuxt: { baseURL: "/" } });
			const srcset = $img.getSizes("/" + process.env.IMAGE, { sizes: "330px", modifiers: { height: 220, fit: "contain" } }).srcset;
			console.log(JSON.stringify([$img("/" + process.env.IMAGE, { width: 660 }), ...srcset.split(", ").map((source) => source.split(" ")[0])]));`},
		"WordPress": {"php", "loader.php", "php", `<?php
			define('ABSPATH', getenv('THUMBMILL_LOADERS') . '/usr/share/wordpress/');
			define('WPINC', 'wp-includes');
			foreach (['compat', 'plugin', 'formatting', 'shortcodes', 'media'] as $part) { require ABSPATH . WPINC . "/$part.php"; }
			function wp_get_upload_dir() { return ['baseurl' => 'https://site.example/wp-content/uploads']; }
			function set_url_scheme($url) { return $url; }
			function is_ssl() { return true; }
			function wp_fuzzy_number_match($a, $b, $apart = 1) { return abs($a - $b) <= $apart; }
			require 'loader.php';
			$meta = ['file' => getenv('IMAGE'), 'width' => 1200, 'height' => 800, 'sizes' => []];
			foreach ([330 => 220, 660 => 440] as $w => $h) { $meta['sizes'][] = ['file' => "scaled-$w.jpg", 'width' => $w, 'height' => $h, 'mime-type' => 'image/jpeg']; }
			$srcset = wp_calculate_image_srcset([660, 440], 'https://site.example/wp-content/uploads/2026/11/scaled-660.jpg', $meta, 1);
			echo json_encode(array_map(fn($source) => explode(' ', $source)[0], explode(', ', $srcset)));`},
	}
}

// urls runs a framework with the page's loader, and returns the URLs that it writes.
func (f framework) urls(t *testing.T, loader string) (all []string) {
	t.Helper()
	dir := t.TempDir()
	driver := filepath.Join(dir, "driver"+filepath.Ext(f.file))
	for file, text := range map[string]string{filepath.Join(dir, f.file): loader, driver: f.driver} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command(f.program, driver)
	run.Dir, run.Env = dir, append(os.Environ(), "IMAGE="+image)
	out, err := run.Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil || len(all) < 2 {
		said := ""
		if exit, ok := err.(*exec.ExitError); ok {
			said = string(exit.Stderr)
		}
		t.Fatalf("%s prints %q: %v\n%s", f.program, out, err, said)
	}
	return all
}

// A cluster with the page's settings renders each URL of each framework.
func TestLoaders(t *testing.T) {
	if os.Getenv("THUMBMILL_LOADERS") == "" {
		t.Skip("the frameworks are downloads: run make test-loaders")
	}
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) { s.Edge.AllowUnsafe = true }})
	body, err := samples.JPEG(samples.Landscape(1200, 800))
	c.Original(image, body, err)
	code := snippets(t)
	for name, f := range frameworks() {
		t.Run(name, func(t *testing.T) {
			for _, at := range f.urls(t, code[f.snippet]) {
				path, ok := strings.CutPrefix(at, host)
				if !ok {
					t.Fatalf("%s is not a URL of %s", at, host)
				}
				request, err := http.NewRequest(http.MethodGet, "http://"+c.Edges[0].Addr()+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Accept", "image/webp,*/*")
				client := http.Client{Timeout: time.Minute}
				answer, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "image/webp" {
					t.Errorf("%s: %s, %s", at, answer.Status, answer.Header.Get("Content-Type"))
				}
			}
		})
	}
}
