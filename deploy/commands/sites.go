package commands

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/thumbmill/thumbmill/deploy/credentials"
)

// The ports of a site's core server: NATS's usual ones.
const (
	gatewayPort = "7222"
	leafPort    = "7422"
)

// several are the flags of several sites.
type several struct {
	hosts []string // NAME=HOST of each site: HOST is its core server
	dir   string
	tls   []string
}

func (s *several) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&s.hosts, "sites", nil, "`NAME=HOST` of each of several sites: HOST is its core NATS server, whose ports "+gatewayPort+" and "+leafPort+" other sites and the site's queue use; the next call keeps them")
	flags.StringVar(&s.dir, "servers-dir", "/etc/nats", "folder on the NATS servers that gets "+credentials.ServerFile+" and "+credentials.LeafCredentials+", with --sites")
	flags.StringSliceVar(&s.tls, "servers-tls", nil, "`CERTIFICATE,KEY,CA`: PEM files on the NATS servers that encrypt connections between sites, with --sites")
}

// sites returns the sites that the flags name. Without the flag --sites it returns nil: the last call's sites stay.
func (s *several) sites(given bool) (*credentials.Sites, error) {
	if !given {
		return nil, nil //nolint:nilnil // as the comment says
	}
	all := &credentials.Sites{Dir: s.dir}
	switch len(s.tls) {
	case 0:
	case 3:
		all.Certificate, all.Key, all.CA = s.tls[0], s.tls[1], s.tls[2]
	default:
		return nil, fmt.Errorf("--servers-tls names %d files: write three, CERTIFICATE,KEY,CA", len(s.tls))
	}
	for _, text := range s.hosts {
		name, host, ok := strings.Cut(text, "=")
		if !ok || host == "" {
			return nil, fmt.Errorf("--sites has %q: write NAME=HOST for each site", text)
		}
		all.All = append(all.All, credentials.Site{Name: name, Gateway: net.JoinHostPort(host, gatewayPort), Leaves: net.JoinHostPort(host, leafPort)})
	}
	return all, nil
}

// explainSites prints the place of each file of the sites.
func explainSites(cmd *cobra.Command, folder string, s *credentials.Sites) {
	if s == nil {
		return
	}
	for _, site := range s.All {
		cmd.Printf("%s: include it in the core server's configuration of site %s, and put %s beside it\n", filepath.Join(folder, site.CoreFile()), site.Name, credentials.ServerFile)
		cmd.Printf("%s: include it in the configuration of the servers of the queue of site %s, and put %s and %s beside it\n",
			filepath.Join(folder, site.LeafFile()), site.Name, credentials.ServerFile, credentials.LeafCredentials)
	}
}
