package intake

import (
	"testing"
	"time"
)

// A job's age is by the server's clock, which here is an hour ahead.
func TestAgesAreByTheServersClock(t *testing.T) {
	const ahead, age = time.Hour, 3 * time.Second
	var c clock
	now := time.Now()
	c.set(now.Add(ahead), now)
	if got := c.age(now.Add(ahead - age)); got < age || got > age+time.Minute {
		t.Errorf("the age is %v, want about %v", got, age)
	}
	if got := c.age(now.Add(2 * ahead)); got != 0 {
		t.Errorf("the age of a job of the future is %v, want 0", got)
	}
}
