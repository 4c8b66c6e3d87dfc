package signature

import "testing"

// The vectors and the key are from Thumbor's documentation.
func TestVectors(t *testing.T) {
	const key, image = "my-security-key", "my.server.com/some/path/to/image.jpg"
	for path, want := range map[string]string{
		"300x200/" + image: "8ammJH8D-7tXy6kU3lTvoXlhu4o=",
		"meta/" + image:    "Ps3ORJDqxlSQ8y00T29GdNAh2CY=",
		"smart/" + image:   "-2NHpejRK2CyPAm61FigfQgJBxw=",
		"fit-in/" + image:  "uvLnA6TJlF-Cc-L8z9pEtfasO3s=",
		"filters:brightness(10):contrast(20)/" + image: "ZZtPCw-BLYN1g42Kh8xTcRs0Qls=",
		"filters:quality(20):brightness(10)/" + image:  "H49B0suv7d2eZqsvy9oR9fsgeSM=",
	} {
		if got := Sign(key, path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if !Valid(key, path, want) || Valid(key, path+"x", want) || Valid("", path, Sign("", path)) || Valid("other", path, want) {
			t.Errorf("%s: Valid is wrong", path)
		}
		if !Looks(want) {
			t.Errorf("%s does not look like a signature", want)
		}
	}
	for _, s := range []string{"", "unsafe", "wikipedia", "8ammJH8D-7tXy6kU3lTvoXlhu4o", "8ammJH8D-7tXy6kU3lTvoXlhu4.=", "8ammJH8D+7tXy6kU3lTvoXlhu4o="} {
		if Looks(s) {
			t.Errorf("%q looks like a signature", s)
		}
	}
}
