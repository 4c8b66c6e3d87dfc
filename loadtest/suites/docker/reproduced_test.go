package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestASecondBuild checks that a second build without the layers of the first gives the same layers, from the base
// images on.
func TestASecondBuild(t *testing.T) {
	available(t)
	if os.Getenv("THUMBMILL_DOCKER") == "1" {
		t.Skip("images are built twice only in `make test-docker TABLE=FILE`")
	}
	images(t)
	e := startEngine(t, false)
	for line := range strings.Lines(e.docker("images", "--format", "{{.Repository}}:{{.Tag}}")) {
		if image := strings.TrimSpace(line); strings.HasPrefix(image, "golang:") || strings.HasPrefix(image, "debian:") {
			first := e.content(image)
			e.docker("image", "rm", image)
			e.run("deploy/docker/base")
			e.same(image, first, e.content(image))
		}
	}
	e.run(e.onFile([]string{"build.yaml", "again.yaml"}, "--profile", "tool", "build", "--quiet", "--no-cache")...)
	for line := range strings.Lines(e.docker("images", "--format", "{{.Repository}}", "--filter", "reference=*-again")) {
		again := strings.TrimSpace(line)
		image := strings.TrimSuffix(again, "-again")
		if !e.same(image, e.content(image), e.content(again)) {
			t.Logf("%s: %s", image, strings.Join(changed(e.files(image), e.files(again)), "\n"))
		}
		e.docker("image", "rm", again)
	}
}

// content returns the digests of an image's layers, and its settings. The time of the build is apart.
func (e *engine) content(image string) string {
	e.t.Helper()
	return e.docker("image", "inspect", "--format", "{{json .RootFS.Layers}} {{json .Config}}", image)
}

func (e *engine) same(image, first, second string) bool {
	e.t.Helper()
	if first != second {
		e.t.Errorf("two builds of %s differ:\n%s\n%s", image, first, second)
	}
	return first == second
}

// files returns the mode, owner, time, link and digest of each file of an image, by name.
func (e *engine) files(image string) map[string]string {
	e.t.Helper()
	container := e.docker("create", image, "unused")
	defer e.docker("rm", container)
	text, err := e.command("docker", "export", container).Output()
	if err != nil {
		e.t.Fatal(err)
	}
	all := map[string]string{}
	for reader := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		digest := sha256.New()
		if err == nil {
			_, err = io.Copy(digest, reader)
		}
		if err != nil {
			e.t.Fatal(err)
		}
		all[header.Name] = fmt.Sprintf("%o %d:%d %s %s %x", header.Mode, header.Uid, header.Gid, header.ModTime.UTC().Format("2006-01-02T15:04:05"), header.Linkname, digest.Sum(nil)[:8])
	}
}

// changed returns at most 40 lines about files that differ.
func changed(first, second map[string]string) (lines []string) {
	for name, was := range first {
		if is := second[name]; is != was {
			lines = append(lines, name+": "+was+" and "+is)
		}
	}
	for name := range second {
		if first[name] == "" {
			lines = append(lines, name+" is new")
		}
	}
	slices.Sort(lines)
	return lines[:min(len(lines), 40)]
}
