package compose

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
)

// host runs the containers of the project.
type host struct {
	t       *testing.T
	project *types.Project
	images  *images
	network *namespace.Network
	address map[string]string // of containers
	up      map[string]*container
}

// container is a running or ended container.
type container struct {
	h       *host
	id      string
	service types.ServiceConfig
	cmd     *exec.Cmd
	log     string // file
	ended   chan struct{}
}

const subnet = "10.87.53."

func newHost(t *testing.T) *host {
	t.Helper()
	for _, program := range []string{"runc", "ip", "varnishd", "memcached", "prometheus", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run `make deps`", program)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can start containers with their own user and network")
	}
	h := &host{t: t, project: scaled(project(t)), network: namespace.NewNetwork(t), address: map[string]string{}, up: map[string]*container{}}
	h.network.Join("", subnet+"1/24")
	h.images = newImages(t)
	next := 130 // of ip_range
	for _, name := range h.project.ServiceNames() {
		h.address[name] = fmt.Sprintf("%s%d", subnet, next)
		next++
		if own := h.project.Services[name].Networks["default"]; own != nil && own.Ipv4Address != "" {
			h.address[name] = own.Ipv4Address
		}
		h.network.Join(name, h.address[name]+"/24")
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for name, address := range h.address {
		fmt.Fprintln(&hosts, address, name)
	}
	if err := os.WriteFile(h.path("hosts"), []byte(hosts.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return h
}

// scaled replaces each service of several containers by one service for each container, such as
// renderer-1.
func scaled(p *types.Project) *types.Project {
	for name, s := range maps.Clone(p.Services) {
		if s.Scale == nil {
			continue
		}
		delete(p.Services, name)
		for i := range *s.Scale {
			s.Name = fmt.Sprintf("%s-%d", name, i+1)
			p.Services[s.Name] = s
		}
	}
	return p
}

// seccomp reads the profile that a service's options name.
func (c *container) seccomp() (profile *specs.LinuxSeccomp) {
	c.h.t.Helper()
	for _, option := range c.service.SecurityOpt {
		file, found := strings.CutPrefix(option, "seccomp:")
		if !found {
			continue
		}
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err == nil {
			err = json.Unmarshal(text, &profile)
		}
		if err != nil {
			c.h.t.Fatalf("%s: %v", file, err)
		}
	}
	return profile
}

func (h *host) path(name string) string { return filepath.Join(h.images.dir, name) }

// startAll starts each service as soon as its dependencies have the state that it requires, as an
// engine does, and waits until all are healthy.
func (h *host) startAll() {
	h.t.Helper()
	began := time.Now()
	waiting := map[string]error{}
	for name := range h.address {
		if len(h.project.Services[name].Profiles) == 0 {
			waiting[name] = errors.New("not started")
		}
	}
	up := eventually.Succeeds(h.t, upWithin, "all services are up", func() error {
		for name := range waiting {
			if h.up[name] == nil && h.mayStart(name, waiting) {
				h.up[name] = h.launch(h.project.Services[name])
			}
			if c := h.up[name]; c != nil {
				if waiting[name] = c.arrived(); waiting[name] == nil {
					delete(waiting, name)
					h.t.Logf("%s: after %.1f s", name, time.Since(began).Seconds())
				}
			}
		}
		if len(waiting) > 0 {
			return fmt.Errorf("not up: %v", waiting)
		}
		return nil
	})
	if !up {
		h.t.FailNow()
	}
}

const upWithin = 2 * time.Minute

func (h *host) mayStart(name string, waiting map[string]error) bool {
	for other := range h.project.Services[name].DependsOn {
		if _, still := waiting[other]; still {
			return false
		}
	}
	return true
}

func (c *container) runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", c.h.path("runc")}, args...)...)
}

// tool runs one command of the operator's tool.
func (h *host) tool(command ...string) error {
	h.t.Helper()
	service := h.project.Services["tool"]
	service.Command = command
	c := h.launch(service)
	<-c.ended
	if !c.cmd.ProcessState.Success() {
		return fmt.Errorf("%v: %s\n%s", command, c.cmd.ProcessState, c.said())
	}
	return nil
}

func (h *host) launch(service types.ServiceConfig) *container {
	h.t.Helper()
	c := &container{h: h, id: h.network.Name(service.Name), service: service, log: h.path(service.Name + ".log"), ended: make(chan struct{})}
	bundle := c.h.path(c.service.Name + ".bundle")
	text, err := json.Marshal(c.spec())
	if err == nil {
		err = os.MkdirAll(bundle, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600)
	}
	if err != nil {
		c.h.t.Fatal(err)
	}
	c.cmd = c.runc("run", "--bundle", bundle, c.id)
	log, err := os.Create(c.log)
	if err != nil {
		c.h.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		c.h.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // ProcessState has the result
	}()
	c.h.t.Cleanup(func() {
		_ = c.runc("delete", "--force", c.id).Run() // the container may have ended
		<-c.ended
		if c.h.t.Failed() {
			c.h.t.Logf("%s:\n%s", c.service.Name, c.said())
		}
	})
	return c
}

// arrived returns nil when other services may start: when the container is healthy, or for one
// without a health check, when it has ended with success.
func (c *container) arrived() error {
	c.h.t.Helper()
	over := false
	select {
	case <-c.ended:
		over = true
	default:
	}
	check := c.service.HealthCheck
	switch {
	case over && (check != nil || !c.cmd.ProcessState.Success()):
		c.h.t.Fatalf("%s ended: %s\n%s", c.service.Name, c.cmd.ProcessState, c.said())
	case check != nil:
		if out, err := c.exec(command(check.Test)...); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	case !over:
		return errors.New("still running")
	}
	return nil
}

// said returns the container's log so far.
func (c *container) said() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		c.h.t.Error(err)
	}
	return string(text)
}

// exec runs a command in the container, with its environment.
func (c *container) exec(command ...string) ([]byte, error) {
	return c.runc(append([]string{"exec", c.id}, command...)...).CombinedOutput()
}

// stop ends a container as an engine does, and returns its exit status.
func (c *container) stop() string {
	c.h.t.Helper()
	if out, err := c.runc("kill", c.id, "TERM").CombinedOutput(); err != nil {
		c.h.t.Errorf("%s: %v %s", c.service.Name, err, out)
	}
	select {
	case <-c.ended:
	case <-time.After(30 * time.Second):
		c.h.t.Errorf("%s did not end", c.service.Name)
	}
	return c.cmd.ProcessState.String()
}

// spec translates docker-compose.yml, which is for an engine, into a specification for a runtime.
func (c *container) spec() *specs.Spec {
	s := c.service
	target, entrypoint, user := "", []string(s.Entrypoint), s.User
	if s.Build != nil {
		target = s.Build.Target
		if len(entrypoint) == 0 {
			entrypoint = c.h.images.stages[target].entrypoint
		}
	}
	root := c.h.images.root(s.Name, target)
	uid, gid := identity(c.h.t, user)
	limit := int64(s.MemLimit)
	none := []string{}
	return &specs.Spec{
		Version: "1.0.2", Hostname: s.Name, Root: &specs.Root{Path: root, Readonly: s.ReadOnly},
		Process: &specs.Process{
			Args: append(slices.Clone(entrypoint), s.Command...), Cwd: "/", NoNewPrivileges: slices.Contains(s.SecurityOpt, "no-new-privileges:true"),
			Env:          append(s.Environment.ToMapping().Values(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
			User:         specs.User{UID: uid, GID: gid},
			Capabilities: &specs.LinuxCapabilities{Bounding: none, Effective: none, Inheritable: none, Permitted: none, Ambient: none},
		},
		Mounts: append(system(), c.mounts(root)...),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.NetworkNamespace, Path: c.h.network.Path(s.Name)},
			},
			CgroupsPath: "/" + c.id, Seccomp: c.seccomp(),
			Resources:     &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}, Pids: &specs.LinuxPids{Limit: s.PidsLimit}},
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

func identity(t *testing.T, user string) (uid, gid uint32) {
	t.Helper()
	if _, err := fmt.Sscanf(user, "%d:%d", &uid, &gid); err != nil {
		t.Fatalf("user %q: %v", user, err)
	}
	return uid, gid
}

// system returns the kernel's file systems, which each container mounts.
func system() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
	}
}

// mounts returns a container's volumes, its folders in memory and its list of hosts.
func (c *container) mounts(root string) []specs.Mount {
	all := []specs.Mount{{Destination: "/etc/hosts", Type: "bind", Source: c.h.path("hosts"), Options: []string{"bind", "ro"}}}
	for _, volume := range c.service.Volumes {
		source, options := volume.Source, []string{"rbind", "rw"}
		if volume.ReadOnly {
			options[1] = "ro"
		}
		if volume.Type == types.VolumeTypeVolume {
			source = c.volume(root, volume)
		}
		all = append(all, specs.Mount{Destination: volume.Target, Type: "bind", Source: source, Options: options})
	}
	for _, place := range c.service.Tmpfs {
		path, options, _ := strings.Cut(place, ":")
		flags := append([]string{"nosuid", "nodev"}, strings.Split(options, ",")...)
		if !slices.Contains(flags, "exec") {
			flags = append(flags, "noexec")
		}
		all = append(all, specs.Mount{Destination: path, Type: "tmpfs", Source: "tmpfs", Options: flags})
	}
	return all
}

// volume returns the folder of a named volume. A new volume starts as a copy of the image's folder.
func (c *container) volume(root string, volume types.ServiceVolumeConfig) string {
	c.h.t.Helper()
	folder := c.h.path("volume-" + cmp.Or(volume.Source, c.service.Name))
	err := os.Mkdir(folder, 0o755)
	if os.IsExist(err) {
		return folder
	}
	if err == nil && c.service.Build != nil {
		err = exec.Command("cp", "-a", root+volume.Target+"/.", folder+"/").Run()
	}
	if err == nil && c.service.Build == nil { // an external image gives the folder to its user at start
		uid, gid := identity(c.h.t, c.service.User)
		err = os.Chown(folder, int(uid), int(gid))
	}
	if err != nil {
		c.h.t.Fatal(err)
	}
	return folder
}

// command returns the command of a health check: ["CMD", program, …] or ["CMD-SHELL", script].
func command(test []string) []string {
	if test[0] == "CMD-SHELL" {
		return []string{"sh", "-c", test[1]}
	}
	return test[1:]
}
