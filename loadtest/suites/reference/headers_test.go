package reference

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// header is a row of the tables of HTTP headers.
type header struct{ name, when, values string }

// read lists the headers of requests that the edge reads.
var read = []header{
	{"Accept", "of a Thumbor URL, where `thumbor.auto_formats` lists formats; of a refused request", "media types: the first listed format that the client takes; `application/json` or `application/problem+json` for a refusal as JSON"},
	{"Dpr", "as `Sec-CH-DPR`, which comes first", "the same"},
	{"Forwarded", "`edge.security_key` is not set", "any value: the client is not this machine, and `unsafe` URLs are refused"},
	{"If-Match", "always", "an ETag"},
	{"If-Modified-Since", "always", "a date: 304 when the thumbnail is no newer"},
	{"If-None-Match", "always", "an ETag: 304 when the thumbnail has it"},
	{"If-Range", "with `Range`", "an ETag or a date"},
	{"If-Unmodified-Since", "always", "a date"},
	{"Origin", "`edge.cors` lists origins", "the origin of a script"},
	{"Range", "always", "at most five ranges of bytes; more are ignored"},
	{"Save-Data", "`edge.save_data_quality` is set", "`on`: a lower quality, where the URL names none"},
	{"Sec-Ch-Dpr", "`edge.client_hints` is set, of a URL that leaves the density open", "the density of the client's screen: 1, 1.5, 2 or 3, or a number that is raised to the next of these"},
	{"Traceparent", "`trace.endpoint` is set, and `edge.trusted_proxies` has the peer", "the trace that the request belongs to"},
	{"Via", "as `Forwarded`", ""},
	{"X-Forwarded-For", "`edge.trusted_proxies` has the peer", "the client's address: the rightmost that is no trusted proxy's"},
	{"X-Forwarded-Host", "as `Forwarded`", ""},
	{"X-Real-Ip", "as `Forwarded`", ""},
	{"X-Request-Id", "`edge.trusted_proxies` has the peer", "up to 64 letters, digits and `-_.:`: the request's name in logs and jobs"},
	{"X-Swift-Secret", "the container is one of `store.private_containers`", "`store.private_secret`"},
}

// sent lists the headers of the edge's answers.
var sent = []header{
	{"Accept-Ch", "`edge.client_hints` is set", "`Sec-CH-DPR`"},
	{"Accept-Ranges", "with a thumbnail or an original", "`bytes`"},
	{"Access-Control-Allow-Headers", "in answer to `OPTIONS`", "the headers that a script may send"},
	{"Access-Control-Allow-Methods", "in answer to `OPTIONS`", "`GET, HEAD`"},
	{"Access-Control-Allow-Origin", "`edge.cors` allows the origin, and the answer is not private", "`*` or the origin"},
	{"Access-Control-Expose-Headers", "the same, and the request has `Origin`", "`*`"},
	{"Access-Control-Max-Age", "in answer to `OPTIONS`", "seconds for which a browser keeps that answer"},
	{"Allow", "with 405, and in answer to `OPTIONS`", "`GET, HEAD, OPTIONS`"},
	{"Cache-Control", "always", "`public` with the ages of `edge.max_age`, `edge.stale_while_revalidate` and `edge.stale_if_error`; `no-store` for most refusals and for answers that change soon; `private, no-store` for private containers"},
	{"Cache-Tag", "`purge.headers` lists it, and the URL names an original", "the original's key, for Cloudflare"},
	{"Connection", "the request has a body, over HTTP/1.1", "`close`"},
	{"Content-Disposition", "with a thumbnail or an original", "the file's name; `attachment` where a MediaWiki URL asks for `download`"},
	{"Content-Length", "with a thumbnail or an original", "bytes"},
	{"Content-Security-Policy", "with an original, and a thumbnail that is no bitmap", "a policy that lets nothing run"},
	{"Content-Type", "always", "the media type; `application/problem+json` for a refusal as JSON"},
	{"Etag", "with a thumbnail, and an original whose store has one", "changes with the picture"},
	{"Last-Modified", "with a thumbnail or an original", "when the thumbnail was rendered, or the original stored"},
	{"Link", "with a refusal that another URL would not get", "that URL, as `rel=\"alternate\"`"},
	{"Location", "with 302, where `mediawiki.size_policy` or `thumbor.size_policy` is `redirect`", "the URL of the nearest standard size"},
	{"Retry-After", "with a refusal that passes", "seconds, with up to half as much again at random"},
	{"Server-Timing", "always, but with thumbnails from the edge's own disk or memory", "milliseconds of each step, and `total`"},
	{"Surrogate-Key", "`purge.headers` lists it, and the URL names an original", "the original's key, for Fastly"},
	{"Thumbmill-Fallback", "with a picture of `fallback` in place of the answer", "the kind of fault"},
	{"Thumbmill-Ignored-Parameters", "a URL of `thumb.php` has parameters that change nothing", "their names, at most ten"},
	{"Thumbmill-Nearest", "with another size than the URL's, in place of a refusal", "that size: `330x0`"},
	{"Thumbmill-Skipped-Filters", "a Thumbor URL has filters that are unknown or malformed", "their names"},
	{"Thumbmill-Throttle", "with a refusal by a throttle", "the throttle's name"},
	{"Thumbor-Wikimedia-Original-Container", "of a MediaWiki URL", "where the original is stored"},
	{"Thumbor-Wikimedia-Original-Path", "of a MediaWiki URL", "the same"},
	{"Thumbor-Wikimedia-Thumbnail-Container", "of a MediaWiki URL of a thumbnail", "where the thumbnail is stored"},
	{"Thumbor-Wikimedia-Thumbnail-Path", "of a MediaWiki URL of a thumbnail", "the same"},
	{"Timing-Allow-Origin", "as `Access-Control-Allow-Origin`", "`*` or the origin"},
	{"Vary", "the answer depends on a header", "`Accept`, `Origin`, `Sec-CH-DPR`, `DPR`, `Save-Data`"},
	{"Www-Authenticate", "with 401 for a private container", "names `X-Swift-Secret`"},
	{"X-Content-Type-Options", "with a thumbnail, an original or a refusal", "`nosniff`"},
	{"X-Request-Id", "always", "the request's name in logs and jobs"},
	{"Xkey", "`purge.headers` lists it, as it does by default, and the URL names an original", "the original's key; caches purge its thumbnails by it"},
}

// library lists the headers that net/http and other libraries write or read for the edge, and that
// the edge's source does not name.
var library = []string{"Location", "Traceparent"}

// TestHeadersAreTheSources compares the tables with the edge's source.
func TestHeadersAreTheSources(t *testing.T) {
	named := sourceHeaders(t)
	for direction, table := range map[string][]header{"read": read, "sent": sent} {
		listed := map[string]bool{}
		for _, h := range table {
			listed[h.name] = true
			if !named[direction][h.name] && !slices.Contains(library, h.name) {
				t.Errorf("the edge's source names no header %s that is %s", h.name, direction)
			}
		}
		for name := range named[direction] {
			if !listed[name] {
				t.Errorf("the edge's source names %s, which is %s and has no row in loadtest/suites/reference/headers_test.go", name, direction)
			}
		}
		if !slices.IsSortedFunc(table, func(a, b header) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("the headers that are %s are not in order", direction)
		}
	}
}

// sourceHeaders returns the headers that the edge's packages name, by direction.
func sourceHeaders(t *testing.T) map[string]map[string]bool {
	t.Helper()
	named := map[string]map[string]bool{"read": {}, "sent": {}}
	for _, folder := range []string{"web", "grammar", "clientaddr", "mediawiki", "thumbor", "front", "target"} {
		files, err := filepath.Glob(filepath.Join(root, "edge/internal", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("edge/internal/%s has no source: %v", folder, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool { note(n, named); return true })
		}
	}
	return named
}

// note records the headers that a piece of source names: set on an answer, read from a request, or
// in a list.
func note(n ast.Node, named map[string]map[string]bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || len(n.Args) == 0 {
			return
		}
		name := headerName(n.Args[0])
		switch {
		case name == "":
		case slices.Contains([]string{"Set", "Add", "setHeader"}, method.Sel.Name):
			named["sent"][name] = true
		case method.Sel.Name == "Get" && ofRequest(method.X), strings.HasPrefix(method.Sel.Name, "NewRightmost"):
			named["read"][name] = true
		}
	case *ast.CompositeLit:
		if list, ok := n.Type.(*ast.ArrayType); ok && list.Len == nil {
			noteList(n, named)
		}
	}
}

// noteList keeps the headers of a list as headers of requests.
func noteList(list *ast.CompositeLit, named map[string]map[string]bool) {
	var names []string
	for _, element := range list.Elts {
		name := headerName(element)
		if name == "" {
			return
		}
		names = append(names, name)
	}
	if slices.Contains(names, "Access-Control-Allow-Origin") { // keepPrivate removes these from answers
		return
	}
	for _, name := range names {
		named["read"][name] = true
	}
}

// ofRequest reports whether an expression is the headers of a request: r.Header, x.r.Header.
func ofRequest(e ast.Expr) bool {
	field, ok := e.(*ast.SelectorExpr)
	return ok && field.Sel.Name == "Header"
}

// headerName returns the header that a literal is, or "".
func headerName(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil || len(name) < 3 || strings.Trim(name, letters) != "" || textproto.CanonicalMIMEHeaderKey(name) != name {
		return ""
	}
	return name
}

const letters = "-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
