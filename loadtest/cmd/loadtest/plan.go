package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
	"github.com/thumbmill/thumbmill/loadtest/tool/plot"
	"github.com/thumbmill/thumbmill/loadtest/tool/queueing"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// subject is the input of a plan: the source of the profile, and the cluster's rules.
type subject struct {
	file, prometheus, save string
	window                 time.Duration
	slots                  int
	target                 plan.Target
	wait, queueWait        time.Duration
	limit, limitExpensive  time.Duration
	ahead                  int
}

func (s *subject) flags(f *pflag.FlagSet) {
	d := settings.Default()
	f.StringVar(&s.file, "profile", "", "file with a profile that --save wrote")
	f.StringVar(&s.prometheus, "prometheus", "", "URL of a Prometheus that scrapes the cluster")
	f.DurationVar(&s.window, "window", time.Hour, "time that the profile covers; choose one with the busiest hour")
	f.StringVar(&s.save, "save", "", "file to write the profile from Prometheus to")
	f.IntVar(&s.slots, "slots", 0, "slots of a renderer; default: the profile's")
	f.DurationVar(&s.wait, "target-wait", 500*time.Millisecond, "longest wait of the share of requests in --target-share")
	f.Float64Var(&s.target.Share, "target-share", .95, "share of requests that must wait at most --target-wait")
	f.Float64Var(&s.target.Refused, "target-refused", .001, "share of requests that may be refused")
	f.DurationVar(&s.queueWait, "queue-wait", d.Throttle.QueueWait, "throttle.queue_wait of the cluster")
	f.DurationVar(&s.limit, "time-limit", d.Renderer.TimeLimit, "renderer.time_limit of the cluster")
	f.DurationVar(&s.limitExpensive, "time-limit-expensive", d.Renderer.TimeLimitExpensive, "renderer.time_limit_expensive of the cluster")
	f.IntVar(&s.ahead, "ahead", d.Renderer.Ahead, "renderer.ahead of the cluster")
}

func (s *subject) cluster() plan.Cluster {
	return plan.Cluster{Ahead: s.ahead, QueueWait: s.queueWait.Seconds(), Limits: map[renderjob.Lane]float64{
		renderjob.LaneStandard: s.limit.Seconds(), renderjob.LaneExpensive: s.limitExpensive.Seconds(),
		renderjob.LaneBulk: max(s.limit, s.limitExpensive).Seconds(), // bulk has jobs of both lanes
	}}
}

// profile reads the profile from the file or from Prometheus.
func (s *subject) profile(cmd *cobra.Command) (p plan.Profile, err error) {
	switch {
	case (s.file == "") == (s.prometheus == ""):
		return p, errors.New("set exactly one of --profile and --prometheus")
	case !inside(s.target.Share, 0, 1) || !inside(s.target.Refused, 0, 1) || s.wait <= 0 || s.queueWait <= 0 || s.limit <= 0 || s.limitExpensive <= 0 || s.ahead < 0 || s.slots < 0:
		return p, errors.New("--target-share and --target-refused must be between 0 and 1, waits and limits above 0, --slots and --ahead at least 0")
	case s.file != "":
		p, err = plan.Read(s.file)
	default:
		p, err = plan.FromPrometheus(s.prometheus, s.window).Profile(cmd.Context())
	}
	if err != nil {
		return p, err
	}
	s.target.Wait = s.wait.Seconds()
	if s.slots > 0 {
		p.Slots = s.slots
		if err := p.Validate(); err != nil {
			return p, err
		}
	}
	if s.save == "" {
		return p, nil
	}
	return p, toFile(s.save, func(out io.Writer) error {
		e := json.NewEncoder(out)
		e.SetIndent("", " ")
		return e.Encode(p)
	})
}

// inside reports whether x is a number between low and high, both excluded.
func inside(x, low, high float64) bool { return x > low && x < high }

// planning is a run of loadtest plan.
type planning struct {
	subject         subject
	growth, cheaper float64
	rate            float64
	sites           int
	restart         time.Duration
	machine         plan.Machine
	html            string
	asJSON          bool
	cmd             *cobra.Command
	p               plan.Profile
	rows            []row
	needs           int // the first so many rows are needs; the others are ideas
}

// row is a line of the answer.
type row struct {
	What      string     `json:"what"`
	Renderers int        `json:"renderers"`
	Use       float64    `json:"use"` // this and the following fields are plan.Result's
	P50       float64    `json:"p50_seconds"`
	P95       float64    `json:"p95_seconds"`
	Late      plan.Share `json:"late"`
	Refused   plan.Share `json:"refused"`
	Slots     int        `json:"slots"`
	Memory    float64    `json:"memory_bytes,omitempty"`
	Note      string     `json:"note,omitempty"`
	// Overloaded are the resources that the line needs more of than there is: it cannot work.
	Overloaded []plan.Resource `json:"overloaded,omitempty"`
}

// err returns an error if the line cannot work.
func (r row) err() error {
	if err := plan.Check(r.Overloaded); err != nil {
		return fmt.Errorf("%s: %w", r.What, err)
	}
	return nil
}

// remark returns the note, and says whether the line cannot work.
func (r row) remark() string {
	if len(r.Overloaded) == 0 {
		return r.Note
	}
	text := "CANNOT WORK:"
	for _, used := range r.Overloaded {
		text += fmt.Sprintf(" %.0f %% of %s;", 100*used.Use, used.Name)
	}
	return text + " " + r.Note
}

// add adds a line for renderers with the given number of slots each.
func (p *planning) add(what string, r plan.Result, slots int, note string) {
	all := r.Renderers * slots
	p.rows = append(p.rows, row{
		What: what, Renderers: r.Renderers, Use: r.Use, P50: r.P50, P95: r.P95, Late: r.Late, Refused: r.Refused,
		Slots: all, Memory: float64(all) * p.machine.Slot, Note: note,
	})
}

func planCommand() *cobra.Command {
	var p planning
	cmd := &cobra.Command{
		Use: "plan", Short: "Compute how many renderers a site needs", Args: cobra.NoArgs,
		Long: "Compute how many renderers meet a target: today, with growth, without one site, and during a\n" +
			"rolling restart; which resource is the first bottleneck; and the savings of some changes.\n\n" +
			"The profile (requests, and durations of renders) is the cluster's own, from Prometheus or a\n" +
			"file. A closed form gives a first guess; a simulation of thumbmill's rules gives the\n" +
			"answer, with 95 % confidence. docs/benchmarks.md compares it with a real cluster.",
		Example: "  loadtest plan --prometheus http://prometheus:9090 --window 1h --save profile.json\n" +
			"  loadtest plan --profile profile.json --growth 0.5 --sites 3 --html plan.html",
		RunE: func(cmd *cobra.Command, _ []string) error { p.cmd = cmd; return p.answerAll() },
	}
	f := cmd.Flags()
	p.subject.flags(f)
	f.Float64Var(&p.rate, "rate", 1, "so many times the profile's requests")
	f.Float64Var(&p.growth, "growth", .3, "growth of requests in a year: 0.3 means 30 %")
	f.IntVar(&p.sites, "sites", 2, "number of sites with equal shares of the renderers; the plan survives the loss of one site, and 1 leaves that line out")
	f.DurationVar(&p.restart, "restart", 30*time.Second, "time that a restart of a renderer takes")
	f.Float64Var(&p.cheaper, "cheaper", .7, "duration of a render with a cheaper engine, as a share of today's")
	f.Float64Var(&p.machine.Cores, "cores", 0, "processor cores of a renderer's machine")
	f.Float64Var(&p.machine.Memory, "memory", 0, "memory of a renderer's machine in bytes")
	f.Float64Var(&p.machine.Slot, "slot-memory", float64(settings.Default().Renderer.MemoryLimit), "memory limit of a slot in bytes (renderer.memory_limit)")
	f.Float64Var(&p.machine.Download, "download", 0, "bytes that a renderer's machine can fetch in a second")
	f.Float64Var(&p.machine.Writes, "writes", 0, "thumbnails that the store accepts in a second")
	f.StringVar(&p.html, "html", "", "file for a page with plots of the sensitivity")
	f.BoolVar(&p.asJSON, "json", false, "print the answer as JSON")
	return cmd
}

// answerAll computes today's line and the lines of the scenarios, and writes them.
func (p *planning) answerAll() (err error) {
	if !inside(p.rate, 0, 1e6) {
		return fmt.Errorf("--rate is %v: write a number between 0 and a million", p.rate)
	}
	if !inside(p.growth, -1, 1000) || !inside(p.cheaper, 0, 1000) || p.sites < 1 || p.restart < time.Second {
		return errors.New("--growth must be between -1 and 1000, --cheaper between 0 and 1000, --sites at least 1 and --restart at least 1s")
	}
	if p.p, err = p.subject.profile(p.cmd); err != nil {
		return err
	}
	p.p = p.p.Scaled(p.rate, 1)
	today, err := p.answer("today", p.p, plan.Scenario{}, "")
	if err != nil {
		return err
	}
	if p.p.Beyond >= leastBeyond {
		note := fmt.Sprintf("single clients asked for %.0f %% of the renders' time beyond a quarter of the fleet: block or limit them before you add renderers", 100*p.p.Beyond)
		if _, err := p.answer("without single clients beyond their share", p.p.Scaled(1-p.p.Beyond, 1), plan.Scenario{}, note); err != nil {
			return err
		}
	}
	if err := p.cases(); err != nil {
		return err
	}
	p.needs = len(p.rows)
	if err := p.savings(today); err != nil {
		return err
	}
	return p.write(today)
}

// cases adds the lines of later and of worse days.
func (p *planning) cases() error {
	for _, s := range []struct {
		what     string
		profile  plan.Profile
		scenario plan.Scenario
		missing  bool
	}{
		{fmt.Sprintf("in a year, %+.0f %%", 100*p.growth), p.p.Scaled(1+p.growth, 1), plan.Scenario{}, false},
		{fmt.Sprintf("without one of %d sites", p.sites), p.p, plan.Scenario{Sites: p.sites}, p.sites < 2},
		{fmt.Sprintf("restarting, %v each", p.restart), p.p, plan.Scenario{Restart: p.restart.Seconds()}, false},
	} {
		if s.missing {
			continue
		}
		if _, err := p.answer(s.what, s.profile, s.scenario, ""); err != nil {
			return err
		}
	}
	return nil
}

// leastBeyond is the share of single clients from which a plan says the number without them.
const leastBeyond = .02

// answer computes one line.
func (p *planning) answer(what string, profile plan.Profile, s plan.Scenario, note string) (plan.Result, error) {
	r, err := plan.Renderers(profile, p.subject.cluster(), s, p.subject.target, func(r plan.Result) {
		p.cmd.PrintErrf("%s: simulated %s\n", what, numbered(r.Renderers))
	})
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	p.add(what, r, profile.Slots, note)
	for _, used := range plan.Binds(profile, p.machine, s.Left(r.Renderers)) {
		if used.Use > 1 {
			last := &p.rows[len(p.rows)-1]
			last.Overloaded = append(last.Overloaded, used)
		}
	}
	return r, nil
}

// overloaded returns an error for each need that cannot work.
func (p *planning) overloaded() (wrong []error) {
	for _, r := range p.rows[:p.needs] {
		if err := r.err(); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// numbered writes a number of renderers.
func numbered(n int) string {
	if n == 1 {
		return "1 renderer"
	}
	return fmt.Sprint(n, " renderers")
}

// savings adds lines for changes to today's cluster.
func (p *planning) savings(today plan.Result) error {
	const requests, originals = 1_000_000, 100_000
	steps := plan.StandardSizes(requests, originals)
	if _, err := p.answer("with standard sizes", p.p.Scaled(steps, 1), plan.Scenario{}, fmt.Sprintf("a million requests for 100,000 originals need %.0f %% of the renders", 100*steps)); err != nil {
		return err
	}
	if _, err := p.answer("with a cheaper engine", p.p.Scaled(1, p.cheaper), plan.Scenario{}, fmt.Sprintf("renders take %.0f %% of the time", 100*p.cheaper)); err != nil {
		return err
	}
	alone, err := plan.Simulate(plan.PerRenderer(p.p, today.Renderers), p.subject.cluster(), plan.Scenario{}, 1, p.subject.target)
	alone.Renderers = today.Renderers
	p.add("with a queue for each renderer", alone, p.p.Slots, "with as many renderers as today, and no common queue")
	return err
}

func (p *planning) write(today plan.Result) error {
	binds := plan.Binds(p.p, p.machine, today.Renderers)
	out := p.cmd.OutOrStdout()
	if p.html != "" {
		if err := toFile(p.html, func(page io.Writer) error { return p.page(page, today, binds) }); err != nil {
			return err
		}
	}
	if p.asJSON {
		return errors.Join(json.NewEncoder(out).Encode(map[string]any{"answers": p.rows, "resources": binds}), errors.Join(p.overloaded()...))
	}
	mean, variation := p.p.Moments()
	_, _ = fmt.Fprintf(out, "%s\n\n", p.asked())
	first := queueing.SlotsFor(p.p.Rate(), mean, variation, p.subject.target.Wait, p.subject.target.Share)
	_, _ = fmt.Fprintf(out, "first answer, by a closed form: %d slots, %s\n\n", first, numbered((first+p.p.Slots-1)/p.p.Slots))
	p.table(out)
	_, _ = fmt.Fprintf(out, "\nwith %s, the first bottlenecks are: ", numbered(today.Renderers))
	for i, r := range binds {
		_, _ = fmt.Fprintf(out, "%s%s %.0f %%", map[bool]string{true: "", false: ", "}[i == 0], r.Name, 100*r.Use)
	}
	_, err := fmt.Fprintln(out)
	return errors.Join(err, errors.Join(p.overloaded()...))
}

// asked says what is planned for.
func (p *planning) asked() string {
	mean, variation := p.p.Moments()
	from := "the profile of " + p.subject.file
	if p.subject.prometheus != "" {
		from = fmt.Sprintf("the last %v", p.subject.window)
	}
	with := ""
	if p.p.Beyond >= leastBeyond {
		with = fmt.Sprintf(", %.0f %% of them by single clients beyond a quarter of the fleet", 100*p.p.Beyond)
	}
	return fmt.Sprintf("%.1f renders a second are asked for%s (%s), %.0f ms a render in the mean (squared coefficient of variation %.1f); target: %.0f %% wait at most %v, at most %.2f %% refused",
		p.p.Rate(), with, from, 1000*mean, variation, 100*p.subject.target.Share, p.subject.wait, 100*p.subject.target.Refused)
}

func (p *planning) table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\trenderers\tslots\tmemory\tbusy\tp50 ms\tp95 ms\twait longer\trefused\t\n")
	for _, r := range p.rows {
		memory := "-"
		if r.Memory > 0 {
			memory = fmt.Sprintf("%.0f GB", r.Memory/1e9)
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%.0f %%\t%.0f\t%.0f\t%s\t%s\t%s\n", r.What, r.Renderers, r.Slots, memory, 100*r.Use, 1000*r.P50, 1000*r.P95, percent(r.Late), percent(r.Refused), r.remark())
	}
	_ = w.Flush()
}

func percent(s plan.Share) string { return fmt.Sprintf("%.2f ± %.2f %%", 100*s.Mean, 100*s.Half) }

// page plots waits and refusals against the number of renderers and the number of requests.
func (p *planning) page(out io.Writer, today plan.Result, binds []plan.Resource) error {
	var late, refused, waits plot.Line
	late.Name, refused.Name, waits.Name = "wait longer", "refused", "p95"
	for n := max(1, today.Renderers/2); n <= today.Renderers*3/2+1; n += max(1, today.Renderers/12) {
		r, err := plan.Simulate(p.p, p.subject.cluster(), plan.Scenario{}, n, p.subject.target)
		if err != nil {
			return err
		}
		at := float64(n)
		late.Points, refused.Points = append(late.Points, plot.Point{X: at, Y: 100 * r.Late.Mean}), append(refused.Points, plot.Point{X: at, Y: 100 * r.Refused.Mean})
		waits.Points = append(waits.Points, plot.Point{X: at, Y: 1000 * r.P95})
	}
	var more plot.Line
	more.Name = "p95"
	for factor := .5; factor <= 1.5; factor += .1 {
		r, err := plan.Simulate(p.p.Scaled(factor, 1), p.subject.cluster(), plan.Scenario{}, today.Renderers, p.subject.target)
		if err != nil {
			return err
		}
		more.Points = append(more.Points, plot.Point{X: math.Round(100 * factor), Y: 1000 * r.P95})
	}
	t, err := template.New("plan").Funcs(template.FuncMap{"share": percent, "ms": func(s float64) string { return fmt.Sprintf("%.0f", 1000*s) }, "busy": func(s float64) string { return fmt.Sprintf("%.0f %%", 100*s) }}).Parse(planPage)
	if err != nil {
		return err
	}
	return t.Execute(out, map[string]any{"CSS": template.CSS(plot.CSS), "Asked": p.asked(), "Rows": p.rows, "Wrong": p.overloaded(), "Binds": binds, "Plots": []template.HTML{
		plot.Plot{Title: "Requests that wait longer than the target, or are refused", X: "renderers", Whole: true, Y: "%", Lines: []plot.Line{late, refused}}.HTML(),
		plot.Plot{Title: "Wait of all but 5 % of requests", X: "renderers", Whole: true, Y: "ms", Lines: []plot.Line{waits}}.HTML(),
		plot.Plot{Title: fmt.Sprintf("Wait of all but 5 %% of requests, with %s", numbered(today.Renderers)), X: "% of today's requests", Y: "ms", Lines: []plot.Line{more}}.HTML(),
	}})
}

//go:embed plan.html
var planPage string

func simulateCommand() *cobra.Command {
	var s subject
	var renderers int
	var rate float64
	cmd := &cobra.Command{
		Use: "simulate --renderers N", Short: "Show waits and refusals with a number of renderers", Args: cobra.NoArgs,
		Long: "Simulate a cluster, event by event, with the requests of a profile, and show waits and\n" +
			"refusals with their 95 % confidence intervals.",
		Example: "  loadtest simulate --profile profile.json --renderers 12\n  loadtest simulate --profile profile.json --renderers 12 --rate 2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := s.profile(cmd)
			if err != nil {
				return err
			}
			if renderers < 1 || !inside(rate, 0, 1e6) {
				return errors.New("--renderers must be above 0, and --rate between 0 and a million")
			}
			p = p.Scaled(rate, 1)
			began := time.Now()
			r, err := plan.Simulate(p, s.cluster(), plan.Scenario{}, renderers, s.target)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			_, _ = fmt.Fprintf(out, "%d renderers of %d slots, %.1f renders a second are asked for: %.0f %% busy, p50 %.0f ms, p95 %.0f ms; %s wait longer than %v, %s refused\n",
				renderers, p.Slots, p.Rate(), 100*r.Use, 1000*r.P50, 1000*r.P95, percent(r.Late), s.wait, percent(r.Refused))
			_, err = fmt.Fprintf(out, "simulated in %.1f s. %s\n", time.Since(began).Seconds(), scaling)
			return err
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().IntVar(&renderers, "renderers", 0, "number of renderers (required)")
	_ = cmd.MarkFlagRequired("renderers") // the flag exists
	cmd.Flags().Float64Var(&rate, "rate", 1, "factor for the profile's requests")
	return cmd
}

// scaling explains the range of a result.
const scaling = "k times the renderers with k times the requests wait no longer and refuse no more, for any k of 1 and above: one queue for a larger pool that is as busy waits less (docs/capacity.md). That holds up to where something else than slots binds: one coordinator grants more than 100,000 requests a second (docs/benchmarks.md)."
