// Package front has only tests. They run the nginx and the Varnish of deploy in front of fake edges
// with given answers, and require the same of both.
package front
