package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/corpora"
	"github.com/thumbmill/thumbmill/loadtest/tool/judge"
)

// judgeFlags has the flags of loadtest judge.
type judgeFlags struct {
	config                  judge.Config
	program, html, progress string
	worst                   int
	generate                bool
}

func judgeCommand() *cobra.Command {
	var f judgeFlags
	cmd := &cobra.Command{
		Use: "judge DIR", Short: "Compare thumbnails of any files with other decoders' pictures", Args: cobra.ExactArgs(1),
		Long: "Ask a cluster for a thumbnail of every picture, drawing, page and film below DIR, draw the same\n" +
			"with the installed decoders (djxl, avifdec, heif-convert, dwebp, djpeg, opj_decompress, mutool,\n" +
			"pdftoppm, rsvg-convert, resvg, ddjvu, ffmpeg, GIMP, ImageMagick, Pillow), and print the number\n" +
			"of right thumbnails of each kind. A thumbnail is right when it is like one decoder's picture.\n" +
			"When the decoders' pictures differ, the thumbnail does not count as wrong.\n\n" +
			"Without --edge, the command starts a cluster. It appends results to --progress: after Ctrl-C,\n" +
			"the tables show the results so far, and the next run continues. The page (--html) has only\n" +
			"pictures of the current run.",
		Example: "  loadtest judge ~/pictures --html worst.html\n" +
			"  loadtest judge /srv/media --edge http://127.0.0.1:8888 --concurrency 4\n" +
			"  loadtest judge made --generate      # write the project's own originals into it first",
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config.Edge, "edge", "", "URL of an edge that has the same originals and serves unsafe URLs; default: start a cluster")
	flags.StringVar(&f.program, "thumbmill", "bin/thumbmill", "program that the cluster is started from")
	flags.IntVar(&f.config.Width, "width", 320, "width of the thumbnails in pixels")
	flags.DurationVar(&f.config.Timeout, "timeout", time.Minute, "timeout of one request")
	flags.IntVar(&f.config.Concurrency, "concurrency", 2, "originals at once")
	flags.StringVar(&f.html, "html", "", "file for a page with the worst pictures beside their references")
	flags.IntVar(&f.worst, "worst", 50, "number of pictures on that page")
	flags.StringVar(&f.progress, "progress", "", "file of results, one per line; files with a result there are not judged again")
	flags.BoolVar(&f.generate, "generate", false, "write the project's own originals into DIR first")
	return cmd
}

func (f *judgeFlags) run(cmd *cobra.Command, dir string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.config.Concurrency < 1 || f.config.Width < 1 || f.config.Timeout <= 0 {
		return errors.New("--concurrency, --width and --timeout must be positive")
	}
	f.config.Dir = dir
	if f.generate {
		if err := generate(cmd, dir); err != nil {
			return err
		}
	}
	names, err := judge.Originals(dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no file with a known extension: name a folder of originals", dir)
	}
	if f.config.Edge == "" {
		edge, end, err := startCluster(ctx, f.program, dir, f.config.Concurrency)
		if err != nil {
			return err
		}
		defer end()
		f.config.Edge = edge
	}
	return f.judge(ctx, cmd, names)
}

func generate(cmd *cobra.Command, dir string) error {
	all, missing, err := corpora.All()
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		cmd.PrintErrf("not installed: %v; skip their originals\n", missing)
	}
	return errors.Join(os.MkdirAll(dir, 0o755), corpora.Write(dir, all))
}

// judge runs the comparison, and prints the results so far at its end.
func (f *judgeFlags) judge(ctx context.Context, cmd *cobra.Command, names []string) error {
	record := io.Discard
	all := map[string]judge.Result{}
	if f.progress != "" {
		file, err := os.OpenFile(f.progress, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		all = judge.ReadResults(file)
		record = file
	}
	f.config.Known = maps.Clone(all)
	f.config.Done = func(r judge.Result) {
		all[r.Name] = r
		if err := json.NewEncoder(record).Encode(r); err != nil {
			cmd.PrintErrln(err)
		}
		cmd.PrintErrf("%d of %d  %-12s %s\n", len(all), len(names), r.Verdict, r.Name)
	}
	judge.Run(ctx, f.config, names)
	results := judge.Results(slices.Collect(maps.Values(all)))
	err := results.Text(cmd.OutOrStdout(), f.worst)
	if f.html != "" {
		err = errors.Join(err, toFile(f.html, func(out io.Writer) error { return results.HTML(out, f.worst) }))
	}
	return err
}

// startCluster runs thumbmill serve over a folder of originals, and returns the URL of its edge.
func startCluster(ctx context.Context, program, dir string, slots int) (edge string, end func(), err error) {
	thumbnails, err := os.MkdirTemp("", "thumbnails-")
	if err != nil {
		return "", nil, err
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	serve := exec.Command(program, "serve", "--print-addresses", "--originals", absolute, "--thumbnails", thumbnails,
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0")
	serve.Env = append(os.Environ(), fmt.Sprintf("THUMBMILL_RENDERER_SLOTS=%d", slots), "THUMBMILL_THROTTLE_FAILURE_MAX=1000000", "THUMBMILL_LOG_LEVEL=error")
	serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must reach only this process, which stops the cluster
	serve.Stderr = os.Stderr
	out, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("start %s (run `make build`, or set --thumbmill): %w", program, err)
	}
	end = func() {
		_ = serve.Process.Signal(syscall.SIGTERM) // the cluster may have ended
		_ = serve.Wait()
		_ = os.RemoveAll(thumbnails)
	}
	stop := context.AfterFunc(ctx, func() { _ = serve.Process.Signal(syscall.SIGTERM) })
	defer stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var addresses struct {
		HTTP string `json:"http"`
	}
	if err == nil {
		err = json.Unmarshal(line, &addresses)
	}
	if err != nil {
		end()
		return "", nil, fmt.Errorf("read the addresses of %s serve: %w", program, err)
	}
	return addresses.HTTP, end, nil
}
