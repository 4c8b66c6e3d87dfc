// Command record requests all URLs of the comparison from a running Thumbor, and writes its
// answers. Run it from this repository's root:
//
//	go run ./loadtest/suites/thumbor/record --thumbor http://127.0.0.1:8888 > loadtest/suites/thumbor/testdata/recorded.json.gz
//
// The recording is of Thumbor 7.8.0 on Debian 12's Pillow, with this configuration:
//
//	LOADER = 'thumbor.loaders.file_loader'
//	FILE_LOADER_ROOT_PATH = '…/loadtest/suites/thumbor/testdata/originals'
//	STORAGE = 'thumbor.storages.no_storage'
//	RESULT_STORAGE = None
//	RESPECT_ORIENTATION = True
//	PILLOW_PRESERVE_INDEXED_MODE = False  # with it, resized GIFs of one frame are empty
//
// With --imgproxy it requests the URLs of imgproxy. That recording is of imgproxy 4.0.12 with libvips 8.14, and this
// environment:
//
//	IMGPROXY_LOCAL_FILESYSTEM_ROOT=…/loadtest/suites/thumbor/testdata/originals
package main

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/suites/thumbor"
)

func main() {
	base, urls := flag.String("thumbor", "http://127.0.0.1:8888", "URL of Thumbor"), thumbor.URLs()
	other := flag.String("imgproxy", "", "URL of imgproxy, to request its URLs instead of Thumbor's")
	flag.Parse()
	if *other != "" {
		base, urls = other, thumbor.ImgproxyURLs()
	}
	if err := record(*base, urls); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func record(base string, urls []string) error {
	client := &http.Client{Timeout: time.Minute}
	answers := map[string]thumbor.Answer{}
	for i, url := range urls {
		a, err := thumbor.Unsafe(client, base, url)
		if err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
		answers[url] = a
		if i%100 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d\n", i, len(urls))
		}
	}
	packed := gzip.NewWriter(os.Stdout)
	if err := json.NewEncoder(packed).Encode(answers); err != nil {
		return err
	}
	return packed.Close()
}
