package commands

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/deploy/credentials"
)

func credentialsCommand() *cobra.Command {
	var o credentials.Options
	var uploads string
	var several several
	cmd := &cobra.Command{
		Use: "credentials FOLDER", Short: "Make the credentials and the secrets of a site", Args: cobra.ExactArgs(1),
		Long: "Make credentials for edges and for renderers, and a configuration with which NATS servers\n" +
			"accept only these. A renderer's credentials cannot purge, send directives or change the\n" +
			"queue; docs/security.md lists the rights of each role. Also make the random secrets that\n" +
			"the folder does not have.\n\n" +
			"A later call makes new credentials with the same keys (*.nk in the folder; keep them off\n" +
			"servers). Older credentials stay valid until --revoke or their expiry ends them.\n\n" +
			"With --sites, also make the configuration of a super-cluster: core-NAME.conf for the core\n" +
			"server of each site, and leaf-NAME.conf for the servers of its queue, which are leaf nodes.",
		Example: "  thumbmill credentials keys\n" +
			"  install -o nats -m 0400 keys/nats.conf /etc/nats/thumbmill.conf   # include it in nats.conf\n" +
			"  install -o thumbmill -m 0400 keys/edge.creds /etc/thumbmill       # nats.credentials of edges\n" +
			"  thumbmill credentials keys --sites east=core.east.example,west=core.west.example",
		RunE: func(cmd *cobra.Command, folder []string) error {
			if cmd.Flags().Changed("uploads") {
				o.Uploads = &uploads
			}
			var err error
			if o.Sites, err = several.sites(cmd.Flags().Changed("sites")); err != nil {
				return err
			}
			if err := credentials.Write(folder[0], o); err != nil {
				return err
			}
			explainFiles(cmd, folder[0])
			explainSites(cmd, folder[0], o.Sites)
			return nil
		},
	}
	cmd.Flags().StringVar(&uploads, "uploads", "", "subject on which edges hear of new originals (upload.subject); the next call keeps it")
	cmd.Flags().DurationVar(&o.Expire, "expire", 0, "validity of the credentials; 0 means until they are revoked")
	several.register(cmd.Flags())
	cmd.Flags().BoolVar(&o.Revoke, "revoke", false, "end all credentials that were made before")
	return cmd
}

// explainFiles prints the place of each written file.
func explainFiles(cmd *cobra.Command, folder string) {
	at := func(file string) string { return filepath.Join(folder, file) }
	cmd.Printf("%s: include it in each NATS server's configuration, restart it the first time, and reload it after later changes (nats-server --signal reload)\n", at(credentials.ServerFile))
	for _, r := range credentials.Roles() {
		cmd.Printf("%s: nats.credentials of each %s, which reads it when it connects\n", at(r.File()), r)
	}
	for _, s := range credentials.Secrets() {
		cmd.Printf("%s: %s\n", at(s.File), s.Purpose)
	}
	cmd.Printf("%s: keep them on a machine that runs no server: anyone with these keys can make credentials\n", at("*.nk"))
}
