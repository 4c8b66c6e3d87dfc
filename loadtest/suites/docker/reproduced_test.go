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

// TestASecondBuild checks that a second build without the layers of the first gives the same files with the same times,
// from the base images on. It does not compare digests of layers: a layer of 20.10 can have the overlay's markers and files
// that did not change, or lack both.
func TestASecondBuild(t *testing.T) {
	available(t)
	if os.Getenv("THUMBMILL_DOCKER") == "1" {
		t.Skip("images are built twice only in `make test-docker TABLE=FILE`")
	}
	images(t)
	e := startEngine(t, false)
	for line := range strings.Lines(e.docker("images", "--format", "{{.Repository}}:{{.Tag}}")) {
		if image := strings.TrimSpace(line); strings.HasPrefix(image, "golang:") || strings.HasPrefix(image, "debian:") {
			first := e.files(image)
			e.docker("image", "rm", image)
			e.run("deploy/docker/base")
			e.same(image, first, e.files(image))
		}
	}
	e.run(e.onFile([]string{"build.yaml", "again.yaml"}, "--profile", "tool", "build", "--quiet", "--no-cache")...)
	for line := range strings.Lines(e.docker("images", "--format", "{{.Repository}}", "--filter", "reference=*-again")) {
		again := strings.TrimSpace(line)
		image := strings.TrimSuffix(again, "-again")
		e.same(image, e.files(image), e.files(again))
		e.docker("image", "rm", again)
	}
}

func (e *engine) same(image string, first, second map[string]string) {
	e.t.Helper()
	if lines := changed(first, second); len(lines) > 0 || len(first) == 0 {
		e.t.Errorf("two builds of %s with %d files differ:\n%s", image, len(first), strings.Join(lines, "\n"))
	}
}

// engines reports whether the engine makes a file in each container, or changes the time of a folder.
func engines(name string) bool {
	return strings.HasPrefix(name, "dev/") || slices.Contains([]string{".dockerenv", "etc/", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc/", "sys/"}, name)
}

// files returns the mode, owner, time, link and digest of each file of an image, by name, without the engine's files.
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
		if !engines(header.Name) {
			all[header.Name] = fmt.Sprintf("%o %d:%d %s %s %x", header.Mode, header.Uid, header.Gid, header.ModTime.UTC().Format("2006-01-02T15:04:05"), header.Linkname, digest.Sum(nil)[:8])
		}
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
