// Package corpora judges the thumbnails of a cluster: of originals whose right picture is
// known, from the project's own generator and from the folder that THUMBMILL_CASES names.
package corpora
