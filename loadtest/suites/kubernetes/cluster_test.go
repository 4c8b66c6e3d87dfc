package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/shown"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/surroundings"
)

const (
	root      = "../../.."
	home      = "/var/tmp/thumbmill-kubernetes" // programs and images stay for the next run
	node      = "10.90.0.1"                     // the first one's address
	nodes     = 2
	rises     = 5 * time.Minute // the cluster, with its images
	settles   = 3 * time.Minute // after a change
	originals = 16
)

// cluster is a Kubernetes cluster of two nodes, with the servers around it.
type cluster struct {
	t, all  *testing.T // of a part, and of all parts
	network *namespace.Network
	dir     string // state, keys and manifests
	output  bytes.Buffer

	installed time.Time
	asked     int      // number of thumbnails that visitors asked for
	enforcers []func() // each stops an enforcement of the policies
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, all: t, network: namespace.NewNetwork(t), dir: t.TempDir()}
	c.network.Join("", node+"/24")
	c.must(exec.Command("ip", "-n", c.network.Name(""), "route", "add", "default", "dev", "switch"))
	c.network.Join("second", "10.90.0.2/24")
	c.must(exec.Command("ip", "-n", c.network.Name(""), "route", "add", "10.244.2.0/24", "via", "10.90.0.2"))
	c.must(exec.Command("ip", "-n", c.network.Name("second"), "route", "add", "default", "via", node))
	c.keys()
	surroundings.Start(t, c.network, node, "--config", c.path("keys/nats.conf")).Fill(originals)
	began := time.Now()
	c.launch(1, c.network.Name(""))
	c.launch(2, c.network.Name("second"))
	t.Logf("both nodes are ready after %.0f s", time.Since(began).Seconds())
	return c
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// launch starts a node in a network namespace, and waits for it. The first one runs the control plane.
func (c *cluster) launch(number int, network string) {
	c.t.Helper()
	cmd := exec.Command("./cluster", home+"/bin", c.path(fmt.Sprint("state", number)), fmt.Sprint(number))
	cmd.Env = append(os.Environ(), "NETWORK="+network, "IMAGES="+home+"/images")
	cmd.Stdout, cmd.Stderr = &c.output, &c.output
	ended, err := servers.Launch(cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		groups := "for place in $(findmnt --noheadings --types cgroup,cgroup2 --output TARGET); do group=$place/thumbmill-kubernetes/" + name(number) + "; [ ! -e $group ] || find $group -depth -type d -exec rmdir {} + || exit 1; done"
		eventually.Succeeds(c.t, settles, "the cluster's control groups are gone", func() error { return exec.Command("sh", "-c", groups).Run() })
	})
	up := eventually.Succeeds(c.t, rises, name(number)+" is ready", func() error {
		select {
		case <-ended:
			c.t.Fatalf("the cluster ended: %s", c.logs())
		default:
		}
		out, err := c.kubectl("wait", "--for=condition=Ready", "node/"+name(number), "--timeout=5s").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if !up {
		c.t.Fatal(c.logs())
	}
}

// name returns the name of a node.
func name(number int) string { return fmt.Sprint("node-", number) }

// logs returns the last lines of each component.
func (c *cluster) logs() string {
	out, _ := exec.Command("sh", "-c", "tail --verbose --lines 5 "+c.path("state*/log/*")).CombinedOutput()
	return c.output.String() + string(out)
}

func (c *cluster) must(cmd *exec.Cmd) string {
	c.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// inside makes a command that runs in the node's network.
func (c *cluster) inside(words ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + c.network.Path("")}, words...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.path("state1/admin.conf"))
	return cmd
}

func (c *cluster) kubectl(words ...string) *exec.Cmd { return c.in("thumbmill", words...) }

// in makes a command of kubectl in a namespace of Kubernetes.
func (c *cluster) in(namespace string, words ...string) *exec.Cmd {
	return c.inside(append([]string{home + "/bin/kubectl", "--namespace", namespace}, words...)...)
}

// apply makes or changes objects of the namespace default, or of no namespace.
func (c *cluster) apply(text string) {
	c.t.Helper()
	cmd := c.in("default", "apply", "--filename", "-")
	cmd.Stdin = strings.NewReader(text)
	c.must(cmd)
}

// serve runs a program in a node's network until stop or the end of all parts. Its log is beside the first node's.
func (c *cluster) serve(network, name string, words ...string) (stop func()) {
	c.t.Helper()
	log, err := os.Create(c.path("state1/log/" + name))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command("nsenter", append([]string{"--net=" + c.network.Path(network)}, words...)...)
	cmd.Stdout, cmd.Stderr = log, log
	ended, err := servers.Launch(cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { _ = cmd.Process.Kill(); <-ended; _ = log.Close() })
	c.all.Cleanup(stop)
	return stop
}

func (c *cluster) run(words ...string) string {
	c.t.Helper()
	return c.must(c.kubectl(words...))
}

// follow runs a command as docs/deploy.md shows it, in a folder with deploy and mine.yaml.
func (c *cluster) follow(begins string) {
	c.t.Helper()
	tools := []string{programs.Build(c.t, programs.Thumbmill), absolute(c.t, root+"/bin"), home + "/bin", os.Getenv("PATH")}
	cmd := c.inside("bash", "-ec", shown.Command(c.t, "docs/deploy.md", "### Kubernetes", begins))
	cmd.Dir, cmd.Env = c.dir, append(cmd.Env, "PATH="+strings.Join(tools, ":"))
	c.must(cmd)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// keys makes the files of the secret, with the passwords of the test's store.
func (c *cluster) keys() {
	c.t.Helper()
	if err := os.Symlink(absolute(c.t, root+"/deploy"), c.path("deploy")); err != nil {
		c.t.Fatal(err)
	}
	c.must(exec.Command("cp", "values.yaml", c.path("mine.yaml")))
	c.follow("thumbmill credentials keys")
	for name, text := range map[string]string{"edge-store": "looking", "renderer-store": "drawing"} {
		if err := os.WriteFile(c.path("keys/"+name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

// install installs the chart as docs/deploy.md says, in a namespace with the standard "restricted" for pods.
func (c *cluster) install() {
	c.t.Helper()
	c.follow("kubectl create namespace")
	c.run("label", "namespace", "thumbmill", "pod-security.kubernetes.io/enforce=restricted")
	began := time.Now()
	c.follow("helm install")
	for _, workload := range workloads() {
		c.rolled(workload)
	}
	c.installed = time.Now()
	c.t.Logf("the site is ready after %.0f s", time.Since(began).Seconds())
}

// helm upgrades the site, with values such as renderer.replicas=3.
func (c *cluster) helm(values ...string) string {
	c.t.Helper()
	words := []string{root + "/bin/helm", "upgrade", "thumbmill", root + "/deploy/kubernetes", "--namespace", "thumbmill", "--values", "values.yaml"}
	for _, v := range values {
		words = append(words, "--set", v)
	}
	return c.must(c.inside(words...))
}

// workloads returns the workloads in the order of an upgrade.
func workloads() []string {
	return []string{"deployment/thumbmill-renderer", "deployment/thumbmill-edge", "statefulset/thumbmill-coordinator", "deployment/thumbmill-purger"}
}

// rolled waits until all pods of a workload are new and ready.
func (c *cluster) rolled(workload string) {
	c.t.Helper()
	if out, err := c.kubectl("rollout", "status", workload, "--timeout="+settles.String()).CombinedOutput(); err != nil {
		pods, _ := c.kubectl("describe", "pods").CombinedOutput()
		logs, _ := c.kubectl("logs", workload, "--tail=5").CombinedOutput()
		c.t.Fatal(errors.Join(err, fmt.Errorf("%s\n%s\n%s\n%s", out, pods, logs, c.logs())))
	}
}

// pods returns the names of a role's pods that are not being deleted.
func (c *cluster) pods(role string) []string {
	c.t.Helper()
	const names = `{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}`
	return strings.Fields(c.run("get", "pods", "--selector", "app.kubernetes.io/name="+role, "--output", "go-template="+names))
}
