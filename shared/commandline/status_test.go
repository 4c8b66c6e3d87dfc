package commandline

import (
	"errors"
	"fmt"
	"testing"
)

func TestStatus(t *testing.T) {
	for want, err := range map[int]error{
		0: nil,
		1: errors.New("the cluster is away"),
		2: fmt.Errorf("purge: %w", NothingThere{errors.New("no such original")}),
	} {
		if got := Status(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
