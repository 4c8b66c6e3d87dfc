//go:build clouds

package blobstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcerrors"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"
)

// tries bounds the attempts of one operation. Google's library otherwise repeats an operation until its context ends.
const tries = 2

// scope allows reading and writing of objects.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

// openGoogle opens a bucket of Google Cloud Storage. The key is the JSON of a service account. Without one, the account is
// Google's default: GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, or the machine's account. An endpoint without TLS is an
// emulator, which needs no account.
func openGoogle(ctx context.Context, b storeconfig.Bucket, transport *http.Transport) (service, error) {
	client := gcp.NewAnonymousHTTPClient(transport)
	if !strings.HasPrefix(b.Endpoint, "http://") {
		account, err := googleAccount(ctx, b)
		if err != nil {
			return service{}, err
		}
		if client, err = gcp.NewHTTPClient(transport, account.TokenSource); err != nil {
			return service{}, err
		}
	}
	options := &gcsblob.Options{}
	if b.Endpoint != "" {
		options.ClientOptions = []option.ClientOption{option.WithEndpoint(strings.TrimSuffix(b.Endpoint, "/") + "/storage/v1/"), storage.WithJSONReads()}
	}
	bucket, err := gcsblob.OpenBucket(ctx, client, b.Named(), options)
	if err != nil {
		return service{}, err
	}
	var library *storage.Client
	if !bucket.As(&library) {
		return service{}, errors.New("the library hides the client of Google Cloud Storage")
	}
	library.SetRetry(storage.WithMaxAttempts(tries), storage.WithBackoff(gax.Backoff{Initial: 100 * time.Millisecond, Max: time.Second}))
	return service{bucket: bucket, version: generation, after: startOffset, changed: isGone}, nil
}

func googleAccount(ctx context.Context, b storeconfig.Bucket) (*google.Credentials, error) {
	if b.Key == "" {
		account, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("find Google's default account: %w: set key to the JSON of a service account", err)
		}
		return account, nil
	}
	account, err := google.CredentialsFromJSONWithType(ctx, []byte(b.Key), google.ServiceAccount, scope)
	if err != nil {
		return nil, errors.New("the key is not the JSON of a service account: write the content of its key file") // err may show the key
	}
	return account, nil
}

// generation reads only the generation of these attributes.
func generation(found *blob.Attributes) func(as func(any) bool) error {
	var told storage.ObjectAttrs
	known := found.As(&told)
	return func(as func(any) bool) error {
		var object **storage.ObjectHandle
		if !known || !as(&object) {
			return errors.New("blobstore: the library hides the generation of objects")
		}
		*object = (*object).Generation(told.Generation)
		return nil
	}
}

// isGone reports whether a generation is no longer there: another one may be.
func isGone(err error) bool { return gcerrors.Code(err) == gcerrors.NotFound }

// startOffset begins a listing at a key.
func startOffset(key string) func(as func(any) bool) error {
	return func(as func(any) bool) error {
		var query *storage.Query
		if as(&query) {
			query.StartOffset = key
		}
		return nil
	}
}
