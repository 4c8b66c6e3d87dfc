package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Varnish starts a Varnish before two edges, with the configuration that deploy has, and
// gives its URL.
func Varnish(t testing.TB, edges [2]string) string {
	t.Helper()
	if modules, _ := filepath.Glob("/usr/lib/*/varnish/vmods/libvmod_xkey.so"); len(modules) == 0 {
		t.Skip("varnish-modules is not installed: run `make deps`")
	}
	if path, err := exec.LookPath("varnishd"); err != nil || path == "" {
		t.Skip("varnishd is not installed: run `make deps`")
	}
	var places []string
	for i, edge := range edges {
		host, port, _ := net.SplitHostPort(edge)
		places = append(places, fmt.Sprintf(`.host = "127.0.0.%d"; .port = "8888"`, i+1), fmt.Sprintf(`.host = %q; .port = %q`, host, port))
	}
	dir, folder := t.TempDir(), filepath.Join(repository(), "deploy", "varnish")
	put(t, filepath.Join(dir, "edges.vcl"), strings.NewReplacer(places...).Replace(read(t, filepath.Join(folder, "edges.vcl"))))
	address := FreeAddress(t)
	start(t, nil, "varnishd", "-F", "-j", "none", "-a", address, "-f", filepath.Join(folder, "thumbmill.vcl"), "-p", "vcl_path="+dir,
		"-n", filepath.Join(dir, "work"), "-s", "malloc,16m", "-T", "none")
	await(t, address)
	return "http://" + address
}

// Nginx starts an nginx before two edges, with the configuration that deploy has and the part
// that keeps thumbnails, and gives its URL.
func Nginx(t testing.TB, edges [2]string) string {
	t.Helper()
	address := FreeAddress(t)
	start(t, nil, "nginx", "-c", NginxConfig(t, t.TempDir(), address, edges, true))
	await(t, address)
	return "http://" + address
}

// NginxConfig writes the configuration of an nginx that listens at an address, into a folder
// where it puts its files too, and gives its path.
func NginxConfig(t testing.TB, dir, address string, edges [2]string, caches bool) string {
	t.Helper()
	folder, cache := filepath.Join(repository(), "deploy", "nginx"), ""
	changes := []string{"127.0.0.1:8888", edges[0], "127.0.0.2:8888", edges[1], "127.0.0.1:8080", address}
	if caches {
		changes = append(changes, "# include thumbmill-cache.conf;", "include "+filepath.Join(folder, "thumbmill-cache.conf")+";")
		cache = "proxy_cache_path " + dir + "/cache levels=1:2 keys_zone=thumbmill:1m max_size=16m use_temp_path=off;\n"
	}
	server := strings.NewReplacer(changes...).Replace(read(t, filepath.Join(folder, "thumbmill.conf")))
	file := filepath.Join(dir, "nginx.conf")
	put(t, file, fmt.Sprintf("daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx-errors.log; user root;\nevents { worker_connections 4096; }\n"+
		"http { access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;\n%[2]s%[3]s}\n", dir, cache, server))
	return file
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
