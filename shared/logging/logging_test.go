package logging

import (
	"bytes"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Each format has the fields of a line. Without systemd, the journal's format is text.
func TestFormats(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	for format, want := range map[string]string{
		"text": `msg="store thumbnail" original=a/b.jpg`, "journal": `msg="store thumbnail" original=a/b.jpg`, "json": `"msg":"store thumbnail","original":"a/b.jpg"`,
	} {
		var out bytes.Buffer
		log, _ := New(settings.Log{Format: format, Level: "info"}, &out)
		log.Info("store thumbnail", "original", "a/b.jpg")
		log.Debug("below the level")
		if got := out.String(); !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q, want one line with %q", format, got, want)
		}
	}
}
