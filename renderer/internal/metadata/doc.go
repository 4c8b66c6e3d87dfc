// Package metadata selects the metadata of an original that thumbnails keep: the artist, the
// description, the copyright, and the meaning of the colours. Only workers call this package.
package metadata
