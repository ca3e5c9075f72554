package privacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Controller is who is responsible for a workspace's data, as an officer says it.
type Controller struct {
	store.Meta     `bson:",inline" json:"-"` // key: workspace/controller
	Name           string                    `bson:"name" json:"name"`
	Address        string                    `bson:"address,omitempty" json:"address,omitempty"`
	Email          string                    `bson:"email,omitempty" json:"email,omitempty"`
	Representative string                    `bson:"representative,omitempty" json:"representative,omitempty"`
	Officer        string                    `bson:"officer,omitempty" json:"dataProtectionOfficer,omitempty"`
	Security       []string                  `bson:"security,omitempty" json:"security,omitempty"` // measures beside those of this server
	SetBy          string                    `bson:"setBy" json:"-"`
	SetAt          time.Time                 `bson:"setAt" json:"-"`
}

// Controllers holds one document for each workspace. It is about a company and its
// officer, who is no data subject of the workspace.
var Controllers = store.Declare[Controller](store.Spec{Name: "controllers"})

// recordVersion is a record of processing as it was from an instant on.
type recordVersion struct {
	store.Meta `bson:",inline"` // key: workspace/rpa_…
	At         time.Time        `bson:"at"`
	Sum        string           `bson:"sum"`  // hex SHA-256 of Body
	Body       []byte           `bson:"body"` // JSON: recordBody
}

// Records keeps every record of processing that differed from the one before.
var Records = store.Declare[recordVersion](store.Spec{Name: "processing_records", Indexes: []store.Index{store.On("-at")}})

// ProcessingRecord is the record of processing activities of article 30 GDPR.
type ProcessingRecord struct {
	ID         string    // rpa_…: of the version
	AsOf       time.Time // that it holds at
	Since      time.Time // that it holds from
	Workspace  string
	Controller json.RawMessage
	Activities json.RawMessage
	body       []byte
}

type recordBody struct {
	Controller *Controller `json:"controller"`
	Activities []Activity  `json:"activities"`
}

// Activity is what data is used for, under one purpose.
type Activity struct {
	Purpose         string           `json:"purpose"`
	Name            string           `json:"name"`
	Description     string           `json:"description,omitempty"`
	LegalBasis      string           `json:"legalBasis"`
	ConsentRequired bool             `json:"consentRequired"`
	People          []string         `json:"categoriesOfPeople"`
	Data            map[string]int   `json:"categoriesOfData"` // category to the number of fields
	Recipients      []Recipient      `json:"recipients"`
	Retention       []aboutRetention `json:"retention"`
	Security        []string         `json:"securityMeasures"`
}

// measures are what this server does by itself.
var measures = []string{
	"Access to data by role, purpose and category of data; what nobody has categorised is hidden",
	"Tamper-evident log of who saw or changed whose data, with pseudonyms in place of names",
	"Secrets and files for people sealed with AES-256-GCM under keys of the workspace",
	"Consent checked for each use of data that needs it",
}

// SetController says who is responsible.
func (d *Desk) SetController(ctx context.Context, ws string, c Controller, expected *int64) (*Controller, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	if c.Name = strings.TrimSpace(c.Name); c.Name == "" {
		return nil, core.Errorf(core.Invalid, "NAME", "a controller has a name").At("name")
	}
	for path, text := range map[string]string{"name": c.Name, "address": c.Address, "email": c.Email, "representative": c.Representative, "dataProtectionOfficer": c.Officer, "security": strings.Join(c.Security, "")} {
		if len(text) > 4*maxWords {
			return nil, core.Errorf(core.Invalid, "TOO_LONG", "this has at most %d bytes", 4*maxWords).At(path)
		}
	}
	old, err := d.controller(ctx, ws)
	if err != nil {
		return nil, err
	}
	c.Meta = store.Meta{ID: store.Key(ws, "controller")}
	if old != nil {
		c.V = old.V
	}
	if expected != nil && *expected != c.V {
		return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the controller has version %d, not %d; read it and try again", c.V, *expected).At("expectedVersion")
	}
	c.SetBy, c.SetAt = core.ActorFrom(ctx).ID, d.now()
	op, err := d.o.Audit.Op(ctx, audit.Entry{Workspace: ws, Action: "privacy.setController", Resource: "controller"})
	if err != nil {
		return nil, err
	}
	if err := work.Commit(ctx, d.o.Store, Controllers.Put(&c), op); err != nil {
		return nil, deskError(err)
	}
	c.V++
	_, err = d.keepRecord(ctx, ws)
	return &c, err
}

func (d *Desk) controller(ctx context.Context, ws string) (*Controller, error) {
	c, err := Controllers.Get(ctx, d.o.Store, store.Key(ws, "controller"))
	return c, deskError(err)
}

// Record returns the record of processing as it was at an instant, nil being now. What is
// generated now is kept when it differs from what was kept last. Before the first one
// that was kept the error is INVALID, reason NO_RECORD, and names its time.
func (d *Desk) Record(ctx context.Context, ws string, asOf *time.Time) (*ProcessingRecord, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	v, err := d.keepRecord(ctx, ws)
	if err != nil {
		return nil, err
	}
	at := d.now()
	if asOf != nil && asOf.Before(v.At) {
		at = asOf.UTC()
		if v, err = d.recordAt(ctx, ws, at); err != nil {
			return nil, err
		}
	}
	return v.record(at)
}

func (v *recordVersion) record(at time.Time) (*ProcessingRecord, error) {
	var body struct{ Controller, Activities json.RawMessage }
	if err := json.Unmarshal(v.Body, &body); err != nil {
		return nil, err
	}
	return &ProcessingRecord{
		ID: store.Rest(v.ID), AsOf: at, Since: v.At, Workspace: store.WorkspaceOf(v.ID),
		Controller: body.Controller, Activities: body.Activities, body: v.Body,
	}, nil
}

func (d *Desk) recordAt(ctx context.Context, ws string, at time.Time) (*recordVersion, error) {
	list, err := Records.Find(ctx, d.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Lte("at", at)}, Order: []string{"-at"}}, 1)
	if err != nil {
		return nil, deskError(err)
	}
	if len(list) > 0 {
		return list[0], nil
	}
	first, err := Records.Find(ctx, d.o.Store, store.Query{Workspace: ws, Order: []string{"at"}}, 1)
	if err != nil || len(first) == 0 {
		return nil, deskError(err)
	}
	return nil, core.Errorf(core.Invalid, "NO_RECORD", "no record of processing was kept then; the first is of %s", first[0].At.Format(time.RFC3339)).At("asOf")
}

// keepRecord generates the record of now, and keeps it when it is another than the
// latest.
func (d *Desk) keepRecord(ctx context.Context, ws string) (*recordVersion, error) {
	for range 5 {
		body, err := d.recordBody(ctx, ws)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		latest, err := Records.Find(ctx, d.o.Store, store.Query{Workspace: ws, Order: []string{"-at"}}, 1)
		if err != nil {
			return nil, deskError(err)
		}
		v := &recordVersion{At: d.now(), Sum: hex.EncodeToString(sum[:]), Body: body}
		ops := []store.Op{}
		if len(latest) > 0 {
			if latest[0].Sum == v.Sum {
				return latest[0], nil
			}
			if !v.At.After(latest[0].At) {
				v.At = latest[0].At.Add(time.Millisecond)
			}
			ops = append(ops, Records.Check(latest[0]))
		}
		v.ID = store.Key(ws, core.NewID(core.PrefixProcessing, v.At))
		if err = work.Commit(ctx, d.o.Store, append(ops, Records.Insert(v))...); err == nil {
			return v, nil
		}
	}
	return nil, core.Errorf(core.Unavailable, "BUSY", "this changes too often just now; try again")
}

func (d *Desk) recordBody(ctx context.Context, ws string) ([]byte, error) {
	c, err := d.controller(ctx, ws)
	if err != nil {
		return nil, err
	}
	reg, err := d.o.Consent.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	recipients, err := d.recipients(ctx, ws)
	if err != nil {
		return nil, err
	}
	rules, err := d.rules(ctx, ws)
	if err != nil {
		return nil, err
	}
	data, people, err := d.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	security := slices.Clone(measures)
	if c != nil {
		security = append(security, c.Security...)
	}
	body := recordBody{Controller: c, Activities: []Activity{}}
	for _, p := range reg.Purposes() {
		if p.Archived {
			continue
		}
		read, err := d.readFor(ctx, ws, p.Key, data)
		if err != nil {
			return nil, err
		}
		a := Activity{
			Purpose: p.Key, Name: p.Name, Description: p.Description, LegalBasis: p.LegalBasis, ConsentRequired: p.ConsentRequired,
			People: people, Data: read, Security: security, Recipients: []Recipient{}, Retention: []aboutRetention{},
		}
		for _, one := range recipients {
			if one.worksFor(reg.Chain(p.Key)) {
				a.Recipients = append(a.Recipients, one)
			}
		}
		if p.Retention > 0 {
			a.Retention = append(a.Retention, aboutRetention{"purpose", "kept for " + inWords(p.Retention)})
		}
		for _, rule := range rules {
			if rule.Enabled && (rule.Purpose == "" || rule.Purpose == p.Key) {
				a.Retention = append(a.Retention, aboutRetention{rule.RuleID(), rule.Words()})
			}
		}
		body.Activities = append(body.Activities, a)
	}
	return json.Marshal(body)
}

// readFor leaves of the counts of categories those that somebody may read for a purpose.
func (d *Desk) readFor(ctx context.Context, ws, purpose string, data map[string]int) (map[string]int, error) {
	if d.o.Read == nil {
		return data, nil
	}
	may, err := d.o.Read(ctx, ws, purpose)
	out := map[string]int{}
	for c, n := range data {
		if may[core.Category(c)] {
			out[c] = n
		}
	}
	return out, err
}

// schema counts the fields of each category that the registry and the object types know,
// and lists whom the data is about.
func (d *Desk) schema(ctx context.Context, ws string) (map[string]int, []string, error) {
	data := map[string]int{}
	fields, err := d.o.Events.FieldDefinitions(ctx, ws, "", "")
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fields {
		data[string(f.Category)]++
	}
	people := map[string]bool{"people who are known by their profiles: visitors, users, customers": true}
	if d.o.Objects != nil {
		types, err := d.o.Objects.Types(ctx, ws)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range types {
			for _, f := range t.Fields {
				data[string(f.Category)]++
			}
			people["people to whom records of type "+t.Key+" belong"] = true
		}
	}
	delete(data, string(core.None))
	return data, slices.Sorted(maps.Keys(people)), nil
}
