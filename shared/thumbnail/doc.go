// Package thumbnail describes thumbnails: the spec with all that changes a thumbnail's bytes, the types
// of originals, the formats of thumbnails, and the storage key.
//
// The edge makes a spec from a URL, a job carries it, and the renderer draws it. Two URLs for the same
// picture give the same spec.
package thumbnail
