// Package serve has the command that runs the whole cluster in one process: every role, an embedded
// NATS server, and stores in directories.
package serve

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/logging"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/service/process"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Worker runs a worker if the renderer of a serve process started this process as one, and returns
// its exit code. main calls it first.
func Worker() (code int, asked bool) {
	if !renderer.WorkerAsked() {
		return 0, false
	}
	return renderer.WorkerMain(), true
}

// Command returns the command serve.
func Command() *cobra.Command {
	var flags commandline.Settings
	var draw, printAddresses bool
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the whole cluster in this process", Args: cobra.NoArgs,
		Long: "Run an edge, a coordinator, a renderer with a slot for each core, an embedded NATS\n" +
			"server and two directory stores in this process, on loopback.\n\n" +
			"A Thumbor path a/b.jpg is the original a/b.jpg below --originals; a MediaWiki\n" +
			"container is a folder below it. Port 0 takes any free port.\n\n" +
			"Once it serves, it prints a URL for a thumbnail of the first file that it finds in\n" +
			"--originals, if log.format is text.",
		Example: "  thumbmill serve --samples\n  thumbmill serve --originals /srv/media --listen 127.0.0.1:8000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			return serve(s, draw, printAddresses)
		},
	}
	flags.Add(cmd.Flags(), map[string]string{
		"listen": "edge.listen", "admin-listen": "admin.listen", "coordinator-listen": "coordinator.listen",
		"nats-listen": "nats.listen", "originals": "store.originals.path", "thumbnails": "store.thumbnails.path",
	})
	commandline.AddPrintAddresses(cmd.Flags(), &printAddresses)
	cmd.Flags().BoolVar(&draw, "samples", false, "draw sample originals if they are missing, and print URLs of their thumbnails")
	return cmd
}

func serve(s settings.Settings, draw, printAddresses bool) error {
	log, level := logging.New(s.Log, os.Stderr)
	drawn, err := prepare(s.Store.Originals, draw)
	if err != nil {
		return err
	}
	p, err := process.New("serve", s, log, level)
	if err != nil {
		return err
	}
	addCluster(p, s)
	return p.Run(func(addresses map[string]string) {
		if printAddresses {
			process.PrintAddresses(os.Stdout, addresses)
		}
		if draw || s.Log.Format == "text" { // programs read the other formats
			invitation{settings: s, addresses: addresses, samples: drawn, tokenFile: p.TokenFile()}.print(os.Stderr)
		}
	})
}

// prepare checks the folder of originals, and makes serve's default folder if it is missing. With
// draw, it draws the samples there instead.
func prepare(originals storeconfig.Bucket, draw bool) ([]samples.Sample, error) {
	if draw {
		return samples.Draw(originals.Path)
	}
	return nil, checkOriginals(originals)
}
