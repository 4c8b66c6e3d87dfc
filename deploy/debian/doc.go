// Package debian has only tests. They build the Debian packages, install them, run the commands of
// their units, upgrade them and remove them.
package debian
