package privacy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The formats of files.
const (
	FormatJSON   = "JSON"
	FormatNDJSON = "NDJSON" // a line for each event
	FormatHTML   = "HTML"
	FormatCSV    = "CSV"
)

// about is what an export tells beside the data: article 15(1) GDPR.
type about struct {
	Request    string            `json:"request"`
	Type       RequestType       `json:"type"`
	MadeAt     time.Time         `json:"madeAt"`
	Known      bool              `json:"known"` // whether anything is held
	Controller *Controller       `json:"controller,omitempty"`
	Purposes   []aboutPurpose    `json:"purposes,omitempty"`
	Recipients []Recipient       `json:"recipients"`
	Sources    []aboutSource     `json:"sources,omitempty"`
	Retention  []aboutRetention  `json:"retention,omitempty"`
	Logic      []aboutLogic      `json:"automatedLogic,omitempty"`
	Consents   []aboutConsent    `json:"consents,omitempty"`
	Rights     string            `json:"rights"`
	Outside    map[string]string `json:"outside,omitempty"` // where copies may be that are not in here
}

type aboutPurpose struct {
	Key        string `json:"key"`
	Name       string `json:"name"`
	LegalBasis string `json:"legalBasis"`
	Retention  string `json:"retention,omitempty"`
}

type aboutSource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type aboutRetention struct {
	Rule string `json:"rule"`
	What string `json:"what"`
}

type aboutLogic struct {
	Segment string     `json:"segment"`
	Words   string     `json:"words"`
	Since   *time.Time `json:"since,omitempty"`
	Because any        `json:"because,omitempty"`
}

type aboutConsent struct {
	Purpose  string          `json:"purpose"`
	Channel  string          `json:"channel,omitempty"`
	Status   string          `json:"status"`
	At       time.Time       `json:"at"`
	Entry    string          `json:"entry"`
	Evidence json.RawMessage `json:"evidence,omitempty"`
}

const rightsText = "You may ask for correction, erasure, restriction, a copy in a machine-readable form, and object to the use of your data; you may withdraw consent at any time, and complain to a supervisory authority."

// export makes the files of an access or portability request, and returns what proves
// that they are complete: how many documents of which collections.
func (d *Desk) export(ctx context.Context, run *work.JobRun, r *Request, p *profile.Profile, det details) (string, error) {
	if len(r.Handling.Files) > 0 {
		return "", nil
	}
	w, err := d.person(ctx, r.Workspace(), p, det.Identifier)
	if err != nil {
		return "", err
	}
	a, err := d.about(ctx, r, p)
	if err != nil {
		return "", err
	}
	formats := []string{FormatJSON, FormatHTML}
	if r.Type == Portability {
		formats = []string{FormatJSON, FormatNDJSON, FormatHTML}
	}
	var made []ExportFile
	evidence := ""
	for i, format := range formats {
		e := &exporting{d: d, ctx: ctx, r: r, w: w, p: p, about: a, run: run}
		s := d.seals(ctx, r.Workspace(), fileBound(r.ID, format))
		out := bufio.NewWriterSize(s, 64<<10)
		if err = e.write(format, out); err == nil {
			err = out.Flush()
		}
		var f ExportFile
		if err == nil {
			f, err = s.Close(format)
		}
		if err != nil {
			_ = s.out.Discard()
			return "", err
		}
		if made = append(made, f); i == 0 {
			evidence = fmt.Sprintf("%d documents of %d collections", e.documents, e.collections)
		}
		if err := run.Step(ctx, int64(i+1), int64(len(formats)), nil); err != nil {
			return "", err
		}
	}
	until := d.now().Add(filesFor)
	r.Handling.Files, r.Handling.FilesUntil = made, &until
	return evidence, nil
}

func fileBound(key, format string) string { return "export\x00" + key + "\x00" + format }

// exporting writes one file.
type exporting struct {
	d                      *Desk
	ctx                    context.Context
	run                    *work.JobRun
	r                      *Request
	w                      person
	p                      *profile.Profile
	about                  *about
	documents, collections int
}

func (e *exporting) write(format string, out io.Writer) error {
	switch format {
	case FormatHTML:
		return e.html(out)
	case FormatNDJSON:
		return e.lines(out)
	}
	if e.r.Type == Portability {
		return e.portable(out)
	}
	return e.json(out)
}

// json writes everything that any collection holds of the person.
func (e *exporting) json(out io.Writer) error {
	head, err := json.Marshal(e.about)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, `{"about":%s,"data":{`, head); err != nil {
		return err
	}
	for _, spec := range e.d.personal() {
		if err := e.collection(spec, out); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, "}}\n")
	return err
}

// personal lists the collections that may hold something of a person, by name.
func (d *Desk) personal() []*store.Spec {
	specs := slices.DeleteFunc(slices.Clone(d.o.Specs()), func(s *store.Spec) bool { return howFound(s) == "" || outside(s) != "" })
	slices.SortFunc(specs, func(a, b *store.Spec) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return specs
}

// outside says why a collection is not looked into: files as they were uploaded are no
// data by person, are kept for days only, and hold other people's data.
func outside(s *store.Spec) string {
	if staging.IsArea(s) {
		return "files as they were uploaded or made, deleted within days"
	}
	return ""
}

func (e *exporting) collection(spec *store.Spec, out io.Writer) error {
	n := 0
	err := e.d.each(e.ctx, spec, e.w, func(doc bson.Raw) error {
		text, err := event.ToJSON(doc)
		if err != nil {
			return err
		}
		sep := ","
		if n == 0 {
			if sep = fmt.Sprintf("%q:[", spec.Name); e.collections > 0 {
				sep = "," + sep
			}
		}
		n++
		e.documents++
		if _, err := io.WriteString(out, sep); err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	})
	if err == nil && n > 0 {
		e.collections++
		_, err = io.WriteString(out, "]")
	}
	return err
}

// events calls f with the person's events, the latest first in each part. own leaves out
// those that Headwater made.
func (e *exporting) events(own bool, f func(*event.Event) error) error {
	for _, part := range e.w.parts {
		q := store.Query{Workspace: e.w.ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"}}
		if err := event.Events.Each(e.ctx, e.d.o.Store, q, func(one *event.Event) error {
			if own && one.Type == event.System {
				return nil
			}
			return f(one)
		}); err != nil {
			return err
		}
	}
	return nil
}

// portable writes what the person gave: article 20. What was computed about them is not
// in it.
func (e *exporting) portable(out io.Writer) error {
	body := struct {
		About       *about              `json:"about"`
		Identifiers []map[string]string `json:"identifiers"`
		Traits      json.RawMessage     `json:"traits"`
		Events      []json.RawMessage   `json:"-"`
	}{About: e.about, Traits: json.RawMessage("{}"), Identifiers: []map[string]string{}}
	if e.p != nil {
		traits, err := profile.TraitsJSON(e.p, nil)
		if err != nil {
			return err
		}
		body.Traits = traits
		for _, h := range e.p.Identifiers {
			body.Identifiers = append(body.Identifiers, map[string]string{"namespace": h.Namespace, "value": h.Value})
		}
	}
	head, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, `%s,"events":[`, head[:len(head)-1]); err != nil {
		return err
	}
	err = e.events(true, func(one *event.Event) error {
		line, err := eventLine(one)
		if err == nil && e.documents > 0 {
			_, err = io.WriteString(out, ",")
		}
		if err != nil {
			return err
		}
		e.documents++
		_, err = out.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	e.collections = 1
	_, err = io.WriteString(out, "]}\n")
	return err
}

// lines writes the person's own events, a line each.
func (e *exporting) lines(out io.Writer) error {
	return e.events(true, func(one *event.Event) error {
		line, err := eventLine(one)
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		return err
	})
}

// eventLine writes an event in the words of the tracking protocol.
func eventLine(e *event.Event) ([]byte, error) {
	out := map[string]any{
		"type": string(e.Type), "event": e.Name, "messageId": e.MessageID, "timestamp": e.Timestamp.UTC().Format(time.RFC3339Nano), "source": e.Source,
	}
	for key, text := range map[string]string{"userId": e.UserID, "anonymousId": e.AnonymousID, "groupId": e.GroupID, "previousId": e.PreviousID} {
		if text != "" {
			out[key] = text
		}
	}
	for key, doc := range map[string]bson.Raw{"properties": e.Properties, "traits": e.Traits, "context": e.Context} {
		if len(doc) == 0 {
			continue
		}
		text, err := event.ToJSON(doc)
		if err != nil {
			return nil, err
		}
		out[key] = json.RawMessage(text)
	}
	return json.Marshal(out)
}

// about gathers what is to be told beside the data.
func (d *Desk) about(ctx context.Context, r *Request, p *profile.Profile) (*about, error) {
	ws := r.Workspace()
	a := &about{Request: r.RequestID(), Type: r.Type, MadeAt: d.now(), Known: p != nil, Rights: rightsText, Outside: map[string]string{}, Recipients: []Recipient{}}
	for _, s := range d.o.Specs() {
		if why := outside(s); why != "" && s.Name != exports.Name {
			a.Outside[s.Name] = why
		}
	}
	var err error
	if a.Controller, err = d.controller(ctx, ws); err != nil {
		return nil, err
	}
	reg, err := d.o.Consent.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	for _, one := range reg.Purposes() {
		if !one.Archived {
			a.Purposes = append(a.Purposes, aboutPurpose{one.Key, one.Name, one.LegalBasis, inWords(one.Retention)})
		}
	}
	if a.Recipients, err = d.recipients(ctx, ws); err != nil {
		return nil, err
	}
	if a.Retention, err = d.retentionWords(ctx, ws); err != nil {
		return nil, err
	}
	sources, err := d.o.Events.Sources(ctx, ws)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		a.Sources = append(a.Sources, aboutSource{s.SourceID(), s.Name})
	}
	if p == nil {
		return a, nil
	}
	if a.Consents, err = d.consents(ctx, ws, p); err != nil {
		return nil, err
	}
	a.Logic, err = d.logic(ctx, ws, p)
	return a, err
}

// inWords writes a duration in days.
func inWords(t time.Duration) string {
	if t == 0 {
		return ""
	}
	return fmt.Sprintf("%d days", int64(t/(24*time.Hour)))
}

// consents lists what the person said that holds, with what proves it.
func (d *Desk) consents(ctx context.Context, ws string, p *profile.Profile) ([]aboutConsent, error) {
	var out []aboutConsent
	for _, word := range p.Words(d.now()) {
		c := aboutConsent{Purpose: word.Purpose, Channel: word.Channel, Status: word.Status, At: word.At, Entry: word.Entry}
		e, err := event.Events.Get(ctx, d.o.Store, store.Key(ws, consent.EventID(word.Entry)))
		if err != nil {
			return nil, err
		}
		if e != nil {
			doc := e.Properties
			if e.Type != event.System {
				doc = e.Context
			}
			if len(doc) > 0 {
				if c.Evidence, err = event.ToJSON(doc); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// logic says which segments the person is in, in words, and why.
func (d *Desk) logic(ctx context.Context, ws string, p *profile.Profile) ([]aboutLogic, error) {
	if d.o.Segments == nil {
		return nil, nil
	}
	stays, err := d.o.Segments.MembershipsOf(ctx, ws, p.ProfileID(), false)
	if err != nil {
		return nil, err
	}
	var out []aboutLogic
	for _, stay := range stays {
		seg, err := d.o.Segments.Get(ctx, ws, stay.SegmentID)
		if err != nil {
			return nil, err
		}
		if seg == nil {
			continue
		}
		words, err := d.o.Segments.Words(ctx, ws, seg)
		if err != nil {
			return nil, err
		}
		one := aboutLogic{Segment: seg.Name, Words: words}
		if why, err := d.o.Segments.Explain(ctx, ws, seg.SegmentID(), p.ProfileID()); err == nil {
			one.Because = why.Root
			if !why.Since.IsZero() {
				one.Since = &why.Since
			}
		}
		out = append(out, one)
	}
	return out, nil
}
