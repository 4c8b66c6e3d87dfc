package fromthumbor

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// dump prints the options of the installed Thumbor with their defaults, as JSON.
const dump = "import json; from thumbor.config import Config; print(json.dumps(Config.class_defaults))"

// thumbor.json has Thumbor's own options. The test needs a Python that can import Thumbor 7.8, for
// instance by PYTHONPATH.
func TestOptionsAreThumbors(t *testing.T) {
	out, err := exec.Command("python3", "-c", dump).Output()
	if err != nil {
		t.Skip("python3 cannot import thumbor.config: set PYTHONPATH")
	}
	var theirs, ours map[string]any
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(options, &ours); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("thumbor.json has %d options, Thumbor has %d, or their defaults differ", len(ours), len(theirs))
	}
}

// inPython writes a value of JSON as Python does.
func inPython(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{false: "False", true: "True"}[v]
	case float64:
		return fmt.Sprint(v)
	case string:
		return fmt.Sprintf("%q", v)
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// A file that assigns Thumbor's default to each option loses nothing, and gives the settings of an empty
// file.
func TestDefaultsLoseNothing(t *testing.T) {
	var all map[string]any
	if err := json.Unmarshal(options, &all); err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	for name, v := range all {
		if name != "SECURITY_KEY" { // a secret is always named
			fmt.Fprintf(&file, "%s = %s\n", name, inPython(v))
		}
	}
	c, err := Convert([]byte(file.String()), false)
	if err != nil || len(c.Left) > 0 {
		t.Fatalf("%v, %v", c.Left, err)
	}
	load(t, c)
}

// No option vanishes: another value than Thumbor's default becomes a setting, or is named with a reason.
func TestNoOptionVanishes(t *testing.T) {
	var all map[string]any
	if err := json.Unmarshal(options, &all); err != nil {
		t.Fatal(err)
	}
	const context = "METRICS = 'thumbor.metrics.statsd_metrics'\nUPLOAD_ENABLED = True\nUSE_CUSTOM_ERROR_HANDLING = True\nDETECTORS = ['thumbor.detectors.face_detector']\n"
	before, err := Convert([]byte(context), false)
	if err != nil {
		t.Fatal(err)
	}
	same := map[string]bool{"USE_GIFSICLE_ENGINE": true, "SEND_IF_MODIFIED_LAST_MODIFIED_HEADERS": true, "RESULT_STORAGE_STORES_UNSAFE": true, "NON_BLOCKING_SOCKETS": true}
	for name, v := range all {
		if same[name] { // thumbmill always does this
			continue
		}
		other := inPython("x")
		switch v := v.(type) {
		case bool:
			other = inPython(!v)
		case float64:
			other = inPython(v + 1)
		case []any:
			other = "['webp']"
		}
		c, err := Convert([]byte(context+name+" = "+other+"\n"), false)
		named := false
		for _, l := range c.Left {
			named = named || l.Name == name
		}
		if err != nil || !named && reflect.DeepEqual(c.Values, before.Values) {
			t.Errorf("%s = %s vanishes: %v", name, other, err)
		}
	}
}
