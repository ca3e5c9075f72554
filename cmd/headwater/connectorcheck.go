package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	why := "" // the rest would only say the same again
	for _, rule := range check.Rules() {
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		if why != "" && !independent(rule.Name) {
			report.add(check.Finding{Rule: rule.Name, Status: check.Skip, Must: rule.Must, Detail: []string{why}})
			continue
		}
		f := check.Examine(e.ctx, rule, check.Program(program), vendor)
		report.add(f)
		switch {
		case f.Status != check.Fail:
		case f.Rule == "spec/words" && slices.ContainsFunc(f.Detail, func(d string) bool { return strings.HasPrefix(d, "the connector does not start") }):
			report.Why = "the program does not start as a connector: nothing else can be said of it"
		case f.Rule == "config/fits" || f.Rule == "config/check":
			why = "the connector does not work with these settings (" + f.Rule + " says why): what needs them was not examined"
			report.Why = why
		}
		if report.Why != "" && why == "" {
			break
		}
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

// independent reports whether a rule is about the program, whatever its settings are.
func independent(rule string) bool {
	return strings.HasPrefix(rule, "spec/") || strings.HasPrefix(rule, "process/") || rule == "config/unopened" || rule == "config/refused"
}

func readSettings(path string) (map[string]any, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var config map[string]any
	if err := json.Unmarshal(b, &config); err != nil || config == nil {
		return nil, core.Errorf(core.Invalid, "SETTINGS", "%s must hold a JSON object, the settings of a connection by property, such as {\"url\": \"https://api.example.com\"}", path)
	}
	return config, nil
}

// connectorReport is what the examination of a program found.
type connectorReport struct {
	Program  string          `json:"program"`
	Passed   int             `json:"passed"`
	Failed   int             `json:"failed"`
	Skipped  int             `json:"skipped"`
	Why      string          `json:"why,omitempty"` // most was skipped
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
		for _, d := range slices.Compact(slices.Clone(f.Detail)) {
			for line := range strings.Lines(d) {
				fmt.Fprintf(w, "\t\t%s\n", strings.TrimRight(line, "\n"))
			}
		}
		if f.Remedy != "" {
			fmt.Fprintf(w, "\t\ttry: %s\n", f.Remedy)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
	switch {
	case r.Why != "":
		fmt.Fprintf(w, ": %s", r.Why)
	case r.Skipped > 0:
		fmt.Fprint(w, ": those need an emulator of the vendor, and run in the connector's own tests (sdktest.Run)")
	}
	fmt.Fprintln(w)
	return w.Flush()
}
