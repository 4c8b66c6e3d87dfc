package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/loadtest/tool/drive"
	"github.com/thumbmill/thumbmill/loadtest/tool/report"
	"github.com/thumbmill/thumbmill/loadtest/tool/workload"
)

// runFlags has the flags of loadtest run.
type runFlags struct {
	drive                 drive.Config
	load                  workload.Workload
	phases, types, widths string
	html, json, title     string
}

func runCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use: "run --url TEMPLATE", Short: "Send a load, and report the answers", Args: cobra.NoArgs,
		Long: "Send requests like a media site's clients, at the given rate whether the server keeps up or\n" +
			"not: latency counts from the time when a request was due. The command prints a status line\n" +
			"every second, then a table. Ctrl-C ends the load early.\n\n" +
			"In --url, {original} is the name of an original (--name, in which {n} is a number below\n" +
			"--originals and {type} the type) and {width} a width. Each client has its own address in\n" +
			"X-Forwarded-For; the server must trust that header. `loadtest originals` draws originals.",
		Example: "  loadtest run --url 'http://127.0.0.1:8888/unsafe/{width}x/{original}' --load 60s@50 --html report.html\n" +
			"  loadtest run --url 'http://imgproxy:8080/insecure/rs:fit:{width}:0/plain/local:///{original}' --load 30s@20-200\n" +
			"  loadtest run --url … --load 60s@100 --absent 0.7 --title 'the flood of May 2020'",
		RunE: func(cmd *cobra.Command, _ []string) error { return r.sendLoad(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&r.drive.Template, "url", "", "URL of a thumbnail, with {original}, {width}, {fresh} (required)")
	_ = cmd.MarkFlagRequired("url") // the flag exists
	f.StringVar(&r.drive.Name, "name", "photo{n}.{type}", "name of an original")
	f.StringVar(&r.phases, "load", "30s@20", "phases: duration@rate or duration@from-to, requests per second")
	f.DurationVar(&r.drive.Timeout, "timeout", time.Minute, "timeout of one request")
	f.IntVar(&r.drive.Most, "most", 10_000, "most requests in progress at once; further requests are only counted")
	f.IntVar(&r.drive.BytesPerSecond, "slow-bytes", 10_000, "bytes that a slow client reads in a second")
	r.workloadFlags(f)
	f.StringVar(&r.title, "title", "load test", "title of the report")
	f.StringVar(&r.html, "html", "", "file for a page with plots")
	f.StringVar(&r.json, "json", "", "file for the record, for loadtest compare")
	return cmd
}

func (r *runFlags) workloadFlags(f *pflag.FlagSet) {
	f.IntVar(&r.load.Originals, "originals", 200, "number of originals")
	f.Float64Var(&r.load.Zipf, "zipf", 0.9, "exponent of their popularity; 0 means that all are equally popular")
	f.StringVar(&r.types, "types", defaultTypes, "types of originals with their shares")
	f.StringVar(&r.widths, "widths", "wikimedia", "wikimedia (its traffic before standard sizes), steps (with them), or a list such as 120,330=2,800")
	f.IntVar(&r.load.Clients, "clients", 1000, "number of ordinary clients")
	f.Float64Var(&r.load.Absent, "absent", 0, "share of requests for originals that do not exist")
	f.Float64Var(&r.load.Hammer, "hammer", 0, "share of requests from one client for thumbnails that do not exist yet")
	f.Float64Var(&r.load.Neighbours, "neighbours", 0, "share of requests from ever new addresses of one IPv6 /64")
	f.Float64Var(&r.load.Slow, "slow", 0, "share of requests from clients that read slowly")
	f.Uint64Var(&r.load.Seed, "seed", 1, "seed of the requests: the same seed gives the same requests")
}

// defaultTypes is a guess at the shares in an encyclopaedia. No site publishes them.
const defaultTypes = "jpg=85,png=9,svg=4,gif=1,tiff=1"

func (r *runFlags) sendLoad(cmd *cobra.Command) (err error) {
	if r.load.Phases, err = workload.ParsePhases(r.phases); err != nil {
		return fmt.Errorf("--load: %w", err)
	}
	if r.load.Types, err = parseShares(r.types, func(text string) (string, error) { return text, nil }); err != nil {
		return fmt.Errorf("--types: %w", err)
	}
	if r.load.Widths, err = parseWidths(r.widths); err != nil {
		return fmt.Errorf("--widths: %w", err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	total := r.load.Duration().Seconds()
	r.drive.Progress = func(s drive.Second) {
		cmd.PrintErrf("%5.0f of %.0f s  sent %d  in progress %d  p50 %.0f ms  p99 %.0f ms  %v\n", s.At, total, s.Sent, s.UnderWay, s.P50, s.P99, s.Outcomes)
	}
	record, err := drive.Run(ctx, r.drive, r.load)
	if err != nil {
		return err
	}
	asked := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { asked[f.Name] = f.Value.String() })
	return r.write(cmd.OutOrStdout(), report.Report{Title: r.title, Asked: asked, Record: record})
}

func (r *runFlags) write(out io.Writer, done report.Report) error {
	errs := []error{done.Text(out)}
	if r.json != "" {
		errs = append(errs, toFile(r.json, func(out io.Writer) error { return json.NewEncoder(out).Encode(done) }))
	}
	if r.html != "" {
		errs = append(errs, toFile(r.html, done.HTML))
	}
	return errors.Join(errs...)
}

func toFile(name string, write func(io.Writer) error) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(out), out.Close())
}

func parseWidths(text string) ([]workload.Weighted[int], error) {
	switch text {
	case "wikimedia":
		return workload.WikimediaWidths(), nil
	case "steps":
		return workload.ToSteps(workload.WikimediaWidths()), nil
	}
	return parseShares(text, strconv.Atoi)
}

// parseShares parses a list such as "jpg=85,png=15". A value without a share has the share 1.
func parseShares[T any](text string, parse func(string) (T, error)) (all []workload.Weighted[T], err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, share, given := strings.Cut(strings.TrimSpace(part), "=")
		w := workload.Weighted[T]{Share: 1}
		if given {
			w.Share, err = strconv.ParseFloat(share, 64)
		}
		if err == nil {
			w.Value, err = parse(name)
		}
		if err != nil || name == "" || !(w.Share > 0 && w.Share < 1e12) {
			return nil, fmt.Errorf("%q is not a value with a share above 0: write a list such as %s: %w", part, text, err)
		}
		all = append(all, w)
	}
	return all, nil
}

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compare BEFORE.json AFTER.json", Short: "Show two runs side by side", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, files []string) error {
			var both [2]report.Report
			for i, file := range files {
				text, err := os.ReadFile(file)
				if err == nil {
					err = json.Unmarshal(text, &both[i])
				}
				if err == nil && both[i].Record == nil {
					err = errors.New("the file has no record: name a file of loadtest run --json")
				}
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
			}
			return report.Compare(cmd.OutOrStdout(), both[0], both[1])
		},
	}
}
