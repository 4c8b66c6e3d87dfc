package sbom

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

const status = `Package: libvips42t64
Status: install ok installed
Architecture: amd64
Version: 8.16.1-1+b1
Description: image processing
 Second: line

Package: removed
Status: deinstall ok config-files
Version: 1

Package: tini
Status: install ok installed
Architecture: amd64
Version: 2:0.19-1
`

// image returns a file system with files of a mode.
func image(t *testing.T, mode int64, files map[string][]byte) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func urls(all []cyclonedx.Component) (urls []string) {
	for _, c := range all {
		urls = append(urls, c.PackageURL)
	}
	return urls
}

func TestDebiansPackages(t *testing.T) {
	all, err := Read(image(t, 0o644, map[string][]byte{"var/lib/dpkg/status": []byte(status), "usr/bin/script": []byte("#!/bin/sh")}))
	want := []string{"pkg:deb/debian/libvips42t64@8.16.1-1%2Bb1?arch=amd64", "pkg:deb/debian/tini@2%3A0.19-1?arch=amd64"}
	if err != nil || !slices.Equal(urls(all), want) {
		t.Errorf("%v %v, want %v", urls(all), err, want)
	}
}

// The command is a Go program with the library that writes the list. A test's binary does not name its modules.
func TestModules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sbom")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/sbom").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Read(image(t, 0o755, map[string][]byte{"edge": program, "usr/bin/other": []byte("\x7fELF, but no Go program"), "empty": nil}))
	if err != nil {
		t.Fatal(err)
	}
	has := func(prefix string) bool {
		return slices.ContainsFunc(urls(all), func(u string) bool { return strings.HasPrefix(u, prefix) })
	}
	for _, prefix := range []string{"pkg:golang/std@1.", "pkg:golang/github.com/thumbmill/thumbmill", "pkg:golang/github.com/CycloneDX/cyclonedx-go@v0."} {
		if !has(prefix) {
			t.Errorf("no component begins with %s: %v", prefix, urls(all))
		}
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := Write(out, "thumbmill-edge", all); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) || strings.Contains(first.String(), "serialNumber") {
		t.Errorf("two lists of one image differ: %.300s", second.String())
	}
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(&first, cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil || len(*bom.Components) != len(all) || bom.Metadata.Component.Name != "thumbmill-edge" {
		t.Errorf("the list has %d components: %v", len(*bom.Components), err)
	}
}

func TestImagesWithoutSoftware(t *testing.T) {
	for name, body := range map[string]*bytes.Buffer{"no archive": bytes.NewBufferString("nonsense"), "no software": image(t, 0o644, map[string][]byte{"a": []byte("b")})} {
		if _, err := Read(body); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
