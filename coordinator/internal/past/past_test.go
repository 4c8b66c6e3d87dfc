package past

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A Prometheus server answers with the samples that it has; the others are unknown.
func TestValues(t *testing.T) {
	end := time.Unix(1_000_000, 0)
	status, answer := http.StatusOK, func(query string) string {
		if strings.Contains(query, "edge_requests_total") {
			return `{"status":"success","data":{"result":[{"metric":{"outcome":"hit"},"values":[[999980,"2.5"],[1000000,"NaN"],[5,"9"],["x",1]]}]}}`
		}
		return `{"status":"success","data":{"result":[]}}`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("start") != "999970.000" || q.Get("end") != "1000000.000" || q.Get("step") != "10" || r.URL.Path != "/prom/api/v1/query_range" {
			t.Errorf("%s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer(q.Get("query")))
	}))
	defer server.Close()
	of := func() (map[string][]float64, error) {
		return New(server.URL+"/prom/").Values(t.Context(), end, 10*time.Second, 4)
	}
	values, err := of()
	if hit := values["request hit"]; err != nil || len(values) != 1 || len(hit) != 4 || hit[1] != 2.5 || !math.IsNaN(hit[0]) || !math.IsNaN(hit[3]) {
		t.Errorf("%v %v", values, err)
	}
	for _, broken := range []string{"<html>", `{"error":"no such thing"}`} {
		answer = func(string) string { return broken }
		status = http.StatusBadGateway
		if _, err := of(); err == nil || json.Valid([]byte(broken)) != strings.Contains(err.Error(), "no such thing") {
			t.Errorf("%s: %v", broken, err)
		}
	}
	server.Close()
	if _, err := of(); err == nil {
		t.Error("a server that is gone answers")
	}
}
