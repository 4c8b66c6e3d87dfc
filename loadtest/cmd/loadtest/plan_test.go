package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// A plan whose store suffices today, and not in a year, is an error that names the year, and so is its line.
// An idea that cannot work is no error.
func TestAPlanThatCannotWorkIsNotGood(t *testing.T) {
	p := planning{
		subject: subject{target: plan.Target{Wait: .5, Share: .95, Refused: .001}, wait: 500 * time.Millisecond, queueWait: 5 * time.Second, limit: 20 * time.Second, limitExpensive: time.Minute},
		machine: plan.Machine{Writes: 10}, cmd: &cobra.Command{},
		p: plan.Profile{Slots: 4, Beyond: .4, Classes: []plan.Class{{Lane: renderjob.LaneStandard, Type: "jpeg", Rate: 8, Render: []plan.Bin{{Seconds: .1, Count: 9}}}}},
	}
	p.cmd.SetErr(&bytes.Buffer{})
	for _, c := range []struct {
		what string
		rate float64
	}{{"today", 1}, {"in a year", 1.5}, {"an idea", 2}} {
		if c.what == "an idea" {
			p.needs = len(p.rows)
		}
		if _, err := p.answer(c.what, p.p.Scaled(c.rate, 1), plan.Scenario{}, ""); err != nil {
			t.Fatal(err)
		}
	}
	wrong := p.overloaded()
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0].Error(), "in a year: the plan cannot work: it takes 120 % of store: take a store of 12") {
		t.Errorf("%v", wrong)
	}
	if p.rows[0].remark() != "" || !strings.Contains(p.rows[1].remark(), "CANNOT WORK: 120 % of store") || !strings.Contains(p.rows[2].remark(), "160 %") {
		t.Errorf("%+v", p.rows)
	}
	if said := p.asked(); !strings.Contains(said, "40 % of them by single clients") {
		t.Error(said)
	}
	var page bytes.Buffer
	if err := p.page(&page, plan.Result{Renderers: 1}, nil); err != nil || !strings.Contains(page.String(), "it takes 120 % of store") {
		t.Errorf("%v %s", err, &page)
	}
}

// A plan of one site says the number with and without a client that asks for more than its share.
func TestAPlanOfOneSite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.json")
	profile := `{"slots": 2, "beyond_share": 0.6, "classes": [{"lane": "standard", "type": "jpeg", "per_second": 40, "render": [{"seconds": 0.1, "count": 9}]}]}`
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := planCommand()
	cmd.SetArgs([]string{"--profile", file, "--sites", "1", "--json"})
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Answers []row `json:"answers"`
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		t.Fatal(err, out.String())
	}
	with, without := answer.Answers[0], answer.Answers[1]
	if !strings.Contains(without.What, "without single clients") || without.Renderers >= with.Renderers || !strings.Contains(without.Note, "60 %") {
		t.Errorf("%+v, then %+v", with, without)
	}
	if strings.Contains(out.String(), "without one of") {
		t.Error("the plan of one site loses a site")
	}
}
