// Package operators is what both ends of an operator's call share: the paths of the
// operators' listener, what is sent there and what comes back, and their limits.
//
// Coordinator and edge answer such calls; the commands of thumbmill make them.
package operators

import (
	"encoding/json"
	"net/http"
)

// Answer writes a body as JSON that no cache keeps.
func Answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // an error means that the client left
}
