// Package prometheus asks a Prometheus server for numbers. Prometheus's own client would bring OAuth
// and a JSON library for two requests.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const longest = 16 << 20 // bytes of an answer

// Server is a Prometheus server.
type Server struct {
	url    string
	option string // names the setting or flag that holds the URL, for errors
	client *http.Client
}

// New makes a server of a URL and the name of the setting or flag that holds the URL. An answer may
// take up to timeout. New connects to nothing.
func New(url, option string, timeout time.Duration) *Server {
	return &Server{strings.TrimSuffix(url, "/"), option, &http.Client{Timeout: timeout}}
}

// Sample is a value of a series, with the labels of the series.
type Sample struct {
	Labels map[string]string
	Value  float64 // may be NaN or infinite
}

// Now returns the present values of a query. It fails if the server does not answer, answers something
// else than Prometheus does, or refuses the query.
func (s *Server) Now(ctx context.Context, query string) ([]Sample, error) {
	results, err := s.query(ctx, "query", url.Values{"query": {query}})
	if err != nil {
		return nil, err
	}
	samples := make([]Sample, len(results))
	for i, r := range results {
		value, _, ok := r.Value.parse()
		if !ok {
			return nil, fmt.Errorf("%s answers the value %v to the query %s: check %s", s.url, r.Value, query, s.option)
		}
		samples[i] = Sample{r.Metric, value}
	}
	return samples, nil
}

// Grid is a row of N moments, one every Step, the last at End.
type Grid struct {
	End  time.Time
	Step time.Duration
	N    int
}

func (g Grid) start() time.Time { return g.End.Add(-g.Step * time.Duration(g.N-1)) }

// Series holds the values of a series at the moments of a grid, NaN where Prometheus has none.
type Series struct {
	Labels map[string]string
	Values []float64
}

// Over returns the values of a query at the moments of a grid. Infinite values count as none. It fails
// as Now does.
func (s *Server) Over(ctx context.Context, query string, g Grid) ([]Series, error) {
	results, err := s.query(ctx, "query_range", url.Values{
		"query": {query}, "start": {seconds(g.start())}, "end": {seconds(g.End)}, "step": {fmt.Sprint(g.Step.Seconds())},
	})
	if err != nil {
		return nil, err
	}
	all := make([]Series, len(results))
	for i, r := range results {
		all[i] = Series{r.Metric, g.place(r.Values)}
	}
	return all, nil
}

// place puts points at their moments.
func (g Grid) place(points []point) []float64 {
	values := make([]float64, g.N)
	for i := range values {
		values[i] = math.NaN()
	}
	for _, p := range points {
		value, at, ok := p.parse()
		i := math.Round((at - float64(g.start().UnixMilli())/1000) / g.Step.Seconds())
		if ok && !math.IsInf(value, 0) && i >= 0 && i < float64(g.N) {
			values[int(i)] = value
		}
	}
	return values
}

// point holds a time in seconds and a value as a text.
type point [2]any

func (p point) parse() (value, at float64, ok bool) {
	at, isTime := p[0].(float64)
	text, isText := p[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	return value, at, isTime && isText && err == nil
}

// result is one series of an answer: with Value to a query, with Values to a query over a range.
type result struct {
	Metric map[string]string
	Value  point
	Values []point
}

func (s *Server) query(ctx context.Context, path string, parameters url.Values) ([]result, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/"+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.option, err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.option, err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct{ Result []result }
	}
	query := parameters.Get("query")
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s does not answer like Prometheus (%s): check %s: %w", s.url, response.Status, s.option, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s answers %q to the query %s", s.url, answer.Error, query)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s answers %s to the query %s: check %s", s.url, response.Status, query, s.option)
	}
	return answer.Data.Result, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
