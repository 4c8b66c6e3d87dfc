// Package thumbor compares this cluster with Thumbor, URL by URL: the status, the size, and the
// picture at a small size. testdata has the recorded answers of Thumbor 7.7 beside the originals;
// record/ records them again from a running Thumbor.
package thumbor
