package privacy

import (
	"bytes"
	"html/template"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// exportPage is the page for people, in pieces: it may be long. It loads nothing.
var exportPage = template.Must(template.New("page").Parse(`{{define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">
<title>{{.Title}}</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere}</style></head><body>
<h1>{{.Title}}</h1>{{with .About}}
<p>Request {{.Request}}, made {{.MadeAt.Format "2006-01-02 15:04 MST"}}.{{if not .Known}} <strong>Nothing is held about the person who was asked for.</strong>{{end}}</p>
{{with .Controller}}<h2>Who is responsible</h2><p>{{.Name}}<br>{{.Address}}<br>{{.Email}}{{with .Officer}}<br>Data protection officer: {{.}}{{end}}</p>{{end}}
<h2>What the data is used for</h2><table><tr><th>Purpose</th><th>Legal basis</th><th>Kept for</th></tr>{{range .Purposes}}<tr><td>{{.Name}}</td><td>{{.LegalBasis}}</td><td>{{.Retention}}</td></tr>{{end}}</table>
<h2>Who gets it</h2>{{if .Recipients}}<ul>{{range .Recipients}}<li>{{.Name}}{{with .Country}}, {{.}}{{end}}{{with .Transfer}} ({{.}}){{end}}{{with .Categories}}: {{range $i, $c := .}}{{if $i}}, {{end}}{{$c}}{{end}}{{end}}</li>{{end}}</ul>{{else}}<p>No recipient is registered.</p>{{end}}
<h2>Where it comes from</h2><ul>{{range .Sources}}<li>{{.Name}}</li>{{end}}</ul>
<h2>How long it is kept</h2>{{if .Retention}}<ul>{{range .Retention}}<li>{{.Rule}}: {{.What}}</li>{{end}}</ul>{{else}}<p>Until it is no longer needed for what it is used for.</p>{{end}}
<h2>What was concluded from it</h2>{{if .Logic}}<table><tr><th>Group</th><th>Who is in it</th></tr>{{range .Logic}}<tr><td>{{.Segment}}</td><td>{{.Words}}</td></tr>{{end}}</table>{{else}}<p>Nothing.</p>{{end}}
<h2>What was agreed to</h2>{{if .Consents}}<table><tr><th>Purpose</th><th>Channel</th><th>Status</th><th>When</th></tr>{{range .Consents}}<tr><td>{{.Purpose}}</td><td>{{.Channel}}</td><td>{{.Status}}</td><td>{{.At.Format "2006-01-02 15:04 MST"}}</td></tr>{{end}}</table>{{else}}<p>Nothing was said.</p>{{end}}
<h2>Your rights</h2><p>{{.Rights}}</p>{{end}}{{end}}
{{define "profile"}}<h2>Names</h2><table><tr><th>Kind</th><th>Value</th></tr>{{range .Identifiers}}<tr><td>{{.Namespace}}</td><td>{{.Value}}</td></tr>{{end}}</table>
<h2>Traits</h2><table><tr><th>Trait</th><th>Value</th><th>Source</th><th>When</th></tr>{{range .Traits}}<tr><td>{{.Path}}</td><td>{{.Value}}</td><td>{{.Source}}</td><td>{{.At}}</td></tr>{{end}}</table>{{end}}
{{define "collection"}}<h2>{{.}}</h2>{{end}}{{define "document"}}<pre>{{.}}</pre>
{{end}}{{define "foot"}}</body></html>
{{end}}`))

// html writes the page. An access request shows every collection, portability what the
// person gave.
func (e *exporting) html(out io.Writer) error {
	title := "The data that is held about you"
	if e.r.Type == Portability {
		title = "The data that you gave"
	}
	if err := exportPage.ExecuteTemplate(out, "head", map[string]any{"Title": title, "About": e.about}); err != nil {
		return err
	}
	if e.p != nil {
		if err := exportPage.ExecuteTemplate(out, "profile", people(e.p)); err != nil {
			return err
		}
	}
	var err error
	if e.r.Type == Portability {
		err = e.htmlEvents(out)
	} else {
		err = e.htmlAll(out)
	}
	if err != nil {
		return err
	}
	return exportPage.ExecuteTemplate(out, "foot", nil)
}

func (e *exporting) htmlAll(out io.Writer) error {
	for _, spec := range e.d.personal() {
		first := true
		if err := e.d.each(e.ctx, spec, e.w, func(doc bson.Raw) error {
			if first {
				first = false
				if err := exportPage.ExecuteTemplate(out, "collection", spec.Name); err != nil {
					return err
				}
			}
			text, err := event.ToJSON(doc)
			if err != nil {
				return err
			}
			return exportPage.ExecuteTemplate(out, "document", string(text))
		}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporting) htmlEvents(out io.Writer) error {
	if err := exportPage.ExecuteTemplate(out, "collection", "events"); err != nil {
		return err
	}
	return e.events(true, func(one *event.Event) error {
		line, err := eventLine(one)
		if err != nil {
			return err
		}
		return exportPage.ExecuteTemplate(out, "document", string(line))
	})
}

type shownTrait struct{ Path, Value, Source, At string }

// people gives the page what it shows of a profile.
func people(p *profile.Profile) map[string]any {
	var traits []shownTrait
	for _, t := range p.Traits {
		if t.Value.Type == bson.TypeNull {
			continue
		}
		text, err := event.ValueToJSON(t.Value)
		if err != nil {
			text = []byte("?")
		}
		traits = append(traits, shownTrait{t.Path, string(bytes.Trim(text, `"`)), t.Source, t.At.Format("2006-01-02 15:04 MST")})
	}
	return map[string]any{"Identifiers": p.Identifiers, "Traits": traits}
}
