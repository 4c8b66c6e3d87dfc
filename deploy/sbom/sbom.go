// Package sbom lists the software in an image: Debian's packages, and the modules of Go programs. It writes CycloneDX.
package sbom

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

const (
	dpkg        = "var/lib/dpkg/status"
	mostProgram = 512 << 20 // bytes of one file
)

// Read returns the components in the file system of an image, in the order of their names. The file system comes as
// docker export writes it: an uncompressed tar archive. An image without packages and without Go programs is an error.
func Read(image io.Reader) (all []cyclonedx.Component, err error) {
	archive := tar.NewReader(image)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the image: %w", err)
		}
		if h.Typeflag != tar.TypeReg || h.Size > mostProgram {
			continue
		}
		switch name := path.Clean(h.Name); {
		case name == dpkg:
			found, err := packages(archive)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", dpkg, err)
			}
			all = append(all, found...)
		case h.Mode&0o111 != 0:
			found, err := modules(archive)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			all = append(all, found...)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the image has neither Debian's packages nor a Go program: give the output of docker export")
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	return slices.CompactFunc(all, func(a, b cyclonedx.Component) bool { return a.BOMRef == b.BOMRef }), nil
}

// packages returns the installed packages in dpkg's list, which has a paragraph of "Field: value" lines for each.
func packages(status io.Reader) (all []cyclonedx.Component, err error) {
	fields := map[string]string{}
	end := func() {
		if strings.HasSuffix(fields["Status"], " installed") {
			p := component(fields["Package"], fields["Version"],
				fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", fields["Package"], escape(fields["Version"]), fields["Architecture"]))
			all = append(all, p)
		}
		clear(fields)
	}
	lines := bufio.NewScanner(status)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "":
			end()
		case found && !strings.HasPrefix(name, " "):
			fields[name] = value
		}
	}
	end()
	return all, lines.Err()
}

// modules returns a Go program's modules and its toolchain; nil for any other file.
func modules(file io.Reader) (all []cyclonedx.Component, err error) {
	var magic [4]byte
	if _, err := io.ReadFull(file, magic[:]); err != nil || string(magic[:]) != "\x7fELF" {
		return nil, nil
	}
	body, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(slices.Concat(magic[:], body)))
	if err != nil { // not a Go program
		return nil, nil
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	all = append(all, component("std", version, "pkg:golang/std@"+escape(version)))
	for _, m := range append(info.Deps, &info.Main) {
		all = append(all, module(m))
	}
	return all, nil
}

func module(m *debug.Module) cyclonedx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	if m.Version == "" || m.Version == "(devel)" { // built from a checkout
		return component(m.Path, "", "pkg:golang/"+m.Path)
	}
	return component(m.Path, m.Version, "pkg:golang/"+m.Path+"@"+escape(m.Version))
}

func component(name, version, url string) cyclonedx.Component {
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: url, Name: name, Version: version, PackageURL: url}
}

// escape writes a version as package URLs have it.
func escape(version string) string {
	return strings.NewReplacer("%", "%25", "+", "%2B", ":", "%3A", "@", "%40", "?", "%3F", "#", "%23", "(", "%28", ")", "%29").Replace(version)
}

// Write writes the list of an image as CycloneDX 1.6 in JSON. The same components give the same bytes.
func Write(out io.Writer, image string, all []cyclonedx.Component) error {
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = ""
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{Type: cyclonedx.ComponentTypeContainer, BOMRef: image, Name: image}}
	bom.Components = &all
	return cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}
