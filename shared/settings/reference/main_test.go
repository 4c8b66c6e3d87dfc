package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

func TestThePageIsTheSettings(t *testing.T) {
	want, err := page([]string{"../settings.go", "../../objectstore/storeconfig/storeconfig.go"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("docs/configuration.md differs from the source: run `go generate ./shared/settings/...`")
	}
	for _, row := range regexp.MustCompile(`(?m)^\| \S+ \| [^|]*\|  \|$`).FindAllString(string(want), -1) {
		t.Errorf("nothing is said of %s", row)
	}
}
