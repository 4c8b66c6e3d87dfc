package syntax

import "testing"

func TestWithFilter(t *testing.T) {
	for path, want := range map[string]string{
		"a.jpg":                             "filters:expire(1)/a.jpg",
		"330x/smart/a/b.jpg":                "330x/smart/filters:expire(1)/a/b.jpg",
		"330x/filters:blur(3)/a.jpg":        "330x/filters:blur(3):expire(1)/a.jpg",
		"330x/filters:blur(3):rotate(90)/a": "330x/filters:blur(3):rotate(90):expire(1)/a",
		"left/a.jpg":                        "left/filters:expire(1)/a.jpg",
		"":                                  "",
	} {
		if got := Path().WithFilter(path, "expire(1)"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestReplaced(t *testing.T) {
	for path, want := range map[string]string{
		"330x/a.jpg": "500x/a.jpg", "fit-in/-330x200/smart/330x200/a.jpg": "fit-in/500x/smart/330x200/a.jpg", "a.jpg": "", "a/330x/b.jpg": "",
	} {
		got, ok := Path().Replaced(path, "size", "500x")
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", path, got, ok)
		}
	}
}
