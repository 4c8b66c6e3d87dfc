package past

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// prometheus answers each query with a status and a text, and returns its URL. Each answer has a server of
// its own, because requests of a failed question may still run.
func prometheus(t *testing.T, status int, answer func(query string) string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("start") != "999970.000" || q.Get("end") != "1000000.000" || q.Get("step") != "10" || r.URL.Path != "/prom/api/v1/query_range" {
			t.Errorf("%s", r.URL)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, answer(q.Get("query")))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A Prometheus server answers with the samples that it has; the others are unknown.
func TestValues(t *testing.T) {
	of := func(url string) (map[string][]float64, error) {
		return New(url+"/prom/").Values(t.Context(), time.Unix(1_000_000, 0), 10*time.Second, 4)
	}
	values, err := of(prometheus(t, http.StatusOK, func(query string) string {
		if strings.Contains(query, "edge_requests_total") {
			return `{"status":"success","data":{"result":[{"metric":{"outcome":"hit"},"values":[[999980,"2.5"],[1000000,"NaN"],[5,"9"],["x",1]]}]}}`
		}
		return `{"status":"success","data":{"result":[]}}`
	}))
	if hit := values["request hit"]; err != nil || len(values) != 1 || len(hit) != 4 || hit[1] != 2.5 || !math.IsNaN(hit[0]) || !math.IsNaN(hit[3]) {
		t.Errorf("%v %v", values, err)
	}
	for broken, want := range map[string]string{
		"<html>": "does not answer like Prometheus", `{"error":"no such thing"}`: "no such thing", `{"message":"forbidden"}`: "check prometheus.url",
	} {
		_, err := of(prometheus(t, http.StatusBadGateway, func(string) string { return broken }))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", broken, err)
		}
	}
	if _, err := of("http://127.0.0.1:1"); err == nil {
		t.Error("a server that is gone answers")
	}
}
