package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/plugins/sdktest/check"
)

type connectorTestCmd struct {
	Program  string `arg:"" help:"The connector's program." type:"existingfile" placeholder:"FILE"`
	Settings string `help:"Settings of a connection that work, as JSON: the vendor is asked then, by reading only." type:"existingfile" placeholder:"FILE"`
	JSON     bool   `help:"Print the report as JSON." name:"json"`
	All      bool   `help:"Print what was skipped, too."`
}

// Run implements the command.
func (c *connectorTestCmd) Run(e *env) error {
	program, err := filepath.Abs(c.Program)
	if err != nil {
		return err
	}
	var vendor func() check.Vendor
	if c.Settings != "" {
		config, err := readSettings(c.Settings)
		if err != nil {
			return err
		}
		vendor = func() check.Vendor { return check.Vendor{Config: config} }
	}
	report := connectorReport{Program: c.Program, Findings: []check.Finding{}}
	for _, rule := range check.Rules() {
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		report.add(check.Examine(e.ctx, rule, check.Program(program), vendor))
	}
	if c.JSON {
		err = e.printJSON(report)
	} else {
		err = report.print(e.out, c.All)
	}
	if err != nil {
		return err
	}
	if report.Failed > 0 {
		return core.Errorf(core.Invalid, "CONNECTOR_BROKEN", "the connector breaks %d of the %d rules it was examined by", report.Failed, report.Failed+report.Passed)
	}
	return nil
}

func readSettings(path string) (map[string]any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil || config == nil {
		return nil, core.Errorf(core.Invalid, "SETTINGS", "the settings in %s is not a JSON object", path)
	}
	return config, nil
}

// connectorReport is what the examination of a program found.
type connectorReport struct {
	Program  string          `json:"program"`
	Passed   int             `json:"passed"`
	Failed   int             `json:"failed"`
	Skipped  int             `json:"skipped"`
	Findings []check.Finding `json:"findings"`
}

func (r *connectorReport) add(f check.Finding) {
	r.Findings = append(r.Findings, f)
	switch f.Status {
	case check.Pass:
		r.Passed++
	case check.Fail:
		r.Failed++
	case check.Skip:
		r.Skipped++
	}
}

func (r *connectorReport) print(out io.Writer, all bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		if f.Status == check.Skip && !all {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.Rule, f.Must)
		for _, d := range f.Detail {
			fmt.Fprintf(w, "\t\t%s\n", d)
		}
		if f.Remedy != "" {
			fmt.Fprintf(w, "\t\ttry: %s\n", f.Remedy)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
	if r.Skipped > 0 {
		fmt.Fprint(w, ": those need an emulator of the vendor, and run in the connector's own tests (sdktest.Run)")
	}
	fmt.Fprintln(w)
	return w.Flush()
}
