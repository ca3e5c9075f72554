package privacy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	texts "text/template"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// FormatMarkdown is a format of records of processing.
const FormatMarkdown = "MARKDOWN"

// RecordFile writes a record of processing in a format: JSON, HTML, CSV or MARKDOWN.
func (r *ProcessingRecord) RecordFile(format string) ([]byte, error) {
	var body recordBody
	if err := json.Unmarshal(r.body, &body); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	switch format {
	case FormatJSON:
		err := json.Indent(&out, r.body, "", "  ")
		return append(out.Bytes(), '\n'), err
	case FormatHTML:
		err := recordPage.Execute(&out, map[string]any{"Since": r.Since, "Body": body})
		return out.Bytes(), err
	case FormatMarkdown:
		err := recordText.Execute(&out, map[string]any{"Since": r.Since, "Body": body})
		return out.Bytes(), err
	case FormatCSV:
		w := csv.NewWriter(&out)
		_ = w.Write([]string{"purpose", "name", "legalBasis", "consentRequired", "categoriesOfPeople", "categoriesOfData", "recipients", "retention", "securityMeasures"})
		for _, a := range body.Activities {
			_ = w.Write([]string{a.Purpose, safeCell(a.Name), a.LegalBasis, fmt.Sprint(a.ConsentRequired), safeCell(strings.Join(a.People, "; ")),
				strings.Join(slices.Sorted(maps.Keys(a.Data)), "; "), safeCell(recipientNames(a.Recipients)), safeCell(retentionText(a.Retention)), safeCell(strings.Join(a.Security, "; "))})
		}
		w.Flush()
		return out.Bytes(), w.Error()
	}
	return nil, core.Errorf(core.Invalid, "FORMAT", "the format is JSON, HTML, CSV or MARKDOWN").At("format")
}

// safeCell keeps a spreadsheet from taking a text for a formula.
func safeCell(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") {
		return "'" + text
	}
	return text
}

func recipientNames(list []Recipient) string {
	var out []string
	for _, r := range list {
		out = append(out, r.Name)
	}
	return strings.Join(out, "; ")
}

func retentionText(list []aboutRetention) string {
	var out []string
	for _, r := range list {
		out = append(out, r.What)
	}
	return strings.Join(out, "; ")
}

var recordPage = template.Must(template.New("record").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Record of processing activities</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:.25rem .5rem;text-align:left;vertical-align:top}</style></head><body>
<h1>Record of processing activities</h1><p>As it is since {{.Since.Format "2006-01-02 15:04 MST"}}.</p>
{{with .Body.Controller}}<h2>Controller</h2><p>{{.Name}}<br>{{.Address}}<br>{{.Email}}{{with .Representative}}<br>Representative: {{.}}{{end}}{{with .Officer}}<br>Data protection officer: {{.}}{{end}}</p>{{else}}<p>Nobody has said who the controller is.</p>{{end}}
{{range .Body.Activities}}<h2>{{.Name}}</h2><table>
<tr><th>Purpose</th><td>{{.Purpose}}: {{.Description}}</td></tr><tr><th>Legal basis</th><td>{{.LegalBasis}}{{if .ConsentRequired}}, consent required{{end}}</td></tr>
<tr><th>Categories of people</th><td>{{range .People}}{{.}}<br>{{end}}</td></tr>
<tr><th>Categories of data</th><td>{{range $c, $n := .Data}}{{$c}} ({{$n}} fields)<br>{{end}}</td></tr>
<tr><th>Recipients</th><td>{{range .Recipients}}{{.Name}} {{.Country}} {{.Transfer}}<br>{{else}}none registered{{end}}</td></tr>
<tr><th>Kept for</th><td>{{range .Retention}}{{.What}}<br>{{else}}as long as it is needed{{end}}</td></tr>
<tr><th>Security measures</th><td>{{range .Security}}{{.}}<br>{{end}}</td></tr></table>{{end}}</body></html>
`))

// recordText is the record for people who read it in a terminal or keep it in a
// repository. What others wrote stays in one line.
var recordText = texts.Must(texts.New("record").Funcs(texts.FuncMap{"line": oneLine}).Parse(`# Record of processing activities

As it is since {{.Since.Format "2006-01-02 15:04 MST"}}.

## Controller

{{with .Body.Controller}}- {{line .Name}}{{with .Address}}, {{line .}}{{end}}{{with .Email}}, {{line .}}{{end}}
{{with .Representative}}- Representative: {{line .}}
{{end}}{{with .Officer}}- Data protection officer: {{line .}}
{{end}}{{else}}Nobody has said who the controller is.
{{end}}{{range .Body.Activities}}
## {{line .Name}}

- Purpose: {{.Purpose}}{{with .Description}}: {{line .}}{{end}}
- Legal basis: {{.LegalBasis}}{{if .ConsentRequired}}, consent required{{end}}
- Categories of people: {{range $i, $p := .People}}{{if $i}}; {{end}}{{line $p}}{{end}}
- Categories of data: {{range $c, $n := .Data}}{{$c}} ({{$n}} fields) {{else}}none{{end}}
- Recipients: {{range $i, $r := .Recipients}}{{if $i}}; {{end}}{{line $r.Name}}{{with $r.Country}}, {{.}}{{end}}{{with $r.Transfer}} ({{.}}){{end}}{{else}}none registered{{end}}
- Kept for: {{range $i, $r := .Retention}}{{if $i}}; {{end}}{{line $r.What}}{{else}}as long as it is needed{{end}}
- Security measures: {{range $i, $s := .Security}}{{if $i}}; {{end}}{{line $s}}{{end}}
{{end}}`))

// oneLine keeps a text from being anything but text in Markdown.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "<", "&lt;", "[", "\\[", "#", "\\#").Replace(text)
}

// RecordDownload returns a link to a record of processing, good for an hour.
func (d *Desk) RecordDownload(ctx context.Context, r *ProcessingRecord, format string) (*Download, error) {
	actor, err := access.Require(ctx, access.Govern)
	if err != nil {
		return nil, err
	}
	format = strings.ToUpper(format)
	text, err := r.RecordFile(format)
	if err != nil {
		return nil, err
	}
	until := d.now().Add(linkFor)
	token, err := d.o.Keys.Sign(ctx, r.Workspace, useDownload, fetchClaims{r.ID, format, "", actor.ID}, until)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &Download{URL: DownloadPath + token, Format: format, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(text)), ExpiresAt: until}, nil
}

// recordText writes a version of the record anew; nil when there is none.
func (d *Desk) recordText(ctx context.Context, ws, id, format string) ([]byte, error) {
	v, err := Records.Get(ctx, d.o.Store, store.Key(ws, id))
	if err != nil || v == nil {
		return nil, deskError(err)
	}
	r, err := v.record(v.At)
	if err != nil {
		return nil, err
	}
	return r.RecordFile(format)
}
