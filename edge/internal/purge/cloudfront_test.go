package purge

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// CloudFront gets the paths of all stored thumbnails, signed, in requests of a bounded size.
func TestInvalidations(t *testing.T) {
	var addresses []grammar.Address
	for range mostPaths + 1 {
		addresses = append(addresses, grammar.Address{Path: "/wikipedia/commons/thumb/a/ab/K%C3%A4se&.jpg/330px-K%C3%A4se&.jpg"})
	}
	var quantities []int
	s := &site{response: func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		var got batch
		if err == nil {
			err = xml.Unmarshal(body, &got)
		}
		if err != nil || got.Quantity != len(got.Paths) || got.Paths[0] != addresses[0].Path || got.Reference == "" {
			t.Errorf("%v %d %.100s", err, got.Quantity, body)
		}
		quantities = append(quantities, got.Quantity)
		authorization := r.Header.Get("Authorization")
		if r.URL.Path != "/2020-05-31/distribution/E1/invalidation" || !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=id/") || !strings.Contains(authorization, "/us-east-1/cloudfront/aws4_request") {
			t.Errorf("%s %s", r.URL.Path, authorization)
		}
		return answer(http.StatusCreated), nil
	}}
	c := newCDN(settings.Purge{CloudFront: settings.CloudFront{Distribution: "E1", User: "id", Key: "secret", URL: "https://cloudfront.example"}})
	c.client.Transport = s
	for _, a := range c.asks(nil, addresses) {
		if err := c.send(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if len(quantities) != 2 || quantities[0] != mostPaths || quantities[1] != 1 {
		t.Errorf("sent %v", quantities)
	}
}
