package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
)

// component is a line of the table of costs.
type component struct{ name, comm string }

// components returns the measured processes, with the names that the kernel knows them by.
func components() []component {
	self := filepath.Base(os.Args[0]) // the process of renderers is this program
	return []component{
		{"kube-apiserver", "kube-apiserver"}, {"kube-controller-manager", "kube-controller-manager"}, {"kube-scheduler", "kube-scheduler"}, {"etcd", "etcd-server"},
		{"two kubelets", "kubelet"}, {"kwok", "kwok"}, {"NATS", "nats-server"}, {"two coordinators", "coordinator"}, {"two edges and the purger", "edge"},
		{"two renderers in pods", "renderer"}, {"renderers that sleep", self},
	}
}

// cut returns a name as the kernel keeps it, with 15 characters at most.
func cut(name string) string { return name[:min(len(name), 15)] }

// usage is the processor time and the memory of processes.
type usage struct {
	time  time.Duration
	bytes uint64
}

// used returns the usage of the processes below this one, by the kernel's names.
func used() map[string]usage {
	measured, all := map[string]bool{}, map[string]usage{}
	for _, c := range components() {
		measured[cut(c.comm)] = true
	}
	for _, pid := range processes.Below(os.Getpid()) {
		name := processes.Stat(pid).Comm
		if !measured[name] {
			continue
		}
		own, _ := processes.Time(pid)
		all[name] = usage{all[name].time + own, all[name].bytes + processes.PSS(pid)}
	}
	return all
}

// unit is the unit of a span's processor time.
type unit int

const (
	total unit = iota // seconds
	rate              // percent of a core
)

// span is a time in which processes are measured.
type span struct {
	title         string
	unit          unit
	took          time.Duration
	before, after map[string]usage
}

// during measures processes while a function runs.
func during(title string, u unit, act func()) span {
	before, began := used(), time.Now()
	act()
	return span{title: title, unit: u, took: time.Since(began), before: before, after: used()}
}

// head returns the title of the span's column.
func (s span) head() string {
	if s.unit == rate {
		return s.title + ", % of a core"
	}
	return fmt.Sprintf("%s in %.0f s, s", s.title, s.took.Seconds())
}

// spent returns the processor time of processes in the span's unit, or "" if none runs.
func (s span) spent(comm string) string {
	after, ran := s.after[comm]
	if !ran {
		return ""
	}
	seconds := (after.time - s.before[comm].time).Seconds()
	if s.unit == rate {
		seconds *= 100 / s.took.Seconds()
	}
	return strconv.FormatFloat(seconds, 'f', 1, 64)
}

// table returns a table of the spans' processor times, of the memory before the first span, and of the most memory after one.
func table(all []span) string {
	var out strings.Builder
	lines := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(lines, "process")
	for _, s := range all {
		_, _ = fmt.Fprint(lines, "\t", s.head())
	}
	_, _ = fmt.Fprintln(lines, "\tmemory at first, MB\tat most, MB")
	for _, c := range components() {
		comm, most := cut(c.comm), uint64(0)
		_, _ = fmt.Fprint(lines, c.name)
		for _, s := range all {
			_, _ = fmt.Fprint(lines, "\t", s.spent(comm))
			most = max(most, s.after[comm].bytes)
		}
		_, _ = fmt.Fprintf(lines, "\t%d\t%d\n", all[0].before[comm].bytes>>20, most>>20)
	}
	_ = lines.Flush()
	return out.String()
}

// objects says how many objects of Kubernetes exist, and their store's size.
func (c *cluster) objects() string {
	c.t.Helper()
	sums := map[string]float64{}
	for line := range strings.Lines(c.run("get", "--raw", "/metrics")) {
		name, _, _ := strings.Cut(line, "{")
		fields := strings.Fields(line)
		if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
			sums[name] += n
		}
	}
	return fmt.Sprintf("%.0f objects in %.0f MB of etcd", sums["apiserver_resource_objects"], sums["apiserver_storage_size_bytes"]/1e6)
}
