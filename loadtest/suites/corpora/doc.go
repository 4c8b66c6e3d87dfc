// Package corpora checks a cluster's thumbnails of originals with known pictures. The originals
// come from the project's own generator, and from the folder in THUMBMILL_CASES.
package corpora
