package servers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Varnish starts a Varnish before an edge, with the configuration that deploy has, and
// gives its URL.
func Varnish(t testing.TB, edge string) string {
	t.Helper()
	if modules, _ := filepath.Glob("/usr/lib/*/varnish/vmods/libvmod_xkey.so"); len(modules) == 0 {
		t.Skip("varnish-modules is not installed: run `make deps`")
	}
	text, err := os.ReadFile(filepath.Join(repository(), "deploy", "varnish", "thumbmill.vcl"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(edge)
	dir := t.TempDir()
	vcl := filepath.Join(dir, "thumbmill.vcl")
	if err := os.WriteFile(vcl, []byte(strings.Replace(string(text), `"8888"`, `"`+port+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("varnishd"); err != nil || path == "" {
		t.Skip("varnishd is not installed: run `make deps`")
	}
	address := FreeAddress(t)
	start(t, nil, "varnishd", "-F", "-j", "none", "-a", address, "-f", vcl, "-n", filepath.Join(dir, "work"), "-s", "malloc,16m", "-T", "none")
	await(t, address)
	return "http://" + address
}
