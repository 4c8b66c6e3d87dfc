package purge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
)

// mostPaths bounds the paths of one request; CloudFront takes 3,000 at once.
const mostPaths = 1000

// batch is the body of a request to CreateInvalidation of CloudFront.
type batch struct {
	XMLName   xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ InvalidationBatch"`
	Reference string   `xml:"CallerReference"`
	Quantity  int      `xml:"Paths>Quantity"`
	Paths     []string `xml:"Paths>Items>Path"`
}

// cloudfront returns the requests that invalidate the addresses at CloudFront, mostPaths in each.
func (c *cdn) cloudfront(addresses []grammar.Address) (all []ask) {
	s := c.settings.CloudFront
	at := strings.TrimSuffix(s.URL, "/") + "/2020-05-31/distribution/" + url.PathEscape(s.Distribution) + "/invalidation"
	for len(addresses) > 0 {
		now := addresses[:min(mostPaths, len(addresses))]
		addresses = addresses[len(now):]
		paths := batch{Reference: nuid.Next(), Quantity: len(now)}
		for _, a := range now {
			paths.Paths = append(paths.Paths, a.Path)
		}
		body, _ := xml.Marshal(paths) // always encodes
		all = append(all, ask{method: http.MethodPost, at: at, body: xml.Header + string(body), header: http.Header{"Content-Type": {"text/xml"}}, sign: c.signAWS})
	}
	return all
}

// signAWS signs a request to CloudFront with signature version 4.
func (c *cdn) signAWS(ctx context.Context, r *http.Request, body string) error {
	s := c.settings.CloudFront
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: s.User, SecretAccessKey: string(s.Key)}
	return v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "cloudfront", "us-east-1", time.Now())
}
