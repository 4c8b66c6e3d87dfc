// Package blobstore stores objects in Google Cloud Storage or in Azure Blob Storage, in one bucket (at Azure: container) under
// container/path. The library is gocloud.dev/blob.
//
// A read holds to one version: it names the generation or the ETag that Head saw, and begins again if the object has changed
// in between.
//
// The libraries of both services add 43 MB to a program and 10 MB to each worker, even if no store uses them. Only programs that
// are built with the tag clouds have them.
package blobstore
