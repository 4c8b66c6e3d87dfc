package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// object is an object of Kubernetes.
type object = map[string]any

// helm runs helm, which `make lint` builds, and returns its output.
func helm(t *testing.T, words ...string) (string, error) {
	t.Helper()
	program, err := filepath.Abs("../../bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("helm"); err != nil {
			t.Skip("helm is not installed: run `make bin/helm`")
		}
	}
	out, err := exec.Command(program, words...).CombinedOutput()
	return string(out), err
}

// chart returns the objects of the chart with helm's words for values, such as --set and secret=mine, by kind and name.
func chart(t *testing.T, values ...string) map[string]object {
	t.Helper()
	out, err := helm(t, append([]string{"template", "thumbmill", ".", "--namespace", "thumbmill", "--kube-version", "1.34.0"}, values...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := map[string]object{}
	for text := range strings.SplitSeq(out, "\n---\n") {
		add(t, all, text)
	}
	return all
}

func add(t *testing.T, all map[string]object, text string) {
	t.Helper()
	var o object
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if o != nil {
		all[fmt.Sprintf("%s %s", o["kind"], at(o, "metadata", "name"))] = o
	}
}

// at returns the value below keys and indexes.
func at(value any, path ...any) any {
	for _, step := range path {
		switch v := value.(type) {
		case object:
			value = v[step.(string)]
		case []any:
			value = v[step.(int)]
		default:
			return nil
		}
	}
	return value
}

// plain removes the difference of the two forms: kustomize puts a hash of the settings into the name of
// their ConfigMap, and Helm into an annotation of the pods.
func plain(t *testing.T, all map[string]object) map[string]object {
	t.Helper()
	out := map[string]object{}
	for name, o := range all {
		if settings, is := strings.CutPrefix(name, "ConfigMap thumbmill-settings"); is {
			o = object{}
			if err := yaml.Unmarshal([]byte(at(all["ConfigMap thumbmill-settings"+settings], "data", "site.yaml").(string)), &o); err != nil {
				t.Fatal(err)
			}
			out["settings"] = o
			continue
		}
		if annotations, is := at(o, "spec", "template", "metadata", "annotations").(object); is {
			delete(annotations, "checksum/settings")
			at(o, "spec", "template", "spec", "volumes", 0, "configMap").(object)["name"] = "thumbmill-settings"
		}
		out[name] = o
	}
	return out
}

// Kustomize and Helm give the same objects.
func TestTheChartIsTheSame(t *testing.T) {
	for by, components := range map[string][]string{"none": nil, "keda": {"autoscaling/keda"}, "hpa": {"autoscaling/hpa"}} {
		helmed := plain(t, chart(t, "--set", "autoscaling.by="+by))
		customized := map[string]object{}
		for _, resource := range built(t, components).Resources() {
			text, err := resource.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			add(t, customized, string(text))
		}
		customized = plain(t, customized)
		if got, want := slices.Sorted(maps.Keys(helmed)), slices.Sorted(maps.Keys(customized)); !slices.Equal(got, want) {
			t.Errorf("%s: the chart has %v, and kustomize %v", by, got, want)
		}
		for name, want := range customized {
			if got := helmed[name]; !reflect.DeepEqual(got, want) {
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(want)
				t.Errorf("%s: %s is in the chart\n%s\nand by kustomize\n%s", by, name, a, b)
			}
		}
	}
}

// mine has values of a site, in a file, since helm reads numbers of files otherwise than numbers of --set.
const mine = `
image: {registry: mine, tag: "20261130"}
secret: other
settings: {nats: {replicas: 1}, edge: {max_pixels: 400000000}}
renderer:
  replicas: 9
  pod: {priorityClassName: high}
  resources: {limits: {memory: 30Gi}}
  env: {THUMBMILL_RENDERER_SLOTS: "8"}
network: {namespaces: {nats: queue, dns: names}, outside: {memcached: 10.1.0.0/24}, store: {cidr: 10.0.0.0/8, port: 8080}}
autoscaling: {by: keda, min: 3, max: 7, prometheus: "http://p"}
`

// written writes values into a file, and returns its path.
func written(t *testing.T, values string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each value changes the field of its name.
func TestValues(t *testing.T) {
	all := chart(t, "--values", written(t, mine))
	pod := at(all["Deployment thumbmill-renderer"], "spec", "template", "spec")
	for what, c := range map[string][2]any{
		"image":      {at(pod, "containers", 0, "image"), "mine/thumbmill-renderer:20261130"},
		"secret":     {at(pod, "volumes", 1, "secret", "secretName"), "other"},
		"replicas":   {at(all["Deployment thumbmill-renderer"], "spec", "replicas"), nil}, // KEDA's
		"pod":        {at(pod, "priorityClassName"), "high"},
		"limit":      {at(pod, "containers", 0, "resources", "limits", "memory"), "30Gi"},
		"request":    {at(pod, "containers", 0, "resources", "requests", "memory"), "4Gi"},
		"nats":       {at(all["NetworkPolicy thumbmill-renderer"], "spec", "egress", 0, "to", 0, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"), "queue"},
		"dns":        {at(all["NetworkPolicy thumbmill-all"], "spec", "egress", 0, "to", 0, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"), "names"},
		"memcached":  {at(all["NetworkPolicy thumbmill-edge"], "spec", "egress", 2, "to", 0, "ipBlock", "cidr"), "10.1.0.0/24"},
		"selector":   {at(all["NetworkPolicy thumbmill-edge"], "spec", "egress", 2, "to", 0, "namespaceSelector"), nil},
		"store":      {at(all["NetworkPolicy thumbmill-renderer"], "spec", "egress", 1, "to", 0, "ipBlock", "cidr"), "10.0.0.0/8"},
		"port":       {at(all["NetworkPolicy thumbmill-renderer"], "spec", "egress", 1, "ports", 0, "port"), 8080.0},
		"min":        {at(all["ScaledObject thumbmill-renderer"], "spec", "minReplicaCount"), 3.0},
		"max":        {at(all["ScaledObject thumbmill-renderer"], "spec", "maxReplicaCount"), 7.0},
		"prometheus": {at(all["ScaledObject thumbmill-renderer"], "spec", "triggers", 0, "metadata", "serverAddress"), "http://p"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %v, want %v", what, c[0], c[1])
		}
	}
	var slots []any
	for _, e := range at(pod, "containers", 0, "env").([]any) {
		if at(e, "name") == "THUMBMILL_RENDERER_SLOTS" {
			slots = append(slots, at(e, "value"))
		}
	}
	if !slices.Equal(slots, []any{"8"}) {
		t.Errorf("the slots of renderers are %v", slots)
	}
	if text := at(all["ConfigMap thumbmill-settings"], "data", "site.yaml").(string); !strings.Contains(text, "replicas: 1") || !strings.Contains(text, "max_pixels: 400000000\n") || !strings.Contains(text, "nats://nats.nats:4222") {
		t.Errorf("the settings are %s", text)
	}
	if _, has := chart(t, "--set", "network.enabled=false")["NetworkPolicy thumbmill-all"]; has {
		t.Error("the chart has policies of the network that are off")
	}
}

// helm finds no fault in the chart, and the schema refuses values that change nothing or break pods.
func TestTheChartIsChecked(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", "."); err != nil {
		t.Errorf("helm lint: %v\n%s", err, out)
	}
	for _, value := range []string{
		"edge: {replica: 3}", "autoscaling: {by: mine}", "renderer: {replicas: many}", "network: {store: {port: 0}}", "network: {outside: {nats: 10.0.0.1}}", "edge: {pod: {containers: []}}", `secret: ""`,
		"image: {tag: 20261130}", "renderer: {env: {THUMBMILL_RENDERER_MAX_PIXELS: 400000000}}", "edge: {env: {THUMBMILL_EDGE_ALLOW_UNSAFE: yes}}",
	} {
		name, _, _ := strings.Cut(value, ":")
		if out, err := helm(t, "template", ".", "--values", written(t, value)); err == nil || !strings.Contains(out, "'/"+name) {
			t.Errorf("the chart accepts %s: %.300s", value, out)
		}
	}
}

// The example of settings in values.yaml moves all that it names away from the addresses of site.yaml.
func TestTheExampleOfSettings(t *testing.T) {
	text, err := os.ReadFile("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nsettings: {}\n")
	example, _, _ := strings.Cut(rest, "\n\n")
	values := "settings:\n" + strings.ReplaceAll("\n"+example, "\n#", "\n")
	all := chart(t, "--values", written(t, values))
	var s object
	if err := yaml.Unmarshal([]byte(at(all["ConfigMap thumbmill-settings"], "data", "site.yaml").(string)), &s); err != nil {
		t.Fatal(err)
	}
	store := at(s, "store")
	for _, c := range [][2]any{
		{at(s, "nats", "url"), "nats://nats.mine:4222"},
		{at(store, "originals", "auth_url"), "https://swift.mine/auth/v1.0"},
		{at(store, "thumbnails", "auth_url"), "https://swift.mine/auth/v1.0"},
		{at(store, "thumbnails", "container"), "thumbnails"},
	} {
		if c[0] != c[1] {
			t.Errorf("the example gives %v, want %v:\n%s", c[0], c[1], values)
		}
	}
}
