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

// judgeFlags is what the flags of loadtest judge say.
type judgeFlags struct {
	config                  judge.Config
	program, html, progress string
	worst                   int
	generate                bool
}

func judgeCommand() *cobra.Command {
	var f judgeFlags
	cmd := &cobra.Command{
		Use: "judge DIR", Short: "Compare thumbnails of any files with what other decoders draw", Args: cobra.ExactArgs(1),
		Long: "Ask a cluster for a thumbnail of every picture, drawing, page and film below DIR, have the\n" +
			"decoders that are installed here draw the same (djxl, avifdec, heif-convert, dwebp, djpeg,\n" +
			"opj_decompress, mutool, pdftoppm, rsvg-convert, resvg, ddjvu, ffmpeg, GIMP, ImageMagick, Pillow),\n" +
			"and print how many of each kind are right. A thumbnail is right when one decoder draws it alike;\n" +
			"where decoders differ among themselves nobody is said to be wrong.\n\n" +
			"Without --edge a cluster is started for it. Results are kept in --progress as they come: after\n" +
			"Ctrl-C the tables show what there is, and the next run goes on from there. Pictures are on the\n" +
			"page (--html) for what this run judged itself.",
		Example: "  loadtest judge ~/pictures --html worst.html\n" +
			"  loadtest judge /srv/media --edge http://127.0.0.1:8888 --concurrency 4\n" +
			"  loadtest judge made --generate      # write the project's own originals into it first",
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config.Edge, "edge", "", "URL of an edge that has the same originals and serves unsafe URLs; default: a cluster of its own")
	flags.StringVar(&f.program, "thumbmill", "bin/thumbmill", "the program that is that cluster")
	flags.IntVar(&f.config.Width, "width", 320, "of the thumbnails, in pixels")
	flags.DurationVar(&f.config.Timeout, "timeout", time.Minute, "of one request")
	flags.IntVar(&f.config.Concurrency, "concurrency", 2, "originals at once")
	flags.StringVar(&f.html, "html", "", "file for a page with the worst pictures beside their references")
	flags.IntVar(&f.worst, "worst", 50, "how many of the worst are shown")
	flags.StringVar(&f.progress, "progress", "", "file of results, one a line; what it has is not judged again")
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
		return fmt.Errorf("%s has no files of a kind that is known by its extension", dir)
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
		cmd.PrintErrf("not installed, so that their originals are left out: %v\n", missing)
	}
	return errors.Join(os.MkdirAll(dir, 0o755), corpora.Write(dir, all))
}

// judge runs, and prints what there is in the end.
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

// startCluster runs thumbmill serve over a folder of originals, and gives the URL of its edge.
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
	serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process: it ends the other
	serve.Stderr = os.Stderr
	out, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s does not start (make build makes it; --thumbmill says where it is): %w", program, err)
	}
	end = func() {
		_ = serve.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = serve.Wait()                          // likewise
		_ = os.RemoveAll(thumbnails)
	}
	stop := context.AfterFunc(ctx, func() { _ = serve.Process.Signal(syscall.SIGTERM) }) // likewise
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
		return "", nil, fmt.Errorf("%s serve did not tell its addresses: %w", program, err)
	}
	return addresses.HTTP, end, nil
}
