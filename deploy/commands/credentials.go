package commands

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/credentials"
)

func credentialsCommand() *cobra.Command {
	var o credentials.Options
	var uploads string
	cmd := &cobra.Command{
		Use: "credentials FOLDER", Short: "Make the credentials by which NATS tells the roles apart", Args: cobra.ExactArgs(1),
		Long: "Make credentials for edges and for renderers, and what the NATS servers need to let in\n" +
			"these and nobody else. With a renderer's nobody can purge, give orders or change the\n" +
			"queue; docs/security.md tells what each role can do.\n\n" +
			"Called again it makes new ones, signed by the keys in the folder (*.nk), which belong on\n" +
			"no server. Older ones are good until --revoke ends them, or their time.",
		Example: "  thumbmill credentials keys\n" +
			"  install -o nats -m 0400 keys/nats.conf /etc/nats/thumbmill.conf   # include it in nats.conf\n" +
			"  install -o thumbmill -m 0400 keys/edge.creds /etc/thumbmill       # nats.credentials of edges",
		RunE: func(cmd *cobra.Command, folder []string) error {
			if cmd.Flags().Changed("uploads") {
				o.Uploads = &uploads
			}
			if err := credentials.Write(folder[0], o); err != nil {
				return err
			}
			explainFiles(cmd, folder[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&uploads, "uploads", "", "subject on which edges hear of new originals (upload.subject); kept for the next time")
	cmd.Flags().DurationVar(&o.Expire, "expire", 0, "how long the credentials are good for; 0 is until they are revoked")
	cmd.Flags().BoolVar(&o.Revoke, "revoke", false, "end all credentials that were made before")
	return cmd
}

// explainFiles says where each file that was written belongs.
func explainFiles(cmd *cobra.Command, folder string) {
	at := func(file string) string { return filepath.Join(folder, file) }
	cmd.Printf("%s: include it in each NATS server's configuration, restart it the first time, and have it read that again later (nats-server --signal reload)\n", at(credentials.ServerFile))
	for _, r := range credentials.Roles() {
		cmd.Printf("%s: nats.credentials of each %s, which reads it when it connects\n", at(r.File()), r)
	}
	cmd.Printf("%s: keep them where no server runs; with them more credentials are made\n", at("*.nk"))
}
