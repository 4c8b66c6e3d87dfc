package past

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Each series has the name that the operators' page gives it.
func TestValues(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		series := ""
		if strings.Contains(r.URL.Query().Get("query"), "edge_requests_total") {
			series = `{"metric":{"outcome":"hit"},"values":[[999980,"2.5"]]}`
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"result":[%s]}}`, series)
	}))
	defer server.Close()
	values, err := New(server.URL).Values(t.Context(), time.Unix(1_000_000, 0), 10*time.Second, 4)
	if hit := values["request hit"]; err != nil || len(values) != 1 || len(hit) != 4 || hit[1] != 2.5 {
		t.Errorf("%v %v", values, err)
	}
	if _, err := New("http://127.0.0.1:1").Values(t.Context(), time.Now(), time.Second, 4); err == nil {
		t.Error("a server that is gone answers")
	}
}
