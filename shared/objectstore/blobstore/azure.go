//go:build clouds

package blobstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
)

// openAzure opens a container of Azure Blob Storage. The user is the storage account, the key its key. Without a key, the
// account is Azure's default: the environment, the machine's identity, or the session of az.
func openAzure(ctx context.Context, b storeconfig.Bucket, transport *http.Transport) (service, error) {
	client, err := azureClient(b, transport)
	if err != nil {
		return service{}, err
	}
	bucket, err := azureblob.OpenBucket(ctx, client, nil)
	nowhere := func(string) func(as func(any) bool) error { return nil }
	changed := func(err error) bool { return bloberror.HasCode(err, bloberror.ConditionNotMet) }
	return service{bucket: bucket, version: etag, after: nowhere, changed: changed}, err
}

func azureClient(b storeconfig.Bucket, transport *http.Transport) (*container.Client, error) {
	endpoint := strings.TrimSuffix(b.Endpoint, "/")
	if endpoint == "" {
		endpoint = fmt.Sprintf("https://%s.blob.core.windows.net", b.User)
	}
	at := endpoint + "/" + b.Named()
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Retry:     policy.RetryOptions{MaxRetries: 1, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: time.Second},
	}}
	if b.Key == "" {
		account, err := azidentity.NewDefaultAzureCredential(nil)
		if err != nil {
			return nil, fmt.Errorf("find Azure's default account: %w: set key to a key of the storage account", err)
		}
		return container.NewClient(at, account, options)
	}
	account, err := container.NewSharedKeyCredential(b.User, string(b.Key))
	if err != nil {
		return nil, errors.New("the key is not Base64: write a key of the storage account as Azure shows it") // err may show the key
	}
	return container.NewClientWithSharedKeyCredential(at, account, options)
}

// forbidden reports whether Azure answered with status 403.
func forbidden(err error) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden
}

// etag reads only the version with the ETag of these attributes.
func etag(found *blob.Attributes) func(as func(any) bool) error {
	var told azure.GetPropertiesResponse
	known := found.As(&told)
	return func(as func(any) bool) error {
		var options *azblob.DownloadStreamOptions
		if !known || !as(&options) {
			return errors.New("blobstore: the library hides the ETag of objects")
		}
		options.AccessConditions = &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: told.ETag}}
		return nil
	}
}
