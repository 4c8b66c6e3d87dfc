package listener

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thumbmill/thumbmill/shared/operators/token"
)

// A page of another site whose name resolves to this machine gets no answer.
func TestNamesOnLoopback(t *testing.T) {
	server := httptest.NewServer(guarded(token.Token{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer server.Close()
	for host, want := range map[string]int{
		"localhost:8889": 200, "127.0.0.1:8889": 200, "[::1]:8889": 200, "[::1]": 200, "coordinator1": 200, "": 200,
		"rebound.example:8889": 421, "127.0.0.1.rebound.example": 421, "rebound.example.": 421,
	} {
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("for host %q: status %d, want %d", host, response.StatusCode, want)
		}
	}
}
