// Package page is the operators' page: who is refused and why, which lane is behind, what
// fails, which renderers live, and what can be done about it. It shows what
// /api/v1/throttles tells, and acts by /api/v1/directives.
//
// It is in the binary, and loads nothing from anywhere else.
package page

import (
	"embed"
	"net/http"
)

//go:embed index.html page.css page.js
var files embed.FS

// policy lets the page use what is served beside it, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths are where Handler is to be found.
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
