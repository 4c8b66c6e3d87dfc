// Package docs has only tests. They run the commands in the documentation, load its settings, and
// check its links.
package docs
