package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// reproduced checks that a second build of an image, without the layers of the first, has the same files. Only
// their times differ, which newer engines set by SOURCE_DATE_EPOCH.
func (e *engine) reproduced(target string) {
	e.t.Helper()
	e.run("docker", "build", "--quiet", "--no-cache", "--network", "host", "--target", target, "--tag", "thumbmill-again", "--file", "deploy/docker/Dockerfile", ".")
	defer e.docker("image", "rm", "thumbmill-again")
	if first, second := e.files("thumbmill-"+target), e.files("thumbmill-again"); !maps.Equal(first, second) {
		e.t.Errorf("two builds of %s have different files: %v and %v", target, first, second)
	}
}

// files returns the modes, owners and digests of an image's files, by name.
func (e *engine) files(image string) map[string]string {
	e.t.Helper()
	container := e.docker("create", image)
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
			_, err = io.Copy(digest, reader) //nolint:gosec // the project's own image
		}
		if err != nil {
			e.t.Fatal(err)
		}
		if !strings.HasPrefix(header.Name, "dev/") { // the engine's
			all[header.Name] = fmt.Sprintf("%o %d:%d %x", header.Mode, header.Uid, header.Gid, digest.Sum(nil)[:8])
		}
	}
}
