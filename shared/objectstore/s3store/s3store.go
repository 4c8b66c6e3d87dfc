// Package s3store stores objects behind S3's protocol, at Amazon or elsewhere, with signature version
// 4, in one bucket under container/path.
//
// A bucket is not a MediaWiki container. MediaWiki has hundreds of containers, but an account has few
// buckets, and bucket names are unique worldwide.
package s3store

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// concurrency is the number of idle connections.
	concurrency = 64
	// attempts bounds the attempts of one operation within its deadline. The library repeats idempotent
	// requests after 5xx, "slow down" and broken connections.
	attempts = 2
	// headerTimeout bounds the wait for the head of an answer.
	headerTimeout = 10 * time.Second
)

// Store is one bucket.
type Store struct {
	core      minio.Core
	transport *http.Transport
	bucket    string
	start     string // of every key: "/", or nothing
	create    bool
	made      sync.Mutex // only one caller makes the bucket
}

// New makes a store. Only its first operation connects to the service.
func New(b storeconfig.Bucket) (*Store, error) {
	endpoint, err := url.Parse(b.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("s3store: endpoint: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = concurrency, concurrency
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = headerTimeout
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: secrets(b), Secure: endpoint.Scheme == "https",
		Region: b.Region, Transport: transport, MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("s3store: %w", err)
	}
	client.SetAppInfo("thumbmill", "1")
	s := &Store{core: minio.Core{Client: client}, transport: transport, bucket: b.Container, create: b.CreateAll}
	if b.Slash {
		s.start = "/"
	}
	return s, nil
}

// secrets returns the settings' secrets. Without secrets in the settings it returns the secrets that
// Amazon's own tools use: the environment, ~/.aws/credentials, the role of the machine.
func secrets(b storeconfig.Bucket) *credentials.Credentials {
	if b.User != "" {
		return credentials.NewStaticV4(b.User, string(b.Key), "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: headerTimeout}},
	})
}

// Close drops idle connections.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

func (s *Store) key(at thumbnail.Location) (string, error) {
	if !objectstore.Valid(at) {
		return "", fmt.Errorf("%w: no object can have the name %q", objectstore.ErrNotFound, at)
	}
	return s.start + path.Join(at.Container, at.Path), nil
}

// translate marks errors that are answers of a service that works.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w in S3 (%s)", objectstore.ErrNotFound, answer.Code)
	case answer.StatusCode == http.StatusForbidden:
		// An account that may not list the bucket gets 403 for absent objects: no sign of a failure.
		return fmt.Errorf("%w: %w", objectstore.ErrElsewhere, err)
	case answer.StatusCode == http.StatusInsufficientStorage, answer.Code == "QuotaExceeded", strings.HasPrefix(answer.Code, "XMinioStorageFull"):
		return fmt.Errorf("%w: %w", objectstore.ErrFull, err)
	}
	return err
}

// Head returns the data about an object.
func (s *Store) Head(ctx context.Context, at thumbnail.Location) (objectstore.Info, error) {
	name, err := s.key(at)
	if err != nil {
		return objectstore.Info{}, err
	}
	found, err := s.stat(ctx, name)
	if err != nil {
		return objectstore.Info{}, translate(err)
	}
	return info(found), nil
}

func (s *Store) stat(ctx context.Context, name string) (minio.ObjectInfo, error) {
	found, err := s.core.StatObject(ctx, s.bucket, name, minio.StatObjectOptions{})
	if err == nil {
		err = checkTag(found.ETag)
	}
	return found, err
}

// Open opens an object for reading.
func (s *Store) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	name, err := s.key(at)
	if err != nil {
		return nil, objectstore.Info{}, err
	}
	body, found, _, err := s.core.GetObject(ctx, s.bucket, name, minio.GetObjectOptions{})
	if err == nil {
		if err = checkTag(found.ETag); err != nil {
			_ = body.Close()
		}
	}
	if err != nil {
		return nil, objectstore.Info{}, translate(err)
	}
	reopen := func(from int64) (io.ReadCloser, error) {
		var o minio.GetObjectOptions
		err := o.SetMatchETag(found.ETag)
		if from > 0 { // a range from 0 to 0 is one byte
			err = errors.Join(err, o.SetRange(from, 0))
		}
		if err != nil {
			return nil, err
		}
		rest, _, _, err := s.core.GetObject(ctx, s.bucket, name, o)
		return rest, translate(err)
	}
	told := info(found)
	return objectstore.NewStream(body, told.Size, reopen), told, nil
}

// Put stores an object. It makes the bucket first if the settings ask for that.
func (s *Store) Put(ctx context.Context, at thumbnail.Location, body []byte, meta objectstore.Meta) error {
	name, err := s.key(at)
	if err != nil {
		return err
	}
	err = s.put(ctx, name, body, meta)
	if s.create && minio.ToErrorResponse(err).Code == "NoSuchBucket" {
		if err = s.makeBucket(ctx); err == nil {
			err = s.put(ctx, name, body, meta)
		}
	}
	return refused(translate(err))
}

func (s *Store) makeBucket(ctx context.Context) error {
	s.made.Lock()
	defer s.made.Unlock()
	if there, err := s.core.BucketExists(ctx, s.bucket); there || err != nil {
		return err
	}
	err := s.core.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
	if minio.ToErrorResponse(err).Code == "BucketAlreadyOwnedByYou" { // another process was faster
		return nil
	}
	return err
}

// refused marks the error of an account that may not write.
func refused(err error) error {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", objectstore.ErrReadOnly, err)
	}
	return err
}

func (s *Store) put(ctx context.Context, name string, body []byte, meta objectstore.Meta) error {
	began := time.Now()
	sum := md5.Sum(body) //nolint:gosec // Content-MD5: the service refuses a body with another MD5
	signed := sha256.Sum256(body)
	put, err := s.core.PutObject(ctx, s.bucket, name, bytes.NewReader(body), int64(len(body)),
		base64.StdEncoding.EncodeToString(sum[:]), hex.EncodeToString(signed[:]), minio.PutObjectOptions{
			ContentType: meta.ContentType, ContentDisposition: meta.Disposition, UserMetadata: userMetadata(meta),
			DisableContentSha256: true, // few services understand chunks; the request has the SHA-256 of the whole body
		})
	if err == nil && put.ETag == "" { // an error in disguise; or Swift has a newer object of this name, and kept it
		var found minio.ObjectInfo
		if found, err = s.stat(ctx, name); err == nil && found.LastModified.Before(began.Add(-clocksDiffer)) {
			err = checkTag("") // an older object is there, and the service kept nothing of this one
		}
	}
	return err
}

// clocksDiffer bounds the difference between this machine's clock and the service's.
const clocksDiffer = time.Minute

// checkTag returns an error for a success without an ETag, which every S3 service sends: a gateway in front of some
// services answers with status 200 and an error as its body.
func checkTag(etag string) error {
	if etag == "" {
		return errors.New("s3store: the service answered 200 without an ETag, as some do for an error: look into its log")
	}
	return nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, at thumbnail.Location) error {
	name, err := s.key(at)
	if err == nil {
		err = refused(translate(s.core.RemoveObject(ctx, s.bucket, name, minio.RemoveObjectOptions{})))
	}
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}

// List returns a page of the bucket.
func (s *Store) List(ctx context.Context, in thumbnail.Location, after string) ([]thumbnail.Location, error) {
	folder := s.start
	if in.Container != "" {
		folder += in.Container + "/"
	}
	if after != "" {
		after = folder + after
	}
	ctx, cancel := context.WithCancel(ctx) // the library lists on until cancel
	defer cancel()
	var all []thumbnail.Location
	for o := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{
		Prefix: folder + in.Path, StartAfter: after, Recursive: true, MaxKeys: objectstore.ListPage,
	}) {
		if err := translate(o.Err); err != nil {
			if errors.Is(err, objectstore.ErrNotFound) {
				return nil, nil
			}
			return nil, err
		}
		at := thumbnail.Location{Container: in.Container, Path: strings.TrimPrefix(o.Key, folder)}
		if all = append(all, at); len(all) == objectstore.ListPage {
			break
		}
	}
	return all, nil
}
