#!/bin/bash
# ncw/swift 2.0.5, a client of OpenStack Swift, gets a new token when Swift refuses the old one, but not
# in a PUT whose hash the client checks itself (checkHash): that PUT fails with AuthorizationFailed. To
# hash the caller's reader, the client wraps the reader, and can then no longer rewind it. The same PUT
# with the hash as an argument gets a new token and succeeds. The documentation has retries on token
# expiry and no exception. A store that checks its writes therefore fails whenever a token ends. Seen:
# both, with a bytes.Reader.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/run-go" github.com/ncw/swift/v2@v2.0.5 <<'G'
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/ncw/swift/v2"
)

// put writes to a Swift that refuses the first token.
func put(hash string) error {
	tokens := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch body, _ := io.ReadAll(r.Body); {
		case r.URL.Path == "/auth/v1.0":
			tokens++
			w.Header().Set("X-Auth-Token", fmt.Sprint(tokens))
			w.Header().Set("X-Storage-Url", "http://"+r.Host+"/v1/a")
		case r.Header.Get("X-Auth-Token") == "1":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.Header().Set("Etag", fmt.Sprintf("%x", md5.Sum(body)))
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer service.Close()
	client := swift.Connection{UserName: "u", ApiKey: "k", AuthUrl: service.URL + "/auth/v1.0"}
	_, err := client.ObjectPut(context.Background(), "c", "o", bytes.NewReader([]byte("picture")), hash == "", hash, "", nil)
	return err
}

func main() {
	checked, told := put(""), put(fmt.Sprintf("%x", md5.Sum([]byte("picture"))))
	fmt.Println("hash checked by the client:", checked, "- hash as an argument:", told)
	if checked != swift.AuthorizationFailed || told != nil {
		os.Exit(1)
	}
}
G
