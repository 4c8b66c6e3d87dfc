package credentials

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Sites are several sites with a queue each, and the files on their NATS servers. A site has a core server, which is part of
// a super-cluster of all sites, and servers of its queue, which are leaf nodes of the core server.
type Sites struct {
	All []Site `json:"all"`
	Dir string `json:"dir"` // on the servers: has nats.conf and LeafCredentials
	// Certificate, Key and CA are PEM files on the servers, which prove a server to the servers of other sites. ""
	// leaves the connections between sites and to leaf nodes without encryption.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	CA          string `json:"ca,omitempty"`
}

// Site is one of several sites.
type Site struct {
	Name    string `json:"name"`             // letters, digits, - and _
	Gateway string `json:"gateway"`          // host:port at which other sites reach the core server
	Leaves  string `json:"leaves"`           // host:port at which the queue's servers reach the core server
	Listen  string `json:"listen,omitempty"` // host on which the core server listens; "" = every one
}

// CoreFile returns the name of the configuration of a site's core server.
func (s Site) CoreFile() string { return "core-" + s.Name + ".conf" }

// LeafFile returns the name of the configuration of the servers of a site's queue.
func (s Site) LeafFile() string { return "leaf-" + s.Name + ".conf" }

// LeafCredentials is the name of the credentials with which the queue's servers connect to their core server.
const LeafCredentials = string(leaf) + ".creds"

const (
	sitesFile    = "sites.json"
	passwordFile = "gateway" // the core servers know each other by it
)

var siteName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate returns an error that names the first wrong field.
func (s Sites) Validate() error {
	for i, site := range s.All {
		switch {
		case !siteName.MatchString(site.Name):
			return fmt.Errorf("%q is not a name of a site: write letters, digits, - and _, at most 64 of them", site.Name)
		case slices.ContainsFunc(s.All[:i], func(other Site) bool { return other.Name == site.Name }):
			return fmt.Errorf("site %s appears twice: write each site once", site.Name)
		}
		for _, address := range []string{site.Gateway, site.Leaves} {
			if _, _, err := net.SplitHostPort(address); err != nil || strings.ContainsAny(address, "\"'\\ \n") {
				return fmt.Errorf("%q is not the address of site %s: write host:port", address, site.Name)
			}
		}
	}
	if given := []string{s.Certificate, s.Key, s.CA}; strings.Join(given, "") != "" && slices.Contains(given, "") {
		return errors.New("only some of certificate, key and CA are set: set all three, or none")
	}
	return nil
}

// keptSites returns the given sites and keeps them for the next call. Without any, it returns the sites of the last call.
func keptSites(file string, given *Sites) (s Sites, err error) {
	if given != nil {
		if err := given.Validate(); err != nil {
			return s, err
		}
		text, err := json.MarshalIndent(given, "", " ")
		return *given, errors.Join(err, replace(file, text))
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, s.Validate()
}

// write writes the configurations of all sites' servers, and the credentials of the queues' servers, if there are sites.
func (s Sites) write(dir string, account nkeys.KeyPair, uploads string, o Options) error {
	if len(s.All) == 0 {
		return nil
	}
	name, err := account.PublicKey()
	if err != nil {
		return err
	}
	creds, err := user(account, string(leaf), leaf.Permissions(uploads), o.Expire)
	if err != nil {
		return err
	}
	err = errors.Join(replace(filepath.Join(dir, LeafCredentials), creds), writeSecret(filepath.Join(dir, passwordFile)))
	if err != nil {
		return err
	}
	password, err := os.ReadFile(filepath.Join(dir, passwordFile)) //nolint:gosec // the operator names the folder
	for _, site := range s.All {
		err = errors.Join(err,
			replace(filepath.Join(dir, site.CoreFile()), s.core(site, strings.TrimSpace(string(password)))),
			replace(filepath.Join(dir, site.LeafFile()), s.leaf(site, name)))
	}
	return err
}

const coreText = `# The core server of site %s: include this file in its configuration. Made by
# thumbmill credentials.
include %q
gateway {
  name: %q
  listen: %q
  authorization { user: sites, password: %q }
%s  gateways: [
%s  ]
}
leafnodes {
  listen: %q
%s}
`

// core returns the configuration of a site's core server.
func (s Sites) core(site Site, password string) []byte {
	var others strings.Builder
	for _, other := range s.All {
		fmt.Fprintf(&others, "    { name: %q, url: %q }\n", other.Name, "nats://sites:"+password+"@"+other.Gateway)
	}
	listen := func(address string) string {
		_, port, _ := net.SplitHostPort(address) // validated
		return net.JoinHostPort(cmp.Or(site.Listen, "0.0.0.0"), port)
	}
	return fmt.Appendf(nil, coreText, site.Name, ServerFile, site.Name, listen(site.Gateway), password, s.encryption("  "), others.String(), listen(site.Leaves), s.encryption("  "))
}

const leafText = `# The servers of the queue of site %s: include this file in their configuration, beside
# jetstream { domain: %s, store_dir: ... }. Made by thumbmill credentials.
include %q
leafnodes {
  remotes: [ {
    url: %q
    account: %s
    credentials: %q
    deny_imports: [%[7]q]
    deny_exports: [%[7]q]
%[8]s  } ]
}
`

// leaf returns the configuration of the servers of a site's queue. Jobs stay at their site: only SiteSubject leads to
// another one.
func (s Sites) leaf(site Site, account string) []byte {
	scheme := "nats-leaf://"
	if s.Certificate != "" {
		scheme = "tls://"
	}
	return fmt.Appendf(nil, leafText, site.Name, site.Name, ServerFile, scheme+site.Leaves, account, filepath.Join(s.Dir, LeafCredentials),
		renderjob.Lane(">").Subject(), s.encryption("    "))
}

// encryption returns a block that encrypts a connection and checks the other side's certificate, or "".
func (s Sites) encryption(indent string) string {
	if s.Certificate == "" {
		return ""
	}
	return fmt.Sprintf("%stls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", indent, s.Certificate, s.Key, s.CA)
}
