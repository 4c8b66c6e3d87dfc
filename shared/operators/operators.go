// Package operators has the words of the operators' API: the paths of the operators' listener, the
// bodies of requests and answers, and their limits. Coordinator and edge answer these requests;
// thumbmill's commands send them.
package operators

import (
	"encoding/json"
	"net/http"
)

// Answer writes a body as JSON with a header against caching.
func Answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has left
}
