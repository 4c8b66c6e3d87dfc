// Package page is the operators' page. It shows refusals and their reasons, lanes, failing originals
// and renderers from /api/v1/throttles, and sends directives to /api/v1/directives.
//
// The page is inside the binary, and loads nothing from other hosts.
package page

import (
	"embed"
	"net/http"
)

//go:embed index.html page.css page.js
var files embed.FS

// policy allows only resources of the page's own host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths are the paths that Handler serves.
func Paths() []string { return []string{"/{$}", "/page.css", "/page.js"} }

// Handler serves the page.
func Handler() http.Handler {
	content := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-cache") // a newer binary has a newer page
		content.ServeHTTP(w, r)
	})
}
