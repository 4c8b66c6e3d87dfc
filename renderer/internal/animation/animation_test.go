package animation

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func TestFramesSurviveMarshalling(t *testing.T) {
	for name, a := range map[string]Animation{
		"one":           {Frames: []Frame{{[]byte("a"), 0}}},
		"several":       {Loops: 3, Frames: []Frame{{[]byte("a\n"), 20 * time.Millisecond}, {nil, time.Second}, {[]byte("ccc"), 0}}},
		"only newlines": {Frames: []Frame{{[]byte("\n\n"), 1}}},
		"endless":       {Loops: 0, Frames: []Frame{{[]byte("x"), time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := a.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			back, err := Unmarshal(file)
			if err != nil || back.Loops != a.Loops || len(back.Frames) != len(a.Frames) {
				t.Fatalf("%+v, %v", back, err)
			}
			for i, f := range back.Frames {
				if !bytes.Equal(f.PNG, a.Frames[i].PNG) || f.Shown != a.Frames[i].Shown.Truncate(time.Millisecond) {
					t.Errorf("frame %d: %+v", i, f)
				}
			}
		})
	}
}

func TestBrokenFramesAreRefused(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":          "",
		"no line":          `{"sizes":[1]}`,
		"no JSON":          "x\n",
		"no frames":        "{}\n",
		"too short":        `{"sizes":[2],"shown_ms":[1]}` + "\nx",
		"a negative size":  `{"sizes":[-1],"shown_ms":[1]}` + "\nx",
		"times are absent": `{"sizes":[1]}` + "\nx",
	} {
		t.Run(name, func(t *testing.T) {
			if a, err := Unmarshal([]byte(file)); err == nil {
				t.Errorf("%+v", a)
			}
		})
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"loops":2,"sizes":[1,2],"shown_ms":[10,20]}` + "\nabb"))
	f.Fuzz(func(t *testing.T, file []byte) {
		a, err := Unmarshal(file)
		if err != nil {
			return
		}
		again, err := a.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := Unmarshal(again); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%+v, %v", b, err)
		}
	})
}
