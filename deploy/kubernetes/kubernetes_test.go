package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// cluster has all objects of the manifests. They are decoded strictly: an unknown field is an
// error.
type cluster struct {
	deployments map[string]apps.Deployment
	sets        map[string]apps.StatefulSet
	services    map[string]core.Service
	budgets     map[string]policy.PodDisruptionBudget
	policies    map[string]networking.NetworkPolicy
	settings    map[string]core.ConfigMap
	scalers     map[string]autoscaling.HorizontalPodAutoscaler
	keda        map[string]scaledObject
}

// scaledObject has the fields of a KEDA 2 ScaledObject that the manifest uses
// (https://keda.sh/docs/2.17/reference/scaledobject-spec/).
type scaledObject struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		ScaleTargetRef  struct{ Name string } `json:"scaleTargetRef"`
		MinReplicaCount int                   `json:"minReplicaCount"`
		MaxReplicaCount int                   `json:"maxReplicaCount"`
		PollingInterval int                   `json:"pollingInterval"`
		Advanced        struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior autoscaling.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type       string            `json:"type"`
			MetricType string            `json:"metricType"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

func decode[T any](t *testing.T, all map[string]T, name string, text []byte) {
	t.Helper()
	var one T
	if err := yaml.UnmarshalStrict(text, &one); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	all[name] = one
}

// build returns the objects that `kubectl apply -k` would apply, with components.
func build(t *testing.T, components ...string) cluster {
	t.Helper()
	c := cluster{
		map[string]apps.Deployment{}, map[string]apps.StatefulSet{}, map[string]core.Service{}, map[string]policy.PodDisruptionBudget{},
		map[string]networking.NetworkPolicy{}, map[string]core.ConfigMap{}, map[string]autoscaling.HorizontalPodAutoscaler{}, map[string]scaledObject{},
	}
	for _, resource := range built(t, components).Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		switch name := resource.GetName(); resource.GetKind() {
		case "Deployment":
			decode(t, c.deployments, name, text)
		case "StatefulSet":
			decode(t, c.sets, name, text)
		case "Service":
			decode(t, c.services, name, text)
		case "PodDisruptionBudget":
			decode(t, c.budgets, name, text)
		case "NetworkPolicy":
			decode(t, c.policies, name, text)
		case "ConfigMap":
			decode(t, c.settings, name, text)
		case "HorizontalPodAutoscaler":
			decode(t, c.scalers, name, text)
		case "ScaledObject":
			decode(t, c.keda, name, text)
		default:
			t.Errorf("the test does not check the kind of %s %s", resource.GetKind(), name)
		}
	}
	return c
}

// built runs kustomize on a copy of this folder, whose kustomization has components.
func built(t *testing.T, components []string) resmap.ResMap {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kustomization.yaml")
	text, err := os.ReadFile(file)
	if err == nil {
		text = fmt.Appendf(text, "components: [%s]\n", strings.Join(components, ", "))
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// pods returns the pod templates of the roles.
func (c cluster) pods() map[string]core.PodTemplateSpec {
	all := map[string]core.PodTemplateSpec{}
	for name, d := range c.deployments {
		all[name] = d.Spec.Template
	}
	for name, s := range c.sets {
		all[name] = s.Spec.Template
	}
	return all
}

// The rules in deploy/prometheus/kubernetes.yml keep each pod, with the port of its operators'
// listener.
func TestPrometheusFindsPods(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "prometheus", "kubernetes.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Scrapes []struct {
			Name  string `json:"job_name"`
			Rules []struct {
				From  []string `json:"source_labels"`
				Regex string   `json:"regex"`
				Do    string   `json:"action"`
			} `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Scrapes) != 1 || config.Scrapes[0].Name != "thumbmill" {
		t.Fatalf("%+v", config)
	}
	for name, pod := range build(t).pods() {
		found := map[string]string{}
		for key, value := range pod.Annotations {
			found["__meta_kubernetes_pod_annotation_"+strings.NewReplacer(".", "_", "/", "_").Replace(key)] = value
		}
		for _, port := range pod.Spec.Containers[0].Ports {
			if port.Name == "admin" {
				found["__meta_kubernetes_pod_container_port_name"] = port.Name
			}
		}
		for _, rule := range config.Scrapes[0].Rules {
			if rule.Do == "keep" && found[rule.From[0]] != rule.Regex {
				t.Errorf("%s has %q for %s, so Prometheus does not keep it", name, found[rule.From[0]], rule.From[0])
			}
		}
	}
}

func TestPods(t *testing.T) {
	c := build(t)
	if len(c.pods()) != 4 {
		t.Errorf("%d roles", len(c.pods()))
	}
	for name, pod := range c.pods() {
		container := pod.Spec.Containers[0]
		s := container.SecurityContext
		if !*pod.Spec.SecurityContext.RunAsNonRoot || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Capabilities.Drop[0] != "ALL" ||
			pod.Spec.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s has more rights than it needs", name)
		}
		if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() || !container.Resources.Limits.Cpu().IsZero() {
			t.Errorf("%s: resources are %+v, want requests, and a limit of memory but none of processors", name, container.Resources)
		}
		if *pod.Spec.TerminationGracePeriodSeconds < 80 {
			t.Errorf("%s has %d s to end", name, *pod.Spec.TerminationGracePeriodSeconds)
		}
		if name != "thumbmill-purger" && (len(pod.Spec.TopologySpreadConstraints) == 0 || c.budgets[name].Spec.Selector == nil) {
			t.Errorf("all pods of %s can be on one node, or be evicted at once", name)
		}
		ports := map[string]bool{}
		for _, p := range container.Ports {
			ports[p.Name] = true
		}
		for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
			if probe != nil && !ports[probe.HTTPGet.Port.StrVal] {
				t.Errorf("%s: a probe asks port %q", name, probe.HTTPGet.Port.StrVal)
			}
		}
		// A busy role is not restarted: the probe asks no other service, and fails only after a
		// minute.
		if l := container.LivenessProbe; l.HTTPGet.Path != "/healthz" || l.PeriodSeconds*l.FailureThreshold < 60 {
			t.Errorf("%s restarts a busy pod: %+v", name, l)
		}
	}
	if path := c.deployments["thumbmill-edge"].Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path; path != "/healthcheck" {
		t.Errorf("an edge's readiness is %s: without NATS no edge would serve stored thumbnails", path)
	}
}

// Selectors find pods, and each pod mounts exactly the secrets that its settings read.
func TestWhatBelongsTogether(t *testing.T) {
	c := build(t)
	found := func(by *meta.LabelSelector) bool {
		selector, err := meta.LabelSelectorAsSelector(by)
		if err != nil {
			t.Error(err)
			return false
		}
		for _, pod := range c.pods() {
			if selector.Matches(labels.Set(pod.Labels)) {
				return true
			}
		}
		return false
	}
	for name, s := range c.services {
		if !found(&meta.LabelSelector{MatchLabels: s.Spec.Selector}) {
			t.Errorf("service %s has no pods", name)
		}
	}
	for name, b := range c.budgets {
		if !found(b.Spec.Selector) {
			t.Errorf("budget %s has no pods", name)
		}
	}
	for name, p := range c.policies {
		if !found(&p.Spec.PodSelector) {
			t.Errorf("policy %s has no pods", name)
		}
	}
	for name, pod := range c.pods() {
		var paths []string
		for _, v := range pod.Spec.Volumes {
			if v.Secret != nil {
				for _, item := range v.Secret.Items {
					paths = append(paths, "/secrets/"+item.Path)
				}
			}
		}
		var reads []string
		for _, env := range pod.Spec.Containers[0].Env {
			if path := strings.TrimPrefix(env.Value, "file:"); strings.HasPrefix(path, "/secrets/") && !slices.Contains(reads, path) {
				reads = append(reads, path)
			}
		}
		slices.Sort(paths)
		slices.Sort(reads)
		if !slices.Equal(paths, reads) {
			t.Errorf("%s mounts the secrets %v, and reads %v", name, paths, reads)
		}
	}
}

// A renderer that draws as much as it can, in its slots and beside them, stays below its pod's limit of memory and its
// volume's size.
func TestRoomOfRenderers(t *testing.T) {
	pod := build(t).deployments["thumbmill-renderer"].Spec.Template.Spec
	var env []string
	for _, e := range pod.Containers[0].Env {
		if strings.HasPrefix(e.Name, "THUMBMILL_RENDERER_") {
			env = append(env, e.Name+"="+e.Value)
		}
	}
	s, err := settings.Load("", env, nil)
	if err != nil {
		t.Fatal(err)
	}
	const scratch = 1 << 30 // bytes that a tool may write (docs/capacity.md)
	r, draws := s.Renderer, int64(s.Renderer.Slots+lanes.SlowSlots(s.Renderer.Slots))
	if limit := pod.Containers[0].Resources.Limits.Memory(); limit.Value() <= draws*int64(r.MemoryLimit) {
		t.Errorf("%d workers of %v and the renderer have together only %v", draws, r.MemoryLimit, limit)
	}
	volume := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == "temporary" })
	size := pod.Volumes[volume].EmptyDir.SizeLimit
	if size.Value() <= int64(r.TempBytes)+draws*scratch {
		t.Errorf("%v of originals and the files of %d tools have together only %v", r.TempBytes, draws, size)
	}
	if request := pod.Containers[0].Resources.Requests.StorageEphemeral(); request.Cmp(*size) < 0 {
		t.Errorf("the pod requests %v for a volume of %v", request, size)
	}
}

// Each role accepts its settings and its environment.
func TestSettings(t *testing.T) {
	c := build(t)
	var text string
	for _, m := range c.settings {
		text = m.Data["site.yaml"]
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "site.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, pod := range c.pods() {
		secrets := t.TempDir()
		var env []string
		for _, e := range pod.Spec.Containers[0].Env {
			if path, ok := strings.CutPrefix(e.Value, "file:/secrets/"); ok {
				e.Value = "file:" + filepath.Join(secrets, path)
				if err := os.WriteFile(filepath.Join(secrets, path), []byte("a secret of this test"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env = append(env, e.Name+"="+e.Value)
		}
		s, err := settings.Load(dir, env, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.Coordinator.Servers) != int(*c.sets["thumbmill-coordinator"].Spec.Replicas) {
			t.Errorf("edges ask %v", s.Coordinator.Servers)
		}
	}
}

// With an autoscaler, the deployment sets no number of renderers.
func TestAutoscaling(t *testing.T) {
	for _, by := range []string{"keda", "hpa"} {
		c := build(t, "autoscaling/"+by)
		d := c.deployments["thumbmill-renderer"]
		if d.Spec.Replicas != nil {
			t.Errorf("%s: the deployment sets %d replicas", by, *d.Spec.Replicas)
		}
		target := c.keda["thumbmill-renderer"].Spec.ScaleTargetRef.Name
		if by == "hpa" {
			target = c.scalers["thumbmill-renderer"].Spec.ScaleTargetRef.Name
		}
		if target != d.Name {
			t.Errorf("%s scales %q", by, target)
		}
	}
}
