// Command sbom reads an image's file system from its standard input, and prints the list of its software.
package main

import (
	"fmt"
	"os"

	"github.com/thumbmill/thumbmill/deploy/sbom"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docker export CONTAINER | sbom IMAGE")
		os.Exit(2)
	}
	all, err := sbom.Read(os.Stdin)
	if err == nil {
		err = sbom.Write(os.Stdout, os.Args[1], all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}
