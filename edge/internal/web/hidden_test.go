package web

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// No answer to a URL with an encrypted source tells the source. Key and source are from imgproxy's documentation.
func TestEncryptedSourcesStayHidden(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe, s.Imgproxy.Enabled = true, true
	s.Imgproxy.EncryptionKey = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
	s.Store.Loaders = []storeconfig.Loader{{For: "http://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}}}
	const path = "/insecure/rs:fit:300:300/enc/p5VjorNdhs7mRRw8gA9TWoRlGci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaQ"
	for _, err := range []error{
		nil,
		fault.New(fault.Absent, "the original http://example.com/images/curiosity.jpg does not exist"),
		fault.New(fault.Forbidden, "originals of example.com are not served here"),
	} {
		w := httptest.NewRecorder()
		handler(t, s, &obtainer{err: err, contentType: "image/jpeg"}).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if want := (map[bool]int{true: 200, false: fault.Of(err).Kind.Traits().Status})[err == nil]; w.Code != want {
			t.Errorf("%d, want %d: %s", w.Code, want, w.Body)
		}
		if answer := fmt.Sprint(w.Header(), w.Body); strings.Contains(answer, "example.com") || strings.Contains(answer, "curiosity") || !strings.Contains(answer, "File:sha256:") {
			t.Errorf("after %v: %s", err, answer)
		}
	}
}
