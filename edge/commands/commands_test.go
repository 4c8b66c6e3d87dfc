package commands

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/console"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
)

// anEdge answers like an edge. A purge of missed.jpg misses two parts, a render of bad.jpg fails,
// and the answer breaks off at short.jpg.
func anEdge(w http.ResponseWriter, r *http.Request) {
	out := json.NewEncoder(w)
	switch r.Method + " " + r.URL.Path {
	case "GET " + operators.Failing:
		_ = out.Encode(operators.FailingList{Failing: []lease.Failing{{Original: "bad.jpg", Fault: "undecodable"}}})
	case "DELETE " + operators.Failing:
		_ = out.Encode(operators.Cleared{Original: r.URL.Query().Get("original"), Counters: 2})
	case "POST " + operators.Purge:
		var list operators.PurgeRequest
		_ = json.NewDecoder(r.Body).Decode(&list)
		for _, name := range list.Originals {
			report := operators.PurgeReport{Original: name, Deleted: 3, Edges: []string{"edge-1"}, Done: name != "short.jpg"}
			if name == "missed.jpg" {
				report.Missed, report.Unnamed = []string{"CDN: it is away"}, 1
			}
			if name == "nosuch.jpg" {
				report.Deleted, report.Absent = 0, true
			}
			_ = out.Encode(report)
		}
	case "POST " + operators.Render:
		var list operators.RenderRequest
		_ = json.NewDecoder(r.Body).Decode(&list)
		for i, item := range list.Thumbnails {
			result := operators.RenderResult{Path: item.Path, Number: i + 1, Of: len(list.Thumbnails), Outcome: "rendered"}
			if item.Path == "/bad.jpg" {
				result.Outcome, result.Message = "undecodable", "it is damaged"
			}
			if item.Path != "/short.jpg" {
				_ = out.Encode(result)
			}
		}
	}
}

func TestCommands(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(anEdge))
	defer server.Close()
	many := ""
	for i := range operators.MaxThumbnails + 1 {
		many += fmt.Sprintf("/%d.jpg\n", i)
	}
	for name, c := range map[string]struct {
		args        string
		in          string
		says, fails string
	}{
		"failing":               {"failing", "", "bad.jpg", ""},
		"clear":                 {"failing clear bad.jpg", "", "bad.jpg: forgotten (2 counters)", ""},
		"purge":                 {"purge a.jpg b.jpg", "", "b.jpg: 3 thumbnails deleted, forgotten by 1 edges", ""},
		"purge as JSON":         {"purge --json a.jpg", "", `"original":"a.jpg","deleted":3`, ""},
		"purge that misses":     {"purge missed.jpg", "", "not reached: CDN: it is away\n  not reached: 1 more", "the purge missed 2 parts"},
		"purge of no original":  {"purge a.jpg nosuch.jpg", "", "nosuch.jpg: 0 thumbnails deleted, forgotten by 1 edges, 0 CDN requests\n  no original has this name", "1 of 2 names have neither"},
		"purge, broken off":     {"purge a.jpg short.jpg", "", "short.jpg: 3 thumbnails deleted, 1 edges, 0 CDN requests …", "1 of 2 originals"},
		"render":                {"render /a.jpg /b.jpg", "", "2/2 rendered /b.jpg", ""},
		"render that fails":     {"render /a.jpg /bad.jpg", "", "2/2 undecodable /bad.jpg 0.00s it is damaged", "1 of 2 thumbnails failed"},
		"render, broken off":    {"render /a.jpg /short.jpg", "", "1/2", "1 of 2 thumbnails"},
		"render from stdin":     {"render -", "/a.jpg\n\n/b.jpg\n", "2/2 rendered /b.jpg", ""},
		"render more than fits": {"render -", many, fmt.Sprintf("%d/%[1]d rendered", operators.MaxThumbnails+1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := console.Run(t.Context(), t, All(), server.URL, strings.NewReader(c.in), strings.Fields(c.args)...)
			if !strings.Contains(out, c.says) {
				t.Errorf("output %.300q, want %q in it", out, c.says)
			}
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
		})
	}
}
