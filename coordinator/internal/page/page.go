// Package page is the operators' page. It shows the problems, the refused clients with the reasons, the last
// hour, and details from /api/v1/throttles, and sends directives to /api/v1/directives.
//
// The page is inside the binary, and loads nothing from other hosts. uplot/ is the library that draws
// the charts; README.md there names its version.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed *.html *.css *.js uplot/*.css uplot/*.js uplot/LICENSE
var files embed.FS

// policy allows only resources of the page's own host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths are the paths that Handler serves.
func Paths() []string {
	paths := []string{"/{$}"}
	_ = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path != "index.html" {
			paths = append(paths, "/"+path)
		}
		return err // an embedded folder can always be read
	})
	return paths
}

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
