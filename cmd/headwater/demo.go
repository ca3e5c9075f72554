package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/internal/demo"
)

// demoCmd serves a store that it fills with a small shop at the first start.
type demoCmd struct {
	httpFlags
	connectorServeFlags
	Data string `help:"Folder of the demo's store; made when missing." type:"path" default:"headwater-data" placeholder:"DIR"`
}

// demoKeys is keys.json.
type demoKeys struct {
	Workspace     string `json:"workspace"`
	AdminKey      string `json:"adminKey"`
	WriteKey      string `json:"writeKey"`
	MarketerKey   string `json:"marketerKey"`
	AnalystKey    string `json:"analystKey"`
	ComplianceKey string `json:"complianceKey"`
	// What the first start was filling in, so that one that was cut off goes on.
	Source    string    `json:"source"`
	LastDay   time.Time `json:"lastDay"`
	Loaded    bool      `json:"loaded"`
	Furnished int       `json:"furnished"` // demo.Furnishing of what it has beside its history
}

// Run implements the command.
func (c *demoCmd) Run(e *env) (err error) {
	if c.PrintConfig {
		return printConfig(e.out, e.parsed)
	}
	// What fills the workspace may fail after the server has begun to listen: it is
	// stopped then.
	inner, stop := *e, context.CancelFunc(nil)
	inner.ctx, stop = context.WithCancel(e.ctx)
	defer stop()
	a, err := storeFlags{Data: c.Data}.start(&inner)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	c.AllowPrivateConnectors = true // the vendors are emulated on this machine
	if err := a.runConnectors(c.connectorServeFlags, storeFlags{Data: c.Data}, installBeside); err != nil {
		return err
	}
	vendors, err := startVendors(inner.ctx)
	if err != nil {
		return err
	}
	defer vendors.close()
	keys, err := c.find(a)
	if err != nil {
		return err
	}
	var failed error
	c.own = true // whoever tries the demo is on this machine
	err = a.serve(c.httpFlags, func(url string) {
		var connected []demo.Connected
		if failed = c.fill(a, keys); failed == nil {
			connected, failed = vendors.connect(a, keys)
		}
		if failed != nil {
			stop()
			return
		}
		welcome(a.e, url, keys, vendors.url, connected)
	})
	if e.ctx.Err() != nil {
		failed = nil // interrupted: the next start goes on
	}
	return errors.Join(failed, err)
}

// find makes the workspace, or finds it.
func (c *demoCmd) find(a *app) (*demoKeys, error) {
	path := filepath.Join(c.Data, "keys.json")
	keys, err := readKeys(path)
	if keys != nil || err != nil {
		return keys, err
	}
	if keys, err = makeDemo(a); err != nil {
		return nil, err
	}
	return keys, writeKeys(path, keys)
}

// fill loads what the workspace lacks of the shop. Segments come before the history,
// so that it is read once; a workspace of an earlier version is given them after it.
func (c *demoCmd) fill(a *app, keys *demoKeys) error {
	path := filepath.Join(c.Data, "keys.json")
	ctx := core.WithActor(a.e.ctx, access.Operator("demo"))
	w := keys.place(a)
	if keys.Furnished < demo.Furnishing {
		if err := demo.Define(ctx, w); err != nil {
			return err
		}
	}
	if !keys.Loaded {
		if err := demo.Try(ctx, w, a.store, a.profiles); err != nil {
			return err
		}
		if err := loadHistory(a, keys); err != nil {
			return err
		}
		keys.Loaded = true
		if err := writeKeys(path, keys); err != nil {
			return err
		}
	}
	if keys.Furnished >= demo.Furnishing {
		return nil
	}
	if err := demo.Stock(ctx, w); err != nil {
		return err
	}
	if err := demo.Guide(ctx, w, demo.Journeys{Installer: a.installer(), Access: a.access, Trials: a.trials}); err != nil {
		return err
	}
	if err := demo.Reckon(ctx, w, a.reckoners()); err != nil {
		return err
	}
	keys.Furnished = demo.Furnishing
	return writeKeys(path, keys)
}

// place is the workspace as what fills it sees it.
func (k *demoKeys) place(a *app) demo.Workspace {
	return demo.Workspace{ID: k.Workspace, Objects: a.objects, Segments: a.segments, Events: a.events, People: demo.People, LastDay: k.LastDay}
}

// reckoners are the services that count, compare and predict.
func (a *app) reckoners() demo.Figures {
	return demo.Figures{
		Figures: a.figures, Budget: a.budget, Trials: a.trials, Predicts: a.predicts, Desk: a.desk, Profiles: a.profiles, Consent: a.consent, Committer: a.pipeline,
	}
}

// loadHistory sends the shop's history, with a bar.
func loadHistory(a *app, keys *demoKeys) error {
	messages, err := demo.Messages(demo.People, keys.LastDay)
	if err != nil {
		return err
	}
	bar := newProgress(os.Stderr, "filling the demo workspace")
	err = demo.Load(a.e.ctx, a.pipeline, keys.Workspace, keys.Source, messages, a.e.clock.Now(), bar.set)
	bar.end()
	return err
}

// makeDemo makes the workspace with a key for each role. A start that was cut off
// before it wrote its keys leaves a workspace that nobody can enter: it is given
// another name's worth of a number.
func makeDemo(a *app) (*demoKeys, error) {
	ctx := core.WithActor(a.e.ctx, access.Operator("demo"))
	var made *access.Created
	for n := 1; ; n++ {
		name := "demo"
		if n > 1 {
			name = fmt.Sprintf("demo %d", n)
		}
		var err error
		if made, err = createWorkspace(ctx, a, name, "Demo shop"); err == nil {
			break
		}
		if core.AsError(err).Reason != "NAME_TAKEN" || n == 10 {
			return nil, err
		}
	}
	keys := &demoKeys{
		Workspace: made.Workspace.ID, AdminKey: made.AdminKey, WriteKey: made.WriteKey,
		Source: made.Source, LastDay: a.e.clock.Now().Truncate(24 * time.Hour),
	}
	for role, secret := range map[string]*string{
		access.Marketer: &keys.MarketerKey, access.Analyst: &keys.AnalystKey, access.Compliance: &keys.ComplianceKey,
	} {
		issued, err := a.access.CreateKey(ctx, access.NewKey{Workspace: made.Workspace.ID, Name: role, Roles: []string{role}})
		if err != nil {
			return nil, err
		}
		*secret = issued.Secret
	}
	return keys, nil
}

// createWorkspace makes a workspace with the source that its write key names.
func createWorkspace(ctx context.Context, a *app, name, source string) (*access.Created, error) {
	return a.access.CreateWorkspace(ctx, name, func(workspace, id string) []store.Op {
		return []store.Op{event.Sources.Insert(&event.Source{
			Meta: store.Meta{ID: store.Key(workspace, id)}, Name: source, Kind: event.SourceHTTP, CreatedAt: a.e.clock.Now().Truncate(time.Millisecond),
		})}
	})
}

func readKeys(path string) (*demoKeys, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var k demoKeys
	if err := json.Unmarshal(raw, &k); err != nil {
		return nil, core.Errorf(core.Invalid, "KEYS_FILE", "%s is damaged; remove the folder to begin again", path).Wrap(err)
	}
	return &k, nil
}

// writeKeys replaces the file at once, for its owner only.
func writeKeys(path string, k *demoKeys) error {
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := os.WriteFile(path+".part", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

var welcomeText = template.Must(template.New("welcome").Parse(`
Headwater {{.Version}} listening on {{.URL}}

  GraphiQL    {{.URL}}/          paste the admin key under "Key"
  GraphQL     {{.URL}}/graphql
  Tracking    {{.URL}}/v1/batch  any Segment SDK: this host and the write key

  workspace   {{.Keys.Workspace}}
  admin key   {{.Keys.AdminKey}}
  write key   {{.Keys.WriteKey}}
  all keys    {{.File}}

{{if .Connected}}Connections, to vendors emulated at {{.Vendors}}:
{{range .Connected}}
  {{printf "%-25s %s" .Name .State}}{{with .Fault}}  {{.}}{{end}}{{end}}

  Mails that were sent are at {{.Vendors}}/smtp/
{{else}}No connectors are beside this program: make connectors builds them.
{{end}}
Try:

  curl -s {{.URL}}/graphql -H 'Authorization: Bearer {{.Keys.AdminKey}}' -H 'Content-Type: application/json' \
    -d '{"query":"{ segments { edges { node { id name size { value } words } } } }"}'

and in GraphiQL, who is in one of them:

  { segments(where: {text: "Win back"}) { edges { node { size { value } members(first: 5) { edges {
    enteredAt node { id traits } } } } } } }

Stop with Ctrl-C.
`))

func welcome(e *env, url string, keys *demoKeys, vendors string, connected []demo.Connected) {
	_ = welcomeText.Execute(e.out, map[string]any{
		"Version": buildVersion(), "URL": url, "Keys": keys, "File": "keys.json in the data folder",
		"Vendors": vendors, "Connected": connected,
	})
}
