package queue

import "testing"

func TestOldServersAreRefused(t *testing.T) {
	for version, want := range map[string]bool{"2.9.10": false, "2.10.29": false, "2.11.0": true, "2.15.2": true, "2.12.0-RC.1": true, "3.0.0": true, "": false} {
		if recent(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}
