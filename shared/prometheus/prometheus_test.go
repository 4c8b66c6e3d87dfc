package prometheus

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// start starts a server that answers each query with a status and a text, and notes the last query.
func start(t *testing.T, status int, text string) (s *Server, asked func() string) {
	var last string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.URL.Path + "?" + r.URL.RawQuery
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	return New(server.URL+"/prom/", "prometheus.url", time.Minute), func() string { return last }
}

func answer(result string) string {
	return `{"status":"success","data":{"result":[{"metric":{"outcome":"hit"},` + result + `}]}}`
}

func TestNow(t *testing.T) {
	s, asked := start(t, http.StatusOK, answer(`"value":[7,"2.5"]`))
	got, err := s.Now(t.Context(), "up[1m]")
	if err != nil || !reflect.DeepEqual(got, []Sample{{map[string]string{"outcome": "hit"}, 2.5}}) {
		t.Errorf("%v %v", got, err)
	}
	if asked() != "/prom/api/v1/query?query=up%5B1m%5D" {
		t.Error(asked())
	}
	s, _ = start(t, http.StatusOK, answer(`"value":[7,"soon"]`))
	if _, err := s.Now(t.Context(), "up"); err == nil || !strings.Contains(err.Error(), "soon") {
		t.Error(err)
	}
}

// Prometheus answers with the samples that it has; the others are unknown.
func TestOver(t *testing.T) {
	s, asked := start(t, http.StatusOK, answer(`"values":[[999980,"2.5"],[1000000,"NaN"],[5,"9"],["x",1],[999990,"+Inf"]]`))
	got, err := s.Over(t.Context(), "up", Grid{time.Unix(1_000_000, 0), 10 * time.Second, 4})
	if err != nil || len(got) != 1 || len(got[0].Values) != 4 {
		t.Fatalf("%v %v", got, err)
	}
	for i, v := range got[0].Values {
		if i == 1 && v != 2.5 || i != 1 && !math.IsNaN(v) {
			t.Errorf("value %d is %v", i, v)
		}
	}
	if asked() != "/prom/api/v1/query_range?end=1000000.000&query=up&start=999970.000&step=10" {
		t.Error(asked())
	}
}

// An error names the option that holds the address, or the query.
func TestAnswersThatAreNone(t *testing.T) {
	for broken, want := range map[string]string{
		"<html>": "does not answer like Prometheus", `{"error":"no such thing"}`: "no such thing", `{"message":"forbidden"}`: "check prometheus.url",
	} {
		s, _ := start(t, http.StatusBadGateway, broken)
		if _, err := s.Now(t.Context(), "up"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", broken, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1", "http://[", "nowhere"} {
		if _, err := New(url, "--prometheus", time.Minute).Now(t.Context(), "up"); err == nil || !strings.Contains(err.Error(), "--prometheus") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
