package benchmark

import (
	"encoding/json"
	"io"
	"math"
	"sync"
)

// Line is one measured number.
type Line struct {
	Bench   string   `json:"bench"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Ratio   *float64 `json:"ratio"`            // Value divided by what Against names; null without one
	Against string   `json:"against"`          // "" without one
	Target  string   `json:"target,omitempty"` // what is promised, for example ">= 3000"
	Met     *bool    `json:"met,omitempty"`    // whether the promise is kept
}

// Report writes lines as they come.
type Report struct {
	mu    sync.Mutex
	w     io.Writer
	lines []Line
}

// NewReport returns a report that writes to w.
func NewReport(w io.Writer) *Report { return &Report{w: w} }

// Add writes one line. Numbers are rounded to four significant digits.
func (r *Report) Add(l Line) error {
	l.Value = round(l.Value)
	if l.Ratio != nil {
		ratio := round(*l.Ratio)
		l.Ratio = &ratio
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	enc := json.NewEncoder(r.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(l)
}

// Missed returns the lines whose promise was not kept.
func (r *Report) Missed() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Line
	for _, l := range r.lines {
		if l.Met != nil && !*l.Met {
			out = append(out, l)
		}
	}
	return out
}

func round(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// atLeast marks the line with a lower bound on its value.
func (l Line) atLeast(target string, bound float64) Line {
	met := l.Value >= bound
	l.Target, l.Met = target, &met
	return l
}

// atMost marks the line with an upper bound on its value.
func (l Line) atMost(target string, bound float64) Line {
	met := l.Value <= bound
	l.Target, l.Met = target, &met
	return l
}

// beside sets the ratio to another number of the same run.
func (l Line) beside(against string, other float64) Line {
	if other > 0 {
		ratio := l.Value / other
		l.Ratio = &ratio
	}
	l.Against = against
	return l
}
